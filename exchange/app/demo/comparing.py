"""Two records of the same traffic, the hub's and each partner's, held against each other by message."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from exchange.records import UNKNOWN, is_call_of_several
from exchange.store.tables import catalogue_change, document, outbox

RECEIPT = "exchange.receipted.v1"
CHANGE = "catalogue.changed.v1"
ANSWER = (
    "re-"  # how the ids of synchronous answers begin; they are part of a call, partners do not record them
)
TO, FROM = "to", "from"  # as the hub sees it
GOOD = frozenset({"accepted", "held", "sent"})
PARTNER_SIDE = {"received": TO, "sent": FROM}
_COLUMNS = tuple(
    document.c[name]
    for name in ("message_id", "direction", "type", "case_no", "state", "code", "body", "bound", "canonical")
)


@dataclass(frozen=True)
class Line:
    """One message as one side wrote it down; `good` = taken, `code` = what was answered."""

    way: str
    id: str
    digest: str
    good: bool
    code: str
    kind: str
    repeats: int = 0
    unread: bool = False  # refused by the hub before it could tell what it was


@dataclass(frozen=True)
class Difference:
    """What the two sides do not agree on."""

    party: str
    way: str
    id: str
    what: str

    def __str__(self) -> str:
        arrow = "hub → " if self.way == TO else "hub ← "
        return f"{arrow}{self.party} {self.id}: {self.what}"


@dataclass(frozen=True)
class Rule:
    """What names a message on both sides of one system: the document's own id, its request_id, its bytes, a
    template over what it says, or (case) its case and kind, where `kinds` says what the partner calls a type.
    Without `bytes` the two sides write their records in different forms. `asks`: types that are questions, of
    which the partner keeps no record; with `answers` it keeps what it answered, compared by its bytes.
    `own`: types of ours with a name of their own, and its member; `called`: what the partner calls them.

    `prefix`: what the hub puts before the partner's id. `beside`: kinds of the partner's record that are no
    business messages. `reads`: questions without effect, asked again when the hub ended before it had noted
    the answer, so the partner may know of more of them.
    """

    to: str = "message_id"
    from_: str = "message_id"
    prefix: str = ""
    beside: frozenset[str] = frozenset({"receipt"})
    reads: frozenset[str] = frozenset()
    kinds: Mapping[str, str] = field(default_factory=dict)
    bytes: bool = True
    asks: frozenset[str] = frozenset()
    answers: bool = False
    own: Mapping[str, str] = field(default_factory=dict)
    called: frozenset[str] = frozenset()


RULES: Mapping[str, Rule] = {
    "provincial_catalogue": Rule(
        to="digest",
        beside=frozenset({"GetToken"}),
        reads=frozenset({"QueryIncrement", "QueryReportResult", "QueryDict", "GetItem"}),
        own={"catalogue.reported.v1": "batch_id"},
        called=frozenset({"ReportItems"}),
    ),
    "department_a": Rule(),
    "sms": Rule(to="request_id", from_="digest"),
    "certificates": Rule(
        to="request_id",
        prefix="sealed-",
        asks=frozenset(
            {"certificate.searched.v1", "certificate.file_requested.v1", "certificate.schema_requested.v1"}
        ),
    ),
    "fees": Rule(to="request_id", prefix="paid-"),
    "archives": Rule(to="request_id", from_="request_id"),
    "provincial_reporting": Rule(),
    "house": Rule(),
    "department_a_pull": Rule(),
    "department_b": Rule(),
    "department_c": Rule(
        to="case",
        kinds={
            "case.applied.v1": "EA_JC_STEP_BASICINFO",
            "case.attached.v1": "EA_JC_FILE",
            "case.accepted.v1": "EA_JC_STEP_PROC",
            "fee.paid.v1": "EA_JC_NOTICE",
            "certificate.issued.v1": "EA_JC_NOTICE",
        },
    ),
    "department_d": Rule(
        to="case",
        kinds={
            "case.applied.v1": "PRE_APASINFO",
            "case.attached.v1": "PRE_FILE",
            "case.accepted.v1": "PRE_ACCEPT",
            "fee.paid.v1": "PRE_NOTICE",
            "certificate.issued.v1": "PRE_NOTICE",
        },
        beside=frozenset({"PRE_COMM_FORM"}),
        bytes=False,
    ),
    "portal": Rule(),
    "identity": Rule(from_="digest", asks=frozenset({"directory.increment.query"}), answers=True),
    "logistics": Rule(to="request_id", prefix="trace-"),
    "sharing": Rule(to="request_id"),
    "evaluation": Rule(to="44{case_no}/{service_number}", prefix="rated-"),
    "performance": Rule(to="report_id"),
    "revenue": Rule(to="request_id"),
    "publication": Rule(),
}


@dataclass(frozen=True)
class Outcome:
    """One system after the comparison; counts are the hub's, each message once."""

    sent: int = 0
    received: int = 0
    receipts: int = 0
    refused: int = 0
    repeats: int = 0
    undelivered: int = 0  # what the partner gave up sending: it never reached the hub, both sides say so
    differences: tuple[Difference, ...] = field(default=())


