"""Calls to partners over HTTP and deliveries to house parties: seals, tokens, verdicts, the same again."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tenacity import wait_none

from exchange.app.serving import Channels
from exchange.dispatch import Dispatcher, Dispatchers
from exchange.housedelivery import HouseDelivery
from exchange.seals import jws
from exchange.seals.keys import key_id
from exchange.transports.queues import Post
from exchange.transports.rest import RestClient
from ledger.leaf import parse
from tests.exchange.core.partner import Call, Stub, serving
from tests.exchange.core.rig import PLAIN_ITEM, Core, Story, new_key

SECRET = "library-secret"
ISSUED = {
    "certificateIdentifier": "1.2.156.3005.2.114414020072081005001.114414020072081005.0000000017.001.S",
    "certificateNumber": "粤梅2026000017",
    "status": "ISSUED",
}


class Box:
    def __init__(self) -> None:
        self.posts: list[Post] = []

    def publish(self, posts: Any) -> None:
        self.posts += posts

    def declare(self, bindings: Any) -> None: ...

    def consume(self, queue: str, handler: Any, stopping: Any) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second quick attempt comes at once."""
    monkeypatch.setattr("exchange.dispatch.wait_random_exponential", lambda *_: wait_none())


@pytest.fixture
def now(core: Core) -> Core:
    """Calls carry the machine's time."""
    core.clock.now = time.time()
    return core


def worker(core: Core, party: str, queues: Any = None, secrets: dict[str, str] | None = None) -> Dispatcher:
    """The dispatcher of a party as a running hub builds it."""
    hub = replace(core.hub, secrets=secrets or {})
    channels = Channels(hub, queues or Box())
    return Dispatcher(
        hub,
        party,
        Dispatchers(hub, channels.to, HouseDelivery(hub, RestClient(2.0)), queues)._attempt,
        queues,
    )


