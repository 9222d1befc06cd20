"""One call to a partner: say it in their form, seal it, send it, check their seal, judge their answer. No
transaction is open here."""

import hashlib
import secrets
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from canonical.messages import PAYLOADS, CaseAttached, Payload
from exchange.adapterfolder import Adapter
from exchange.errors import HubError, Misconfigured, Refused, Tampered, TryLater
from exchange.manifest import AmqpCall, Call, Document, RestCall, TableCall, Token
from exchange.mapping import json
from exchange.mapping.rows import BrokenRow
from exchange.mapping.run import value_at
from exchange.mediatype import is_utf8
from exchange.parties import Party
from exchange.receipts import BEIJING
from exchange.registrations import Registrations, named, once_id
from exchange.seals import jws
from exchange.seals.keys import SigningKey
from exchange.tabledelivery import evidence, write_rows
from exchange.transports.queues import Post, Queues
from exchange.transports.rest import Answer, RestClient
from exchange.transports.soap_client import SoapClient
from exchange.transports.tables import FrontDatabase
from exchange.transports.wrapped import wrap

EARLY = 60.0  # seconds before its end at which a token is renewed
HEADER = "@header"  # where an answer's result header stands beside its members


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
    broken: tuple[BrokenRow, ...] = ()  # rows of the reply that could not be read
    doubt: str | None = None  # what a good answer that brings no message says beyond the contract
    tree: Any = None  # the answer as read, of a pull
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
    registrations: Registrations | None = None
    cipher: bytes | None = None  # the key agreed for encrypted bodies
    front: Callable[[], FrontDatabase] | None = None  # the partner's front-end database
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
    facts = {**_said_by(model), **facts}
    tree, sent, context = _made(channel, call, document, model, facts)
    try:
        sent = _doubted(channel, call, tree, _with_reply(channel, call, tree, sent, context))
    except Refused as fault:  # it was done there: the same again, under the same id, brings the answer anew
        raise TryLater("answer_unreadable", str(fault), channel.party.name) from fault
    _keep_remote(channel, call, facts, tree, sent)
    return sent


def pull(channel: Channel, name: str, facts: Mapping[str, Any]) -> Sent:
    """Make a call that carries no message and brings one back; an answer that cannot be read at all is
    `refused` with its code."""
    call = channel.adapter.call(name)
    tree, sent, context = _made(channel, call, call.documents[0] if call.documents else None, None, facts)
    try:
        heard = replace(_with_reply(channel, call, tree, sent, context), tree=tree)
    except Refused as fault:
        return replace(sent, verdict="refused", code=fault.code, detail=str(fault)[:2000])
    _keep_remote(channel, call, facts, tree, heard)
    return heard


def _said_by(model: Payload) -> dict[str, str | int]:
    """`said_NAME`: each single value of the message, for what an answer does not repeat; `said_NAME_count`:
    how long each of its lists is."""
    values = {f"said_{name}": getattr(model, name) for name in type(model).model_fields}
    lists = {f"{name}_count": len(value) for name, value in values.items() if isinstance(value, tuple)}
    plain = {name: value for name, value in values.items() if isinstance(value, str | int)}
    return plain | lists | ({"file_md5": _md5(model)} if isinstance(model, CaseAttached) else {})


def _md5(model: CaseAttached) -> str:
    """Of the file, as some partners ask for beside the digest."""
    return hashlib.md5(b64decode(model.content), usedforsecurity=False).hexdigest()


def _made(
    channel: Channel, call: Call, document: Document | None, model: Payload | None, facts: Mapping[str, Any]
) -> tuple[Any, Sent, dict[str, Any]]:
    """After the registrations it builds on, with a valid token; a token the partner no longer takes is
    renewed once."""
    facts = {**facts, **_registered(channel, call, facts)}
    if channel.adapter.stable_time and "planned14" in facts:
        facts["time14"] = facts["planned14"]
    for attempt in (1, 2):
        which = document.object if document else None
        context = channel.context({**facts, "object": which, **_token(channel, call)})
        tree, sent = exchange(channel, call, document, model, context)
        if sent.verdict != "token" or attempt == 2:
            break
        channel.tokens.drop()
    if sent.verdict in ("try_later", "token"):
        raise TryLater(sent.code, sent.detail or "the partner asks to wait")
    return tree, sent, context


