"""A new adapter's folder: drafted from the partner's contract, then walked to completion point by point."""
