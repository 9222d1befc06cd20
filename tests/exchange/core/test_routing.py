"""Who is told what: every line of the table, never its sender, the application first; subscriptions."""

import json
import tomllib
from importlib.resources import files
from typing import Any

import pytest

from canonical.messages import PAYLOADS
from exchange.delivery import Sent
from exchange.registry import remove_party
from exchange.replies import take_pulled
from tests.exchange.core.rig import (
    ID_NUMBER,
    ITEM,
    MOBILE,
    NAME,
    ORG,
    PLAIN_ITEM,
    START,
    Core,
    Story,
    case_number,
    iso,
    service_item,
    took,
)

OTHER_ORG = "114414020072081018"
IDENTIFIER = "1.2.156.3005.2.114414020072081005001.114414020072081005.0000000017.001.S"
HOLDER = {"name": NAME, "document_type": "resident_id_card", "document_no": ID_NUMBER}
END = {"name": NAME, "mobile": MOBILE, "region": "441402000000", "address": "江南街道测试路17号"}
NOTICE = "44140226000000000017"
PARTNERS = {
    "report": {"adapter": "provincial_reporting"},
    "dept": {"adapter": "department_a", "org": ORG},
    "sms-gate": {"adapter": "sms", "address": "http://127.0.0.1:1", "account": {"account": "tongban"}},
    "library": {
        "adapter": "certificates",
        "address": "http://127.0.0.1:1",
        "account": {"account": "tongban"},
    },
    "till": {"adapter": "fees", "address": "http://127.0.0.1:1", "account": {"account": "tongban"}},
    "archive": {"adapter": "archives", "address": "http://127.0.0.1:1", "account": {"account": "tongban"}},
}


@pytest.fixture
def city(core: Core) -> Core:
    """A hub with one partner of every system."""
    for name, facts in PARTNERS.items():
        core.party(name, **facts)
    return core


def planned(core: Core, type_: str) -> list[tuple[str, str]]:
    return [(row["party"], row["type"]) for row in core.outbox() if row["type"] == type_]


def reply(type_: str, payload: dict[str, Any]) -> Any:
    return type_, PAYLOADS[type_].model_validate(payload)


def test_a_case_told_from_application_to_delivery(city: Core, story: Story) -> None:
    """Each row is a route of the table, in the order it has to be planned."""

    def told(type_: str, payload: dict[str, Any], *where: tuple[str, str]) -> None:
        before = len(city.outbox())
        city.ok("hall", type_, payload)
        new = [(row["party"], row["type"]) for row in city.outbox()[before:]]
        assert new == list(where), type_

    sms = ("sms-gate", "sms.requested.v1")
    told("case.applied.v1", story.applied(), ("report", "case.applied.v1"), sms)
    told("case.pre_reviewed.v1", story.pre_reviewed(), ("report", "case.pre_reviewed.v1"), sms)
    told(
        "case.supplement_noticed.v1",
        story.supplement_noticed(),
        ("report", "case.supplement_noticed.v1"),
        sms,
    )
    told("case.supplemented.v1", story.supplemented(), ("report", "case.supplemented.v1"), sms)
    told(
        "case.accepted.v1",
        story.accepted(),
        ("report", "case.accepted.v1"),
        ("dept", "case.applied.v1"),
        ("dept", "case.accepted.v1"),
        sms,
    )
    told("case.step.v1", story.step(1), ("report", "case.step.v1"))
    told("case.special_started.v1", story.special(1), ("report", "case.special_started.v1"), sms)
    told("case.special_finished.v1", story.special_over(1), ("report", "case.special_finished.v1"), sms)
    for number in (2, 3):
        told("case.step.v1", story.step(number), ("report", "case.step.v1"))
    told("fee.requested.v1", story.fee_requested(), ("till", "fee.requested.v1"))
    before = len(city.outbox())
    city.delivered("till", lambda row: took(row, reply=reply("fee.noticed.v1", story.fee_noticed(NOTICE))))
    assert [(row["party"], row["type"]) for row in city.outbox()[before:]] == [sms]
    told("fee.confirmed.v1", story.fee_confirmed(NOTICE), ("till", "fee.confirmed.v1"), sms)
    told("certificate.requested.v1", story.certificate_requested(), ("library", "certificate.requested.v1"))
    before = len(city.outbox())
    issued = reply("certificate.issued.v1", story.certificate_issued(named=False))
    city.delivered("library", lambda row: took(row, reply=issued))
    assert [(row["party"], row["type"]) for row in city.outbox()[before:]] == [
        ("dept", "certificate.issued.v1")
    ]
    told("case.concluded.v1", story.concluded(), ("report", "case.concluded.v1"), sms)
    told(
        "case.delivered.v1",
        story.delivered(),
        ("report", "case.delivered.v1"),
        sms,
        ("archive", "archive.submitted.v1"),
    )
    assert all(row["case_no"] == story.no for row in city.outbox())
    city.verified()