def _registered(channel: Channel, call: Call, facts: Mapping[str, Any]) -> dict[str, str]:
    """What the partner has registered for the case; what `first` names and is not there is registered now."""
    case_no = str(facts.get("case_no") or "")
    if channel.registrations is None or not case_no or not (call.first or call.remote):
        return {}
    known = channel.registrations.known(case_no)
    for name in call.first:
        before = channel.adapter.call(name)
        if any(named(one, facts) not in known for one in before.remote):
            own = {**facts, **known, "once_id": once_id(channel.party.name, case_no, name)}
            tree, done, _ = _made(channel, before, before.documents[0], None, own)
            _keep_remote(channel, before, own, tree, done)
            if done.verdict != "ok":
                raise Refused(done.code, done.detail or "the partner does not register the case", name)
            known = channel.registrations.known(case_no)
    return {**known, "once_id": once_id(channel.party.name, case_no, call.name)}


def _keep_remote(channel: Channel, call: Call, facts: Mapping[str, Any], tree: Any, sent: Sent) -> None:
    """Of a good answer that could be read; committed before anything else is done with it."""
    case_no = str(facts.get("case_no") or "")
    if sent.verdict != "ok" or channel.registrations is None or not call.remote or not case_no:
        return
    given = {named(one, facts): value_at(tree, one.path) for one in call.remote}
    if lacking := [name for name, value in given.items() if not value]:
        raise TryLater("answer_unreadable", "the answer lacks an identifier", lacking[0])
    channel.registrations.keep(case_no, {name: str(value) for name, value in given.items()})


def exchange(
    channel: Channel, call: Call, document: Document | None, payload: Payload | None, context: dict[str, Any]
) -> tuple[Any, Sent]:
    """Say, seal, send and judge one call: the answer's wire tree (None when there is none yet) and what
    was exchanged."""
    if call.rest is not None:
        return _rest(channel, call, call.rest, document, payload, context)
    if call.amqp is not None:
        return None, _amqp(channel, call.amqp, document, payload, context)
    if call.table is not None:
        return None, _table(channel, call.table, document, payload, context)
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
    if rest.wrap is not None and document is not None:
        body = wrap(body, rest.wrap, channel.cipher)
    path, nonce = _path(rest, context), secrets.token_urlsafe(24)
    headers = {name: _fill(value, context) for name, value in rest.headers.items()}
    seal = jws.sign_request(
        body, channel.ec_key, method=rest.method, path=path, now=datetime.now(UTC), nonce=nonce
    )
    headers |= {jws.HEADER_NAME: seal, "Content-Type": "application/json"}
    answer = channel.rest.send(rest.method, _origin(channel) + path, body or None, headers)
    _check_answer(channel, answer, nonce)
    bound = {"method": rest.method, "path": path}
    if call.outcome.path is None and answer.status >= 300:  # its status alone says what it is
        status = str(answer.status)
        said = call.outcome.judge(status)
        return None, Sent("rest", body, status, said, seal=seal.encode(), bound=bound, answer=answer.body)
    tree = _tree(channel, answer)
    if rest.result_header is not None and isinstance(tree, dict):
        tree[HEADER] = answer.headers.get(rest.result_header, "")
    code, verdict, detail = _judged(call, tree)
    if verdict == "ok" and answer.status >= 400:
        code, verdict = str(answer.status), "refused"
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


def _table(
    channel: Channel,
    call: TableCall,
    document: Document | None,
    payload: Payload | None,
    context: dict[str, Any],
) -> Sent:
    if channel.front is None or document is None:
        raise Misconfigured(
            "no_database", "the adapter has no [database] or no document", channel.adapter.name
        )
    tree = channel.adapter.mapping(document).say(payload, context)
    body, seal, bound = evidence(write_rows(channel.front(), call, channel.ec_key, tree))
    return Sent("table", body, "ok", "ok", seal=seal, bound=bound)


