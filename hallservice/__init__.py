"""The embedded hall service: counter, workflow, supervision, people and pages."""
