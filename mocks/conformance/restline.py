"""REST under detached JWS, as the hub calls it and as an attacker does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2

from exchange.errors import HubError
from exchange.manifest import RestCall
from exchange.mapping import json as strict
from exchange.seals import jws
from exchange.transports.wrapped import wrap
from mocks.conformance.bench import Partner, Shot, authorities, new_nonce
from mocks.conformance.forgejws import GOOD, Forged, forge
from mocks.conformance.identity import Keys
from mocks.conformance.reply import Reply

LONGEST_ANSWER = 8 * 1024 * 1024


class RestLine:
    """One HTTP client towards the partner; every answer's seal is checked and noted."""

    kind = "rest"

    def __init__(self, partner: Partner, keys: Keys, timeout: float) -> None:
        self._partner, self._keys, self._timeout = partner, keys, timeout
        self._client = httpx2.Client(
            timeout=timeout, trust_env=False, follow_redirects=False, verify=authorities()
        )

    def send(self, shot: Shot) -> Reply:
        """One request."""
        method, path = self._aim(shot)
        forged, recipe = shot.forged or self._forged(shot, method, path), shot.seal or GOOD
        rest = shot.specimen.call.rest
        extra = rest.headers.items() if rest else ()
        headers = [(name, value.format_map(shot.specimen.context)) for name, value in extra]
        headers += [("Content-Type", shot.content_type or "application/json"), *shot.headers.items()]
        headers += [(jws.HEADER_NAME, value) for value in forged.values]
        how = f"{method} {path}  [{recipe.zh} / {recipe.en}] {shot.note}".rstrip()
        return self._exchanged(shot, method, path, headers, Reply(forged.body, how, nonce=_nonce_of(forged)))

    def forge(self, shot: Shot) -> Forged:
        """The seal and the body of a shot, to be sent more than once as they are."""
        return self._forged(shot, *self._aim(shot))

    def body(self, shot: Shot) -> bytes:
        """The document as it travels, in a member of its own and encrypted where the contract says so."""
        rest, written = shot.specimen.call.rest, shot.specimen.written(shot.wire)
        if rest is None or rest.wrap is None:
            return written
        return wrap(written, rest.wrap, self._partner.cipher)

    def _aim(self, shot: Shot) -> tuple[str, str]:
        rest = shot.specimen.call.rest
        assert rest is not None  # noqa: S101 - Bench.line chose by it
        return shot.method or rest.method, shot.path or path_of(rest, shot.specimen.context)

    def _forged(self, shot: Shot, method: str, path: str) -> Forged:
        rest = shot.specimen.call.rest
        empty = rest is not None and rest.method == "GET"
        body = b"" if empty else shot.raw if shot.raw is not None else self.body(shot)
        bound = {"method": method, "path": path}
        return forge(shot.seal or GOOD, body, bound, self._keys, time.time(), shot.nonce or new_nonce())

    def close(self) -> None:
        """Closes the client."""
        self._client.close()

    def _exchanged(
        self, shot: Shot, method: str, path: str, headers: list[tuple[str, str]], start: Reply
    ) -> Reply:  # fmt: skip
        began = time.monotonic()
        try:
            status, answer, found = self._posted(
                method, path, start.sent, headers, shot.timeout or self._timeout
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as fault:
            took = time.monotonic() - began
            return Reply(
                start.sent, start.how, problem=f"{type(fault).__name__}: 没有回答 / no answer", seconds=took
            )
        tree, problem = _read(answer)
        rest = shot.specimen.call.rest
        if rest is not None and rest.result_header is not None and isinstance(tree, dict):
            tree["@header"] = found.get(rest.result_header.lower(), "")
        seal, iat = self._checked(found.get(jws.HEADER_NAME.lower()), answer, status, start.nonce)
        return Reply(
            start.sent,
            start.how,
            status,
            answer,
            found,
            tree,
            "" if tree is not None or status >= 400 else problem,
            seal,
            seconds=time.monotonic() - began,
            outcome=shot.specimen.call.outcome,
            nonce=start.nonce,
            iat=iat,
        )

    def _posted(
        self, method: str, path: str, body: bytes, headers: list[tuple[str, str]], timeout: float
    ) -> tuple[int, bytes, dict[str, str]]:  # fmt: skip
        url, content = self._partner.url.rstrip("/") + path, body or None
        with self._client.stream(method, url, content=content, headers=headers, timeout=timeout) as response:
            data = b""
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > LONGEST_ANSWER:
                    raise httpx2.ReadError("the answer is too large")
            return response.status_code, data, {name.lower(): text for name, text in response.headers.items()}

    def _checked(self, token: str | None, body: bytes, status: int, nonce: str) -> tuple[str, float | None]:
        now = datetime.now(UTC)
        try:
            seal = jws.verify_answer(token, body, self._partner.by_kid, status=status, req=nonce, now=now)
        except HubError as fault:
            return f"{fault.code}: {fault.detail}", None
        return "", float(seal.iat)


def path_of(rest: RestCall, context: Mapping[str, Any]) -> str:
    """Path and query as sent."""
    path = rest.path.format_map(context)
    query = "&".join(f"{name}={value.format_map(context)}" for name, value in rest.query.items())
    return f"{path}?{query}" if query else path


def _nonce_of(forged: Forged) -> str:
    """What an answer must be bound to: the nonce the seal claims, nothing when it cannot be read."""
    return (jws.claimed_nonce(forged.values[0]) or "") if len(forged.values) == 1 else ""


def _read(body: bytes) -> tuple[Any, str]:
    try:
        return strict.loads(body), ""
    except HubError as fault:
        return None, f"回答不可读 / unreadable answer: {fault.code} {fault.detail}"
