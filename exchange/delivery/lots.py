"""Several planned messages in one call, where the contract takes them together (`batch`)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from canonical.messages import PAYLOADS, Payload
from exchange.delivery.answers import with_reply
from exchange.delivery.channel import Channel, Lot, Part, Sent
from exchange.delivery.making import deliver, made, said_by
from exchange.errors import HubError, Misconfigured, Refused, TryLater
from exchange.manifest import Batch, Call

Planned = tuple[str, Mapping[str, Any], Mapping[str, Any]]
"""Message type, payload and facts of one delivery."""
Ended = Sent | HubError


def deliver_lot(channel: Channel, call: Call, batch: Batch, planned: Sequence[Planned]) -> list[Ended]:
    """What becomes of each, in their order; TryLater when that is not known of any. A call that is refused
    as a whole is made again for each alone: one of them may be what is wrong."""
    models = tuple(PAYLOADS[kind].model_validate(payload) for kind, payload, _ in planned)
    document, *others = [
        call.document_for(kind, model) for (kind, _, _), model in zip(planned, models, strict=True)
    ]
    if document is None or any(one != document for one in others):
        raise Misconfigured(
            "no_batch", f"{call.name} sends these by different documents", channel.adapter.name
        )
    facts = {**said_by(models[0]), **planned[0][2]}
    try:
        tree, sent, context = made(channel, call, document, Lot(models, batch.wire), facts)
    except Refused:
        return [_alone(channel, call, one) for one in planned]
    if sent.verdict != "ok":
        return [_alone(channel, call, one) for one in planned]
    try:
        ends = _apart(batch, with_reply(channel, call, tree, sent, context), models)
    except Refused as fault:  # it was done there: the same again brings the answer anew
        raise TryLater("answer_unreadable", str(fault), channel.party.name) from fault
    mapping = channel.adapter.mapping(document)
    shares = [mapping.share(model, batch.wire, context) for model in models]
    return [_part(end, sent, share, at) for at, (end, share) in enumerate(zip(ends, shares, strict=True))]


def _alone(channel: Channel, call: Call, planned: Planned) -> Ended:
    try:
        return deliver(channel, call, *planned)
    except HubError as fault:
        return fault


def _apart(batch: Batch, sent: Sent, models: Sequence[Payload]) -> list[Sent]:
    """The answer of each, of the answer to all."""
    if sent.reply is None:
        return [sent for _ in models]
    kind, whole = sent.reply
    refused = {getattr(one, batch.by): one for one in getattr(whole, batch.apart)}
    names = [getattr(model, batch.by) for model in models]
    if getattr(whole, batch.counted) != len(models) - len(refused) or not refused.keys() <= set(names):
        raise Refused("bad_value", "the answer does not add up", batch.counted)
    replies = [_own(batch, whole, refused.get(name)) for name in names]
    return [replace(sent, reply=(kind, one)) for one in replies]


def _part(end: Sent, whole: Sent, share: bytes, at: int) -> Sent:
    """What one message keeps: nothing that is said of others, and the digest that leads to all of it."""
    bound = {"call": hashlib.sha256(whole.body).hexdigest(), "at": at}
    return replace(end, body=share, seal=None, bound=bound, answer=None, part=Part(whole, at))


def _own(batch: Batch, whole: Payload, refused: object | None) -> Payload:
    own = {batch.counted: int(refused is None), batch.apart: () if refused is None else (refused,)}
    return whole.model_copy(update=own)
