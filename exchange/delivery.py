"""One call to a partner: say it in their form, seal it, send it, check their seal, judge their answer. No
transaction is open here."""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from canonical.messages import PAYLOADS, Payload
from exchange.adapterfolder import Adapter
from exchange.errors import HubError, Misconfigured, Refused, Tampered, TryLater
from exchange.manifest import AmqpCall, Call, Document, Reply, RestCall, Token
from exchange.mapping import json
from exchange.mapping.run import value_at
from exchange.parties import Party
from exchange.receipts import BEIJING
from exchange.seals import jws
from exchange.seals.keys import SigningKey
from exchange.transports.queues import Post, Queues
from exchange.transports.rest import Answer, RestClient
from exchange.transports.soap_client import SoapClient

EARLY = 60.0  # seconds before its end at which a token is renewed


@dataclass(frozen=True)
class Sent:
    """What went out and what came back."""

    protocol: str
    body: bytes
    code: str
    verdict: str  # ok, refused, try_later, token, poison
    media_type: str = "application/json"
    seal: bytes | None = None
    bound: Mapping[str, Any] | None = None
    answer: bytes | None = None
    detail: str | None = None
    reply: tuple[str, Payload] | None = None
    post: Post | None = None  # still to be published


@dataclass(frozen=True)
class Channel:
    """How the hub talks to one partner."""

    party: Party
    adapter: Adapter
    secret: str
    ec_key: SigningKey
    certificate: Callable[[str], Any]  # key id -> certificate, this party's only
    rest: RestClient
    soap: Callable[[], SoapClient]
    queues: Queues | None
    tokens: "TokenBook" = field(default_factory=lambda: TokenBook())

    def context(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What templates and mappings may be filled with."""
        now = datetime.now(UTC).astimezone(BEIJING)
        context: dict[str, Any] = {
            "secret": self.secret,
            "time14": now.strftime("%Y%m%d%H%M%S"),
            "call_id": str(uuid4()),
            "region6": "441400",
            **self.adapter.parameters,
            **self.party.account,
            **facts,
        }
        if self.party.org:
            context.setdefault("org", self.party.org)
        for rule in self.adapter.digests:
            context[rule.name] = _digest(rule.algorithm, _fill(rule.text, context))
        return context


class TokenBook:
    """The account's token at one partner, renewed before it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: tuple[str, float] | None = None

    def current(self, channel: Channel, procedure: Token) -> str:
        """A valid token, fetched when there is none."""
        with self._lock:
            if self._token is None or self._token[1] <= time.monotonic():
                self._token = (self._fetch(channel, procedure), time.monotonic() + procedure.lifetime - EARLY)
            return self._token[0]

    def drop(self) -> None:
        """The partner no longer takes it."""
        self._token = None

    def _fetch(self, channel: Channel, procedure: Token) -> str:
        call = procedure.call
        tree, sent = exchange(
            channel, call, call.documents[0] if call.documents else None, None, channel.context({"token": ""})
        )
        token = value_at(tree, procedure.value)
        if sent.verdict != "ok" or not token:
            raise TryLater("no_token", f"the partner gave no token: {sent.code}")
        return token


def deliver(
    channel: Channel, call: Call, kind: str, payload: Mapping[str, Any], facts: Mapping[str, Any]
) -> Sent:
    """Make one planned call; TryLater when the outcome is unknown or the partner asks to wait."""
    model = PAYLOADS[kind].model_validate(payload)
    document = call.document_for(kind, model)
    if document is None:
        raise Misconfigured("no_document", f"{call.name} sends no {kind}", channel.adapter.name)
    return _made(channel, call, document, model, facts)


def pull(channel: Channel, name: str, facts: Mapping[str, Any]) -> Sent:
    """Make a call that carries no message and brings one back."""
    call = channel.adapter.call(name)
    return _made(channel, call, call.documents[0], None, facts)


def _made(
    channel: Channel, call: Call, document: Document, model: Payload | None, facts: Mapping[str, Any]
) -> Sent:
    """With a valid token; a token the partner no longer takes is renewed once."""
    for attempt in (1, 2):
        context = channel.context({**facts, "object": document.object, **_token(channel, call)})
        tree, sent = exchange(channel, call, document, model, context)
        if sent.verdict != "token" or attempt == 2:
            break
        channel.tokens.drop()
    if sent.verdict in ("try_later", "token"):
        raise TryLater(sent.code, sent.detail or "the partner asks to wait")
    reply = _reply(channel, call.reply, tree, context) if sent.verdict == "ok" else None
    return sent if reply is None else replace(sent, reply=reply)


def exchange(
    channel: Channel, call: Call, document: Document | None, payload: Payload | None, context: dict[str, Any]
) -> tuple[Any, Sent]:
    """Say, seal, send and judge one call: the answer's wire tree (None when there is none yet) and what
    was exchanged."""
    if call.rest is not None:
        return _rest(channel, call, call.rest, document, payload, context)
    if call.amqp is not None:
        return None, _amqp(channel, call.amqp, document, payload, context)
    return _soap(channel, call, document, payload, context)


def _token(channel: Channel, call: Call) -> dict[str, str]:
    procedure = channel.adapter.token
    if procedure is None or call is procedure.call:
        return {}
    return {"token": channel.tokens.current(channel, procedure)}


def _rest(
    channel: Channel,
    call: Call,
    rest: RestCall,
    document: Document | None,
    payload: Payload | None,
    context: dict[str, Any],
) -> tuple[Any, Sent]:
    body = _said(channel, document, payload, context) if document else b""
    path, nonce = _path(rest, context), secrets.token_urlsafe(24)
    headers = {name: _fill(value, context) for name, value in rest.headers.items()}
    seal = jws.sign_request(
        body, channel.ec_key, method=rest.method, path=path, now=datetime.now(UTC), nonce=nonce
    )
    headers |= {jws.HEADER_NAME: seal, "Content-Type": "application/json"}
    answer = channel.rest.send(rest.method, _origin(channel) + path, body or None, headers)
    _check_answer(channel, answer, nonce)
    tree = _tree(channel, answer.body)
    code, verdict, detail = _judged(call, tree)
    if verdict == "ok" and answer.status >= 400:
        code, verdict = str(answer.status), "refused"
    bound = {"method": rest.method, "path": path}
    return tree, Sent(
        "rest", body, code, verdict, seal=seal.encode(), bound=bound, answer=answer.body, detail=detail
    )


def _check_answer(channel: Channel, answer: Answer, nonce: str) -> None:
    if answer.status in (429, 502, 503, 504) or (
        answer.status >= 500 and jws.HEADER_NAME not in answer.headers
    ):
        raise TryLater(str(answer.status), "the partner cannot answer now")
    token = answer.headers.get(jws.HEADER_NAME)
    try:
        jws.verify_answer(
            token, answer.body, channel.certificate, status=answer.status, req=nonce, now=datetime.now(UTC)
        )
    except Refused as fault:
        raise TryLater("answer_" + fault.code, fault.detail) from fault


def _amqp(
    channel: Channel,
    amqp: AmqpCall,
    document: Document | None,
    payload: Payload | None,
    context: dict[str, Any],
) -> Sent:
    body = _said(channel, document, payload, context) if document else b""
    exchange_name, key = _fill(amqp.exchange, context), _fill(amqp.routing_key, context)
    seal = jws.sign_amqp(
        body,
        channel.ec_key,
        exchange=exchange_name,
        routing_key=key,
        now=datetime.now(UTC),
        nonce=secrets.token_urlsafe(24),
    )
    headers = {name: _fill(value, context) for name, value in amqp.headers.items()} | {jws.HEADER_NAME: seal}
    post = Post(
        exchange_name,
        key,
        body,
        str(context["message_id"]),
        _fill(amqp.correlation_id, context),
        headers=headers,
    )
    bound = {"exchange": exchange_name, "routing_key": key}
    return Sent("amqp", body, "ok", "ok", seal=seal.encode(), bound=bound, post=post)


def _soap(
    channel: Channel, call: Call, document: Document | None, payload: Payload | None, context: dict[str, Any]
) -> tuple[Any, Sent]:
    assert call.soap is not None and channel.adapter.soap is not None  # noqa: S101 - the manifest was checked on loading
    service = channel.adapter.soap
    text = _inner(channel, service.declaration, document, payload, context)
    arguments = {
        name: _fill(value, {**context, "document": text}) for name, value in service.arguments.items()
    }
    try:
        done = channel.soap().exchange(call.soap.operation, arguments, call_id=str(context["call_id"]))
    except Tampered as fault:  # what became of the call is unknown: ask again under the same ids
        raise TryLater("answer_" + fault.code, fault.detail) from fault
    tree = _reply_mapping(channel, call).read(done.result)
    code, verdict, detail = _judged(call, tree)
    whole = channel.adapter.seal == "wssec"
    charset = "gb18030" if service.charset == "gbk" else service.charset
    body = done.request if whole else "".join(done.sealed.values()).encode(charset)
    return tree, Sent(
        "soap",
        body,
        code,
        verdict,
        "text/xml",
        answer=done.answer if whole else done.sealed_result.encode(charset),
        detail=detail,
    )


def _inner(
    channel: Channel,
    declaration: str | None,
    document: Document | None,
    payload: Payload | None,
    context: dict[str, Any],
) -> str:
    """The document inside the call; the client seals it where the contract wants it sealed."""
    if document is None:
        return ""
    mapping = channel.adapter.mapping(document)
    return str(mapping.text(mapping.say(payload, context), declaration))


def _reply_mapping(channel: Channel, call: Call) -> Any:
    if call.reply is None or call.reply.mapping is None:
        raise Misconfigured("no_reply_mapping", "a SOAP call needs one", call.name)
    return channel.adapter.mappings[call.reply.mapping]


def _reply(
    channel: Channel, reply: Reply | None, tree: Any, context: dict[str, Any]
) -> tuple[str, Payload] | None:
    if reply is None or reply.type is None or reply.mapping is None:
        return None
    return reply.type, channel.adapter.mappings[reply.mapping].hear(tree, context)


def _said(channel: Channel, document: Document, payload: Payload | None, context: dict[str, Any]) -> bytes:
    mapping = channel.adapter.mapping(document)
    return mapping.write(mapping.say(payload, context))


def _tree(channel: Channel, body: bytes) -> Any:
    try:
        return json.loads(body)
    except HubError as fault:
        raise TryLater("answer_unreadable", fault.detail, channel.party.name) from fault


def _judged(call: Call, tree: Any) -> tuple[str, str, str | None]:
    if call.outcome.path is None:
        return "ok", "ok", None
    code = value_at(tree, call.outcome.path)
    if code is None:
        raise TryLater("answer_unreadable", f"the answer has no {call.outcome.path}")
    text = value_at(tree, call.outcome.text) if call.outcome.text else None
    return code, call.outcome.judge(code), text


def _path(rest: RestCall, context: Mapping[str, Any]) -> str:
    path = _fill(rest.path, context)
    query = "&".join(f"{name}={_fill(value, context)}" for name, value in rest.query.items())
    return f"{path}?{query}" if query else path


def _origin(channel: Channel) -> str:
    if not channel.party.address:
        raise TryLater("no_address", "this party has no address", channel.party.name)
    return channel.party.address.rstrip("/")


def _fill(template: str, context: Mapping[str, Any]) -> str:
    try:
        return template.format_map(context)
    except KeyError as fault:
        raise Misconfigured("template_value_missing", f"nothing fills {fault}", template) from fault


def _digest(algorithm: str, text: str) -> str:
    """The partner's own shared-secret digest; the seal is what protects the message."""
    return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()
