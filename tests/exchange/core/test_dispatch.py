"""Dispatch: order inside a case, backoff, what an answer becomes, nothing lost or doubled by a crash."""

import json
import threading
from typing import Any

import pytest
from tenacity import wait_none

from canonical.messages import PAYLOADS
from exchange.delivery import Sent
from exchange.dispatch import Dispatcher
from exchange.errors import Misconfigured, Refused, TryLater
from exchange.replies import take_pulled
from exchange.transports.queues import Post
from ledger.leaf import parse
from tests.exchange.core.rig import PLAIN_ITEM, Core, Story, case_number, make_core, running, took, until

STAMPS = (1, 5, 30, 300, 1800, 7200)  # seconds, architecture: errors of the hub
NOTICE = "44140226000000000017"


def cases(core: Core, count: int, steps: int = 1) -> list[Story]:
    """Cases reported to the province: application and acceptance of each, told in turn."""
    stories = [Story(case_number(n + 1), PLAIN_ITEM) for n in range(count)]
    for story in stories:
        core.ok("hall", "case.applied.v1", story.applied())
    for story in stories:
        core.ok("hall", "case.accepted.v1", story.accepted())
        for number in range(1, steps + 1):
            core.ok("hall", "case.step.v1", story.step(number))
    return stories


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second quick attempt comes at once."""
    monkeypatch.setattr("exchange.dispatch.wait_random_exponential", lambda *_: wait_none())


@pytest.fixture
def reporting(core: Core, monkeypatch: pytest.MonkeyPatch) -> Core:
    """A receiver whose receipts nobody waits for."""
    monkeypatch.setattr("exchange.routing.awaits_receipt", lambda call: False)
    core.party("report", adapter="provincial_reporting")
    return core


@pytest.fixture
def receipting(core: Core) -> Core:
    """A receiver that answers each message by a receipt."""
    core.party("report", adapter="provincial_reporting")
    return core


def receipted(core: Core, ident: str, code: str = "0") -> None:
    said = PAYLOADS["exchange.receipted.v1"].model_validate({"message_id": ident, "code": code})
    reply = ("exchange.receipted.v1", said)
    take_pulled(core.hub, "report", Sent("amqp", b"{}", "0", "ok"), reply, f"r-{ident}-{code}"[:60])


def test_the_next_of_a_case_waits_for_the_receipt_of_the_one_before(receipting: Core) -> None:
    slow, other = cases(receipting, 2)
    partner = Partner()
    assert rounds(receipting, "report", partner) == 2, "the first of each case"
    assert rounds(receipting, "report", partner) == 0
    first = next(row for row in partner.seen if row.case_no == other.no)
    receipted(receipting, first.message_id)
    assert rounds(receipting, "report", partner) == 1
    assert partner.told(other.no) == ["case.applied.v1", "case.accepted.v1"]
    assert partner.told(slow.no) == ["case.applied.v1"]


def test_what_is_asked_again_goes_before_what_waits_behind_it(receipting: Core) -> None:
    """The province was busy with the application: nothing of the case overtakes its repeat."""
    (only,) = cases(receipting, 1)
    partner = Partner()
    rounds(receipting, "report", partner)
    receipted(receipting, partner.seen[0].message_id, "110")
    assert rounds(receipting, "report", partner) == 0
    receipting.clock.on(31)
    assert rounds(receipting, "report", partner) == 1
    assert partner.told(only.no) == ["case.applied.v1", "case.applied.v1"]
    receipted(receipting, partner.seen[0].message_id)
    for kind in ("case.accepted.v1", "case.step.v1"):
        assert rounds(receipting, "report", partner) == 1
        assert partner.seen[-1].type == kind
        receipted(receipting, partner.seen[-1].message_id)


def test_a_receipt_that_never_comes_does_not_hold_the_case_for_ever(receipting: Core) -> None:
    cases(receipting, 1)
    partner = Partner()
    rounds(receipting, "report", partner)
    receipting.clock.on(3601)
    assert rounds(receipting, "report", partner) == 1
    assert partner.seen[-1].type == "case.accepted.v1"


def rounds(core: Core, party: str, attempt: Any, queues: Any = None) -> int:
    return core.dispatcher(party, attempt, queues).round()


class Partner:
    """Takes what it is sent, or says what it was told to say for a case or a message id."""

    def __init__(self, **says: Any) -> None:
        self.seen: list[Any] = []
        self.says: dict[str, Any] = says

    def __call__(self, row: Any) -> Sent:
        self.seen.append(row)
        said = self.says.get(row.case_no) or self.says.get("*")
        if isinstance(said, Exception):
            raise said
        return said or took(row)

    def told(self, case_no: str) -> list[str]:
        return [row.type for row in self.seen if row.case_no == case_no]


def test_a_case_is_told_in_order_and_only_its_own_head_blocks(reporting: Core) -> None:
    bad, good = cases(reporting, 2)
    partner = Partner(**{bad.no: TryLater("503", "away")})
    rounds(reporting, "report", partner)
    assert partner.told(good.no) == ["case.applied.v1", "case.accepted.v1", "case.step.v1"]
    assert set(partner.told(bad.no)) == {"case.applied.v1"}, "nothing overtakes the first of its case"
    partner.seen.clear()
    assert rounds(reporting, "report", partner) == 0, "the rest of the case waits with its head"
    partner.says.clear()
    reporting.clock.on(1)
    rounds(reporting, "report", partner)
    assert partner.told(bad.no) == ["case.applied.v1", "case.accepted.v1", "case.step.v1"]
    assert reporting.outbox("state != 'sent'") == []


def test_an_earlier_one_waiting_its_retry_blocks_what_is_planned_later(reporting: Core) -> None:
    story = cases(reporting, 1)[0]
    away = Partner(**{"*": TryLater("503", "away")})
    rounds(reporting, "report", away)
    reporting.ok("hall", "case.step.v1", story.step(2))
    partner = Partner()
    assert rounds(reporting, "report", partner) == 0
    reporting.clock.on(1)
    rounds(reporting, "report", partner)
    steps = [row.payload.get("step_no") for row in partner.seen]
    assert steps == [None, None, 1, 2]


def test_one_party_does_not_wait_for_another(reporting: Core, story: Story) -> None:
    reporting.party("watch", takes=("case.applied.v1", "*"))
    reporting.ok("hall", "case.applied.v1", story.applied())
    rounds(reporting, "report", Partner(**{"*": TryLater("503", "away")}))
    partner = Partner()
    assert rounds(reporting, "watch", partner) == 1
    assert partner.told(story.no) == ["case.applied.v1"]


def test_more_than_a_batch_of_one_case_stays_in_order(reporting: Core) -> None:
    story = Story(case_number(1), PLAIN_ITEM)
    reporting.ok("hall", "case.applied.v1", story.applied())
    reporting.ok("hall", "case.accepted.v1", story.accepted())
    for number in range(1, 31):
        reporting.ok("hall", "case.special_started.v1", story.special(number))
        reporting.ok("hall", "case.special_finished.v1", story.special_over(number))
    partner = Partner()
    while rounds(reporting, "report", partner):
        pass
    ids = [row.id for row in partner.seen]
    assert ids == sorted(ids)
    assert len(ids) == 62


def test_the_pauses_between_attempts(reporting: Core, story: Story) -> None:
    reporting.ok("hall", "case.applied.v1", story.applied())
    away = Partner(**{"*": TryLater("503", "away")})
    for number, pause in enumerate((*STAMPS, 7200, 7200), 1):
        assert rounds(reporting, "report", away) == 1
        row = reporting.outbox()[0]
        assert (row["state"], row["code"], row["attempts"]) == ("pending", "503", number)
        assert row["next_at"] == reporting.clock.now + pause
        reporting.clock.on(pause - 0.5)
        assert rounds(reporting, "report", away) == 0
        reporting.clock.on(0.5)
    partner = Partner()
    rounds(reporting, "report", partner)
    assert partner.told(story.no) == ["case.applied.v1"]


def test_giving_up_is_a_finding_and_a_ledger_line(reporting: Core, story: Story) -> None:
    reporting.ok("hall", "case.applied.v1", story.applied())
    away, attempts = Partner(**{"*": TryLater("503", "away")}), 0
    while reporting.outbox()[0]["state"] == "pending":
        attempts += 1
        assert attempts < 100
        rounds(reporting, "report", away)
        reporting.clock.on(7200)
    assert reporting.outbox()[0]["state"] == "dead"
    assert attempts == 20
    assert reporting.findings(story.no) == [("procedure", "delivery_dead")]
    assert parse(reporting.leaves()[-1])["kind"] == "exchange.send_failed"
    reporting.verified()


def test_what_was_sent_is_recorded_with_both_sides(reporting: Core, story: Story) -> None:
    reporting.ok("hall", "case.applied.v1", story.applied())
    sent = Sent("rest", b"{said}", "ok", "ok", seal=b"SEAL", bound={"path": "/x"}, answer=b"{answered}")
    rounds(reporting, "report", lambda row: sent)
    row = reporting.outbox()[0]
    assert (row["state"], row["sent_at"]) == ("sent", reporting.clock.now)
    kept = reporting.rows("SELECT * FROM document WHERE direction = 'out' AND party = 'report'")[0]
    assert (kept["body"], kept["seal"], kept["answer"]) == (b"{said}", b"SEAL", b"{answered}")
    leaf = parse(reporting.leaves()[-1])
    assert (leaf["kind"], leaf["from"], leaf["to"]) == ("exchange.sent", "hub", "report")
    assert leaf["c"].keys() == {"payload", "sig", "answer"}
    assert leaf["xid"] == row["message_id"]
    reporting.verified()


@pytest.mark.parametrize(
    ("said", "state", "kind"),
    [
        (lambda row: took(row, "70", "refused", detail="缺少受理数据"), "refused", "exchange.send_refused"),
        (lambda row: took(row, "60", "poison", detail="签名"), "dead", "exchange.send_failed"),
        (Refused("missing_field", "cannot be said"), "refused", "exchange.send_refused"),
        (Misconfigured("no_document", "no such call"), "dead", "exchange.send_failed"),
    ],
    ids=["refused", "poison", "unsayable", "misconfigured"],
)
def test_a_refusal_ends_the_delivery_with_finding_and_ledger_line(
    reporting: Core, said: Any, state: str, kind: str
) -> None:
    story = cases(reporting, 1)[0]

    def attempt(row: Any) -> Sent:
        if row.type != "case.applied.v1":
            return took(row)
        if isinstance(said, Exception):
            raise said
        return said(row)

    rounds(reporting, "report", attempt)
    rounds(reporting, "report", attempt)
    states = {row["type"]: row["state"] for row in reporting.outbox()}
    assert states == {"case.applied.v1": state, "case.accepted.v1": "sent", "case.step.v1": "sent"}
    assert reporting.findings(story.no) == [("procedure", f"delivery_{state}")]
    kinds = [parse(leaf)["kind"] for leaf in reporting.leaves()]
    assert kinds.count(kind) == 1
    assert reporting.outbox(f"state = '{state}'")[0]["attempts"] == 1, "it is never sent again"
    reporting.verified()


def test_a_claim_of_a_dead_worker_is_taken_up_after_its_time(reporting: Core, story: Story) -> None:
    reporting.ok("hall", "case.applied.v1", story.applied())

    class Killed(BaseException):
        pass

    def crash(row: Any) -> Sent:
        raise Killed

    with pytest.raises(Killed):
        rounds(reporting, "report", crash)
    assert reporting.outbox()[0]["state"] == "claimed"
    partner = Partner()
    reporting.clock.on(59)
    assert rounds(reporting, "report", partner) == 0
    reporting.clock.on(1)
    assert rounds(reporting, "report", partner) == 1
    assert reporting.outbox()[0]["state"] == "sent"
    reporting.verified()


def test_at_the_next_start_claims_are_free_at_once(reporting: Core, story: Story) -> None:
    reporting.ok("hall", "case.applied.v1", story.applied())
    reporting.hub.store.write(lambda work: reporting.hub.outbox.claim(work, "report"))
    assert reporting.hub.store.write(reporting.hub.outbox.release_claims) == 1
    partner = Partner()
    assert rounds(reporting, "report", partner) == 1


def test_done_but_unanswered_is_said_again_under_the_same_id(reporting: Core) -> None:
    """The partner did the work and the line dropped: the second call has the same identity and content."""
    story = cases(reporting, 1, steps=0)[0]
    done: dict[str, Any] = {}
    calls = []

    def partner(row: Any) -> Sent:
        calls.append((row.message_id, row.payload))
        if row.message_id not in done:
            done[row.message_id] = row.payload
            raise TryLater("partner_away", "dropped before the reply")
        assert done[row.message_id] == row.payload
        return took(row)

    for _ in range(4):
        rounds(reporting, "report", partner)
        reporting.clock.on(1)
    assert len(done) == 2
    assert len({ident for ident, _ in calls}) == 2
    assert [row["state"] for row in reporting.outbox()] == ["sent", "sent"]
    assert reporting.findings(story.no) == []


def test_the_same_message_always_leaves_under_the_same_id(
    core: Core, tmp_path: Any, hub_keys: Any, story: Story
) -> None:
    """Two hubs that took the same message plan the same identity: a restored store recognises its retries."""
    other = make_core(tmp_path / "other", hub_keys)
    ids = []
    for one in (core, other):
        one.party("report", adapter="provincial_reporting")
        one.ok("hall", "case.applied.v1", story.applied(), message_id="message-0001")
        ids.append([row["message_id"] for row in one.outbox("party = 'report'")])
    assert ids[0] == ids[1]
    assert len(ids[0]) == 1


def reply(type_: str, payload: dict[str, Any]) -> Any:
    return type_, PAYLOADS[type_].model_validate(payload)


@pytest.fixture
def decided(core: Core, story: Story) -> Core:
    """A case that waits for its fee."""
    core.party("till", adapter="fees", address="http://127.0.0.1:1", account={"account": "tongban"})
    for type_, payload in (
        ("case.applied.v1", story.applied()),
        ("case.accepted.v1", story.accepted()),
        *(("case.step.v1", story.step(n)) for n in (1, 2, 3)),
        ("fee.requested.v1", story.fee_requested()),
    ):
        core.ok("hall", type_, payload)
    return core


def test_a_synchronous_answer_is_a_message_on_the_same_path(decided: Core, story: Story) -> None:
    asked = decided.outbox("party = 'till'")[0]
    decided.delivered("till", lambda row: took(row, reply=reply("fee.noticed.v1", story.fee_noticed(NOTICE))))
    assert decided.state(story.no) == "awaiting_payment"
    kept = decided.rows("SELECT * FROM document WHERE type = 'fee.noticed.v1'")[0]
    assert (kept["party"], kept["direction"], kept["state"]) == ("till", "in", "accepted")
    assert kept["body"] == b'{"code":"0"}', "the bytes the partner answered"
    sent, heard = (
        decided.value("SELECT min(entry) FROM document WHERE type = :t", t=t)
        for t in ("fee.requested.v1", "fee.noticed.v1")
    )
    assert sent < heard
    leaf = parse(decided.leaves()[heard])
    assert (leaf["from"], leaf["state"]) == ("till", {"from": "decided", "to": "awaiting_payment"})
    assert asked["message_id"] in leaf["xid"]
    decided.verified()


def test_an_answer_the_case_cannot_take_is_recorded_as_refused(decided: Core, story: Story) -> None:
    decided.ok("hall", "certificate.requested.v1", story.certificate_requested())
    decided.party(
        "library", adapter="certificates", address="http://127.0.0.1:1", account={"account": "tongban"}
    )
    early = Story(case_number(2), PLAIN_ITEM)
    decided.ok("hall", "case.applied.v1", early.applied())
    decided.ok("hall", "certificate.requested.v1", early.certificate_requested())
    issued = reply("certificate.issued.v1", early.certificate_issued())
    decided.delivered("library", lambda row: took(row, reply=issued))
    assert decided.state(early.no) == "submitted"
    assert decided.findings(early.no) == [("logic", "state_forbids")]
    kept = decided.rows("SELECT * FROM document WHERE type = 'certificate.issued.v1'")
    assert [(row["state"], row["code"]) for row in kept] == [("refused", "state_forbids")]
    assert decided.outbox("party = 'library'")[0]["state"] == "sent", "the delivery itself was taken"
    decided.verified()


def test_the_same_answer_after_a_crash_has_one_effect(decided: Core, story: Story) -> None:
    """The hub died between the partner's answer and its own commit."""
    answer = reply("fee.noticed.v1", story.fee_noticed(NOTICE))

    class Killed(BaseException):
        pass

    def first(row: Any) -> Sent:
        raise Killed

    with pytest.raises(Killed):
        rounds(decided, "till", first)
    decided.clock.on(60)
    decided.delivered("till", lambda row: took(row, reply=answer))
    assert len(decided.rows("SELECT * FROM document WHERE type = 'fee.noticed.v1'")) == 1
    assert decided.state(story.no) == "awaiting_payment"


