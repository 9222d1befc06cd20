"""Giving out a package: whole, or from a byte on (RFC 9110 §14), behind an expiring address."""

import hashlib
import re
from dataclasses import dataclass

from sqlalchemy import Connection, select

from exchange.store.tables import package

_FROM = re.compile(r"bytes=(\d{1,15})-(\d{0,15})", re.ASCII)


@dataclass(frozen=True)
class Part:
    """What a download gets: HTTP status (200, 206, 416), bytes and headers."""

    status: int
    body: bytes
    headers: dict[str, str]


def fetch(connection: Connection, token: str, now: float) -> bytes | None:
    """The package behind an unexpired token."""
    query = select(package.c.body).where(package.c.token == token, package.c.expires > now)
    body: bytes | None = connection.execute(query).scalar()
    return body


def part(body: bytes, wanted: str | None, only_if: str | None) -> Part:
    """The whole, or the bytes a Range asks for while If-Range names these very bytes; a Range of another form
    is passed over, as the RFC allows."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"Accept-Ranges": "bytes", "ETag": tag}
    asked = _FROM.fullmatch(wanted.strip()) if wanted else None
    if (
        asked is None
        or (only_if is not None and only_if != tag)
        or (asked[2] and int(asked[2]) < int(asked[1]))
    ):
        return Part(200, body, headers)
    first = int(asked[1])
    last = min(int(asked[2]) if asked[2] else len(body) - 1, len(body) - 1)
    if first >= len(body):
        return Part(416, b"", headers | {"Content-Range": f"bytes */{len(body)}"})
    return Part(206, body[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(body)}"})