def test_every_route_of_the_table_is_known_to_this_test() -> None:
    """A route added to the table has to be added to the walk above."""
    table = tomllib.loads((files("exchange") / "data" / "routes.toml").read_text("utf-8"))["route"]
    pairs = {(line["to"], type_) for line in table for type_ in line["types"]}
    reported = {
        "applied",
        "pre_reviewed",
        "accepted",
        "step",
        "concluded",
        "special_started",
        "special_finished",
        "supplement_noticed",
        "supplemented",
        "delivered",
    }
    assert pairs == {
        *(("SYS-14", f"case.{name}.v1") for name in reported),
        ("SYS-02", "case.accepted.v1"),
        ("SYS-02", "case.attached.v1"),  # tests/exchange/core/test_reacting.py
        ("SYS-02", "fee.paid.v1"),
        ("SYS-02", "certificate.issued.v1"),
        ("SYS-03", "sms.requested.v1"),
        ("SYS-04", "certificate.requested.v1"),
        ("SYS-05", "fee.requested.v1"),
        ("SYS-05", "fee.confirmed.v1"),
        ("SYS-06", "archive.submitted.v1"),
        ("SYS-01", "catalogue.reported.v1"),  # tests/exchange/core/test_catalogue_reports.py
        *(("SYS-07", type_) for type_ in PORTAL),
        *ASKED,
        ("SYS-16", "service.recorded.v1"),  # tests/exchange/core/test_reacting.py
    }


PORTAL = (
    *(f"case.{name}.v1" for name in (
        "pre_reviewed", "accepted", "step", "concluded", "special_started", "special_finished",
        "supplement_noticed", "supplemented", "delivered",
    )),
    "fee.noticed.v1", "complaint.resolved.v1", "performance.reported.v1",
)  # fmt: skip
ASKED = (
    ("SYS-04", "certificate.searched.v1"), ("SYS-04", "certificate.schema_requested.v1"),
    ("SYS-04", "certificate.file_requested.v1"), ("SYS-04", "certificate.change_requested.v1"),
    ("SYS-09", "fee.basis_requested.v1"), ("SYS-10", "performance.reported.v1"),
    ("SYS-11", "parcel.requested.v1"), ("SYS-15", "verification.requested.v1"),
)  # fmt: skip
ATTACHED = {
    "SYS-04": "certificates", "SYS-09": "revenue", "SYS-10": "performance", "SYS-11": "logistics",
    "SYS-15": "sharing",
}  # fmt: skip
QUESTIONS: dict[str, dict[str, Any]] = {
    "certificate.schema_requested.v1": {"type_code": "114414020072081005001"},
    "certificate.searched.v1": {"holder": HOLDER, "purpose": "核验申请材料"},
    "certificate.file_requested.v1": {"identifier": IDENTIFIER, "format": "ofd", "purpose": "核验申请材料"},
    "certificate.change_requested.v1": {
        "identifier": IDENTIFIER, "kind": "annual_inspection", "reason": "年检",
    },
    "verification.requested.v1": {"subject": "person", "holder": HOLDER, "purpose": "核验申请人"},
    "parcel.requested.v1": {
        "sender": END, "receiver": END, "contents": "许可证", "requested_at": iso(START),
    },
    "performance.reported.v1": {
        "report_id": "R-1", "region": "441402000000", "period_from": "2026-01-01", "period_to": "2026-03-31",
        "reported_at": iso(START),
        "rows": [{
            "subject_kind": "window", "subject_code": "W05", "subject_name": "5号窗口", "indicator": "I1",
            "indicator_name": "办件量", "cases": 3, "score": "98.5",
        }],
    },
}  # fmt: skip


