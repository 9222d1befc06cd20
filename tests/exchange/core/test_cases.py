"""Cases driven by messages: the walk, what is held and released, what is forbidden, which item counts."""

import itertools
import json
from typing import Any

import pytest
from pydantic import ValidationError

from canonical.case import event_of
from canonical.messages import PAYLOADS
from exchange.pipeline import accept_overdue
from exchange.receipts import Receipt
from ledger.leaf import parse
from tests.exchange.core.rig import ITEM, PLAIN_ITEM, Core, Story, case_number, service_item, together, took

DAY = 24 * 3600.0
Said = tuple[str, dict[str, Any]]


def beginning(story: Story, steps: int = 0) -> list[Said]:
    """Application, acceptance and the first approval steps."""
    passed = [("case.step.v1", story.step(n)) for n in range(1, steps + 1)]
    return [("case.applied.v1", story.applied()), ("case.accepted.v1", story.accepted()), *passed]


def play(core: Core, said: list[Said]) -> list[Receipt]:
    return [core.ok("hall", type_, payload) for type_, payload in said]


def lines(core: Core, type_: str) -> list[dict[str, Any]]:
    return core.rows("SELECT * FROM document WHERE type = :t ORDER BY entry", t=type_)


def walk(core: Core, case_no: str) -> list[tuple[str | None, str]]:
    """The states as the ledger's lines tell them, in order."""
    leaves = [parse(leaf) for leaf in core.leaves()]
    subject = parse(
        core.leaves()[core.value("SELECT min(entry) FROM document WHERE case_no = :n", n=case_no)]
    )["case"]
    states = [leaf["state"] for leaf in leaves if leaf.get("case") == subject and "state" in leaf]
    return [(state.get("from"), state["to"]) for state in states]


def test_the_whole_walk_by_messages(core: Core, story: Story) -> None:
    notice = "44140226000000000017"
    core.party("till", adapter="fees", address="http://127.0.0.1:1", account={"account": "tongban"})
    play(core, [("case.applied.v1", story.applied()), ("case.pre_reviewed.v1", story.pre_reviewed())])
    assert core.state(story.no) == "pre_accepted"
    play(core, [("case.supplement_noticed.v1", story.supplement_noticed())])
    assert core.state(story.no) == "supplementing"
    play(core, [("case.supplemented.v1", story.supplemented()), ("case.accepted.v1", story.accepted())])
    play(core, [("case.step.v1", story.step(n)) for n in (1, 2, 3)])
    assert core.state(story.no) == "decided"
    play(core, [("fee.requested.v1", story.fee_requested())])
    core.delivered("till", lambda row: took(row, reply=reply("fee.noticed.v1", story.fee_noticed(notice))))
    assert core.state(story.no) == "awaiting_payment"
    play(core, [("fee.confirmed.v1", story.fee_confirmed(notice))])
    play(core, [("certificate.requested.v1", story.certificate_requested())])
    core.party(
        "library", adapter="certificates", address="http://127.0.0.1:1", account={"account": "tongban"}
    )
    other = Story(case_number(2))
    play(core, [*beginning(other, 3)])
    assert core.state(story.no) == "decided"
    core.ok("hall", "certificate.requested.v1", story.certificate_requested())
    core.delivered(
        "library", lambda row: took(row, reply=reply("certificate.issued.v1", story.certificate_issued()))
    )
    assert core.state(story.no) == "certified"
    play(core, [("case.concluded.v1", story.concluded()), ("case.delivered.v1", story.delivered())])
    assert core.state(story.no) == "delivered"
    assert walk(core, story.no) == [
        (None, "submitted"),
        ("submitted", "pre_accepted"),
        ("pre_accepted", "supplementing"),
        ("supplementing", "received"),
        ("received", "accepted"),
        ("accepted", "reviewing"),
        ("reviewing", "approving"),
        ("approving", "decided"),
        ("decided", "awaiting_payment"),
        ("awaiting_payment", "decided"),
        ("decided", "certified"),
        ("certified", "concluded"),
        ("concluded", "delivered"),
    ]
    assert core.findings(story.no) == []
    core.verified()


def reply(type_: str, payload: dict[str, Any]) -> Any:
    return type_, PAYLOADS[type_].model_validate(payload)


