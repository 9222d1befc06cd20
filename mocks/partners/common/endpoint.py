"""A sealed JSON operation: bounded reading, faults, seal and nonce, the partner's answer, its seal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import FastAPI, Request, Response

from mocks.partners.common import jws
from mocks.partners.common.clock import Clock
from mocks.partners.common.distort import distorted
from mocks.partners.common.faults import Faults
from mocks.partners.common.httpfaults import DROP, unworked
from mocks.partners.common.keys import Certificates
from mocks.partners.common.record import Record
from mocks.partners.common.strictjson import write

LARGEST = 4 << 20  # bytes of a request


@dataclass(frozen=True)
class Call:
    """One request whose seal was verified (or is not asked for)."""

    operation: str
    body: bytes
    headers: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    path: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What the partner says; `jobs` are callbacks it scheduled, `push_first` tries them before the answer.

    `wait`: seconds until the answer leaves, where a slower system stands behind the partner.
    """

    value: object
    status: int = 200
    jobs: tuple[int, ...] = ()
    push_first: bool = False
    sealed: bool = True  # False where the contract has an answer without a seal
    wait: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)  # those of the contract beside the seal


@dataclass(frozen=True)
class Operation:
    """One operation of a contract. `sealed` False: a seal is checked only if there is one.

    `largest`: bytes of a request.
    """

    name: str
    method: str
    path: str
    handler: Callable[[Call], Answer]
    sealed: bool = True
    largest: int = LARGEST


@dataclass(frozen=True)
class Manners:
    """How a contract words what is not business: seal, media_type, too_large, busy; an error as HTTP 200.

    `maintenance`: its answer while it is down, if it has one; else HTTP 503 without a seal.
    `always_sealed`: an answer to a request without a readable seal is bound to an empty nonce.
    """

    refusal: Callable[[str], Answer]
    error_body: object = field(default_factory=dict)
    maintenance: Answer | None = None
    always_sealed: bool = False


class Pushes(Protocol):
    """What sends by itself, so far as an answer may have to wait for it."""

    def hurry(self, job: int) -> None:
        """Makes a waiting job due now."""
        ...

    def attempted(self, job: int) -> bool:
        """Whether a job was tried at least once."""
        ...


class Refusal(Exception):
    """The request is not read further; the text is the reason asked of Manners.refusal."""


@dataclass(frozen=True)
class Desk:
    """Everything an operation needs of the program around it."""

    record: Record
    faults: Faults
    signer: jws.Signer
    trusted: Certificates
    clock: Clock
    manners: Manners
    pushes: Pushes

    def mount(self, app: FastAPI, operation: Operation) -> None:
        """Serves an operation."""

        async def endpoint(request: Request) -> Response:
            return await self._serve(operation, request)

        app.add_api_route(operation.path, endpoint, methods=[operation.method], name=operation.name)

    async def _serve(self, operation: Operation, request: Request) -> Response:
        nonce = jws.claimed_nonce(request.headers.get(jws.HEADER))
        if nonce is None and self.manners.always_sealed:
            nonce = ""
        early = await self._before(operation, request)
        if early is not None:
            return early if isinstance(early, Response) else self._sealed(operation, early, nonce, None)
        skew = self.faults.skew(operation.name)
        try:
            answer = operation.handler(await self._call(operation, request, skew))
        except Refusal as refused:
            answer = self.manners.refusal(str(refused))
        await asyncio.sleep(answer.wait)
        if answer.jobs and (answer.push_first or self.faults.take(operation.name, "callback_before_reply")):
            await self._push_first(answer.jobs)
        if self.faults.take(operation.name, "drop_before_reply"):
            return Response(headers={DROP: "1"})
        return self._sealed(operation, answer, nonce, skew)

    async def _before(self, operation: Operation, request: Request) -> Response | Answer | None:
        """The faults in which no work is done."""
        take, own = self.faults.take, self.manners.maintenance
        early = await unworked(self.faults, operation.name, request, own_maintenance=own is not None)
        if early is not None:
            return early
        if own is not None and take(operation.name, "maintenance"):
            return own
        if take(operation.name, "http200_error_body"):
            return Answer(self.manners.error_body)
        if take(operation.name, "rate_limit"):
            return self.manners.refusal("busy")
        return None

    async def _call(self, operation: Operation, request: Request, skew: float) -> Call:
        body = await _bounded(request, operation.largest)
        if operation.method == "POST" and not _is_json(request.headers.get("content-type", "")):
            raise Refusal("media_type")
        value = request.headers.get(jws.HEADER)
        if operation.sealed or value is not None:
            self._verify(request, value, body, skew)
        query = tuple(request.query_params.multi_items())
        return Call(operation.name, body, request.headers, query, request.path_params)

    def _verify(self, request: Request, value: str | None, body: bytes, skew: float) -> None:
        bound = {"method": request.method, "path": _path_as_sent(request)}
        try:
            seal = jws.verify(value, body, self.trusted, now=self.signer.clock() + skew, bound=bound)
        except jws.BadSeal as error:
            raise Refusal("seal") from error
        if len(request.headers.getlist(jws.HEADER)) != 1 or not self.record.use_nonce(seal.nonce):
            raise Refusal("seal")

    async def _push_first(self, jobs: tuple[int, ...]) -> None:
        """Waits (at most 5 s) until the callbacks were tried."""
        for job in jobs:
            self.pushes.hurry(job)
        for _ in range(250):
            if all(self.pushes.attempted(job) for job in jobs):
                return
            await asyncio.sleep(0.02)

    def _sealed(
        self, operation: Operation, answer: Answer, nonce: str | None, skew: float | None
    ) -> Response:  # fmt: skip
        """The answer as it leaves; without a readable nonce there is mostly nothing to bind a seal to."""
        name = operation.name
        body, content_type = distorted(write(answer.value), "application/json", self.faults, name)
        headers = {**answer.headers, "Content-Type": content_type}
        if nonce is not None and answer.sealed:
            flaws = self.faults.flaws(name, skew)
            bound: jws.Bound = {"status": answer.status, "req": nonce}
            headers[jws.HEADER] = self.signer.sign(body, bound, age=flaws.age, spoil=flaws.spoil)
        return Response(body, answer.status, headers)


def _path_as_sent(request: Request) -> str:
    raw: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (raw + b"?" + query if query else raw).decode("latin-1")


def _is_json(content_type: str) -> bool:
    """application/json, with no parameter but charset=utf-8."""
    kind, _, rest = content_type.lower().replace(" ", "").partition(";")
    return kind == "application/json" and rest in ("", "charset=utf-8", 'charset="utf-8"')


async def _bounded(request: Request, largest: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > largest:
            raise Refusal("too_large")
    return bytes(data)