class Broker:
    """A queue transport that can be away."""

    def __init__(self) -> None:
        self.away: Exception | None = None
        self.posts: list[Post] = []

    def publish(self, posts: Any) -> None:
        if self.away:
            raise self.away
        self.posts += posts

    def declare(self, bindings: Any) -> None: ...

    def consume(self, queue: str, handler: Any, stopping: Any) -> None: ...

    def close(self) -> None: ...


def posting(row: Any) -> Sent:
    post = Post("prov.hall", "report.441400.0", json.dumps(row.payload).encode(), row.message_id)
    return Sent("amqp", post.body, "ok", "ok", post=post)


@pytest.mark.parametrize("code", ["broker_away", "unroutable"])
def test_a_broker_that_is_away_keeps_the_rows(reporting: Core, code: str) -> None:
    cases(reporting, 2)
    broker = Broker()
    broker.away = TryLater(code, "no")
    rounds(reporting, "report", posting, broker)
    assert {row["state"] for row in reporting.outbox()} == {"pending"}
    assert reporting.rows("SELECT * FROM document WHERE direction = 'out' AND party = 'report'") == []
    broker.away = None
    reporting.clock.on(1)
    while rounds(reporting, "report", posting, broker):
        pass
    assert {row["state"] for row in reporting.outbox()} == {"sent"}
    assert [post.message_id for post in broker.posts] == [row["message_id"] for row in reporting.outbox()]
    reporting.verified()


