"""Calls a partner's SOAP service through zeep, which only ever sees verified envelopes."""

import re
import threading
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3
import zeep
import zeep.transports
from lxml import etree

from exchange.errors import HubError, Misconfigured, Refused, Tampered, TryLater
from exchange.seals.safexml import Element, again, parse
from exchange.seals.wssec import SOAP
from exchange.transports.soap_seals import SoapSeal

CONNECT_TIMEOUT = 3.0  # seconds
READ_TIMEOUT = 30.0  # seconds, for the whole answer
LONGEST_ANSWER = 4 * 1024 * 1024  # bytes
MEDIA_TYPE = re.compile(r"(?:text|application)/xml\s*(?:;.*)?", re.I)
CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.-]+)", re.ASCII | re.I)
_CLIENT: Any = zeep.Client  # zeep is typed in part only
_TRANSPORT: Any = zeep.transports.Transport
AGAIN_LATER = (408, 425, 429)  # HTTP statuses that say nothing about the message


@dataclass(slots=True)
class _Call:
    """The call under way in this thread; zeep hands its transport nothing but the envelope."""

    call_id: str
    request: bytes = b""
    answer: bytes = b""


_CALL: ContextVar[_Call] = ContextVar("soap_call")


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One answered call: what it returned, and both sides as they went over the wire."""

    result: str  # the verified result string
    request: bytes
    answer: bytes
    sealed: Mapping[str, str]  # the arguments as sent
    sealed_result: str  # the result string as it came


class SoapClient:
    """One partner's service at one address; safe to share between threads."""

    def __init__(
        self, wsdl_path: Path, address: str, seal: SoapSeal, *, connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT, longest_answer: int = LONGEST_ANSWER,
    ) -> None:  # fmt: skip
        self._seal = seal
        self._post = _Post(seal, (connect_timeout, read_timeout), longest_answer)
        try:
            client = _CLIENT(str(wsdl_path), transport=_transport(self._post), settings=_SETTINGS)
            service, *_ = client.wsdl.services.values()
            port, *_ = service.ports.values()
            self._service = client.create_service(port.binding.name, address)
        except (OSError, ValueError, LookupError, etree.LxmlError, zeep.exceptions.Error) as fault:
            detail = f"{type(fault).__name__}: {fault}"
            raise Misconfigured("wsdl_unreadable", detail, str(wsdl_path)) from fault

    def call(self, operation: str, arguments: Mapping[str, str], *, call_id: str) -> str:
        """As `exchange`, only what the operation returned."""
        return self.exchange(operation, arguments, call_id=call_id).result

    def exchange(
        self, operation: str, arguments: Mapping[str, str], *, call_id: str,
        documents: frozenset[str] | None = None,
    ) -> Exchanged:  # fmt: skip
        """One call with its bytes; `documents` names the arguments with a seal of their own (None: all).
        TryLater: not answered; Refused: a Client Fault, or arguments that do not fit the WSDL; Tampered: an
        answer that cannot be read or is not the partner's."""
        call = _Call(call_id)
        token = _CALL.set(call)
        try:
            sealed = self._seal.arguments(arguments, documents if documents is not None else arguments.keys())
            found = self._service[operation](**sealed, _soapheaders=self._seal.headers(call_id) or None)
            text = _only_string(found)
            return Exchanged(_verified(self._seal, text), call.request, call.answer, sealed, text)
        except (ValueError, TypeError, AttributeError, etree.LxmlError, zeep.exceptions.Error) as fault:
            if call.request:
                raise Tampered("bad_request", f"the answer does not follow the WSDL: {fault}") from fault
            raise Refused("bad_value", f"the call does not follow the WSDL: {fault}", operation) from fault
        finally:
            _CALL.reset(token)


def _transport(post: "_Post") -> Any:
    """A zeep transport that reads files and posts through us."""
    transport = _TRANSPORT()
    transport.post_xml = post
    return transport


