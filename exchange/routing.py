"""Who is told what: the routes are a table (data/routes.toml), house parties take what they subscribed to."""

import tomllib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from canonical.messages import PAYLOADS, ComplaintResolved, Message
from exchange import complaints
from exchange.errors import Misconfigured
from exchange.manifest import Call
from exchange.parties import Party
from exchange.store.tables import document, outbox
from exchange.store.work import Work

if TYPE_CHECKING:
    from exchange.cases import Moved
    from exchange.hub import Hub

HOUSE = "house"
DEPARTMENTS = "SYS-02"
PORTALS = "SYS-07"
ATTACHED = "case.attached.v1"
# What a case may go through again without a number of its own.
RECURRING = frozenset(
    {"case.applied.v1", "case.pre_reviewed.v1", "case.supplement_noticed.v1", "case.supplemented.v1"}
)
_FILES = (
    select(document.c.canonical)
    .where(
        document.c.case_no == bindparam("of"),
        document.c.type == ATTACHED,
        document.c.direction == "in",
        document.c.state == "accepted",
    )
    .order_by(document.c.entry)
)
_TOLD = select(outbox.c.payload).where(
    outbox.c.party == bindparam("to"), outbox.c.case_no == bindparam("of"), outbox.c.type == bindparam("kind")
)
_SPACE = uuid.UUID("7d6a3f0e-5f5c-4b7e-9a56-0d2f8f0c7a11")


@dataclass(frozen=True)
class Plan:
    """One delivery to make: to whom, by which of their documents, with which content."""

    party: str
    message_id: str
    document: str
    type: str
    case_no: str | None
    payload: Mapping[str, Any]
    context: Mapping[str, Any]
    awaits: bool = False  # answered by a receipt of its own


@dataclass(frozen=True)
class Route:
    """One line of the table."""

    to: str
    types: frozenset[str]
    when: Mapping[str, str] = field(default_factory=dict)
    first: str | None = None
    accepted: bool = False
    renumber: bool = False

    def concerns(self, message: Message) -> bool:
        """Whether this message goes this way."""
        return message.type in self.types and all(
            getattr(message.payload, name, None) == value for name, value in self.when.items()
        )


class Routes:
    """The table, checked against the message types when it is read."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._routes = routes

    @classmethod
    def shipped(cls) -> "Routes":
        """The table that ships; Misconfigured for a type nobody defines."""
        return parse_routes((files("exchange") / "data" / "routes.toml").read_text("utf-8"))

    def plan(self, hub: "Hub", work: Work, message: Message, moved: "Moved") -> list[Plan]:
        """Every delivery this message causes."""
        return [*self._to_systems(hub, work, message, moved), *_to_subscribers(hub, message, moved)]

    def _to_systems(self, hub: "Hub", work: Work, message: Message, moved: "Moved") -> Iterator[Plan]:
        for route in self._routes:
            party = _target(hub, work, route, message, moved) if route.concerns(message) else None
            if party is None or party.name == message.sender:
                continue
            if route.accepted and (moved.case is None or moved.case["acceptance"] is None):
                continue
            if route.first == "application" and moved.case is not None:
                for kind, payload in _handed_in(work, moved.case):
                    yield from _calls(hub, party, message, moved, kind, payload)
            said, about = _dump(message), moved
            if route.renumber and (said.get("version", 1) > 1 or _recurs(message, moved)):
                said["version"] = 1 + _reported(work, party, message.type, said)
                about = replace(moved, context={**moved.context, "version": said["version"]})
            yield from _calls(hub, party, message, about, message.type, said)


def parse_routes(text: str) -> Routes:
    """The table from its TOML text."""
    routes = tuple(
        Route(
            line["to"],
            frozenset(line["types"]),
            line.get("when", {}),
            line.get("first"),
            line.get("accepted", False),
            line.get("renumber", False),
        )
        for line in tomllib.loads(text)["route"]
    )
    if unknown := {kind for route in routes for kind in route.types} - PAYLOADS.keys():
        raise Misconfigured(
            "route_unknown_type", f"no message is called {', '.join(sorted(unknown))}", "routes.toml"
        )
    return Routes(routes)


def _recurs(message: Message, moved: "Moved") -> bool:
    """Whether its sender may have told the like of this case before, as something that happened then."""
    return message.type in RECURRING and moved.changed and not moved.opened


def _reported(work: Work, party: Party, kind: str, said: Mapping[str, Any]) -> int:
    """How often this receiver was told this step or special procedure (or this one object) of the case."""
    work.flush()
    told = work.connection.execute(_TOLD, {"to": party.name, "of": said["case_no"], "kind": kind})
    same = ("step_no", "number")
    return sum(all(row.payload.get(name) == said.get(name) for name in same) for row in told)


def _handed_in(work: Work, case: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The application and the files that came with it, in the order they came."""
    yield "case.applied.v1", case["application"]
    work.flush()  # a file may have come in this very commit
    for row in work.connection.execute(_FILES, {"of": case["case_no"]}):
        yield ATTACHED, row.canonical


def _target(hub: "Hub", work: Work, route: Route, message: Message, moved: "Moved") -> Party | None:
    adapters = hub.adapters_of(route.to)
    if route.to == PORTALS and (origin := _origin(work, message, moved)) is not None:
        found = hub.parties.named(origin)
        return found if found is not None and found.adapter in adapters else None
    org = moved.case["org"] if route.to == DEPARTMENTS and moved.case else None
    if route.to == DEPARTMENTS and org is None:
        return None
    return next((found for name in adapters if (found := hub.parties.of_adapter(name, org))), None)


def _origin(work: Work, message: Message, moved: "Moved") -> str | None:
    """The party the case or the complaint came from; None for what concerns neither."""
    if moved.case is not None:
        return str(moved.case["origin"])
    said = message.payload
    return complaints.registered_by(work, said.complaint_no) if isinstance(said, ComplaintResolved) else None


def _calls(
    hub: "Hub", party: Party, message: Message, moved: "Moved", kind: str, payload: Mapping[str, Any]
) -> Iterator[Plan]:
    model = message.payload if kind == message.type else PAYLOADS[kind].model_validate(payload)
    for call, _ in hub.adapters[party.adapter].outbound_for(kind, model):
        yield Plan(
            party.name,
            _outgoing_id(
                message, party.name, call.name, kind, payload.get("digest") if kind == ATTACHED else ""
            ),
            call.name,
            kind,
            moved.case_no,
            payload,
            moved.context,
            awaits_receipt(call),
        )


def awaits_receipt(call: Call) -> bool:
    """Whether the receiver answers this call by a receipt of its own."""
    return call.answered_by is not None


def _to_subscribers(hub: "Hub", message: Message, moved: "Moved") -> Iterator[Plan]:
    origin = moved.case["origin"] if moved.case else None
    for party in hub.parties.all():
        subscribed = party.adapter == HOUSE and message.type in party.takes and party.name != message.sender
        if subscribed and (origin is None or origin == party.name or "*" in party.takes):
            ident = _outgoing_id(message, party.name, HOUSE, message.type)
            yield Plan(party.name, ident, HOUSE, message.type, moved.case_no, _dump(message), {})


def _dump(message: Message) -> dict[str, Any]:
    dumped: dict[str, Any] = message.payload.model_dump(mode="json", exclude_none=True)
    return dumped


def _outgoing_id(message: Message, party: str, call: str, kind: str, part: str | None = "") -> str:
    """The same message always leaves under the same id: a retry, even after a crash, is recognised."""
    words = (message.sender, message.message_id, party, call, kind, *([part] if part else []))
    return str(uuid.uuid5(_SPACE, "\n".join(words)))
