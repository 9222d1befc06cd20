"""Secrets the site shares with others: keys/secrets.toml in the state directory."""

import tomllib
from collections.abc import Mapping

from exchange.app.settings import Settings
from exchange.errors import Misconfigured


def read_secrets(settings: Settings) -> Mapping[str, str]:
    """By party, for the digests some contracts ask for."""
    return secret_table(settings, "secrets")


def read_ciphers(settings: Settings) -> Mapping[str, bytes]:
    """Keys agreed for encrypted bodies, by party (hex in the file)."""
    try:
        return {name: bytes.fromhex(value) for name, value in secret_table(settings, "ciphers").items()}
    except ValueError as fault:
        raise Misconfigured("secrets_unreadable", "a key of [ciphers] is not hex", "secrets.toml") from fault


def secret_table(settings: Settings, table: str) -> dict[str, str]:
    """One table of the file, empty where there is none."""
    path = settings.state / "keys" / "secrets.toml"
    if not path.exists():
        return {}
    try:
        found = tomllib.loads(path.read_text("utf-8")).get(table, {})
        return {str(name): str(value) for name, value in found.items()}
    except (OSError, ValueError) as fault:
        raise Misconfigured("secrets_unreadable", str(fault), str(path)) from fault