@pytest.mark.parametrize(("system", "type_"), [pair for pair in ASKED if pair[1] in QUESTIONS])
def test_what_the_hall_asks_goes_to_the_system_that_answers(
    core: Core, story: Story, system: str, type_: str
) -> None:
    core.party(
        "asked", adapter=ATTACHED[system], address="http://127.0.0.1:1", account={"account": "tongban"}
    )
    core.ok("hall", "case.applied.v1", story.applied())
    about = {} if type_ == "performance.reported.v1" else {"request_id": "q-17"}
    mine = {"case_no": story.no} if type_.startswith(("parcel", "certificate.change")) else {}
    core.ok("hall", type_, {**about, **mine, **QUESTIONS[type_]})
    assert planned(core, type_) == [("asked", type_)]


def test_a_portal_is_told_of_its_own_cases_and_of_no_others(core: Core, story: Story) -> None:
    core.party("web", adapter="portal", address="http://127.0.0.1:1", account={"account": "tongban"})
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    assert core.outbox("party = 'web'") == []
    theirs = Story(case_number(2))
    opened = PAYLOADS["case.applied.v1"].model_validate(theirs.applied())
    take_pulled(core.hub, "web", Sent("rest", b"{}", "0", "ok"), ("case.applied.v1", opened), "web-1")
    core.ok("hall", "case.accepted.v1", theirs.accepted())
    assert planned(core, "case.accepted.v1") == [("web", "case.accepted.v1")]
    resolved = {
        "complaint_no": "C-1", "result": "unfounded", "organisation": "市监局", "reply": "已答复",
        "resolved_at": iso(START),
    }  # fmt: skip
    core.ok("hall", "complaint.resolved.v1", resolved)
    assert planned(core, "complaint.resolved.v1") == [("web", "complaint.resolved.v1")]


def test_the_application_goes_to_the_department_ahead_of_the_acceptance(city: Core, story: Story) -> None:
    city.ok("hall", "case.applied.v1", story.applied())
    city.ok("hall", "case.accepted.v1", story.accepted())
    first, second = city.outbox("party = 'dept'")
    assert (first["type"], second["type"]) == ("case.applied.v1", "case.accepted.v1")
    assert json.loads(first["payload"])["applicant"]["name"] == story.applied()["applicant"]["name"]
    assert first["message_id"] != second["message_id"]
    assert {first["entry"], second["entry"]} == {second["entry"]}, "both follow from one line"


def test_a_refused_case_does_not_go_to_the_department(city: Core, story: Story) -> None:
    city.ok("hall", "case.applied.v1", story.applied())
    city.ok("hall", "case.accepted.v1", story.refused())
    assert city.outbox("party = 'dept'") == []


def test_the_department_of_the_item_is_told_and_no_other(city: Core, story: Story) -> None:
    city.party("other-dept", adapter="department_a", org=OTHER_ORG)
    city.ok("hall", "case.applied.v1", story.applied())
    city.ok("hall", "case.accepted.v1", story.accepted())
    assert city.outbox("party = 'other-dept'") == []
    code = OTHER_ORG + PLAIN_ITEM[18:]
    city.catalogue(service_item(code, organisation_code=OTHER_ORG), to=2)
    other = Story(case_number(2), code)
    city.ok("hall", "case.applied.v1", other.applied())
    city.ok("hall", "case.accepted.v1", other.accepted())
    assert {row["case_no"] for row in city.outbox("party = 'other-dept'")} == {other.no}
    assert {row["case_no"] for row in city.outbox("party = 'dept'")} == {story.no}


def test_a_payment_told_by_number_reaches_the_department(city: Core, story: Story) -> None:
    for type_, payload in (
        ("case.applied.v1", story.applied()),
        ("case.accepted.v1", story.accepted()),
        *(("case.step.v1", story.step(n)) for n in (1, 2, 3)),
        ("fee.requested.v1", story.fee_requested()),
    ):
        city.ok("hall", type_, payload)
    city.delivered("till", lambda row: took(row, reply=reply("fee.noticed.v1", story.fee_noticed(NOTICE))))
    city.party("bank", sends=("fee.paid.v1",))
    city.ok("bank", "fee.paid.v1", story.fee_paid(NOTICE))
    assert planned(city, "fee.paid.v1") == [("dept", "fee.paid.v1")]


