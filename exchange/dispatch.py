"""Dispatch: per party one worker that claims planned deliveries, makes them, and settles each in one
commit with its ledger line."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Row
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from exchange.delivery import Channel, Sent, deliver, deliver_lot
from exchange.errors import HubError, Refused, TryLater
from exchange.hub import Hub
from exchange.outbox import GIVE_UP
from exchange.receipts import moment14
from exchange.records import Record, call_of_several, keep
from exchange.replies import BEYOND, doubts, take_reply
from exchange.routing import HOUSE
from exchange.store.work import Work
from exchange.transports.queues import Post, Queues

log = structlog.get_logger()

BACKOFF = (1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0)  # seconds; the last one repeats
IDLE = 1.0  # seconds between looks when no bell rings

Attempt = Callable[[Row[Any]], Sent]
Of = TypeVar("Of")
Made = TypeVar("Made")


class Together(Protocol):
    """What takes several deliveries in one call."""

    def fits(self, lot: Sequence[Row[Any]], row: Row[Any]) -> bool:
        """Whether one more may go in a call with these."""

    def make(self, lot: Sequence[Row[Any]]) -> Sequence[Sent | HubError]:
        """What became of each; a HubError of all."""


@dataclass(frozen=True)
class Outcome:
    """What became of one claimed delivery: sent (or refused by its receiver), failed, or not tried (None)."""

    row: Row[Any]
    end: Sent | HubError | None


class Dispatcher:
    """Deliveries of one party; `attempt` makes one, `together` several in one call."""

    def __init__(
        self, hub: Hub, party: str, attempt: Attempt, queues: Queues | None, together: Together | None = None
    ) -> None:
        self._hub, self._party, self._attempt, self._queues = hub, party, attempt, queues
        self._together = together

    def run(self, stopping: Callable[[], bool]) -> None:
        """Until `stopping()`: wait for the bell, then deliver everything that is ready."""
        bell = self._hub.outbox.bell(self._party)
        while not stopping():
            if not self._guarded_round():
                bell.wait(IDLE)
                bell.clear()

    def _guarded_round(self) -> int:
        """A store that is away, or a defect of ours, must not end the worker: what it claimed is taken up
        again after the claim's time."""
        try:
            return self.round()
        except Exception:  # the thread's boundary: nobody above hears of it, and the worker is never renewed
            log.exception("dispatch_failed", party=self._party)
            return 0

    def round(self) -> int:
        """One claim and its deliveries; how many were claimed."""
        with self._hub.store.read() as connection:
            if not self._hub.outbox.ready(connection, self._party, self._hub.store.clock()):
                return 0
        rows = self._hub.store.write(lambda work: self._hub.outbox.claim(work, self._party))
        failed: set[str] = set()
        pending: list[Outcome] = []
        for lot in self._lots(rows):
            outcomes = self._tried(lot, failed)
            pending += outcomes
            if not all(map(_post, outcomes)):
                failed |= self._settle(pending)
                pending = []
        if pending:
            self._settle(pending)
        return len(rows)

    def _lots(self, rows: Sequence[Row[Any]]) -> list[list[Row[Any]]]:
        """What goes in one call each, in the order of the claim."""
        lots: list[list[Row[Any]]] = []
        for row in rows:
            if lots and self._together is not None and self._together.fits(lots[-1], row):
                lots[-1].append(row)
            else:
                lots.append([row])
        return lots

    def _tried(self, lot: Sequence[Row[Any]], failed: set[str]) -> list[Outcome]:
        """But for the cases of which an earlier delivery has to wait."""
        waiting = [Outcome(row, None) for row in lot if row.case_no in failed]
        ready = [row for row in lot if row.case_no not in failed]
        if self._together is None or len(ready) < 2:
            return waiting + [Outcome(row, self._try(self._attempt, row)) for row in ready]
        ends = self._try(self._together.make, ready)
        each = [ends] * len(ready) if isinstance(ends, HubError) else ends
        return waiting + [Outcome(row, end) for row, end in zip(ready, each, strict=True)]

    def _try(self, make: Callable[[Of], Made], what: Of) -> Made | HubError:
        """A few quick attempts against a hiccup; a longer pause is the outbox's business."""
        quick = Retrying(
            retry=retry_if_exception_type(TryLater),
            stop=stop_after_attempt(2),
            wait=wait_random_exponential(0.05, 0.5),
            reraise=True,
        )
        try:
            return quick(make, what)
        except HubError as fault:
            return fault
        except Exception as fault:  # a defect met by one delivery must not stop the others of this party
            log.exception("delivery_defect", party=self._party)
            return TryLater("defect", type(fault).__name__)

    def _settle(self, outcomes: Sequence[Outcome]) -> set[str]:
        """One commit; the cases whose next delivery has to wait."""
        published = self._published(outcomes)
        self._hub.store.write(lambda work: settle_all(self._hub, work, self._party, published))
        return {o.row.case_no for o in published if not isinstance(o.end, Sent) and o.row.case_no}

    def _published(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """AMQP: all of a claim are published and confirmed together."""
        posts = [post for o in outcomes if (post := _post(o)) is not None]
        if not posts:
            return outcomes
        try:
            if self._queues is None:
                raise TryLater("broker_away", "no queue transport is configured")
            self._queues.publish(posts)
        except HubError as fault:
            return [replace(o, end=fault) if _post(o) else o for o in outcomes]
        return outcomes


def _post(outcome: Outcome) -> Post | None:
    """What is still to be published of it."""
    return outcome.end.post if isinstance(outcome.end, Sent) else None


def settle_all(hub: Hub, work: Work, party: str, outcomes: Sequence[Outcome]) -> None:
    """Several ends in one commit, before them each call that carried several messages, once."""
    parts = [(o.row.type, o.end.part.whole) for o in outcomes if isinstance(o.end, Sent) and o.end.part]
    for kind, whole in {id(whole): (kind, whole) for kind, whole in parts}.values():
        keep(hub, work, call_of_several(hub.name, party, kind, whole))
    for outcome in outcomes:
        settle(hub, work, party, outcome)


def settle(hub: Hub, work: Work, party: str, outcome: Outcome) -> None:
    """The end of one delivery, or of one attempt, in the caller's commit."""
    row, end = outcome.row, outcome.end
    if end is None:
        hub.outbox.give_back(work, [row.id])
    elif isinstance(end, Sent):
        _ended(hub, work, row, end)
        if end.reply is not None:
            take_reply(hub, work, party, row, end, end.reply)
    elif isinstance(end, TryLater) and row.attempts < GIVE_UP:
        pause = BACKOFF[min(row.attempts, len(BACKOFF)) - 1]
        hub.outbox.settle(work, row.id, "pending", end.code, retry_at=work.now + pause)
        log.info("delivery_postponed", party=party, code=end.code, attempts=row.attempts, seconds=pause)
    else:
        verdict = "refused" if isinstance(end, Refused) else "poison"
        _ended(hub, work, row, Sent("hub", b"", end.code, verdict, detail=str(end)))


def _ended(hub: Hub, work: Work, row: Row[Any], sent: Sent) -> None:
    state = {"ok": "sent", "refused": "refused"}.get(sent.verdict, "dead")
    entry = keep(hub, work, _outward(hub, row, sent, state))
    hub.outbox.settle(work, row.id, state, sent.code)
    if state != "sent":
        for follow in hub.reactions.refused:
            follow(hub, work, row, sent, entry.seq)


def _outward(hub: Hub, row: Row[Any], sent: Sent, state: str) -> Record:
    found: tuple[tuple[str, str, str], ...] = ()
    if state != "sent":
        found = (("procedure", f"delivery_{state}", f"{row.party} {sent.code}: {sent.detail or ''}"[:500]),)
    elif sent.reply is None:  # else it is told of the message the answer brought
        found = doubts(row.party, sent)
    kind = {"sent": "exchange.sent", "refused": "exchange.send_refused"}.get(state, "exchange.send_failed")
    return Record(
        kind,
        row.message_id,
        hub.name,
        row.party,
        row.party,
        "out",
        sent.protocol,
        row.type,
        sent.body,
        state=state,
        code=sent.code if state != "sent" else "ok" if sent.doubt is None or sent.reply else BEYOND,
        case_no=row.case_no,
        seal=sent.seal,
        bound=sent.bound,
        media_type=sent.media_type,
        answer=sent.answer,
        canonical=row.payload,
        note=sent.detail,
        findings=found,
    )


@dataclass(frozen=True)
class Lots:
    """Deliveries the partner's contract takes together."""

    channels: Callable[[str], Channel | None]

    def fits(self, lot: Sequence[Row[Any]], row: Row[Any]) -> bool:
        """Whether one more may go in a call with these."""
        channel = self.channels(row.party) if row.document == lot[0].document != HOUSE else None
        calls = channel.adapter.outbound if channel else ()
        batch = next((one.batch for one in calls if one.name == row.document), None)
        if channel is None or batch is None or len(lot) >= channel.adapter.limits.per_call:
            return False
        said = row.payload.get(batch.differ)
        return all(one.payload.get(batch.differ) != said for one in lot)

    def make(self, lot: Sequence[Row[Any]]) -> Sequence[Sent | HubError]:
        """What became of each."""
        channel = self.channels(lot[0].party)
        call = channel.adapter.call(lot[0].document) if channel else None
        if channel is None or call is None or call.batch is None:
            raise TryLater("unknown_party", "this party is not registered", lot[0].party)
        return deliver_lot(channel, call, call.batch, [(row.type, row.payload, facts_of(row)) for row in lot])


def facts_of(row: Row[Any]) -> dict[str, Any]:
    """What is known of a delivery beside its message."""
    return {**row.context, "message_id": row.message_id, "planned14": moment14(row.created_at)}


class Dispatchers:
    """One worker thread per party that is sent anything."""

    def __init__(
        self, hub: Hub, channels: Callable[[str], Channel | None], house: Attempt, queues: Queues | None
    ) -> None:
        self._hub, self._channels, self._house, self._queues = hub, channels, house, queues
        self._threads: dict[str, threading.Thread] = {}
        self._stop = threading.Event()

    def keep_up(self) -> None:
        """Start a worker for each party that has none."""
        for party in self._hub.parties.all():
            if party.name not in self._threads and (party.adapter != HOUSE or party.address):
                lots = Lots(self._channels)
                worker = Dispatcher(self._hub, party.name, self._attempt, self._queues, lots)
                thread = threading.Thread(
                    target=worker.run, args=(self._stop.is_set,), name=f"to-{party.name}", daemon=True
                )
                self._threads[party.name] = thread
                thread.start()

    def stop(self) -> None:
        """End all workers; what they had not settled is taken up at the next start."""
        self._stop.set()
        for party in self._threads:
            self._hub.outbox.bell(party).set()
        for thread in self._threads.values():
            thread.join(10)

    def _attempt(self, row: Row[Any]) -> Sent:
        if row.document == HOUSE:
            return self._house(row)
        channel = self._channels(row.party)
        if channel is None:
            raise TryLater("unknown_party", "this party is not registered", row.party)
        call = channel.adapter.call(row.document)
        return deliver(channel, call, row.type, row.payload, facts_of(row))
