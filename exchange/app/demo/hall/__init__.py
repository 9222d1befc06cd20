"""The embedded hall in the demonstration: its bodies, its staff, and a day of their work."""
