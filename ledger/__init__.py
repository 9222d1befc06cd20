"""Append-only log of opaque acts (RFC 6962 tree, C2SP checkpoints and tiles) and its verifier; imports nothing of the hub."""