def test_a_pending_seal_is_not_passed_on(city: Core, story: Story) -> None:
    city.ok("hall", "case.applied.v1", story.applied())
    city.ok("hall", "certificate.requested.v1", story.certificate_requested())
    pending = reply("certificate.issued.v1", story.certificate_issued("pending_seal"))
    city.delivered("library", lambda row: took(row, reply=pending))
    assert planned(city, "certificate.issued.v1") == []


def test_house_parties_take_what_they_asked_for_of_their_own_cases(core: Core, story: Story) -> None:
    core.party("bureau", takes=("case.step.v1", "case.concluded.v1"))
    core.party("watch", takes=("case.step.v1", "*"))
    core.party("deaf")
    core.ok("bureau", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    core.ok("hall", "case.step.v1", story.step(1))
    assert sorted(
        (row["party"], row["type"], row["document"]) for row in core.outbox("document = 'house'")
    ) == [
        ("bureau", "case.step.v1", "house"),
        ("watch", "case.step.v1", "house"),
    ]
    core.ok("bureau", "case.step.v1", story.step(2))
    assert len(core.outbox("party = 'bureau'")) == 1, "nobody is sent what it said itself"
    assert len(core.outbox("party = 'watch'")) == 2
    other = Story(case_number(2))
    core.ok("hall", "case.applied.v1", other.applied())
    core.ok("hall", "case.accepted.v1", other.accepted())
    core.ok("hall", "case.step.v1", other.step(1))
    assert len(core.outbox("party = 'bureau'")) == 1, "the case is another's"
    assert len(core.outbox("party = 'watch'")) == 3


def test_a_removed_party_is_told_nothing_more(city: Core, story: Story) -> None:
    city.hub.store.write(lambda work: remove_party(work, "hub", "report"))
    city.hub.parties.forget()
    city.ok("hall", "case.applied.v1", story.applied())
    assert city.outbox("party = 'report'") == []


def test_a_refused_message_plans_nothing(city: Core, story: Story) -> None:
    city.ok("hall", "case.applied.v1", story.applied())
    before = len(city.outbox())
    for type_, payload in (
        ("case.accepted.v1", story.accepted(surprise=1)),
        ("case.delivered.v1", story.delivered()),
    ):
        city.send("hall", type_, payload)
    assert len(city.outbox()) == before


def test_short_messages_carry_the_signature_line_and_go_to_the_applicants_phone(
    city: Core, story: Story
) -> None:
    city.ok("hall", "case.applied.v1", story.applied())
    row = json.loads(city.outbox("party = 'sms-gate'")[0]["payload"])
    assert row["mobile"] == story.applied()["contact"]["mobile"]
    assert row["content"].startswith("【梅州政务】")
    assert story.no in row["content"]


def test_what_the_item_charges_is_told_the_department(city: Core, story: Story) -> None:
    city.ok("hall", "case.applied.v1", story.applied())
    city.ok("hall", "case.accepted.v1", story.accepted())
    plain = Story(case_number(2), PLAIN_ITEM)
    city.ok("hall", "case.applied.v1", plain.applied())
    city.ok("hall", "case.accepted.v1", plain.accepted())
    facts = {row["case_no"]: json.loads(row["context"]) for row in city.outbox("party = 'dept'")}
    assert (facts[story.no]["has_fee"], facts[plain.no]["has_fee"]) == (True, False)
    assert facts[story.no]["item_type"] == ITEM[21:23]


def test_versions_count_from_one_at_a_receiver_that_missed_the_first(city: Core, story: Story) -> None:
    """A correction that was read before what it corrects is the first the province hears of the step."""
    city.ok("hall", "case.applied.v1", story.applied())
    city.ok("hall", "case.accepted.v1", story.accepted())
    city.ok("hall", "case.step.v1", story.step(1) | {"version": 2})
    city.ok("hall", "case.step.v1", story.step(1) | {"version": 3})
    city.ok("hall", "case.step.v1", story.step(2) | {"version": 2})
    told = city.outbox("party = 'report' AND type = 'case.step.v1'")
    assert [json.loads(row["payload"])["version"] for row in told] == [1, 2, 1]
    assert [json.loads(row["context"])["version"] for row in told] == [1, 2, 1]
