"""What the answer to a call of ours brings: recorded, and applied like any other message."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Row

from canonical.form import canonical_bytes
from canonical.messages import Message
from exchange import pipeline
from exchange.cases import Held
from exchange.delivery import Reply, Sent
from exchange.envelope import heard
from exchange.errors import Refused
from exchange.hub import Hub
from exchange.receipts import moment
from exchange.records import Record, keep
from exchange.store.work import Work

BEYOND = "answer_not_as_agreed"


def doubts(party: str, sent: Sent) -> tuple[tuple[str, str, str], ...]:
    """The finding of an answer that says more than its contract."""
    return () if sent.doubt is None else (("content", BEYOND, f"{party} {sent.doubt}"[:500]),)


def take_reply(hub: Hub, work: Work, party: str, row: Row[Any], sent: Sent, reply: Reply) -> None:
    """A partner's synchronous answer is a message like any other; what the case cannot take is recorded as
    refused."""
    _take_answer(hub, work, _answer(work, party, row.message_id, reply), sent, row.case_no)


def take_pulled(hub: Hub, party: str, sent: Sent, reply: Reply, ident: str) -> None:
    """What a pull brought: the request and its answer, recorded and applied in one commit."""

    def act(work: Work) -> None:
        asked = _asked(hub, party, sent, ident, reply[0])
        keep(hub, work, replace(asked, answer=None))  # the answer is the next record's own body
        _take_answer(hub, work, _answer(work, party, ident, reply), sent, None)

    hub.store.write(act)


def _answer(work: Work, party: str, asked: str, reply: Reply) -> Message:
    """The message an answer brought, named after what asked for it."""
    kind, payload = reply
    return Message(
        message_id=f"re-{asked}",
        type=kind,
        sender=party,
        sent_at=moment(work.now),
        causation_id=asked,
        payload=payload,
    )


def record_pulled(
    hub: Hub, party: str, sent: Sent, ident: str, kind: str, then: Callable[[Work, int], None] | None = None
) -> None:
    """A pull whose answer is no message: a refusal, a list of codes, or what could not be read. `then` is
    done in the same commit, with the entry."""
    asked = _asked(hub, party, sent, ident, kind)
    if sent.verdict != "ok":
        found = (("procedure", "pull_refused", f"{party} {sent.code}: {sent.detail or ''}"[:500]),)
        asked = replace(
            asked,
            kind="exchange.send_refused",
            state="refused",
            code=sent.code,
            note=sent.detail,
            findings=found,
        )

    def act(work: Work) -> None:
        entry = keep(hub, work, asked)
        if then is not None:
            then(work, entry.seq)

    hub.store.write(act)


def _asked(hub: Hub, party: str, sent: Sent, ident: str, kind: str) -> Record:
    return Record(
        "exchange.sent",
        ident,
        hub.name,
        party,
        party,
        "out",
        sent.protocol,
        f"{kind.removesuffix('.v1')}.query",
        sent.body,
        state="sent",
        media_type=sent.media_type,
        answer=sent.answer,
    )


def _answered(sent: Sent, message: Message) -> bytes:
    """The answer as it came; of a call with several messages, what it says of this one."""
    if sent.part is None:
        return sent.answer or b""
    return canonical_bytes(message.payload.model_dump(mode="json", exclude_none=True))


def _take_answer(hub: Hub, work: Work, message: Message, sent: Sent, case_no: str | None) -> None:
    understood = heard(message)
    record = Record(
        "exchange.received",
        message.message_id,
        message.sender,
        hub.name,
        message.sender,
        "in",
        sent.protocol,
        message.type,
        _answered(sent, message),
        case_no=message.case_no or case_no,
        code="ok" if sent.doubt is None else BEYOND,
        media_type=sent.media_type,
        canonical=understood.canonical,
        note=sent.doubt,
        findings=doubts(message.sender, sent),
    )
    try:
        with work.attempt():
            moved = hub.cases.apply(work, message)
            if isinstance(moved, Held):
                raise Refused("state_forbids", "the answer came before its predecessor", "case_no")
            entry = keep(hub, work, record.moved(moved))
            pipeline.settle(hub, work, message, moved, entry, sent.broken)
    except Refused as refusal:
        keep(hub, work, replace(record.refused(refusal), findings=(("logic", refusal.code, refusal.detail),)))