HOLDS = {
    "review before undertaking": (
        lambda s: beginning(s),
        lambda s: [("case.step.v1", s.step(2))],
        lambda s: ("case.step.v1", s.step(1)),
        "approving",
    ),
    "approval and review before undertaking": (
        lambda s: beginning(s),
        lambda s: [("case.step.v1", s.step(3)), ("case.step.v1", s.step(2))],
        lambda s: ("case.step.v1", s.step(1)),
        "decided",
    ),
    "review and approval before undertaking": (
        lambda s: beginning(s),
        lambda s: [("case.step.v1", s.step(2)), ("case.step.v1", s.step(3))],
        lambda s: ("case.step.v1", s.step(1)),
        "decided",
    ),
    "undertaking before acceptance": (
        lambda s: beginning(s)[:1],
        lambda s: [("case.step.v1", s.step(1))],
        lambda s: beginning(s)[1],
        "reviewing",
    ),
    "resumption before suspension": (
        lambda s: beginning(s, 1),
        lambda s: [("case.special_finished.v1", s.special_over(1))],
        lambda s: ("case.special_started.v1", s.special(1)),
        "reviewing",
    ),
    "supplement before its notice": (
        lambda s: beginning(s)[:1],
        lambda s: [("case.supplemented.v1", s.supplemented())],
        lambda s: ("case.supplement_noticed.v1", s.supplement_noticed()),
        "received",
    ),
    "delivery before conclusion": (
        lambda s: beginning(s, 3),
        lambda s: [("case.delivered.v1", s.delivered())],
        lambda s: ("case.concluded.v1", s.concluded("concluded")),
        "delivered",
    ),
    "conclusion before the decision": (
        lambda s: beginning(s, 2),
        lambda s: [("case.concluded.v1", s.concluded("concluded"))],
        lambda s: ("case.step.v1", s.step(3)),
        "concluded",
    ),
}


@pytest.mark.parametrize("name", HOLDS)
@pytest.mark.parametrize("grouped", [False, True], ids=["apart", "one commit"])
def test_what_came_too_early_is_held_and_taken_in_its_turn_once(core: Core, name: str, grouped: bool) -> None:
    before, early, missing, after = HOLDS[name]
    story = Story(case_number(1), PLAIN_ITEM)
    core.party("province", adapter="provincial_reporting")
    play(core, before(story))
    stood = core.state(story.no)
    sent = [core.envelope("hall", *said) for said in early(story)]
    last = core.envelope("hall", *missing(story))
    if grouped:
        receipts = together(core, [lambda e=one: core.take(e) for one in (*sent, last)])
    else:
        receipts = [core.take(one) for one in sent]
        assert core.state(story.no) == stood, "nothing moves while it is held"
        receipts.append(core.take(last))
    assert [one.status for one in receipts] == ["held"] * len(sent) + ["accepted"]
    assert core.state(story.no) == after
    assert core.rows("SELECT * FROM inbox WHERE state = 'held'") == []
    for one in sent:
        ident = json.loads(one.body)["message_id"]
        states = [
            row["state"]
            for row in core.rows("SELECT state FROM document WHERE message_id = :i ORDER BY entry", i=ident)
        ]
        assert states == ["held", "accepted"], "kept as it came, then taken once"
    ids = [row["message_id"] for row in core.outbox("party = 'province'")]
    assert len(ids) == len(set(ids)) == len(before(story)) + len(sent) + 1, "each is reported once"
    assert core.findings() == []
    core.verified()


def test_a_certificate_conclusion_waits_for_the_certificate(core: Core, story: Story) -> None:
    story = Story(case_number(1), PLAIN_ITEM)
    core.party(
        "library", adapter="certificates", address="http://127.0.0.1:1", account={"account": "tongban"}
    )
    play(core, beginning(story, 3))
    assert core.send("hall", "case.concluded.v1", story.concluded()).status == "held"
    core.ok("hall", "certificate.requested.v1", story.certificate_requested())
    pending = reply("certificate.issued.v1", story.certificate_issued("pending_seal"))
    core.delivered("library", lambda row: took(row, reply=pending))
    assert core.state(story.no) == "decided", "a pending seal is no certificate"
    core.ok(
        "hall", "certificate.requested.v1", {**story.certificate_requested(), "request_id": "again-00001"}
    )
    issued = reply("certificate.issued.v1", story.certificate_issued())
    core.delivered("library", lambda row: took(row, reply=issued))
    assert core.state(story.no) == "concluded"
    assert walk(core, story.no)[-2:] == [("decided", "certified"), ("certified", "concluded")]


def test_a_fee_that_is_due_holds_what_comes_after_payment(core: Core, story: Story) -> None:
    play(core, beginning(story, 3))
    assert core.send("hall", "case.concluded.v1", story.concluded("concluded")).status == "held"
    assert core.state(story.no) == "decided"


