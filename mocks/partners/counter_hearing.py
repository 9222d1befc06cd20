"""What a counter makes of what the hub pushes: effects and what becomes due, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mocks.partners.common.clock import Clock
from mocks.partners.counter_flow import Due, heard_state, reaction
from mocks.partners.counter_items import Items
from mocks.partners.counter_plans import Habits, adopted_file
from mocks.partners.counter_push import Push, Unread, refused
from mocks.partners.counter_store import Cases

REPORTS = {  # pushes about no case: the member that names what they answer
    "performance.received.v1": "report_id",
    "catalogue.report_answered.v1": "batch_id",
    "catalogue.audited.v1": "batch_id",
}
ONLINE = "1"  # 21st character of a case number


@dataclass(frozen=True)
class Hearing:
    """Every method joins the caller's transaction."""

    cases: Cases
    items: Items
    habits: Habits
    clock: Clock

    def case_of(self, push: Push) -> str | None:
        """The case a push is about: "" if about none, None if that is not known yet."""
        if push.type in REPORTS:
            return ""
        if push.type in ("fee.paid.v1", "fee.reversed.v1"):
            return self.cases.case_of_notice(push.text("notice_no"))
        if push.type == "parcel.tracked.v1":
            return self.cases.tracked(push.text("waybill_no"), push.text("status"))
        return push.text("case_no") or push.text("request_id")[:28]

    def hear(self, push: Push) -> str:
        """The effect of a push that is new; the case it is about."""
        if push.type in REPORTS:
            self._report(push)
            return ""
        stands = self._money(push)
        case_no = self.case_of(push)
        if case_no is None:
            return ""  # kept until the notice or the waybill is known
        if push.type == "case.applied.v1":
            self._adopt(push)
            return case_no
        self._known(case_no)
        if stands:
            self._react(case_no, push.type, push.payload, push.message_id)
        self._aftermath(case_no, push)
        return case_no

    def _report(self, push: Push) -> None:
        member = REPORTS[push.type]
        if not self.cases.asked(push.text(member)):
            raise Unread(refused(422, "bad_value", f"payload.{member}"))

    def _known(self, case_no: str) -> None:
        if self.cases.file(case_no) is not None:
            return
        if "adopt" in self.habits.ways.acts and case_no[20:21] == ONLINE:
            raise Unread(refused(503, "busy"))  # its application is still on the way
        raise Unread(refused(422, "unknown_case", "payload.case_no"))

    def _money(self, push: Push) -> bool:
        """Keeps payments and what became of them; whether the push is to be reacted to."""
        if push.type == "fee.paid.v1":
            return self.cases.paid(push.text("notice_no"), push.text("serial"), push.message_id)
        if push.type == "fee.reversed.v1":
            self.cases.taken_back(push.text("notice_no"), push.text("original_serial"))
        return True

    def _adopt(self, push: Push) -> None:
        """Takes an online application of another system; those of other windows are theirs."""
        known = self.cases.file(push.text("case_no")) is not None
        if known or "adopt" not in self.habits.ways.acts or push.text("channel") != "online":
            return
        if not self.items.all():
            raise Unread(refused(503, "busy"))
        item = self.items.by_code(push.text("item_code"))
        if item is None:
            raise Unread(refused(422, "unknown_item", "payload.item_code"))
        n = self.cases.adopted() + 1
        try:
            file = adopted_file(push.payload, n, item, self.habits)
        except (KeyError, TypeError):
            raise Unread(refused(422, "bad_value", "payload.applicant")) from None
        self.cases.begin(-n, file)
        self.cases.queue(file, Due("case.pre_reviewed.v1"), self.clock(), push.message_id)

    def _react(self, case_no: str, kind: str, payload: Mapping[str, object], cause: str) -> None:
        file = self.cases.file(case_no)
        if file is None:
            return
        for due in reaction(kind, payload, file, self.habits.ways):
            self.cases.queue(file, due, self.clock(), cause)
        if state := heard_state(kind, payload):
            self.cases.advance(case_no, state)

    def _aftermath(self, case_no: str, push: Push) -> None:
        """What a push settles beside its reaction."""
        match push.type:
            case "archive.result.v1" if push.text("code") != "200":
                self.cases.fail(case_no, f"archive_{push.text('code')}", push.type)
            case "fee.noticed.v1":
                if cause := self.cases.noticed(case_no, push.text("notice_no")):
                    self._react(case_no, "fee.paid.v1", {}, cause)
            case "fee.reversed.v1":
                self.cases.unpaid(case_no)
            case "parcel.booked.v1":
                status = self.cases.booked(push.text("waybill_no"), case_no)
                self._react(case_no, "parcel.tracked.v1", {"status": status}, push.message_id)
            case "certificate.issued.v1" if push.text("state") == "issued" and push.text("identifier"):
                self._certified(case_no, push)

    def _certified(self, case_no: str, push: Push) -> None:
        """Every so-manieth certificate has its annual inspection."""
        number = self.cases.certified(case_no, push.text("identifier"))
        every, file = self.habits.change_every, self.cases.file(case_no)
        if file and number and every and number % every == 0 and "change" in self.habits.ways.acts:
            facts = {"identifier": push.text("identifier")}
            due = Due("certificate.change_requested.v1", 0.0, facts)
            self.cases.queue(file, due, self.clock(), push.message_id)