def hub_lines(connection: Connection, party: str, rule: Rule) -> tuple[list[Line], int]:
    """What the hub recorded of one party: its business messages, and how many receipts."""
    codes = _receipt_codes(connection, party)
    wanted = (document.c.party == party) & document.c.direction.in_(("in", "out"))
    query = select(*_COLUMNS).where(wanted).order_by(document.c.entry)
    lines, receipts = [], 0
    for row in connection.execute(query):
        if row.type == RECEIPT and row.direction == "in":
            receipts += 1
        elif row.direction == "in" or not (row.type in rule.asks or is_call_of_several(row.type)):
            lines.append(_hub_line(row, rule, codes.get(row.message_id)))
    return lines, receipts


def published_lines(connection: Connection) -> list[Line]:
    """The published changes of the items, each known by its hash: what every reader must have read."""
    query = select(catalogue_change.c.number, catalogue_change.c.hash)
    return [Line(TO, str(row.number), row.hash.hex(), True, "0", CHANGE) for row in connection.execute(query)]


def _receipt_codes(connection: Connection, party: str) -> dict[str, str]:
    """The business receipts of what was sent: a partner's refusal may come after the delivery."""
    query = select(outbox.c.message_id, outbox.c.receipt_code).where(
        outbox.c.party == party, outbox.c.receipt_code.is_not(None)
    )
    return {row.message_id: row.receipt_code for row in connection.execute(query)}


def _hub_line(row: Any, rule: Rule, receipt: str | None) -> Line:
    way = TO if row.direction == "out" else FROM
    digest = (row.bound or {}).get("call") or hashlib.sha256(row.body).hexdigest()
    answered = receipt if way == TO and receipt is not None else row.code
    good = row.state in GOOD and receipt in (None, "0")
    unread = row.message_id == UNKNOWN and not good
    return Line(way, _hub_id(row, rule, way, digest), digest, good, answered, row.type, unread=unread)


def _hub_id(row: Any, rule: Rule, way: str, digest: str) -> str:
    if way == FROM and row.message_id.startswith(ANSWER) and not rule.answers:
        return str(row.message_id)
    if row.message_id == UNKNOWN:
        return digest
    by = rule.to if way == TO else rule.from_
    if by == "case":
        return f"{rule.kinds.get(row.type, row.type)} {row.case_no}"
    said = row.canonical or {}
    if way == TO and row.type in rule.own:
        return str(said.get(rule.own[row.type]))
    if "{" in by:
        return by.format_map(said)
    found = {"digest": digest, **{name: said.get(name) for name in ("request_id", "report_id")}}.get(by)
    return str(found or row.message_id.removeprefix(rule.prefix))


def partner_lines(entries: Iterable[Mapping[str, Any]], rule: Rule) -> list[Line]:
    """What a partner recorded (its /admin/record), without what is no business message."""
    return [_partner_line(entry, rule) for entry in entries if entry["kind"] not in rule.beside]


def _partner_line(entry: Mapping[str, Any], rule: Rule) -> Line:
    way, digest = PARTNER_SIDE[entry["direction"]], str(entry["sha256"])
    by = rule.to if way == TO else rule.from_
    named = {"digest": digest, "case": f"{entry['kind']} {entry['case']}"}
    name = str(entry["id"]) if entry["kind"] in rule.called else named.get(by, str(entry["id"]))
    code, good = str(entry["code"]), bool(entry["accepted"])
    return Line(way, name, digest, good, code, str(entry["kind"]), int(entry["repeats"]))