def test_after_24_hours_a_step_that_stands_alone_is_taken_with_a_finding(core: Core, story: Story) -> None:
    play(core, beginning(story))
    core.send("hall", "case.step.v1", story.step(2))
    core.clock.on(DAY - 1)
    assert core.hub.store.write(lambda work: accept_overdue(core.hub, work)) == 0
    core.clock.on(1)
    assert core.hub.store.write(lambda work: accept_overdue(core.hub, work)) == 1
    assert core.state(story.no) == "approving"
    assert core.findings(story.no) == [("logic", "missing_predecessor")]
    assert [row["state"] for row in lines(core, "case.step.v1")] == ["held", "accepted"]
    assert parse(core.leaves()[-1])["note"]["finding"] == "missing_predecessor"
    assert core.hub.store.write(lambda work: accept_overdue(core.hub, work)) == 0
    core.verified()


def test_several_overdue_messages_of_a_case_are_each_taken_once(core: Core, story: Story) -> None:
    play(core, beginning(story))
    for number in (2, 3):
        core.send("hall", "case.step.v1", story.step(number))
    core.clock.on(DAY)
    core.hub.store.write(lambda work: accept_overdue(core.hub, work))
    assert core.state(story.no) == "decided"
    states = [(row["message_id"], row["state"]) for row in lines(core, "case.step.v1")]
    assert sorted(state for _, state in states) == ["accepted", "accepted", "held", "held"]
    assert len(set(states)) == 4
    assert {row["state"] for row in core.rows("SELECT state FROM inbox")} == {"accepted"}
    core.verified()


def test_after_24_hours_what_cannot_stand_alone_is_refused(core: Core, story: Story) -> None:
    play(core, beginning(story))
    core.send("hall", "case.special_finished.v1", story.special_over(1))
    core.clock.on(DAY)
    core.hub.store.write(lambda work: accept_overdue(core.hub, work))
    assert core.state(story.no) == "accepted"
    row = core.rows("SELECT state, code FROM inbox WHERE state != 'accepted'")
    assert row == [{"state": "refused", "code": "state_forbids"}]
    leaf = parse(core.leaves()[-1])
    assert (leaf["kind"], leaf["note"]["code"]) == ("exchange.refused", "state_forbids")
    assert core.findings(story.no) == [("logic", "state_forbids")]
    core.verified()


def test_a_forbidden_step_is_recorded_with_a_finding_and_moves_nothing(core: Core, story: Story) -> None:
    play(core, beginning(story, 3))
    receipt = core.send("hall", "case.accepted.v1", story.refused())
    assert (receipt.status, receipt.code, receipt.http_status) == ("refused", "state_forbids", 422)
    assert "decided" in json.loads(receipt.body)["errors"][0]["detail"], "the state is named"
    assert core.state(story.no) == "decided"
    assert core.findings(story.no) == [("logic", "state_forbids")]
    kept = core.rows("SELECT state, code FROM inbox ORDER BY id DESC LIMIT 1")
    assert kept == [{"state": "refused", "code": "state_forbids"}]
    assert parse(core.leaves()[-1])["kind"] == "exchange.refused"
    assert "state" not in parse(core.leaves()[-1])
    core.verified()


def test_a_certificate_against_a_refusal_contradicts(core: Core) -> None:
    story = Story(case_number(1), PLAIN_ITEM)
    play(core, [*beginning(story, 2), ("case.step.v1", story.step(3, "refuse"))])
    receipt = core.send("hall", "case.concluded.v1", story.concluded())
    assert receipt.code == "decision_contradicts"
    assert core.findings(story.no) == [("logic", "decision_contradicts")]
    core.ok("hall", "case.concluded.v1", story.concluded("concluded"))


def test_a_forbidden_message_that_was_held_is_refused_when_its_turn_comes(core: Core) -> None:
    story = Story(case_number(1), PLAIN_ITEM)
    play(core, beginning(story, 2))
    assert core.send("hall", "case.concluded.v1", story.concluded()).status == "held"
    core.ok("hall", "case.step.v1", story.step(3, "refuse"))
    assert core.state(story.no) == "decided"
    assert core.rows("SELECT code FROM inbox WHERE state = 'refused'") == [{"code": "decision_contradicts"}]
    assert core.findings(story.no) == [("logic", "decision_contradicts")]
    core.verified()


def test_a_case_nobody_opened_is_unknown(core: Core, story: Story) -> None:
    receipt = core.send("hall", "case.accepted.v1", story.accepted())
    assert (receipt.code, receipt.http_status) == ("unknown_case", 422)
    paid = core.send("hall", "fee.confirmed.v1", story.fee_confirmed("17"))
    assert paid.code == "unknown_case"


@pytest.mark.req("S3-11")
@pytest.mark.parametrize("state", ["suspended", "cancelled"])
def test_no_case_of_an_item_that_is_not_in_force(core: Core, story: Story, state: str) -> None:
    core.catalogue(service_item(version=2, state=state), to=2)
    receipt = core.send("hall", "case.applied.v1", story.applied())
    assert (receipt.code, receipt.http_status) == ("item_not_in_force", 422)
    assert core.state(story.no) is None


