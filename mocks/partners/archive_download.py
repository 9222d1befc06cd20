"""Fetching a package: plain GET, Range after an interruption, never more than was announced."""

from __future__ import annotations

from pathlib import Path

import httpx2

TRIES = 3
TIMEOUT = 20.0


class DownloadRefused(Exception):
    """The server says no (4xx): trying again will not help. The text is the HTTP status."""


class DownloadFailed(Exception):
    """No whole answer; another try may succeed."""


def download(url: str, target: Path, size: int) -> None:
    """Writes at most size+1 bytes (one too many shows that the size differs)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"")
    with httpx2.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client:
        for last in range(TRIES - 1, -1, -1):
            try:
                return _continue(client, url, target, size)
            except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError) as error:
                if last == 0:
                    raise DownloadFailed(type(error).__name__) from error


def _continue(client: httpx2.Client, url: str, target: Path, size: int) -> None:
    held = target.stat().st_size
    if held == size > 0:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={held}-"} if held else {})
    with client.stream("GET", url, headers=headers) as answer, target.open("ab") as file:
        if 400 <= answer.status_code < 500 and answer.status_code not in (408, 416, 429):
            raise DownloadRefused(str(answer.status_code))
        if answer.status_code not in (200, 206):
            raise DownloadFailed(str(answer.status_code))
        if answer.status_code == 200:
            file.truncate(0)  # the whole file again
            file.seek(0)
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {held}-"):
            raise DownloadFailed("Content-Range")
        for chunk in answer.iter_raw():
            file.write(chunk[: size + 1 - file.tell()])
            if file.tell() > size:
                return