def _soap(
    channel: Channel, call: Call, document: Document | None, payload: Payload | None, context: dict[str, Any]
) -> tuple[Any, Sent]:
    assert call.soap is not None and channel.adapter.soap is not None  # noqa: S101 - the manifest was checked on loading
    service = channel.adapter.soap
    text = _inner(channel, service.declaration, document, payload, context)
    templates = call.soap.arguments or service.arguments
    arguments = {name: _fill(value, {**context, "document": text}) for name, value in templates.items()}
    documents = frozenset(name for name, value in templates.items() if value == "{document}")
    try:
        done = channel.soap().exchange(
            call.soap.operation, arguments, call_id=str(context["call_id"]), documents=documents
        )
    except Tampered as fault:  # what became of the call is unknown: ask again under the same ids
        raise TryLater("answer_" + fault.code, fault.detail) from fault
    tree = _result(channel, call, done.result)
    code, verdict, detail = _judged(call, tree)
    whole = channel.adapter.seal == "wssec"
    charset = "gb18030" if service.charset == "gbk" else service.charset
    said = "".join(text for name, text in done.sealed.items() if name in documents)
    body = done.request if whole else said.encode(charset)
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


def _result(channel: Channel, call: Call, result: str) -> Any:
    mapping = _reply_mapping(channel, call)
    try:
        return mapping.read(result)
    except Refused as fault:
        raise TryLater("answer_unreadable", fault.detail, channel.party.name) from fault


def _with_reply(channel: Channel, call: Call, tree: Any, sent: Sent, context: dict[str, Any]) -> Sent:
    """The message of a good answer; of a row-wise list the rows that can be read, the others apart."""
    reply = call.reply
    if sent.verdict != "ok" or reply is None or reply.type is None or reply.mapping is None:
        return sent
    payload, broken = channel.adapter.mappings[reply.mapping].hear_rows(_body(call, tree), context)
    return replace(sent, reply=(reply.type, payload), broken=broken)


def _doubted(channel: Channel, call: Call, tree: Any, sent: Sent) -> Sent:
    """A good answer that brings no message is held against its mapping all the same."""
    reply = call.reply
    if sent.verdict != "ok" or tree is None or reply is None or reply.type or reply.mapping is None:
        return sent
    try:
        channel.adapter.mappings[reply.mapping].hear_values(_body(call, tree))
    except Refused as fault:
        return replace(sent, doubt=str(fault))
    return sent


def _body(call: Call, tree: Any) -> Any:
    """The answer without the header put beside its members."""
    if call.rest is None or call.rest.result_header is None or not isinstance(tree, dict):
        return tree
    return {name: value for name, value in tree.items() if name != HEADER}


def _said(channel: Channel, document: Document, payload: Payload | None, context: dict[str, Any]) -> bytes:
    mapping = channel.adapter.mapping(document)
    return mapping.write(mapping.say(payload, context))


def _tree(channel: Channel, answer: Answer) -> Any:
    if not is_utf8(answer.headers.get("content-type", "")):
        raise TryLater("answer_unreadable", "JSON is UTF-8, the label says otherwise", channel.party.name)
    try:
        return json.loads(answer.body)
    except HubError as fault:
        raise TryLater("answer_unreadable", fault.detail, channel.party.name) from fault


def _judged(call: Call, tree: Any) -> tuple[str, str, str | None]:
    if call.outcome.path is None:
        return "ok", "ok", None
    code = value_at(tree, call.outcome.path)
    if code is None:
        raise TryLater("answer_unreadable", f"the answer has no {call.outcome.path}")
    if wrong := call.outcome.differing(partial(value_at, tree)):
        raise TryLater("answer_contradicts", f"{wrong} and {call.outcome.same[wrong]} differ")
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