@pytest.mark.req("S3-11")
def test_a_case_keeps_the_item_version_it_began_with(core: Core, story: Story) -> None:
    core.ok("hall", "case.applied.v1", story.applied())
    core.catalogue(service_item(version=2), to=2)
    later = Story(case_number(2))
    core.ok("hall", "case.applied.v1", later.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    versions = core.rows("SELECT case_no, item_version FROM case_record ORDER BY case_no")
    assert versions == [{"case_no": story.no, "item_version": 1}, {"case_no": later.no, "item_version": 2}]
    core.catalogue(to=3, gone=[{"row_id": service_item(version=2)["row_id"], "code": ITEM, "version": 2}])
    assert core.send("hall", "case.applied.v1", Story(case_number(3)).applied()).code == "item_not_in_force"
    core.ok("hall", "case.step.v1", story.step(1))
    versions = core.rows("SELECT item_version FROM case_record ORDER BY case_no")
    assert [row["item_version"] for row in versions] == [1, 2]


def test_a_message_about_another_item_is_refused(core: Core, story: Story) -> None:
    core.ok("hall", "case.applied.v1", story.applied())
    receipt = core.send("hall", "case.accepted.v1", {**story.accepted(), "item_code": PLAIN_ITEM})
    assert (receipt.code, core.state(story.no)) == ("bad_value", "submitted")


def test_an_application_sent_again_after_pre_review_replaces_the_first(core: Core, story: Story) -> None:
    core.party("dept", adapter="department_a", org="114414020072081005")
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.pre_reviewed.v1", story.pre_reviewed("supplement"))
    core.ok("hall", "case.applied.v1", story.applied(summary="补交平面图后再申请"))
    assert core.state(story.no) == "submitted"
    core.ok("hall", "case.accepted.v1", story.accepted())
    pushed = core.outbox("party = 'dept' AND type = 'case.applied.v1'")
    assert [json.loads(row["payload"])["summary"] for row in pushed] == ["补交平面图后再申请"]


def test_what_happens_to_a_case_again_is_its_next_version_at_the_province(core: Core, story: Story) -> None:
    """An application or a review of its own is no repeat: object, case, step and version name a report."""
    core.party("province", adapter="provincial_reporting")
    for summary, version in (("食品经营许可", 1), ("补交平面图", 2), ("再补证明", 3)):
        said = story.applied(summary=summary, version=version)  # a front that counts its applications itself
        core.ok("hall", "case.applied.v1", said)
        core.ok("hall", "case.pre_reviewed.v1", story.pre_reviewed("supplement"))
        assert core.state(story.no) == "pre_supplement"
    for kind in ("case.applied.v1", "case.pre_reviewed.v1"):
        told = [json.loads(row["payload"]) for row in core.outbox(f"party = 'province' AND type = '{kind}'")]
        assert [one["version"] for one in told] == [1, 2, 3], kind


def test_what_says_what_is_known_changes_nothing_and_tells_nobody_twice(core: Core, story: Story) -> None:
    play(core, beginning(story))
    told = len(core.outbox("type = 'sms.requested.v1'")) + len(lines(core, "sms.requested.v1"))
    core.ok("hall", "case.accepted.v1", story.accepted())
    assert core.state(story.no) == "accepted"
    assert len(core.outbox("type = 'sms.requested.v1'")) + len(lines(core, "sms.requested.v1")) == told


def test_every_case_message_that_validates_is_an_event() -> None:
    """No combination of codes a schema admits may end in an error that is not ours."""
    story = Story(case_number(1))
    said = [
        *(("case.pre_reviewed.v1", story.pre_reviewed(r)) for r in ("passed", "refused", "supplement")),
        ("case.accepted.v1", story.accepted()),
        ("case.accepted.v1", story.refused()),
        *(("case.step.v1", story.step(n, a)) for n, a in itertools.product((1, 2, 3), ("pass", "return"))),
        ("case.step.v1", story.step(3, "refuse")),
        *(
            ("case.concluded.v1", story.concluded(r))
            for r in (
                "certificate_issued",
                "returned",
                "voided",
                "deleted",
                "forwarded",
                "supplement_missing",
                "concluded",
            )
        ),
        *(("case.special_started.v1", story.special(1, k)) for k in ("extension", "other")),
        *(("case.special_finished.v1", story.special_over(1, r)) for r in ("finished", "refused")),
    ]
    for type_, payload in said:
        assert event_of(type_, PAYLOADS[type_].model_validate(payload)) is not None
    with pytest.raises(ValidationError):
        PAYLOADS["case.step.v1"].model_validate(story.step(1, "refuse"))
