"""Ways through the counter that several tests walk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from canonical.messages import PAYLOADS
from hallservice.counter import accept, apply, certify, charge, deliver, paying, standing
from hallservice.counter.apply import Application, HandedIn, Opened
from hallservice.counter.cards import IdCard, ReaderAway
from hallservice.counter.materials import Seen
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from tests.exchange.core.rig import ID_NUMBER, ITEM, MOBILE, NAME, PLAIN_ITEM, Core, iso, took

WHOLE = (
    Seen(1, "received", checked=(1, 2, 3)),
    Seen(2, "received", "attachment", checked=(1,)),
    Seen(3, "deferred"),
    Seen(4, "awaited"),
)
FORM = Application(
    item_code=ITEM, name=NAME, document_no=ID_NUMBER, mobile=MOBILE, summary="开办小餐饮店",
)  # fmt: skip
PLAIN = replace(FORM, item_code=PLAIN_ITEM, summary="")


@dataclass
class Reader:
    """A card reader at window A01, with this card on it; `away`: it does not answer."""

    card: IdCard | None
    away: bool = False

    def serves(self, window: str) -> bool:
        return window == "A01"

    def read(self, window: str) -> IdCard | None:
        assert self.serves(window)
        if self.away:
            raise ReaderAway
        return self.card


@dataclass
class Desk:
    """A hall, its hub, and who sits there."""

    hall: Hall
    core: Core
    clerk_as: Callable[[str], Clerk]

    def clerk(self, role: str = "clerk", window: str | None = "A01") -> Clerk:
        return replace(self.clerk_as(role), window=window)

    def seen(self, case_no: str) -> int:
        """The version a screen shows now."""
        found: int = self.core.value("SELECT version FROM hall_case WHERE case_no = :no", no=case_no)
        return found

    def stage(self, case_no: str) -> tuple[str, str]:
        row = self.core.rows("SELECT state, stage FROM hall_case WHERE case_no = :no", no=case_no)[0]
        return row["state"], row["stage"]

    def opened(self, form: Application = FORM, seen: Sequence[Seen] = WHOLE, role: str = "clerk") -> Opened:
        handed = HandedIn(tuple(seen) if form.item_code == ITEM else ())
        return apply.apply(self.hall, self.clerk(role), form, handed)

    def accepted(self, form: Application = FORM) -> str:
        no = self.opened(form).case_no
        looked = WHOLE if form.item_code == ITEM else ()
        accept.accept(self.hall, self.clerk(), no, self.seen(no), looked)
        return no

    def step(self, case_no: str, step: str, action: str = "pass", opinion: str = "同意") -> None:
        """An approval step as the department's process tells it."""
        names = ("undertake", "review", "approve")

        def act(work: Any) -> None:
            here = standing.look(work.connection, self.clerk(), case_no, "case.view")
            said = {
                **here.head, "step": step, "step_name": step, "step_no": names.index(step) + 1,
                "officer": here.officer(self.clerk_as("approver")), "opinion": opinion, "action": action,
                "decided_at": iso(datetime.fromtimestamp(self.core.clock.now, UTC)),
            }  # fmt: skip
            self.hall.tell(work, self.clerk_as("approver"), PAYLOADS["case.step.v1"].model_validate(said))

        self.hall.write(act)

    def decided(self, form: Application = FORM, action: str = "pass") -> str:
        no = self.accepted(form)
        for step in ("undertake", "review"):
            self.step(no, step)
        self.step(no, "approve", action, "同意" if action == "pass" else "场所不符合卫生要求")
        return no

    def partner(self, name: str, adapter: str) -> None:
        self.core.party(name, adapter=adapter, address="http://127.0.0.1:1", account=ACCOUNTS[adapter])

    def answers(self, party: str, type_: str, payload: dict[str, Any]) -> list[Any]:
        """The partner takes what is sent to it and answers."""
        answer = PAYLOADS[type_].model_validate(payload)
        return self.core.delivered(party, lambda row: took(row, reply=(type_, answer)))

    def requested(self, case_no: str, quantities: dict[str, str] | None = None, **more: str) -> str:
        asked = charge.Asked(quantities or {"103044": "1"}, **more)
        return charge.request(self.hall, self.clerk(), case_no, self.seen(case_no), asked)

    def paid(self) -> str:
        """Granted, its fee confirmed; there is a certificate library."""
        self.partner("library", "certificates")
        no = self.decided()
        self.requested(no)
        paying.confirm(self.hall, self.clerk(), no, self.seen(no), "V-17")
        return no

    def awaited(self) -> str:
        """A certificate asked for that the library has not answered."""
        no = self.paid()
        asked = certify.Asked("食品经营许可证", "2026-03-10", "2031-03-09")
        certify.request(self.hall, self.clerk(), no, self.seen(no), asked)
        return no

    def concluded(self, case_no: str) -> str:
        return certify.conclude(self.hall, self.clerk(), case_no, self.seen(case_no))

    def collected(self, case_no: str, **over: str) -> str:
        asked = deliver.Collection(NAME, document_no=ID_NUMBER, **over)
        return deliver.deliver(self.hall, self.clerk(), case_no, self.seen(case_no), asked)


IDENTIFIER = "1.2.156.3005.2.114414020072081005001.114414020072081005.0000000017.001.S"
ACCOUNTS = {
    "fees": {"account": "t", "drop_folder": "/x"},
    "certificates": {"account": "t"},
    "logistics": {"account": "t"},
}
