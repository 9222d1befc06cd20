"""The one path of a message: verify, understand, and in one commit apply, record, react and plan what goes
out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from canonical.messages import Message, Payload
from exchange import inbox
from exchange.cases import Held, Moved, find
from exchange.envelope import Envelope, Heard, Sealed, heard, seal_digest
from exchange.errors import HubError, Refused
from exchange.hub import Hub
from exchange.mapping.rows import BrokenRow
from exchange.receipts import Receipt, errors_of, facts_of, render
from exchange.records import Record, keep
from exchange.routing import DEPARTMENTS
from exchange.staff import Staff
from exchange.store.work import Work
from ledger.log import Checkpoint, Entry

Open = Callable[[Envelope], Sealed]
Read = Callable[[Sealed, Envelope], Heard]
Apply = Callable[[Work, Message], Moved | Held]


def receive(hub: Hub, envelope: Envelope, open_: Open, read: Read) -> Receipt:
    """What every message from outside goes through; a refusal is an answer too, and leaves its line in the
    ledger."""
    sealed: Sealed | None = None
    try:
        sealed = open_(envelope)
        expect_permitted(hub, sealed, understood := read(sealed, envelope))
    except Refused as refusal:
        return turn_away(hub, envelope, sealed, refusal)
    return hub.store.write(lambda work: commit(hub, work, envelope, sealed, understood))


def expect_permitted(hub: Hub, sealed: Sealed, understood: Heard) -> None:
    """A party speaks for itself alone, and only of what it was registered for."""
    message = understood.message
    if message.sender != sealed.party.name:
        raise Refused("not_allowed", "the sender is not the party that sealed the message", "sender")
    if message.type not in hub.sends(sealed.party):
        raise Refused("not_allowed", f"this party may not send {message.type}", "type")


def expect_own_case(hub: Hub, work: Work, sealed: Sealed, moved: Moved | Held) -> None:
    """A department speaks of the cases of its own items alone."""
    if sealed.party.adapter not in hub.adapters_of(DEPARTMENTS):
        return
    case = moved.case if isinstance(moved, Moved) else find(work, moved.case_no)
    if case is not None and case["org"] != sealed.party.org:
        raise Refused("not_allowed", "the case is another body's", "case_no")


def commit(hub: Hub, work: Work, envelope: Envelope, sealed: Sealed, understood: Heard) -> Receipt:
    """Inside the transaction: the first answer again, or the message's effect, or its refusal."""
    message = understood.message
    found = inbox.earlier(work, sealed, message.message_id)
    try:
        inbox.expect_fresh(work, sealed, message.message_id, found, understood.digest)
        if found is not None:
            return found.receipt
        with work.attempt():
            return take(hub, work, envelope, sealed, understood)
    except Refused as refusal:
        keep_first = found is not None or refusal.code == "replay"  # a used nonce does not use up the new id
        return refuse(hub, work, envelope, sealed, refusal, understood, known=keep_first)


def take(hub: Hub, work: Work, envelope: Envelope, sealed: Sealed, understood: Heard) -> Receipt:
    """Apply the message to its case, record it, react to it, plan what it causes, and close the inbox."""
    message = understood.message
    moved = hub.cases.apply(work, message)
    expect_own_case(hub, work, sealed, moved)
    record = Record.inward(envelope, sealed, understood, hub.name)
    if isinstance(moved, Held):
        entry = keep(hub, work, record.held())
        held = Receipt("held", "held")
        return _close(hub, work, envelope, sealed, understood, entry, held, waits_in=moved.case_no)
    entry = keep(hub, work, record.moved(moved))
    settle(hub, work, message, moved, entry)
    return _close(hub, work, envelope, sealed, understood, entry, Receipt("accepted", "ok"))


def settle(
    hub: Hub, work: Work, message: Message, moved: Moved, entry: Entry, broken: Sequence[BrokenRow] = ()
) -> None:
    """What follows from an accepted message: the case's new state, findings, reactions, deliveries,
    released messages. `broken`: rows of it that could not be read."""
    hub.cases.store(work, moved)
    hub.outbox.add(work, hub.routes.plan(hub, work, message, moved), entry.seq)
    for payload in hub.reactions.run(hub, work, message, moved, entry.seq, broken):
        submit(hub, work, payload, cause=message.message_id)
    if moved.changed:
        release(hub, work, moved.case_no)
    while work.named:
        release(hub, work, work.named.pop())


def submit(hub: Hub, work: Work, payload: Payload, *, cause: str | None, by: Staff | None = None) -> Entry:
    """An act of the hub itself, or of a clerk in its hall: from the commit on, the same path."""
    sender = hub.name if by is None else by.party
    understood = heard(hub.own_message(payload, work.now, cause, sender))
    moved = hub.cases.apply(work, understood.message)
    if isinstance(moved, Held):
        raise Refused("state_forbids", "the act came before its predecessor", "case_no")
    entry = keep(hub, work, Record.own(hub.name, understood, by).moved(moved))
    settle(hub, work, understood.message, moved, entry)
    return entry