class _Post:
    """Seals, sends, bounds and verifies; what zeep calls in place of its own post_xml."""

    def __init__(self, seal: SoapSeal, timeouts: tuple[float, float], longest: int) -> None:
        self._seal, self._timeouts, self._longest = seal, timeouts, longest
        self._local = threading.local()

    def __call__(self, address: str, envelope: Element, headers: Mapping[str, str]) -> requests.Response:
        call = _CALL.get()
        self._seal.seal(envelope)
        kind = {"Content-Type": f"text/xml; charset={self._seal.charset}", "Accept-Encoding": "identity"}
        call.request = encode(envelope, self._seal.charset)
        status, content_type, call.answer = self._send(address, call.request, {**headers, **kind})
        return _response(_opened(self._seal, call.call_id, status, content_type, call.answer))

    def _send(self, address: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        deadline = time.monotonic() + sum(self._timeouts)
        try:
            with self._session().post(
                address,
                data=body,
                headers=headers,
                timeout=self._timeouts,
                stream=True,
                allow_redirects=False,
            ) as response:
                answer = _bounded(response, self._longest, deadline)
                return response.status_code, response.headers.get("Content-Type", ""), answer
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as fault:
            raise TryLater("busy", f"the partner cannot be reached: {type(fault).__name__}") from fault

    def _session(self) -> requests.Session:
        """One per thread: requests sessions are not safe to share. The environment's proxies are not used."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        session: requests.Session = self._local.session
        return session


def encode(envelope: Element, charset: str) -> bytes:
    """The envelope in the partner's character set; what that set lacks becomes a character reference."""
    text = (
        f'<?xml version="1.0" encoding="{charset.upper()}"?>\n{etree.tostring(envelope, encoding="unicode")}'
    )
    return text.encode(charset, "xmlcharrefreplace")


def _bounded(response: requests.Response, longest: int, deadline: float) -> bytes:
    """The body as sent; Tampered too_large beyond `longest`, TryLater when it drips past the deadline."""
    chunks, size = [], 0
    while chunk := response.raw.read1(65_536, decode_content=False):
        size += len(chunk)
        if size > longest:
            raise Tampered("too_large", f"the answer has more than {longest} bytes")
        if time.monotonic() > deadline:
            raise TryLater("busy", "the partner's answer did not end in time")
        chunks.append(chunk)
    return b"".join(chunks)


def _opened(seal: SoapSeal, call_id: str, status: int, content_type: str, answer: bytes) -> bytes:
    """The verified envelope of a result; a Fault is raised as what it means."""
    try:
        root = _read(content_type, answer)
        envelope = seal.open(root, call_id)
    except HubError as fault:
        raise _unreadable(fault, status, answer) from fault
    if (found := again(envelope).find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault")) is not None:
        raise _refusal(found)
    if status != 200:
        raise TryLater("busy", f"HTTP status {status} without a Fault")
    return envelope


def _read(content_type: str, answer: bytes) -> Element:
    if not MEDIA_TYPE.fullmatch(content_type.strip()):
        raise Tampered("bad_media_type", "the answer is not XML", "Content-Type")
    label = CHARSET.search(content_type)
    return parse(answer, charset=label[1] if label else None)


def _unreadable(fault: HubError, status: int, answer: bytes) -> HubError:
    """Gateways answer for a partner that is down; anything else that is not its own word is suspect."""
    if status in AGAIN_LATER or (status >= 500 and b"Fault" not in answer):
        return TryLater("busy", f"HTTP status {status} without a SOAP Fault")
    if isinstance(fault, TryLater | Tampered):
        return fault
    return Tampered(fault.code, f"the answer was not accepted: {fault.detail}", fault.where)


def _refusal(fault: Element) -> HubError:
    """SOAP 1.1 §4.4.1: Server faults may pass, all others are about the message."""
    code = (fault.findtext("faultcode") or "").rpartition(":")[2].strip()
    text = (fault.findtext("faultstring") or "").strip()[:500]
    if code.partition(".")[0] == "Server":
        return TryLater("busy", text, code)
    return Refused("bad_request", text, code or None)


def _verified(seal: SoapSeal, text: str) -> str:
    try:
        return seal.result(text)
    except HubError as fault:
        raise _unreadable(fault, 200, b"") from fault


def _only_string(found: Any) -> str:
    """zeep returns the string itself, or an object with header and body where the WSDL declares headers."""
    while not isinstance(found, str):
        values = [found.body] if "body" in found else [found[name] for name in found]
        if len(values) != 1:
            raise ValueError("the operation does not return one string")
        found = values[0]
    return found


def _response(envelope: bytes) -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response.headers["Content-Type"] = "text/xml; charset=utf-8"
    response._content = envelope  # requests offers no public way to make an answer
    return response


_SETTINGS = zeep.Settings(
    strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=True, xml_huge_tree=False
)
