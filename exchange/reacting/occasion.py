"""One accepted message inside its commit, as a reaction sees it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, bindparam, select

from canonical.messages import Message, Payload
from exchange.delivery import Sent
from exchange.mapping.rows import BrokenRow
from exchange.parties import Party
from exchange.records import add_finding
from exchange.store.tables import document
from exchange.store.work import Work

if TYPE_CHECKING:
    from exchange.cases import Moved
    from exchange.hub import Hub

_SAID = (
    select(document.c.canonical, document.c.party)
    .where(
        document.c.case_no == bindparam("of"), document.c.type == bindparam("kind"),
        document.c.state == "accepted",
    )
    .order_by(document.c.entry)
)  # fmt: skip


@dataclass(frozen=True)
class Occasion:
    """One accepted message, with its case and the commit it belongs to."""

    hub: "Hub"
    work: Work
    message: Message
    moved: "Moved"
    entry: int
    broken: Sequence[BrokenRow] = ()  # rows of it that could not be read

    def attached(self, system: str) -> Party | None:
        """The first party of a system of docs/requirements.csv, None where none is attached."""
        names = self.hub.adapters_of(system)
        return next((found for name in names if (found := self.hub.parties.of_adapter(name))), None)

    def is_from(self, system: str) -> bool:
        """Whether the message was sent by a party of this system."""
        sender = self.hub.parties.named(self.message.sender)
        return sender is not None and sender.adapter in self.hub.adapters_of(system)

    def note(self, category: str, code: str, detail: str, case_no: str | None = None) -> None:
        """A finding about the message's case (or another), beside the message's ledger line."""
        about = case_no or self.moved.case_no
        add_finding(self.work, about, (category, code, detail[:500]), self.entry)

    def said_before(self, case_no: str, kind: str, by: str | None = None) -> list[dict[str, Any]]:
        """What accepted messages of this type (of the party `by` alone) said of a case, oldest first, this
        commit included."""
        self.work.flush()
        rows = self.work.connection.execute(_SAID, {"of": case_no, "kind": kind})
        return [row.canonical for row in rows if row.canonical is not None and by in (None, row.party)]


Reaction = Callable[[Occasion], Iterable[Payload]]
OnRefusal = Callable[["Hub", Work, Row[Any], Sent, int], None]
"""Row of the outbox, how its delivery ended for good, ledger entry of that end."""