class TestCertificateLibrary:
    """adapters/certificates/contract/contract.md, from the hub's side of the line."""

    @pytest.fixture
    def library(self, now: Core, story: Story) -> Iterator[Stub]:
        """A case in whose name a certificate is asked for, and the library."""
        with serving(Stub(now.hub.ec_key)) as stub:
            key = now.party(
                "library", adapter="certificates", address=stub.address, account={"account": "tongban"}
            )
            stub.key, stub.answer = key, self.fine
            plain = Story(story.no, PLAIN_ITEM)
            for type_, payload in (
                ("case.applied.v1", plain.applied()),
                ("case.accepted.v1", plain.accepted()),
                *(("case.step.v1", plain.step(n)) for n in (1, 2, 3)),
                ("certificate.requested.v1", plain.certificate_requested()),
            ):
                now.ok("hall", type_, payload)
            yield stub

    @pytest.fixture
    def round(self, now: Core, library: Stub) -> Any:
        one = worker(now, "library", secrets={"library": SECRET})
        return one.round

    def fine(self, call: Call) -> Any:
        if call.path == "/auth/token":
            return 200, ok({"accessToken": "T-1", "expires": "20991231000000"})
        return 200, ok({"requestId": call.json["data"]["requestId"], **ISSUED})

    def row(self, core: Core) -> dict[str, Any]:
        return core.outbox("party = 'library'")[0]

    def test_a_call_with_its_token_and_what_comes_back(
        self, now: Core, library: Stub, round: Any, story: Story
    ) -> None:
        round()
        (token,), (issue,) = library.to("/auth/token"), library.to("/cert/issue")
        head = token.json["head"]
        assert head["accessId"] == "tongban"
        assert (
            token.json["data"]["digest"]
            == hashlib.sha256(f"tongban{head['time']}{SECRET}".encode()).hexdigest()
        )
        assert issue.json["head"]["accessToken"] == "T-1"
        assert issue.json["data"]["requestId"] == f"cert-{story.no}"
        assert issue.json["data"]["caseNo"] == story.no
        assert (self.row(now)["state"], now.state(story.no)) == ("sent", "certified")
        kept = now.rows(
            "SELECT * FROM document WHERE type = 'certificate.requested.v1' AND direction = 'out'"
        )[0]
        assert kept["body"] == issue.body
        assert kept["seal"].decode() == issue.headers[jws.HEADER_NAME]
        assert json.loads(kept["answer"])["data"]["status"] == "ISSUED"
        now.verified()

    def test_a_token_no_longer_taken_is_renewed_once(
        self, now: Core, library: Stub, round: Any, story: Story
    ) -> None:
        tokens = iter(["T-1", "T-2", "T-3"])

        def answer(call: Call) -> Any:
            if call.path == "/auth/token":
                return 200, ok({"accessToken": next(tokens), "expires": "20991231000000"})
            return self.fine(call) if call.json["head"]["accessToken"] == "T-2" else (200, no(11))

        library.answer = answer
        round()
        assert [call.json["head"]["accessToken"] for call in library.to("/cert/issue")] == ["T-1", "T-2"]
        assert (self.row(now)["state"], self.row(now)["attempts"]) == ("sent", 1)
        assert now.findings() == []

    def test_a_token_is_used_until_it_is_refused(
        self, now: Core, library: Stub, round: Any, story: Story
    ) -> None:
        round()
        now.ok(
            "hall",
            "certificate.requested.v1",
            {**Story(story.no, PLAIN_ITEM).certificate_requested(), "request_id": "two-0001"},
        )
        round()
        assert len(library.to("/auth/token")) == 1
        assert len(library.to("/cert/issue")) == 2

    def test_a_token_that_is_never_taken_is_tried_later(self, now: Core, library: Stub, round: Any) -> None:
        library.answer = lambda call: self.fine(call) if call.path == "/auth/token" else (200, no(11))
        round()
        assert self.row(now)["state"] == "pending"

    @pytest.mark.parametrize(
        ("code", "state"),
        [(300, "pending"), (104, "refused"), (103, "refused"), (301, "dead"), (100, "dead")],
    )
    def test_each_code_of_the_contract(
        self, now: Core, library: Stub, round: Any, code: int, state: str
    ) -> None:
        library.answer = lambda call: self.fine(call) if call.path == "/auth/token" else (200, no(code))
        round()
        assert (self.row(now)["state"], self.row(now)["code"]) == (state, str(code))
        if state != "pending":
            kept = now.rows("SELECT * FROM document WHERE direction = 'out' AND party = 'library'")[0]
            assert (kept["code"], json.loads(kept["answer"])["head"]["status"]) == (str(code), code)
            assert kept["body"] == library.to("/cert/issue")[0].body
            assert now.findings() == [("procedure", f"delivery_{state}")]

    @pytest.mark.parametrize(
        "fault",
        [
            "drop",
            "http500",
            "http429",
            "not json",
            "unsealed",
            "foreign seal",
            "seal of another answer",
            "no code",
        ],
    )
    def test_what_is_unknown_is_asked_again_the_same(
        self, now: Core, library: Stub, round: Any, story: Story, fault: str
    ) -> None:
        stranger, key = new_key("library"), library.key
        assert key is not None
        good = [self.fine]

        def answer(call: Call) -> Any:
            return bad.get(fault, self.fine)(call) if call.path == "/cert/issue" else self.fine(call)

        bad: dict[str, Any] = {
            "drop": lambda call: None,
            "http500": lambda call: (500, b"oops"),
            "http429": lambda call: (429, no(0)),
            "not json": lambda call: (200, b"<html>"),
            "no code": lambda call: (200, {"data": {}}),
        }
        seals: dict[str, Any] = {
            "unsealed": lambda seal: None,
            "foreign seal": lambda seal: jws.sign_answer(
                b"{}", stranger, status=200, req="x" * 20, now=datetime.now(UTC), nonce="n" * 20
            ),
            "seal of another answer": lambda seal: jws.sign_answer(
                b"{}", key, status=200, req="x" * 20, now=datetime.now(UTC), nonce="n" * 20
            ),
        }
        library.answer, library.seal = answer, seals.get(fault, lambda seal: seal)
        round()
        assert self.row(now)["state"] == "pending"
        assert now.state(story.no) == "decided"
        assert now.rows("SELECT * FROM document WHERE direction = 'out' AND party = 'library'") == []
        library.answer, library.seal = good[0], lambda seal: seal
        now.clock.on(1)
        round()
        assert self.row(now)["state"] == "sent"
        assert now.state(story.no) == "certified"
        assert len({call.json["data"]["requestId"] for call in library.to("/cert/issue")}) == 1
        assert len({json.dumps(call.json["data"]) for call in library.to("/cert/issue")}) == 1, (
            "the same content"
        )

    def test_a_partner_that_is_away(self, now: Core, library: Stub, round: Any) -> None:
        now.party(
            "nowhere", adapter="certificates", address="http://127.0.0.1:9", account={"account": "tongban"}
        )
        now.hub.store.write(
            lambda work: work.connection.exec_driver_sql("UPDATE outbox SET party = 'nowhere'")
        )
        worker(now, "nowhere").round()
        assert now.outbox()[-1]["state"] == "pending"


def ok(data: dict[str, Any]) -> dict[str, Any]:
    return {"head": {"status": 0, "message": ""}, "data": data}


def no(code: int) -> dict[str, Any]:
    return {"head": {"status": code, "message": "no"}, "data": {}}