def release(hub: Hub, work: Work, case_no: str | None) -> None:
    """Take up held messages of a case whose predecessor has come, again until none can go on."""
    while case_no and any(
        [_taken_up(hub, work, row, stored, hub.cases.apply) for row, stored in inbox.waiting(work, case_no)]
    ):
        pass


def _taken_up(hub: Hub, work: Work, row: int, stored: Mapping[str, object], apply: Apply) -> bool:
    """One held message in its turn; False when it still has to wait or was taken up meanwhile."""
    if not inbox.still_held(work, row):
        return False
    message = hub.message(stored)
    record = Record.released(message, hub.name)
    try:
        with work.attempt():
            moved = apply(work, message)
            if isinstance(moved, Held):
                return False
            entry = keep(hub, work, record.moved(moved))
            inbox.released(work, row, "accepted", "ok")
            settle(hub, work, message, moved, entry)
    except Refused as refusal:
        entry = keep(hub, work, record.refused(refusal))
        inbox.released(work, row, "refused", refusal.code)
        _note(hub, work, message, refusal, entry)
    return True


def accept_overdue(hub: Hub, work: Work) -> int:
    """Held for 24 h: taken with a finding where the message can stand alone, else refused; how many."""
    return sum(
        [_taken_up(hub, work, row, stored, hub.cases.accept_without) for row, stored in inbox.overdue(work)]
    )


def _note(hub: Hub, work: Work, message: Message, refusal: Refused, entry: Entry) -> None:
    """A step the case does not allow is a finding about the case, whenever it is refused."""
    if refusal.code in {"state_forbids", "decision_contradicts"}:
        hub.cases.note_refusal(work, message, refusal, entry.seq)


def refuse(
    hub: Hub,
    work: Work,
    envelope: Envelope,
    sealed: Sealed,
    refusal: Refused,
    understood: Heard | None,
    *,
    known: bool,
    named: tuple[str, str] | None = None,
) -> Receipt:
    """Record what was turned away and answer with a signed refusal; an id already answered keeps its first
    answer."""
    record = Record.inward(envelope, sealed, understood, hub.name).refused(refusal)
    entry = keep(hub, work, replace(record, message_id=named[0]) if named else record)
    receipt = Receipt("refused", refusal.code)
    if known:
        return _answer(hub, work, envelope, sealed, understood, entry, receipt, refusal)
    if understood is not None:
        _note(hub, work, understood.message, refusal, entry)
    return _close(hub, work, envelope, sealed, understood, entry, receipt, refusal, named=named)


def turn_away(
    hub: Hub,
    envelope: Envelope,
    sealed: Sealed | None,
    refusal: Refused,
    named: tuple[str, str] | None = None,
) -> Receipt:
    """A message that could not be verified or understood: the same bytes get their first answer, others a
    refusal. `named`: message id and digest by which it is known all the same."""

    def act(work: Work) -> Receipt:
        if again := inbox.same_bytes(work, seal_digest(envelope)):
            return again
        said = Refused("replay", refusal.detail, refusal.where) if refusal.code == "stale" else refusal
        if sealed is not None:
            return refuse(hub, work, envelope, sealed, said, None, known=False, named=named)
        if hub.strangers.counted(work.now):
            keep(hub, work, Record.stranger(envelope, hub.name).refused(said))
        return Receipt("refused", said.code, {"errors": errors_of(said)})

    return hub.store.write(act)


def _close(
    hub: Hub,
    work: Work,
    envelope: Envelope,
    sealed: Sealed,
    understood: Heard | None,
    entry: Entry,
    receipt: Receipt,
    refusal: HubError | None = None,
    waits_in: str | None = None,
    named: tuple[str, str] | None = None,
) -> Receipt:
    """What could not be read is remembered by its very bytes, for want of an id; a held message waits in its
    case, which it may name by a partner's number only."""
    receipt = _answer(hub, work, envelope, sealed, understood, entry, receipt, refusal)
    seal = seal_digest(envelope)
    ident, digest = named or (seal, "")
    if understood is not None:
        ident, digest = understood.message.message_id, understood.digest
    held = understood if receipt.status == "held" else None
    inbox.close(work, sealed, seal, entry.seq, ident, receipt, digest=digest, held=held, case_no=waits_in)
    return receipt


def _answer(
    hub: Hub,
    work: Work,
    envelope: Envelope,
    sealed: Sealed,
    understood: Heard | None,
    entry: Entry,
    receipt: Receipt,
    refusal: HubError | None,
) -> Receipt:
    message = understood.message if understood else None
    receipt.facts = facts_of(
        message_id=message.message_id if message else "",
        kind=message.type if message else "",
        sender=sealed.party.name,
        hub=hub.name,
        at=work.now,
        body=envelope.body,
        case_no=message.case_no if message else None,
    )
    if refusal is not None:
        receipt.facts["errors"] = errors_of(refusal)

    def with_position(checkpoint: Checkpoint) -> None:
        receipt.body = render(receipt, entry, checkpoint, hub.store.log.origin)

    work.at_checkpoint(with_position)
    return receipt


__all__ = [
    "Held",
    "accept_overdue",
    "commit",
    "receive",
    "refuse",
    "release",
    "settle",
    "submit",
    "take",
    "turn_away",
]
