"""The counter: one case from application to archive, act by act, through the one path."""
