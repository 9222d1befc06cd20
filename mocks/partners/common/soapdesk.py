"""A SOAP address on the program's HTTP server: bounded reading, faults, work in a thread, the WSDL."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from fastapi import FastAPI, Request, Response
from lxml import etree
from starlette.concurrency import run_in_threadpool

from mocks.partners.common.faults import Faults
from mocks.partners.common.httpfaults import DROP, MAINTENANCE, unworked
from mocks.partners.common.soapface import Contract
from mocks.partners.common.xmlsig import Element

LARGEST: Final = 4 << 20  # bytes of a request
ANSWER_FAULTS: Final = frozenset({
    "delay_ms", "drop_before_reply", "half_open", "http500", "http200_error_body", "rate_limit", "sig_bad",
    "truncate_800b", "null_text", "wrong_charset_label", "bom", "bad_date_pattern", "maintenance",
    "cdata_in_cdata", "schema_new_field",
})  # fmt: skip
"""Faults that every SOAP answer can show. sig_expired and clock_skew_s need a seal with a time, gbk_body a
contract in UTF-8."""
_STAMP = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?: ?(\d{2}):?(\d{2}):?(\d{2}))?", re.ASCII)


@dataclass(frozen=True)
class Post:
    """One request as it came; `operation` is what SOAPAction claims, "" if nothing of the contract."""

    operation: str
    content_type: str
    body: bytes
    action: str


@dataclass(frozen=True)
class Reply:
    """The bytes of an answer; `jobs` are callbacks its work scheduled."""

    body: bytes
    content_type: str
    status: int = 200
    jobs: tuple[int, ...] = ()


@dataclass(frozen=True)
class SoapDesk:
    """One address: POST is answered by `answer` (in a thread), GET ?wsdl by the contract's WSDL."""

    path: str
    contract: Contract
    operations: Sequence[str]
    faults: Faults
    answer: Callable[[Post], Reply]
    push_first: Callable[[int], None] = field(default=lambda _job: None)
    """Sends a scheduled callback now and returns when it was tried (fault callback_before_reply)."""
    own_maintenance: bool = False
    """The contract has a code for it: the partner itself takes the fault."""
    largest: int = LARGEST
    """Bytes of a request."""

    def mount(self, app: FastAPI) -> None:
        """Serves the address."""

        async def post(request: Request) -> Response:
            return await self._serve(request)

        def get(request: Request) -> Response:
            if request.url.query.lower() != "wsdl":
                return Response("POST a SOAP envelope, or GET ?wsdl", 405, media_type="text/plain")
            host, port = request.scope["server"]
            return Response(self.contract.at(f"http://{host}:{port}{self.path}"), media_type="text/xml")

        app.add_api_route(self.path, post, methods=["POST"])
        app.add_api_route(self.path, get, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        operation, action = self._claimed(request)
        if (early := await self._before(operation, request)) is not None:
            return early
        body = await _bounded(request, self.largest)
        if body is None:
            return Response("request too large", 413, media_type="text/plain")
        post = Post(operation, request.headers.get("content-type", ""), body, action)
        reply = await run_in_threadpool(self.answer, post)
        if reply.jobs and self.faults.take(operation, "callback_before_reply"):
            for job in reply.jobs:
                await run_in_threadpool(self.push_first, job)
        if self.faults.take(operation, "drop_before_reply"):
            return Response(headers={DROP: "1"})
        return self._spoiled(operation, reply)

    def _claimed(self, request: Request) -> tuple[str, str]:
        action = request.headers.get("soapaction", "").strip().strip('"')
        prefix, _, name = action.rpartition("/")
        known = prefix == self.contract.namespace and name in self.operations
        return (name if known else ""), action

    async def _before(self, operation: str, request: Request) -> Response | None:
        """The faults in which no work is done."""
        take = self.faults.take
        early = await unworked(self.faults, operation, request, own_maintenance=self.own_maintenance)
        if early is not None:
            return early
        if take(operation, "http200_error_body"):
            return Response(MAINTENANCE, media_type="text/html")
        if take(operation, "rate_limit"):
            return Response("too many requests", 429, {"Retry-After": "1"}, "text/plain")
        return None

    def _spoiled(self, operation: str, reply: Reply) -> Response:
        """The faults of the bytes, after the seal."""
        body, content_type = reply.body, reply.content_type
        if self.faults.take(operation, "gbk_body"):
            body = body.decode().encode("gb18030")
        if self.faults.take(operation, "truncate_800b"):
            body = body[:800]
        if self.faults.take(operation, "bom"):
            body = b"\xef\xbb\xbf" + body
        if self.faults.take(operation, "wrong_charset_label"):
            other = "utf-8" if "gbk" in content_type.lower() else "GBK"
            content_type = f"text/xml; charset={other}"
        return Response(body, reply.status, {"Content-Type": content_type})


def distort(root: Element, faults: Faults, operation: str) -> None:
    """null_text, bad_date_pattern and schema_new_field on an inner document, before its seal."""
    leaves = [node for node in root.iter() if not len(node) and node.tag not in ("CODE", "MSGID")]
    if faults.take(operation, "null_text"):
        for node in leaves:
            node.text = "null"
    if faults.take(operation, "bad_date_pattern"):
        for node in leaves:
            node.text = garbled_date(node.text or "")
    if fault := faults.take(operation, "schema_new_field"):
        etree.SubElement(root, fault.text("NEW_FIELD")).text = "新增字段"


def wrapped(text: str, faults: Faults, operation: str) -> str:
    """cdata_in_cdata: the string of an inner document inside CDATA marks that are part of the text."""
    return f"<![CDATA[{text}]]>" if faults.take(operation, "cdata_in_cdata") else text


def unwrapped(text: str) -> str:
    """The inner document of a string that may be wrapped."""
    return text.removeprefix("<![CDATA[").removesuffix("]]>")


def garbled_date(text: str) -> str:
    """A date as a wrong Java pattern (DD is the day of the year) writes it; other text unchanged."""
    match = _STAMP.fullmatch(text)
    if match is None:
        return text
    year, month, day, *clock = match.groups()
    try:
        day_of_year = datetime(int(year), int(month), int(day)).timetuple().tm_yday  # noqa: DTZ001  # a date only
    except ValueError:
        return text
    return f"{year}-{month}-{day_of_year:03d}" + (" {}24:{}:{}".format(*clock) if clock[0] else "")


def spoil_signature(root: Element) -> None:
    """Changes one character of every SignatureValue (fault sig_bad)."""
    for node in root.iter("{http://www.w3.org/2000/09/xmldsig#}SignatureValue"):
        node.text = ("B" if node.text[0] == "A" else "A") + node.text[1:]


def serialise(root: Element, encoding: str) -> bytes:
    """With declaration; characters outside the encoding's repertoire stay characters in GB18030."""
    if encoding.upper() == "UTF-8":
        return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
    text = etree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="{encoding}"?>\n{text}'.encode("gb18030")


async def _bounded(request: Request, largest: int) -> bytes | None:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > largest:
            return None
    return bytes(data)
