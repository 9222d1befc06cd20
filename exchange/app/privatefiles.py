"""Files of private servers that their owner alone may read."""

import secrets
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """A file only its owner can read, from its first byte on."""
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def kept_password(folder: Path) -> str:
    """Made once per state directory and kept there."""
    path = folder / "password"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text()
