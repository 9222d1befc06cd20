"""Independent partner systems for development, tests and demonstrations."""
