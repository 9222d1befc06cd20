"""Append-only log of opaque acts (RFC 6962 tree, C2SP checkpoints and tiles) and its verifier.

Imports nothing of the hub: an auditor can read and ship this folder alone.
"""