def compare(
    party: str,
    hub: Sequence[Line],
    partner: Sequence[Line],
    receipts: int = 0,
    rule: Rule = Rule(),
) -> Outcome:
    """Count each message once and list what does not agree."""
    here, there = _grouped(_business(hub)), _grouped(_renamed(hub, partner))
    there = {key: lines for key, lines in there.items() if key in here or _last(lines).kind not in rule.reads}
    found = [
        Difference(party, way, name, what)
        for way, name in sorted(here.keys() | there.keys())
        if (what := _judged(here.get((way, name), []), there.get((way, name), []), rule.bytes))
    ]
    return Outcome(
        sent=_count(here, lambda way, good: way == TO and good),
        received=_count(here, lambda way, good: way == FROM and good) + _answers(hub),
        receipts=receipts,
        refused=_count(here, lambda way, good: not good),
        repeats=sum(line.repeats for line in partner),
        undelivered=sum(_given_up(lines) for key, lines in there.items() if key not in here),
        differences=tuple(found),
    )


Groups = Mapping[tuple[str, str], list[Line]]


def _business(hub: Sequence[Line]) -> list[Line]:
    return [line for line in hub if not _is_answer(line)]


def _is_answer(line: Line) -> bool:
    return line.way == FROM and line.id.startswith(ANSWER)


def _answers(hub: Sequence[Line]) -> int:
    return len({line.id for line in hub if _is_answer(line) and line.good})


def _grouped(lines: Iterable[Line]) -> Groups:
    groups: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        groups[line.way, line.id].append(line)
    return groups


def _renamed(hub: Sequence[Line], partner: Sequence[Line]) -> list[Line]:
    """A partner that could not read a message's id recorded it by its bytes: give it the hub's id."""
    known = {(line.way, line.id) for line in hub}
    by_digest = {(line.way, line.digest): line.id for line in hub}
    return [
        line
        if (line.way, line.id) in known
        else Line(**{**line.__dict__, "id": by_digest.get((line.way, line.digest), line.id)})
        for line in partner
    ]


def _count(groups: Groups, wanted: Callable[[str, bool], bool]) -> int:
    return sum(wanted(way, any(line.good for line in lines)) for (way, _), lines in groups.items())


def _judged(here: Sequence[Line], there: Sequence[Line], same_bytes: bool) -> str | None:
    """What is wrong with one message, None when both sides tell the same."""
    if not there:
        return None if _turned_down(here) else f"{_last(here).kind} is in the hub's record only"
    if not here:
        return None if _given_up(there) else f"{_last(there).kind} is in the partner's record only"
    taken, kept = [line for line in here if line.good], [line for line in there if line.good]
    if bool(taken) != bool(kept):
        return f"hub says {_said(here)}, partner says {_said(there)}"
    return _content(taken, kept) if same_bytes else None


def _turned_down(here: Sequence[Line]) -> bool:
    """Sent and refused by the partner's own answer, which need not keep what it refused; or spoilt on its way
    here, so that no record of the sender's has such bytes."""
    return all(line.unread or (line.way == TO and not line.good) for line in here)


def _given_up(there: Sequence[Line]) -> bool:
    """Sent by the partner, never taken: a contract may end its repeats."""
    return all(line.way == FROM and not line.good for line in there)


def _content(taken: Sequence[Line], kept: Sequence[Line]) -> str | None:
    """Bytes are compared unless the partner saw repeats: a repeat may carry a fresh time in its head."""
    if not taken or any(line.repeats for line in kept):
        return None
    if len(kept) > 1 and len({line.digest for line in kept}) > len({line.digest for line in taken}):
        return f"partner took {len(kept)} different contents under one id"
    same = {line.digest for line in taken} & {line.digest for line in kept}
    return None if same else f"the bytes differ: {taken[-1].digest[:12]} here, {kept[-1].digest[:12]} there"


def _said(lines: Sequence[Line]) -> str:
    line = _last(lines)
    return f"{'taken' if any(one.good for one in lines) else 'refused'} (code {line.code})"


def _last(lines: Sequence[Line]) -> Line:
    return lines[-1]
