"""SOAP 1.1 as the hub calls it and as an attacker does: WS-Security, or XML-DSig on the inner document."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import httpx2
from lxml import etree

from exchange.adapterfolder import Adapter
from exchange.errors import HubError
from exchange.manifest import SoapService
from exchange.mapping.run import WireMapping
from exchange.seals import dsig, safexml, wssec, xmldsig
from exchange.seals.safexml import Element
from exchange.seals.wssec import SOAP
from exchange.seals.xmldsig import XmlDsigProfile
from mocks.conformance.bench import Partner, Shot, authorities
from mocks.conformance.forgewss import GOOD_WSS, WssRecipe, seal_envelope
from mocks.conformance.forgexml import GOOD_XML, XmlRecipe, sign_document
from mocks.conformance.identity import Keys
from mocks.conformance.reply import Reply

PROFILE = XmlDsigProfile("", frozenset({dsig.RSA_SHA256}))
LABEL = re.compile(r";\s*charset\s*=\s*\"?([\w.-]+)", re.ASCII | re.IGNORECASE)
LONGEST_ANSWER = 8 * 1024 * 1024


@dataclass(frozen=True)
class Opened:
    """An answer envelope: the fault or the result text, and what is wrong with its seal."""

    result: str = ""
    fault: str = ""
    seal: str = ""
    iat: float | None = None


class SoapLine:
    """One HTTP client towards the partner's service."""

    kind = "soap"

    def __init__(self, adapter: Adapter, partner: Partner, keys: Keys) -> None:
        assert adapter.soap is not None  # noqa: S101 - the manifest was checked on loading
        self._adapter, self._service, self._partner, self._keys = adapter, adapter.soap, partner, keys
        self._timeout = adapter.limits.timeout
        self._client = httpx2.Client(
            timeout=self._timeout, trust_env=False, follow_redirects=False, verify=authorities()
        )

    @property
    def charset(self) -> str:
        """The label of the HTTP bodies."""
        return self._service.charset.upper()

    def send(self, shot: Shot) -> Reply:
        """One call."""
        body = shot.forged if isinstance(shot.forged, bytes) else self.written(shot)
        operation = shot.specimen.call.soap.operation if shot.specimen.call.soap else ""
        kind = shot.content_type or f"text/xml; charset={self.charset if self.gbk else 'utf-8'}"
        headers = {
            "Content-Type": kind,
            "SOAPAction": f'"{self._service.namespace}/{operation}"',
            **shot.headers,
        }
        recipe = shot.seal or GOOD_XML
        how = f"POST {self._service.path} {operation}  [{recipe.zh} / {recipe.en}] {shot.note}".rstrip()
        return self._exchanged(
            shot, body, headers, Reply(body, how, nonce=str(shot.specimen.context["call_id"]))
        )

    @property
    def gbk(self) -> bool:
        """Whether the HTTP bodies are GBK."""
        return self._service.charset == "gbk"

    def written(self, shot: Shot) -> bytes:
        """The envelope as bytes."""
        if shot.raw is not None:
            return shot.raw
        envelope = self.envelope(shot)
        return self.encoded(envelope)

    def encoded(self, envelope: Element) -> bytes:
        """The envelope in the contract's character set."""
        text = etree.tostring(envelope, encoding="unicode")
        declaration = f'<?xml version="1.0" encoding="{self.charset}"?>\n'
        data: bytes = (declaration + text).encode("gb18030" if self.gbk else "utf-8", "xmlcharrefreplace")
        return data

    def envelope(self, shot: Shot, inner: str | None = None) -> Element:
        """The sealed envelope; `inner` takes the place of the inner document as it is."""
        service = self._service
        whole = self._adapter.seal == "wssec"
        own = shot.specimen.call.soap.arguments if shot.specimen.call.soap else None
        text = inner if inner is not None else self.inner(shot)
        values = {
            name: value.format_map({**shot.specimen.context, "document": text})
            for name, value in (own or service.arguments).items()
        }
        operation = shot.specimen.call.soap.operation if shot.specimen.call.soap else ""
        arguments = "".join(f"<c:{name}>{escape(value)}</c:{name}>" for name, value in values.items())
        envelope = etree.fromstring(
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:c="{service.namespace}">{self._header(shot)}'
            f"<s:Body><c:{operation}>{arguments}</c:{operation}></s:Body></s:Envelope>"
        )
        if whole:
            recipe = shot.seal if isinstance(shot.seal, WssRecipe) else GOOD_WSS
            seal_envelope(envelope, recipe, self._keys, self._business_header())
        return envelope

    def inner(self, shot: Shot) -> str:
        """The inner document as the string the operation takes, sealed where the contract seals it."""
        mapping = shot.specimen.mapping
        root = mapping.element(shot.wire)
        if self._adapter.seal == "xmldsig":
            recipe = shot.seal if isinstance(shot.seal, XmlRecipe) else GOOD_XML
            root = sign_document(root, recipe, self._keys)
        declared = self._service.declaration
        prefix = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
        return prefix + str(etree.tostring(root, encoding="unicode"))

    def close(self) -> None:
        """Closes the client."""
        self._client.close()

    def _business_header(self) -> str:
        name = self._service.call_header[0] if self._service.call_header else ""
        return f"{{{self._service.namespace}}}{name}"

    def _header(self, shot: Shot) -> str:
        if self._service.call_header is None:
            return "<s:Header/>" if self._adapter.seal == "wssec" else ""
        block, member = self._service.call_header
        call_id = shot.specimen.context["call_id"]
        return f"<s:Header><c:{block}><c:{member}>{call_id}</c:{member}></c:{block}></s:Header>"

    def _exchanged(self, shot: Shot, body: bytes, headers: Mapping[str, str], start: Reply) -> Reply:
        began = time.monotonic()
        try:
            status, answer, kind = self._posted(body, headers, shot)
        except (httpx2.HTTPError, httpx2.StreamError) as fault:
            took = time.monotonic() - began
            return Reply(
                body, start.how, problem=f"{type(fault).__name__}: 没有回答 / no answer", seconds=took
            )
        opened, problem = self._opened(answer, kind, start.nonce)
        tree = self._tree(shot, opened) if opened and opened.result else None
        if opened and opened.result and tree is None:
            problem = "结果文档不可读 / the result document cannot be read"
        early = status in (400, 404, 405, 413, 415, 429)
        return Reply(
            body,
            start.how,
            status,
            answer,
            {"content-type": kind},
            tree,
            "" if early else problem,
            opened.seal if opened else "",
            opened.fault if opened else "",
            time.monotonic() - began,
            shot.specimen.call.outcome,
            start.nonce,
            opened.iat if opened else None,
        )

    def _posted(self, body: bytes, headers: Mapping[str, str], shot: Shot) -> tuple[int, bytes, str]:
        url = self._partner.url.rstrip("/") + (shot.path or self._service.path)
        timeout = shot.timeout or self._timeout
        with self._client.stream(
            shot.method or "POST", url, content=body, headers=dict(headers), timeout=timeout
        ) as response:  # fmt: skip
            data = b""
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > LONGEST_ANSWER:
                    raise httpx2.ReadError("the answer is too large")
            return response.status_code, data, response.headers.get("content-type", "")

    def _opened(self, answer: bytes, kind: str, call_id: str) -> tuple[Opened | None, str]:
        found = LABEL.search(kind)
        try:
            envelope = safexml.parse(answer, charset=found[1] if found else None)
            body = wssec.body_of(envelope)
        except HubError as fault:
            return None, f"回答不可读 / unreadable answer: {fault.code} {fault.detail}"
        seal, iat = self._seal_of(envelope, call_id) if self._adapter.seal == "wssec" else ("", None)
        if body[0].tag == f"{{{SOAP}}}Fault":
            return Opened(
                fault=(body[0].findtext("faultcode") or "?").rpartition(":")[2], seal=seal, iat=iat
            ), ""
        text = body[0].findtext(f"{{{self._service.namespace}}}{self._service.result}")
        if text is None:
            return None, f"回答没有 {self._service.result} / the answer has no {self._service.result}"
        return self._inner_opened(text, seal, iat), ""

    def _inner_opened(self, text: str, seal: str, iat: float | None) -> Opened:
        if self._adapter.seal == "xmldsig":
            seal = self._inner_seal(text)
        return Opened(result=text, seal=seal, iat=iat)

    def _inner_seal(self, text: str) -> str:
        now = datetime.now(UTC)
        try:
            xmldsig.verify(safexml.parse_text(text), self._partner.by_digest, now=now, profile=PROFILE)
        except HubError as fault:
            return f"{fault.code}: {fault.detail}"
        return ""

    def _seal_of(self, envelope: Element, call_id: str) -> tuple[str, float | None]:
        header, now = self._business_header(), datetime.now(UTC)
        try:
            found = wssec.verify(envelope, self._partner.by_digest, header=header, now=now)
        except HubError as fault:
            return f"{fault.code}: {fault.detail}", None
        told = found.header.findtext(f"{{{self._service.namespace}}}{_member(self._service)}")
        is_fault = found.body[0].tag == f"{{{SOAP}}}Fault"
        wrong = told != call_id and not (is_fault and not told)
        return (
            "业务头不是本次调用的 / the header is another call's" if wrong else ""
        ), found.created.timestamp()

    def _tree(self, shot: Shot, opened: Opened) -> Any:
        mapping = reply_mapping(self._adapter, shot)
        try:
            return mapping.read(opened.result) if mapping else None
        except HubError:
            return None


def _member(service: SoapService) -> str:
    return service.call_header[1] if service.call_header else ""


def reply_mapping(adapter: Adapter, shot: Shot) -> WireMapping | None:
    """What the answer of this call is read with."""
    reply = shot.specimen.call.reply
    return adapter.mappings[reply.mapping] if reply and reply.mapping else None
