"""The pages of the hall: Jinja2 and htmx, working without JavaScript."""
