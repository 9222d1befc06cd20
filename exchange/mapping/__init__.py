"""Wire documents of partners to canonical messages and back: declared in TOML, compiled once, strict both
ways."""
