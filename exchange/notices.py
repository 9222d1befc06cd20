"""Messages that only name their document (`SPECIAL@…`): kept, the document pulled from the partner, then the
one path; no receipt before that. A notice is pulled once, however often it is delivered."""

import hashlib
import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog
from sqlalchemy import Row, bindparam, delete, insert, select, update

from exchange import inbox
from exchange.consuming import DEAD_EXCHANGE, PartnerQueue, dead_letter, envelope_of
from exchange.delivery import Channel, pull
from exchange.envelope import Envelope, Heard, Sealed
from exchange.errors import Conflict, HubError, Misconfigured, Refused, TryLater
from exchange.faces import IDENT, Door
from exchange.hub import Hub
from exchange.manifest import PullRest
from exchange.mapping import json as strict_json
from exchange.mapping.run import value_at
from exchange.pipeline import expect_permitted, receive, turn_away
from exchange.receipts import Receipt
from exchange.store.tables import notice
from exchange.store.work import Work
from exchange.transports.queues import Delivery, Queues

log = structlog.get_logger()

AWAY = "partner_away"
LONGEST = 200  # bytes of a notice
PAUSES = (1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0)  # seconds; the last one repeats
GIVE_UP = 24 * 3600.0  # seconds
UNANSWERED = 5.0  # seconds before a receipt that could not be published is published again
IDLE = 1.0
BATCH = 20
NO_OBJECT = {"404": "the partner has no such object", "410": "the object was withdrawn"}

_DUE = select(notice).where(notice.c.next_at <= bindparam("now")).order_by(notice.c.next_at).limit(BATCH)
_ONE = (notice.c.party == bindparam("of")) & (notice.c.message_id == bindparam("ident"))


@dataclass(frozen=True)
class NoticeQueue:
    """One queue of notices; what is kept is acknowledged, the worker answers when it knows."""

    answering: PartnerQueue
    bell: threading.Event

    def __call__(self, delivery: Delivery) -> None:
        """Verify, keep, acknowledge."""
        hub, envelope = self.answering.hub, envelope_of(delivery)
        if self._waits(delivery):
            return
        sealed: Sealed | None = None
        try:
            sealed = self.answering.door.open(hub, envelope)
            known = self._kept(sealed, envelope, delivery)
        except Refused as refusal:
            known = turn_away(hub, envelope, sealed, refusal)
        if known is not None:
            self.answering.answer(delivery, known)

    def _waits(self, delivery: Delivery) -> bool:
        """Whether exactly this delivery is kept and not answered yet: its seal has been looked at when it was
        fresh."""
        with self.answering.hub.store.read() as connection:
            same = select(notice.c.delivery).where(notice.c.message_id == (delivery.message_id or ""))
            found = connection.execute(same).scalars().all()
        mine = _stored(delivery)
        return any(one["body"] == mine["body"] and one["headers"] == mine["headers"] for one in found)

    def _kept(self, sealed: Sealed, envelope: Envelope, delivery: Delivery) -> Receipt | None:
        """The first answer; None when there is none yet and the notice is kept."""
        door, store = self.answering.door, self.answering.hub.store
        named(_rule(door), envelope.body)
        if not IDENT.fullmatch(delivery.message_id or ""):
            raise Refused("bad_value", "an identity is 8 to 64 of A-Z a-z 0-9 . _ -", "message_id")
        known = self._known(sealed, envelope)
        if known is None:
            row = _row(door, sealed, envelope, delivery) | {"since": store.clock(), "next_at": store.clock()}
            store.write(lambda work: _keep(work, row))
            self.bell.set()
        return known

    def _known(self, sealed: Sealed, envelope: Envelope) -> Receipt | None:
        """The first answer to this notice; Conflict when the id named something else."""
        ident = str(envelope.properties.get("message_id") or "")
        with self.answering.hub.store.read() as connection:
            found = inbox.answered(connection, sealed.party.name, ident)
        if found is not None and found.digest != digest_of(envelope.body):
            raise Conflict("conflict", "this message id was used for another notice", "message_id")
        return found.receipt if found else None


