"""A department that pushes notices alone: what is pulled, when again, and what it is told
(adapters/department_a_pull/contract/contract.md)."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from exchange import faces
from exchange.app.serving import Channels
from exchange.consuming import PartnerQueue
from exchange.errors import TryLater
from exchange.notices import Fetcher, NoticeQueue
from exchange.registry import remove_party
from exchange.transports.queues import Delivery, Post
from tests.exchange.core.partner import Call, Stub, serving
from tests.exchange.core.rig import ORG, Core, Story, case_number, new_key
from tests.exchange.core.test_consuming import Box, opened_by_hub, sealed, wire

EXCHANGE, KEY = "gov.case.pull", f"case.feedback.{ORG}"
GUID, OTHER = str(uuid.UUID(int=7)), str(uuid.UUID(int=8))
IDENT = "0198f0c2-1a2b"
BACKOFF = [1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0, 7200.0]  # contract: 1, 5, 30 s, 5 min, 30 min, 2 h


def notice_of(no: str, guid: str = GUID, area: str = "441402") -> bytes:
    return json.dumps(f"SPECIAL@{no}.{area}.{guid}").encode()


def object_(story: Story, which: str, **over: Any) -> dict[str, Any]:
    return {"OBJ": which, **json.loads(wire(story, which)), **over}


class Bench:
    """Hub, department and broker of one test."""

    def __init__(self, core: Core, stub: Stub, story: Story) -> None:
        self.core, self.stub, self.story, self.box = core, stub, story, Box()
        self.bell = threading.Event()
        self.objects: dict[str, Any] = {GUID: object_(story, "3")}
        stub.answer = self.answer
        self.restart()

    def restart(self) -> None:
        """What a new process has."""
        adapter = self.core.hub.adapters["department_a_pull"]
        door = faces.Door(adapter, adapter.heard("feedback"))
        self.queue = NoticeQueue(PartnerQueue(self.core.hub, self.box, door), self.bell)
        self.fetcher = Fetcher(self.core.hub, self.box, Channels(self.core.hub, self.box).to, self.bell)

    def answer(self, call: Call) -> Any:
        found = self.objects[call.path.rpartition("/")[2]]
        return found if isinstance(found, tuple) else (200, found)

    def delivery(self, body: bytes | None = None, ident: str = IDENT, **more: Any) -> Delivery:
        return sealed(
            self.core, "dept", EXCHANGE, KEY, notice_of(self.story.no) if body is None else body,
            message_id=ident, **more,
        )  # fmt: skip

    def noticed(self, body: bytes | None = None, ident: str = IDENT, **more: Any) -> None:
        self.queue(self.delivery(body, ident, **more))

    @property
    def pulls(self) -> int:
        return len(self.stub.calls)

    def told(self) -> list[tuple[str, str]]:
        """(message id, code) of each receipt, in order."""
        posts = [post for post in self.box.posts if post.exchange == EXCHANGE]
        assert {post.routing_key for post in posts} <= {f"case.receipt.{ORG}"}
        said = [opened_by_hub(self.core, post) for post in posts]
        return [(one["message_id"], one["code"]) for one in said]

    def waiting(self) -> int:
        return len(self.core.rows("SELECT * FROM notice"))


@pytest.fixture
def bench(core: Core, story: Story) -> Iterator[Bench]:
    core.clock.now = time.time()
    with serving(Stub(core.hub.ec_key)) as stub:
        stub.key = core.party("dept", adapter="department_a_pull", org=ORG, address=stub.address)
        core.ok("hall", "case.applied.v1", story.applied())
        core.ok("hall", "case.accepted.v1", story.accepted())
        yield Bench(core, stub, story)


class TestGoodNotice:
    """Kept, pulled once, then the one path; no receipt before."""

    def test_pulled_then_answered(self, bench: Bench) -> None:
        bench.noticed()
        assert (bench.told(), bench.pulls, bench.waiting()) == ([], 0, 1)
        assert bench.bell.is_set()
        bench.fetcher.round()
        (call,) = bench.stub.calls
        assert (call.method, call.path, call.body) == ("GET", f"/cases/{GUID}", b"")
        assert bench.told() == [(IDENT, "0")]
        assert (bench.core.state(bench.story.no), bench.waiting()) == ("reviewing", 0)
        (post,) = bench.box.posts
        assert post.correlation_id == "case-1"
        bench.core.verified()

    def test_what_was_pulled_is_kept_beside_the_notice(self, bench: Bench) -> None:
        bench.noticed()
        bench.fetcher.round()
        (row,) = bench.core.rows("SELECT * FROM document WHERE type = 'case.step.v1' AND direction = 'in'")
        assert (row["body"], row["message_id"]) == (notice_of(bench.story.no), IDENT)
        (file,) = bench.core.rows("SELECT body FROM attachment")
        assert json.loads(file["body"]) == bench.objects[GUID]

    @pytest.mark.parametrize("between", ["waiting", "answered"])
    def test_the_same_again_is_pulled_once(self, bench: Bench, between: str) -> None:
        bench.noticed()
        if between == "answered":
            bench.fetcher.round()
        bench.noticed()  # the same string, sealed afresh
        bench.fetcher.round()
        assert bench.pulls == 1
        assert bench.told() == [(IDENT, "0")] * (1 if between == "waiting" else 2)

    def test_a_redelivery_while_the_notice_waits_for_minutes(self, bench: Bench) -> None:
        """The broker gives back the very same bytes; their seal is old by then."""
        bench.objects[GUID] = (503, {})
        delivery = bench.delivery()
        bench.queue(delivery)
        bench.fetcher.round()
        with pytest.MonkeyPatch.context() as patched:
            late = time.time() + 900
            patched.setattr("exchange.consuming.time.time", lambda: late)
            bench.queue(delivery)
        assert bench.told() == []
        bench.objects[GUID] = object_(bench.story, "3")
        bench.core.clock.on(1)
        bench.fetcher.round()
        assert bench.told() == [(IDENT, "0")]

    def test_another_notice_of_the_same_object_has_no_second_effect(self, bench: Bench) -> None:
        for ident in (IDENT, "0198f0c2-ffff"):
            bench.noticed(ident=ident)
            bench.fetcher.round()
        assert bench.told() == [(IDENT, "0"), ("0198f0c2-ffff", "0")]
        changes = bench.core.rows("SELECT * FROM finding WHERE case_no = :no", no=bench.story.no)
        assert (bench.core.state(bench.story.no), changes) == ("reviewing", [])


class TestRefused:
    """Codes 30 and 70, and what is set aside."""

    @pytest.mark.parametrize("between", ["waiting", "answered", "refused"])
    def test_30_for_another_string_under_the_same_id(self, bench: Bench, between: str) -> None:
        bench.objects[OTHER] = object_(bench.story, "5")
        if between == "refused":
            bench.objects[GUID] = (404, {})
        bench.noticed()
        if between != "waiting":
            bench.fetcher.round()
        bench.box.posts.clear()
        bench.noticed(notice_of(bench.story.no, OTHER))
        assert bench.told() == [(IDENT, "30")]
        bench.fetcher.round()
        assert bench.pulls == 1
        assert len(bench.told()) == (2 if between == "waiting" else 1), "the first one is answered apart"

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"{}", b'"SPECIAL@"', b"SPECIAL@x", b'["a"]', b"null", b'"' + b"A" * 300 + b'"',
            json.dumps(f"SPECIAL@{case_number(1)}.441402.{GUID.upper().replace('0', 'A')}").encode(),
            json.dumps(f"SPECIAL@{case_number(1)}.4414.{GUID}").encode(),
            json.dumps(f"SPECIAL@{case_number(1)}.441402.{GUID}\n").encode(),
            json.dumps(f"SPECIAL@{case_number(1)}.441402.../{GUID}").encode(),
            json.dumps(f"SPECIAL@{case_number(1)}.４４１４０２.{GUID}").encode(),
        ],
    )  # fmt: skip
    def test_70_for_anything_else_than_the_string(self, bench: Bench, body: bytes) -> None:
        bench.noticed(body)
        bench.fetcher.round()
        assert (bench.told(), bench.pulls) == ([(IDENT, "70")], 0)

    @pytest.mark.parametrize("ident", ["short", "编号-00000001", "m" * 65, "a b c d e f"])
    def test_70_for_an_id_of_another_form(self, bench: Bench, ident: str) -> None:
        bench.noticed(ident=ident)
        bench.fetcher.round()
        assert (bench.told(), bench.pulls) == ([(ident, "70")], 0)

    @pytest.mark.parametrize("status", [404, 410])
    @pytest.mark.parametrize("content", [{}, b"", b"gone"])
    def test_70_and_never_again_for_what_is_not_there(
        self, bench: Bench, status: int, content: bytes | dict[str, Any]
    ) -> None:
        bench.objects[GUID] = (status, content)
        bench.noticed()
        bench.fetcher.round()
        assert bench.told() == [(IDENT, "70")]
        (post,) = bench.box.posts
        assert ("withdrawn" in opened_by_hub(bench.core, post)["msg"]) == (status == 410)
        bench.noticed()
        bench.core.clock.on(8 * 3600)
        bench.fetcher.round()
        assert (bench.pulls, bench.told()) == (1, [(IDENT, "70")] * 2)
        rows = bench.core.rows("SELECT message_id, code FROM document WHERE state = 'refused'")
        assert [(row["message_id"], row["code"]) for row in rows] == [(IDENT, "not_pulled")]

    @pytest.mark.parametrize(
        "over",
        [{"SBLSH": case_number(2)}, {"XZQHDM": "441403"}, {"OBJ": "2"}, {"OBJ": None}, {"SPHJDM": "9"},
         {"MORE": "x"}],
    )  # fmt: skip
    def test_70_for_an_object_of_another_case_or_form(self, bench: Bench, over: dict[str, Any]) -> None:
        bench.objects[GUID] = object_(bench.story, "3", **over)
        bench.noticed()
        bench.fetcher.round()
        assert bench.told() == [(IDENT, "70")]
        assert bench.core.state(bench.story.no) == "accepted"
        bench.noticed()
        bench.fetcher.round()
        assert (bench.pulls, bench.told()) == (1, [(IDENT, "70")] * 2)

    def test_70_for_what_the_case_forbids(self, bench: Bench) -> None:
        bench.objects[GUID] = object_(bench.story, "1")
        bench.noticed()
        bench.fetcher.round()
        assert bench.told() == [(IDENT, "70")]
        assert ("logic", "state_forbids") in bench.core.findings(bench.story.no)

    def test_a_seal_of_nobody_is_a_dead_letter(self, bench: Bench) -> None:
        bench.noticed(signer=new_key("dept"))
        (post,) = bench.box.posts
        assert (post.exchange, post.headers["x-tongban-code"]) == ("gov.case.pull.dlx", "unknown_party")
        assert bench.waiting() == 0


class TestLater:
    """What may come right: no receipt yet."""

    @pytest.mark.parametrize(
        ("status", "is_sealed"),
        [(401, False), (403, False), (401, True), (403, True), (429, False), (429, True), (500, False),
         (500, True), (501, True), (502, False), (503, True), (504, False), (200, False), (404, False),
         (410, False), (302, True)],
    )  # fmt: skip
    def test_no_receipt_yet(self, bench: Bench, status: int, is_sealed: bool) -> None:
        bench.objects[GUID] = (status, object_(bench.story, "3"))
        if not is_sealed:
            bench.stub.seal = lambda _: None
        bench.noticed()
        bench.fetcher.round()
        assert (bench.pulls, bench.told(), bench.waiting()) == (1, [], 1)
        bench.objects[GUID], bench.stub.seal = object_(bench.story, "3"), lambda seal: seal
        bench.core.clock.on(1)
        bench.fetcher.round()
        assert (bench.told(), bench.core.state(bench.story.no)) == ([(IDENT, "0")], "reviewing")

    @pytest.mark.parametrize("how", ["dropped", "no json", "too large", "another's seal"])
    def test_answers_that_are_none(self, bench: Bench, how: str) -> None:
        good = bench.stub.key
        if how == "dropped":
            bench.stub.answer = lambda _: None
        elif how == "another's seal":
            bench.stub.key = new_key("dept")
        else:
            content = b"{" if how == "no json" else b'"' + b"a" * (4 << 20) + b'"'
            bench.objects[GUID] = (200, content)
        bench.noticed()
        bench.fetcher.round()
        assert (bench.told(), bench.waiting()) == ([], 1)
        bench.stub.answer, bench.stub.key = bench.answer, good
        bench.objects[GUID] = object_(bench.story, "3")
        bench.core.clock.on(1)
        bench.fetcher.round()
        assert bench.told() == [(IDENT, "0")]

    def test_again_after_the_times_of_the_contract(self, bench: Bench) -> None:
        bench.objects[GUID] = (503, {})
        bench.noticed()
        assert bench.fetcher.round() == 1
        for at, pause in enumerate(BACKOFF):
            bench.core.clock.on(pause - 0.5)
            assert bench.fetcher.round() == 0, f"too early at {at}"
            bench.core.clock.on(0.5)
            assert bench.fetcher.round() == 1
        assert (bench.pulls, bench.told()) == (1 + len(BACKOFF), [])

    def test_given_up_after_24_hours_with_code_70(self, bench: Bench) -> None:
        bench.objects[GUID] = (503, {})
        bench.noticed()
        begun = bench.core.clock.now
        while bench.core.clock.now < begun + 24 * 3600 - 60:
            bench.fetcher.round()
            bench.core.clock.on(60)
        assert bench.told() == []
        bench.core.clock.now = begun + 24 * 3600
        bench.fetcher.round()
        assert (bench.told(), bench.waiting()) == ([(IDENT, "70")], 0)
        bench.noticed()
        bench.fetcher.round()
        assert bench.told() == [(IDENT, "70")] * 2
        bench.core.verified()

    def test_one_party_that_is_away_is_asked_once_in_a_round(self, bench: Bench) -> None:
        bench.stub.answer = lambda _: None
        for number in range(5):
            bench.noticed(ident=f"notice-000{number}")
        bench.fetcher.round()
        assert (bench.pulls, bench.waiting()) == (1, 5)

    def test_a_notice_that_meets_a_defect_does_not_stop_the_others(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.noticed()
        bench.core.clock.on(0.1)
        bench.objects[OTHER] = object_(bench.story, "3")
        bench.noticed(notice_of(bench.story.no, OTHER), "0198f0c2-0002")
        read = Fetcher._read

        def broken(self: Any, door: Any, sealed_: Any, envelope: Any) -> Any:
            if envelope.properties["message_id"] == IDENT:
                raise KeyError("x")
            return read(self, door, sealed_, envelope)

        monkeypatch.setattr(Fetcher, "_read", broken)
        assert bench.fetcher.round() == 2
        assert (bench.told(), bench.waiting()) == ([("0198f0c2-0002", "0")], 1)


class TestRestart:
    """Killed at any point."""

    def test_between_keeping_and_pulling(self, bench: Bench) -> None:
        bench.noticed()
        bench.restart()
        bench.fetcher.round()
        assert (bench.told(), bench.pulls) == ([(IDENT, "0")], 1)

    def test_between_the_commit_and_the_receipt(self, bench: Bench) -> None:
        """The broker is away when the receipt should go out: told later, without a second pull."""
        bench.noticed()
        bench.box.away = True
        bench.fetcher.round()
        assert (bench.told(), bench.core.state(bench.story.no)) == ([], "reviewing")
        bench.box.away = False
        bench.restart()
        bench.core.clock.on(5)
        bench.fetcher.round()
        assert (bench.told(), bench.pulls, bench.waiting()) == ([(IDENT, "0")], 1, 0)

    def test_between_the_commit_of_a_refusal_and_the_receipt(self, bench: Bench) -> None:
        bench.objects[GUID] = (404, {})
        bench.noticed()
        bench.box.away = True
        bench.fetcher.round()
        bench.box.away = False
        bench.core.clock.on(5)
        bench.fetcher.round()
        assert (bench.told(), bench.pulls) == ([(IDENT, "70")], 1)

    def test_before_the_notice_is_acknowledged(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: Any, **__: Any) -> Any:
            raise TryLater("busy", "locked")

        delivery = bench.delivery()
        with monkeypatch.context() as patched:
            patched.setattr(type(bench.core.hub.store), "write", away)
            with pytest.raises(TryLater):
                bench.queue(delivery)
        bench.queue(delivery)
        bench.fetcher.round()
        assert bench.told() == [(IDENT, "0")]

    def test_a_party_that_is_removed_meanwhile(self, bench: Bench) -> None:
        """Nobody can be told: set aside after 24 h, with a line in the ledger."""
        bench.noticed()
        core = bench.core
        core.hub.store.write(lambda work: remove_party(work, core.hub.name, "dept"))
        core.hub.parties.forget()
        bench.fetcher.round()
        assert (bench.pulls, bench.waiting()) == (0, 1)
        core.clock.on(24 * 3600)
        bench.fetcher.round()
        assert bench.waiting() == 0
        dead = [post for post in bench.box.posts if isinstance(post, Post)]
        assert [post.headers["x-tongban-code"] for post in dead] == ["unknown_party"]
        rows = core.rows("SELECT code FROM document WHERE state = 'refused'")
        assert [row["code"] for row in rows] == ["unknown_party"]


class TestOrder:
    """Notices of one case overtaking each other."""

    def test_the_second_step_is_pulled_first(self, bench: Bench) -> None:
        bench.objects |= {GUID: (503, {}), OTHER: object_(bench.story, "3", SPHJDM="2", SPBZH=2)}
        bench.noticed()
        bench.noticed(notice_of(bench.story.no, OTHER), "0198f0c2-0002")
        bench.fetcher.round()
        assert (bench.told(), bench.core.state(bench.story.no)) == ([("0198f0c2-0002", "0")], "accepted")
        bench.objects[GUID] = object_(bench.story, "3")
        bench.core.clock.on(1)
        bench.fetcher.round()
        assert bench.told() == [("0198f0c2-0002", "0"), (IDENT, "0")]
        assert bench.core.state(bench.story.no) == "approving", "both steps count"
        bench.core.verified()

    def test_receipts_come_in_the_order_the_notices_are_due(self, bench: Bench) -> None:
        idents = [f"notice-000{number}" for number in range(3)]
        for number, ident in enumerate(idents):
            guid = str(uuid.UUID(int=100 + number))
            over = {"SPHJDM": str(number + 1), "SPBZH": number + 1}
            bench.objects[guid] = object_(bench.story, "3", **over)
            bench.noticed(notice_of(bench.story.no, guid), ident)
            bench.core.clock.on(0.1)
        bench.fetcher.round()
        assert bench.told() == [(ident, "0") for ident in idents]
