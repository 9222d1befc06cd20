"""The publication face: the items in force for portals and websites, all from this one source (S3-16).

Read by anybody; every answer is sealed by the hub, and the changes are numbered and linked by hash, so that a
reader needs to trust neither the way nor a copy. Nothing here is about a person.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response

from canonical.form import canonical_bytes
from exchange.app.gate import is_text
from exchange.catalogue import stream
from exchange.hub import Hub
from exchange.seals import jws

ROOT = "/api/v1/publication/items"
MOST = 1000  # items or changes in one answer
NONCE = "X-Request-Nonce"  # the answer's seal repeats it: a reader who sends one knows the answer is new

Problem = Callable[[str, str], Response]


def mount(app: FastAPI, hub: Hub, problem: Problem) -> None:
    """Adds the three paths; `problem` says no in the application's own form."""
    face = Face(hub, problem)
    app.add_api_route(f"{ROOT}/changes", face.changes, methods=["GET"])
    app.add_api_route(ROOT, face.listed, methods=["GET"])
    app.add_api_route(f"{ROOT}/{{code}}", face.one, methods=["GET"])


@dataclass(frozen=True)
class Face:
    """What is published of one hub."""

    hub: Hub
    problem: Problem

    def changes(self, request: Request, since: str = "0", limit: str = str(MOST)) -> Response:
        """The stream behind a number."""
        after, most = _whole(since), _whole(limit)
        if after is None or most is None or not 1 <= most <= MOST:
            return self.problem("bad_request", f"since is a number, limit 1 to {MOST}")
        with self.hub.store.read() as connection:
            newest, hash_ = stream.head(connection)
            if stream.hash_at(connection, after) is None:
                return self.problem("not_found", "there is no change of this number yet")
            found = stream.changes(connection, after, most)
        body = {"newest": newest, "hash": hash_.hex(), "changes": found}
        return self._sealed(request, canonical_bytes(body), newest)

    def listed(self, request: Request, after: str = "", limit: str = str(MOST)) -> Response:
        """The whole list by code, in parts; the entity tag is the number of the newest change."""
        most = _whole(limit)
        if most is None or not 1 <= most <= MOST or len(after) > 31 or not is_text(after):
            return self.problem("bad_request", f"limit is 1 to {MOST}, after is an item's code")
        with self.hub.store.read() as connection:
            newest, hash_ = stream.head(connection)
            if _known(request, newest):
                return self._sealed(request, b"", newest, 304)
            found = list(stream.listed(connection, after, most))
        more = {"next": found[-1][0]} if len(found) == most else {}
        head = canonical_bytes({"hash": hash_.hex()})[:-1]
        tail = canonical_bytes({"newest": newest, **more})[1:]
        items = b",".join(data for _, data in found)
        return self._sealed(request, head + b',"items":[' + items + b"]," + tail, newest)

    def one(self, request: Request, code: str, version: str = "") -> Response:
        """One item, or one of its versions."""
        wanted = _whole(version) if version else None
        if version and wanted is None:
            return self.problem("bad_request", "version is a number")
        with self.hub.store.read() as connection:
            newest, _ = stream.head(connection)
            body = stream.one(connection, code, wanted) if is_text(code) else None
        if body is None:
            return self.problem("not_found", "no item of this code")
        return self._sealed(request, body, newest)

    def _sealed(self, request: Request, body: bytes, newest: int, status: int = 200) -> Response:
        nonce = request.headers.get(NONCE, "")
        asked = nonce if jws.NONCE.fullmatch(nonce) else ""
        now, own = datetime.now(UTC), secrets.token_urlsafe(24)
        seal = jws.sign_answer(body, self.hub.ec_key, status=status, req=asked, now=now, nonce=own)
        headers = {jws.HEADER_NAME: seal, "ETag": f'"{newest}"', "Cache-Control": "no-cache"}
        return Response(body, status, headers, "application/json")


def _known(request: Request, newest: int) -> bool:
    """RFC 9110 §13.1.2: any of the tags, weak ones too."""
    given = request.headers.get("If-None-Match", "")
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in tags or f'"{newest}"' in tags


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None
