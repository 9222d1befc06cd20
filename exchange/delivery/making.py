"""A planned delivery, or a pull: registrations and token first, then the call, then its answer kept."""

import hashlib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from canonical.messages import PAYLOADS, CaseAttached, Payload
from exchange.delivery.answers import doubted, with_reply
from exchange.delivery.calling import exchange
from exchange.delivery.channel import Channel, Lot, Sent
from exchange.errors import Misconfigured, Refused, TryLater
from exchange.manifest import Call, Document, Token
from exchange.mapping.run import value_at
from exchange.registrations import named, once_id


def deliver(
    channel: Channel, call: Call, kind: str, payload: Mapping[str, Any], facts: Mapping[str, Any]
) -> Sent:
    """Make one planned call; TryLater when the outcome is unknown or the partner asks to wait."""
    model = PAYLOADS[kind].model_validate(payload)
    document = call.document_for(kind, model)
    if document is None:
        raise Misconfigured("no_document", f"{call.name} sends no {kind}", channel.adapter.name)
    facts = {**said_by(model), **facts}
    tree, sent, context = made(channel, call, document, model, facts)
    try:
        sent = doubted(channel, call, tree, with_reply(channel, call, tree, sent, context))
    except Refused as fault:  # it was done there: the same again, under the same id, brings the answer anew
        raise TryLater("answer_unreadable", str(fault), channel.party.name) from fault
    _keep_remote(channel, call, facts, tree, sent)
    return sent


def pull(channel: Channel, name: str, facts: Mapping[str, Any]) -> Sent:
    """Make a call that carries no message and brings one back; an answer that cannot be read at all is
    `refused` with its code."""
    call = channel.adapter.call(name)
    tree, sent, context = made(channel, call, call.documents[0] if call.documents else None, None, facts)
    try:
        heard = replace(with_reply(channel, call, tree, sent, context), tree=tree)
    except Refused as fault:
        return replace(sent, verdict="refused", code=fault.code, detail=str(fault)[:2000])
    _keep_remote(channel, call, facts, tree, heard)
    return heard


def said_by(model: Payload) -> dict[str, str | int]:
    """`said_NAME`: each single value of the message, for what an answer does not repeat; `said_NAME_count`:
    how long each of its lists is."""
    values = {f"said_{name}": getattr(model, name) for name in type(model).model_fields}
    lists = {f"{name}_count": len(value) for name, value in values.items() if isinstance(value, tuple)}
    plain = {name: value for name, value in values.items() if isinstance(value, str | int)}
    return plain | lists | ({"file_md5": _md5(model)} if isinstance(model, CaseAttached) else {})


def _md5(model: CaseAttached) -> str:
    """Of the file, as some partners ask for beside the digest."""
    return hashlib.md5(b64decode(model.content), usedforsecurity=False).hexdigest()


def made(
    channel: Channel,
    call: Call,
    document: Document | None,
    model: Payload | Lot | None,
    facts: Mapping[str, Any],
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


def _token(channel: Channel, call: Call) -> dict[str, str]:
    procedure = channel.adapter.token
    if procedure is None or call is procedure.call:
        return {}
    return {"token": channel.tokens.current(procedure.lifetime, partial(_fetched, channel, procedure))}


def _fetched(channel: Channel, procedure: Token) -> str:
    call = procedure.call
    first = call.documents[0] if call.documents else None
    tree, sent = exchange(channel, call, first, None, channel.context({"token": ""}))
    token = value_at(tree, procedure.value)
    if sent.verdict != "ok" or not token:
        raise TryLater("no_token", f"the partner gave no token: {sent.code}")
    return token


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
            tree, done, _ = made(channel, before, before.documents[0], None, own)
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