class TestHouseParty:
    """docs/wire.md §1 and §2: business messages to an inbox URL or to a queue."""

    @pytest.fixture
    def bureau(self, now: Core, story: Story) -> Iterator[Stub]:
        """A bureau that opened a case and takes its steps."""
        with serving(Stub(now.hub.ec_key)) as stub:
            now.party("bureau", address=f"{stub.address}/inbox?of=hub", takes=("case.step.v1",))
            now.ok("bureau", "case.applied.v1", story.applied())
            now.ok("hall", "case.accepted.v1", story.accepted())
            now.ok("hall", "case.step.v1", story.step(1))
            yield stub

    def test_it_is_sent_the_sealed_document(self, now: Core, bureau: Stub, story: Story) -> None:
        worker(now, "bureau").round()
        (call,) = bureau.calls
        assert (call.method, call.path) == ("POST", "/inbox?of=hub")
        assert call.headers["Content-Type"] == "application/json"
        said, row = call.json, now.outbox("party = 'bureau'")[0]
        assert (said["type"], said["sender"], said["message_id"]) == (
            "case.step.v1",
            "hub",
            row["message_id"],
        )
        assert said["payload"] == {**story.step(1), "version": 1}
        assert row["state"] == "sent"
        kept = now.rows("SELECT * FROM document WHERE direction = 'out' AND party = 'bureau'")[0]
        assert (kept["body"], kept["seal"].decode()) == (call.body, call.headers[jws.HEADER_NAME])
        now.verified()

    @pytest.mark.parametrize("status", [400, 403, 404, 422, 302])
    def test_a_refusal_is_final_and_kept_with_what_was_sent(
        self, now: Core, bureau: Stub, story: Story, status: int
    ) -> None:
        bureau.answer = lambda call: (status, {"why": "no"})
        for _ in range(2):
            worker(now, "bureau").round()
        (call,) = bureau.calls
        row = now.outbox("party = 'bureau'")[0]
        assert (row["state"], row["code"]) == ("refused", str(status))
        kept = now.rows("SELECT * FROM document WHERE direction = 'out' AND party = 'bureau'")[0]
        assert (kept["body"], kept["seal"].decode()) == (call.body, call.headers[jws.HEADER_NAME])
        assert json.loads(kept["answer"]) == {"why": "no"}
        assert now.findings(story.no) == [("procedure", "delivery_refused")]
        assert parse(now.leaves()[-1])["kind"] == "exchange.send_refused"
        now.verified()

    @pytest.mark.parametrize("status", [500, 503, 429, 408, None])
    def test_what_may_pass_is_tried_again_under_the_same_id(
        self, now: Core, bureau: Stub, status: int | None
    ) -> None:
        bureau.answer = lambda call: None if status is None else (status, {})
        worker(now, "bureau").round()
        assert now.outbox("party = 'bureau'")[0]["state"] == "pending"
        bureau.answer = lambda call: (204, b"")
        now.clock.on(1)
        worker(now, "bureau").round()
        assert now.outbox("party = 'bureau'")[0]["state"] == "sent"
        assert len({call.body for call in bureau.calls}) == 1, "the very same document"
        assert len({call.headers[jws.HEADER_NAME] for call in bureau.calls}) == len(bureau.calls), (
            "sealed anew each time"
        )

    def test_an_unreachable_one_waits(self, now: Core, story: Story) -> None:
        now.party("bureau", address="http://127.0.0.1:9/x", takes=("case.step.v1",))
        now.ok("bureau", "case.applied.v1", story.applied())
        now.ok("hall", "case.accepted.v1", story.accepted())
        now.ok("hall", "case.step.v1", story.step(1))
        worker(now, "bureau").round()
        row = now.outbox("party = 'bureau'")[0]
        assert (row["state"], row["next_at"]) == ("pending", now.clock.now + 1)
        assert now.findings(story.no) == []


@pytest.mark.parametrize("how", ["posted", "away"])
def test_a_house_party_that_reads_its_queue(now: Core, story: Story, how: str) -> None:
    now.party("bureau", takes=("case.step.v1",))
    now.hub.store.write(
        lambda work: work.connection.exec_driver_sql(
            "UPDATE party SET address = 'amqp:' WHERE name = 'bureau'"
        )
    )
    now.hub.parties.forget()
    now.ok("bureau", "case.applied.v1", story.applied())
    now.ok("hall", "case.accepted.v1", story.accepted())
    now.ok("hall", "case.step.v1", story.step(1))
    box = Box() if how == "posted" else None
    worker(now, "bureau", box).round()
    row = now.outbox("party = 'bureau'")[0]
    if box is None:
        assert row["state"] == "pending"
        return
    (post,) = box.posts
    assert (post.exchange, post.routing_key) == ("tongban", "out.bureau.case.step.v1")
    assert (post.message_id, post.content_type) == (row["message_id"], "application/json")
    ring = {key_id(now.hub.ec_key.certificate): now.hub.ec_key.certificate}
    seal = post.headers[jws.HEADER_NAME]
    jws.verify_amqp(
        seal, post.body, ring.get, exchange="tongban", routing_key=post.routing_key, now=datetime.now(UTC)
    )
    assert json.loads(post.body)["payload"]["case_no"] == story.no
    assert row["state"] == "sent"