@dataclass(frozen=True)
class Fetcher:
    """Pulls what kept notices name; one thread."""

    hub: Hub
    queues: Queues
    channels: Callable[[str], Channel | None]
    bell: threading.Event

    def run(self, stopping: Callable[[], bool]) -> None:
        """Until `stopping()`."""
        while not stopping():
            if not self._guarded_round():
                self.bell.wait(IDLE)
                self.bell.clear()

    def _guarded_round(self) -> int:
        try:
            return self.round()
        except Exception:  # the thread's boundary: nobody above hears of it, and the worker is never renewed
            log.exception("notices_failed")
            return 0

    def round(self) -> int:
        """Every notice that is due; how many."""
        with self.hub.store.read() as connection:
            rows = connection.execute(_DUE, {"now": self.hub.store.clock()}).all()
        silent: set[str] = set()  # parties that do not answer now: their other notices wait as well
        for row in rows:
            code = AWAY if row.party in silent else self._guarded(row)
            if code is not None:
                self._later(row, code)
            if code == AWAY:
                silent.add(row.party)
        return len(rows)

    def _guarded(self, row: Row[Any]) -> str | None:
        """Why the notice has to wait; None when it is done with."""
        try:
            self._pulled(row)
        except HubError as fault:
            return fault.code
        except Exception:  # a defect: this notice waits and is given up in its time, the others are pulled
            log.exception("notice_defect", party=row.party)
            return "defect"
        return None

    def _pulled(self, row: Row[Any]) -> None:
        door, sealed, delivery = self._door(row), self._sealed(row), _delivery(row.delivery)
        envelope = replace(envelope_of(delivery), received_at=row.since)
        if door is None or sealed is None:
            self._nobody(row, delivery, envelope)
        else:
            receipt = self._first_answer(row) or self._decided(row, door, sealed, envelope)
            PartnerQueue(self.hub, self.queues, door).answer(delivery, receipt)
        gone = {"of": row.party, "ident": row.message_id}
        self.hub.store.write(lambda work: work.connection.execute(delete(notice).where(_ONE), gone))

    def _nobody(self, row: Row[Any], delivery: Delivery, envelope: Envelope) -> None:
        """A notice of a party that is gone is set aside when its time is up."""
        gone = Refused("unknown_party", "the party is not registered any more", row.party[:40])
        if self._has_time(row):
            raise TryLater(gone.code, gone.detail)
        turn_away(self.hub, envelope, None, gone)
        self.queues.publish([dead_letter(delivery, gone.code, DEAD_EXCHANGE)])

    def _first_answer(self, row: Row[Any]) -> Receipt | None:
        """What was decided before, if only the answer could not be given."""
        with self.hub.store.read() as connection:
            found = inbox.answered(connection, row.party, row.message_id)
        return found.receipt if found is not None else None

    def _decided(self, row: Row[Any], door: Door, sealed: Sealed, envelope: Envelope) -> Receipt:
        """Pull, understand, receive; what is refused is remembered under the notice's own id."""
        try:
            envelope = replace(envelope, file=self._in_time(row, door, envelope))
            expect_permitted(self.hub, sealed, understood := self._read(door, sealed, envelope))
        except Refused as refusal:
            return turn_away(self.hub, envelope, sealed, refusal, (row.message_id, row.digest))
        return receive(self.hub, envelope, lambda _: sealed, lambda s, e: understood)

    def _in_time(self, row: Row[Any], door: Door, envelope: Envelope) -> bytes:
        try:
            return self._document(row, door, envelope)
        except (TryLater, Misconfigured) as fault:
            if self._has_time(row):
                raise
            log.warning("pull_given_up", party=row.party, code=fault.code, attempts=row.attempts + 1)
            raise Refused("not_pulled", "the document could not be pulled for 24 h", "body") from fault

    def _has_time(self, row: Row[Any]) -> bool:
        return bool(self.hub.store.clock() - row.since < GIVE_UP)

    def _document(self, row: Row[Any], door: Door, envelope: Envelope) -> bytes:
        """What the notice names, verified by the partner's seal on its answer."""
        channel, rule = self.channels(row.party), _rule(door)
        if channel is None:
            raise TryLater("unknown_party", "this party is not registered", row.party)
        sent = pull(channel, rule.call, named(rule, envelope.body))
        if sent.verdict != "ok" or sent.answer is None:
            said = NO_OBJECT.get(sent.code, sent.detail or "")
            raise Refused("not_pulled", f"the partner answered {sent.code}: {said}".rstrip(": "), "body")
        return sent.answer

    def _read(self, door: Door, sealed: Sealed, envelope: Envelope) -> Heard:
        """The pulled document, of the case the notice named; a repeat is known by the notice."""
        understood = door.read(self.hub, replace(sealed, body=envelope.file or b""), envelope)
        rule, tree = _rule(door), strict_json.loads(envelope.file or b"")
        for group, value in named(rule, envelope.body).items():
            if group in rule.expect and value_at(tree, rule.expect[group]) != value:
                raise Refused("bad_value", "the notice named another", rule.expect[group])
        return replace(understood, digest=digest_of(envelope.body))

    def _later(self, row: Row[Any], code: str) -> None:
        pause = PAUSES[min(row.attempts, len(PAUSES) - 1)]
        now, last = self.hub.store.clock(), row.since + GIVE_UP
        at = min(now + pause, last) if now < last else now + UNANSWERED
        values = {"attempts": row.attempts + 1, "next_at": at}
        where = {"of": row.party, "ident": row.message_id}
        self.hub.store.write(
            lambda work: work.connection.execute(update(notice).where(_ONE).values(values), where)
        )
        log.info("pull_postponed", party=row.party, code=code, attempts=row.attempts + 1, seconds=pause)

    def _door(self, row: Row[Any]) -> Door | None:
        party = self.hub.parties.named(row.party)
        adapter = self.hub.adapters.get(party.adapter) if party else None
        return Door(adapter, adapter.heard(row.entry_name)) if adapter else None

    def _sealed(self, row: Row[Any]) -> Sealed | None:
        party = self.hub.parties.named(row.party)
        return Sealed(party=party, body=b"", **row.sealed) if party else None