def test_a_failed_one_among_posts_does_not_hold_the_others_cases(reporting: Core) -> None:
    bad, good = cases(reporting, 2)
    broker = Broker()

    def attempt(row: Any) -> Sent:
        if row.case_no == bad.no:
            raise TryLater("x", "x")
        return posting(row)

    rounds(reporting, "report", attempt, broker)
    assert [post.message_id for post in broker.posts] == [
        row["message_id"] for row in reporting.outbox("case_no = :no", no=good.no)
    ]
    assert {row["state"] for row in reporting.outbox("case_no = :no", no=bad.no)} == {"pending"}


def test_what_could_not_be_published_is_not_overtaken_in_the_same_round(reporting: Core) -> None:
    """The broker is back before the claim is worked off: the rest of the case still waits for its head."""
    one, two = cases(reporting, 2, steps=0)  # planned: one applied, two applied, one accepted, two accepted
    broker = Broker()
    broker.away = TryLater("broker_away", "no")

    def attempt(row: Any) -> Sent:
        if row.case_no == two.no:
            raise TryLater("x", "x")  # ends the first batch of posts
        if row.type == "case.accepted.v1":
            broker.away = None
        return posting(row)

    rounds(reporting, "report", attempt, broker)
    assert broker.posts == []
    assert {row["state"] for row in reporting.outbox("case_no = :no", no=one.no)} == {"pending"}


def test_the_bell_wakes_the_worker(reporting: Core, story: Story) -> None:
    partner, stop = Partner(), threading.Event()
    worker = Dispatcher(reporting.hub, "report", partner, None)
    with running(worker.run, stop.is_set):
        reporting.ok("hall", "case.applied.v1", story.applied())
        until(lambda: reporting.outbox("state = 'sent'"), 5)
        stop.set()
        reporting.hub.outbox.bell("report").set()
    assert partner.told(story.no) == ["case.applied.v1"]


def test_a_defect_in_one_delivery_does_not_end_the_worker(reporting: Core) -> None:
    bad, good = cases(reporting, 2, steps=0)
    partner, stop = Partner(), threading.Event()

    def attempt(row: Any) -> Sent:
        if row.case_no == bad.no:
            raise KeyError("a defect of ours")
        return partner(row)

    worker = Dispatcher(reporting.hub, "report", attempt, None)
    with running(worker.run, stop.is_set):
        until(lambda: len(reporting.outbox("state = 'sent' AND case_no = :no", no=good.no)) == 2, 5)
        stop.set()
        reporting.hub.outbox.bell("report").set()
    assert {row["state"] for row in reporting.outbox("case_no = :no", no=bad.no)} == {"pending"}
