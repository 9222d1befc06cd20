"""Fetching a package: plain GET, resumed by Range and If-Range, never more than was announced."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

GONE: Final = (404, 410)
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)", re.ASCII)


class Gone(Exception):
    """404 or 410: the package is not there any more."""


class Interrupted(Exception):
    """Not all of it yet; another try goes on where this one stopped. The text is the reason."""


@dataclass(frozen=True)
class Part:
    """What was received so far, and the ETag it belongs to; both outlive the process."""

    file: Path

    @property
    def etag_file(self) -> Path:
        """Beside the bytes."""
        return self.file.with_suffix(".etag")

    def held(self) -> int:
        """Bytes that can be gone on from: none without an ETag."""
        return self.file.stat().st_size if self.file.exists() and self.etag() else 0

    def etag(self) -> str:
        """Empty when unknown, or when only a weak one is."""
        text = self.etag_file.read_text("latin-1") if self.etag_file.exists() else ""
        return "" if text.startswith("W/") else text

    def begin(self, etag: str) -> None:
        """From the start: first the bytes go, then the ETag changes."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(b"")
        self.etag_file.write_text(etag, "latin-1")

    def remove(self) -> None:
        """All of it."""
        self.file.unlink(missing_ok=True)
        self.etag_file.unlink(missing_ok=True)


def download(
    url: str, part: Part, size: int, *, idle: float, late: Callable[[], bool], stop_at: int | None = None
) -> None:  # fmt: skip
    """One try. Returns when all there is was received, or one byte more than announced.

    `idle`: seconds without a byte; `late`: whether the time is up; `stop_at`: bytes after which the
    connection is dropped.
    """
    try:
        with httpx2.Client(timeout=idle, trust_env=False, follow_redirects=False) as client:
            _continue(client, url, part, size, late, stop_at)
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError) as error:
        raise Interrupted(type(error).__name__) from error


def _continue(
    client: httpx2.Client, url: str, part: Part, size: int, late: Callable[[], bool], stop_at: int | None
) -> None:  # fmt: skip
    held = part.held()
    if held >= size:
        return
    headers = {"Accept-Encoding": "identity"}
    if held:
        headers |= {"Range": f"bytes={held}-", "If-Range": part.etag()}
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == 416 and held:
            return  # nothing more than this: 2-1-1 says so
        _require_good(answer, held, part)
        if answer.status_code == 200:
            part.begin(answer.headers.get("ETag", ""))
        whole = _receive(answer, part, size, late, stop_at)
    if not whole:
        raise Interrupted("end of what came without a length")


def _require_good(answer: httpx2.Response, held: int, part: Part) -> None:
    if answer.status_code in GONE:
        raise Gone(str(answer.status_code))
    if answer.status_code not in (200, 206) or (answer.status_code == 206 and not held):
        raise Interrupted(str(answer.status_code))
    if answer.status_code == 206:
        span = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != held or answer.headers.get("ETag") != part.etag():
            raise Interrupted("Content-Range or ETag")


def _receive(
    answer: httpx2.Response, part: Part, size: int, late: Callable[[], bool], stop_at: int | None
) -> bool:  # fmt: skip
    """Whether the end is known to be the end: by the size, or by a length that was kept."""
    with part.file.open("ab") as file:
        for chunk in answer.iter_raw():
            file.write(chunk[: size + 1 - file.tell()])
            if file.tell() > size:
                return True
            if stop_at is not None and file.tell() >= stop_at:
                file.truncate(stop_at)
                raise Interrupted("dropped")
            if late():
                raise Interrupted("late")
        return file.tell() == size or "Content-Length" in answer.headers