def named(rule: PullRest, body: bytes) -> dict[str, str]:
    """What the notice's text names; Refused bad_value for anything but the agreed string."""
    text = strict_json.loads(body) if len(body) <= LONGEST else None
    found = re.fullmatch(rule.pattern, text, re.ASCII) if isinstance(text, str) else None
    if found is None:
        raise Refused("bad_value", "not a notice of the agreed form", "body")
    return found.groupdict()


def digest_of(body: bytes) -> str:
    """Identity of a notice."""
    return hashlib.sha256(body).hexdigest()


def _rule(door: Door) -> PullRest:
    if door.entry.pull is None:
        raise Misconfigured("no_pull", "this entry does not pull", door.entry.name)
    return door.entry.pull


def _row(door: Door, sealed: Sealed, envelope: Envelope, delivery: Delivery) -> dict[str, Any]:
    proved = {
        "key_id": sealed.key_id,
        "nonce": sealed.nonce,
        "signature": sealed.signature,
        "suite": sealed.suite,
    }
    return {
        "party": sealed.party.name,
        "message_id": delivery.message_id or "",
        "entry_name": door.entry.name,
        "digest": digest_of(envelope.body),
        "delivery": _stored(delivery),
        "sealed": proved,
        "since": envelope.received_at,
        "attempts": 0,
        "next_at": envelope.received_at,
    }


def _stored(delivery: Delivery) -> dict[str, Any]:
    headers, body = dict(delivery.headers), b64encode(delivery.body).decode()
    return {**asdict(delivery), "headers": headers, "body": body}


def _delivery(stored: Mapping[str, Any]) -> Delivery:
    return Delivery(**{**stored, "body": b64decode(stored["body"])})


def _keep(work: Work, row: dict[str, Any]) -> None:
    """A notice that waits already is not kept twice; under its id another one is a conflict."""
    where = {"of": row["party"], "ident": row["message_id"]}
    found = work.connection.execute(select(notice.c.digest).where(_ONE), where).scalar()
    if found is None:
        work.connection.execute(insert(notice), row)
    elif found != row["digest"]:
        raise Conflict("conflict", "this message id names another document", "message_id")
