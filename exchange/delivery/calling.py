"""Say, seal, send and judge one call, by each transport."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from canonical.messages import Payload
from exchange.delivery.answers import HEADER, judged, result_of, tree_of
from exchange.delivery.channel import Channel, Lot, Sent, fill
from exchange.errors import Misconfigured, Refused, Tampered, TryLater
from exchange.manifest import AmqpCall, Call, Document, RestCall, SoapCall, SoapService, TableCall
from exchange.seals import jws
from exchange.tabledelivery import evidence, write_rows
from exchange.transports.queues import Post
from exchange.transports.rest import Answer
from exchange.transports.wrapped import wrap


def exchange(
    channel: Channel,
    call: Call,
    document: Document | None,
    payload: Payload | Lot | None,
    context: dict[str, Any],
) -> tuple[Any, Sent]:
    """Say, seal, send and judge one call: the answer's wire tree (None when there is none yet) and what
    was exchanged."""
    if call.rest is not None:
        return _rest(channel, call, call.rest, document, payload, context)
    if isinstance(payload, Lot):
        raise Misconfigured("no_batch", "only a REST call takes several messages", call.name)
    if call.amqp is not None:
        return None, _amqp(channel, call.amqp, document, payload, context)
    if call.table is not None:
        return None, _table(channel, call.table, document, payload, context)
    if call.soap is not None and channel.adapter.soap is not None:
        return _soap(channel, call, call.soap, channel.adapter.soap, document, payload, context)
    raise Misconfigured("no_service", "the manifest has no [soap] service", call.name)


def _rest(
    channel: Channel,
    call: Call,
    rest: RestCall,
    document: Document | None,
    payload: Payload | Lot | None,
    context: dict[str, Any],
) -> tuple[Any, Sent]:
    body = _said(channel, document, payload, context) if document else b""
    if rest.wrap is not None and document is not None:
        body = wrap(body, rest.wrap, channel.cipher)
    path, nonce = _path(rest, context), secrets.token_urlsafe(24)
    headers = {name: fill(value, context) for name, value in rest.headers.items()}
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
    tree = tree_of(channel, answer)
    if rest.result_header is not None and isinstance(tree, dict):
        tree[HEADER] = answer.headers.get(rest.result_header, "")
    code, verdict, detail = judged(call, tree)
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
    exchange_name, key = fill(amqp.exchange, context), fill(amqp.routing_key, context)
    seal = jws.sign_amqp(
        body,
        channel.ec_key,
        exchange=exchange_name,
        routing_key=key,
        now=datetime.now(UTC),
        nonce=secrets.token_urlsafe(24),
    )
    headers = {name: fill(value, context) for name, value in amqp.headers.items()} | {jws.HEADER_NAME: seal}
    post = Post(
        exchange_name,
        key,
        body,
        str(context["message_id"]),
        fill(amqp.correlation_id, context),
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
    channel: Channel,
    call: Call,
    soap: SoapCall,
    service: SoapService,
    document: Document | None,
    payload: Payload | None,
    context: dict[str, Any],
) -> tuple[Any, Sent]:
    text = _inner(channel, service.declaration, document, payload, context)
    templates = soap.arguments or service.arguments
    arguments = {name: fill(value, {**context, "document": text}) for name, value in templates.items()}
    documents = frozenset(name for name, value in templates.items() if value == "{document}")
    try:
        done = channel.soap().exchange(
            soap.operation, arguments, call_id=str(context["call_id"]), documents=documents
        )
    except Tampered as fault:  # what became of the call is unknown: ask again under the same ids
        raise TryLater("answer_" + fault.code, fault.detail) from fault
    tree = result_of(channel, call, done.result)
    code, verdict, detail = judged(call, tree)
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


def _said(
    channel: Channel, document: Document, payload: Payload | Lot | None, context: dict[str, Any]
) -> bytes:
    mapping = channel.adapter.mapping(document)
    if isinstance(payload, Lot):
        return mapping.write(mapping.together(payload.payloads, payload.wire, context))
    return mapping.write(mapping.say(payload, context))


def _path(rest: RestCall, context: Mapping[str, Any]) -> str:
    path = fill(rest.path, context)
    query = "&".join(f"{name}={fill(value, context)}" for name, value in rest.query.items())
    return f"{path}?{query}" if query else path


def _origin(channel: Channel) -> str:
    if not channel.party.address:
        raise TryLater("no_address", "this party has no address", channel.party.name)
    return channel.party.address.rstrip("/")
