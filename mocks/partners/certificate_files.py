"""/cert/file: an address that is a secret and good for ten minutes, and the plain GET behind it."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response

from mocks.partners.certificate_data import FileWanted
from mocks.partners.certificate_papers import MAKERS, MEDIA, Paper
from mocks.partners.certificate_shelf import Kept
from mocks.partners.certificate_types import CertificateType
from mocks.partners.common.clock import Clock, compact
from mocks.partners.common.faults import Faults
from mocks.partners.common.httpfaults import DROP, unworked
from mocks.partners.common.record import Record

SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
  secret TEXT PRIMARY KEY, format TEXT NOT NULL, body BLOB, expires REAL NOT NULL) WITHOUT ROWID;
"""
FAULTS = frozenset({
    "delay_ms", "half_open", "maintenance", "http500", "http200_error_body", "rate_limit",
    "drop_before_reply", "truncate_800b",
})  # fmt: skip
LIFE = 600.0  # seconds
PATH = "/cert/files/"
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


def paper_of(kept: Kept, kind: CertificateType, watermark: str) -> Paper:
    """Name, number, issuer, holders, validity, then the fields under their labels."""
    data: dict[str, Any] = kept.data
    labels = {rule.name: rule.label for rule in kind.fields}
    lines = [
        data["certificateName"], f"证照编号：{kept.number}", f"电子证照标识：{kept.identifier}",
        f"颁发机构：{data['issuer']['name']}",
        *(f"持证主体：{holder['name']}" for holder in data["holders"]),
        f"有效期：{data['validFrom']} 至 {data.get('validTo', '长期')}",
        *(f"{labels.get(name, name)}：{value}" for name, value in data["fields"].items()),
    ]  # fmt: skip
    return Paper(lines, watermark)


def span_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of one range, None for the whole; ValueError if there is no such part."""
    match = RANGE.fullmatch(header or "")
    if match is None or match[0] == "bytes=-":
        return None  # RFC 9110: a range that is not understood is not there
    first, last = match.groups()
    if not first:
        begin, end = max(0, size - int(last)), size - 1
    else:
        begin, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < begin:
            return None
    if begin >= size:
        raise ValueError("no such part")
    return begin, end


@dataclass(frozen=True)
class Files:
    """Written down before it is answered; served by the partner's own clock."""

    record: Record
    faults: Faults
    clock: Clock

    def offer(
        self, db: sqlite3.Connection, kept: Kept, kind: CertificateType, wanted: FileWanted, base: str
    ) -> dict[str, object]:  # fmt: skip
        """Makes the file and its address; the data of the answer. A held one carries no watermark."""
        mark, secret, now = "" if kind.heldBy else wanted.useCause, secrets.token_urlsafe(32), self.clock()
        body = MAKERS[wanted.format](paper_of(kept, kind, mark))
        db.execute("UPDATE file SET body = NULL WHERE expires <= ?", (now,))
        if self.faults.take("file", "missing_attachment") is None:
            db.execute("INSERT INTO file VALUES (?, ?, ?, ?)", (secret, wanted.format, body, now + LIFE))
        return {
            "certificateIdentifier": kept.identifier, "format": wanted.format, "url": f"{base}{PATH}{secret}",
            "expires": compact(now + LIFE), "watermark": mark,
            "digest": base64.b64encode(hashlib.sha256(body).digest()).decode(),
        }  # fmt: skip

    async def serve(self, secret: str, request: Request) -> Response:
        """GET: 404 unknown, 410 after its time, else all or a part of it."""
        early = await unworked(self.faults, "download", request)
        if early is not None:
            return early
        if self.faults.take("download", "rate_limit"):
            return Response("too many requests", 429, {"Retry-After": "1"}, "text/plain")
        if self.faults.take("download", "http200_error_body"):
            return Response("<html><body>系统异常</body></html>", media_type="text/html; charset=utf-8")
        if self.faults.take("download", "drop_before_reply"):
            return Response(headers={DROP: "1"})
        with self.record.work() as db:
            row = db.execute("SELECT * FROM file WHERE secret = ?", (secret,)).fetchone()
        if row is None:
            return Response(status_code=404)
        if row["expires"] <= self.clock() or row["body"] is None:
            return Response(status_code=410)
        return self._part(row["body"], MEDIA[row["format"]], request.headers.get("range"))

    def _part(self, body: bytes, media: str, asked: str | None) -> Response:
        if self.faults.take("download", "truncate_800b"):
            body = body[:800]
        headers = {"Accept-Ranges": "bytes"}
        try:
            span = span_of(asked, len(body))
        except ValueError:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{len(body)}"})
        if span is None:
            return Response(body, 200, headers, media)
        headers["Content-Range"] = f"bytes {span[0]}-{span[1]}/{len(body)}"
        return Response(body[span[0] : span[1] + 1], 206, headers, media)

    def mount(self, app: FastAPI) -> None:
        """The plain GET."""
        app.add_api_route(PATH + "{secret}", self.serve, methods=["GET"])
