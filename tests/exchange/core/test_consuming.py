"""Messages by queue: receipts where promised, dead letters where nobody can be told, codes by contract."""

import json
import secrets
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from exchange import faces
from exchange.consuming import HouseQueue, PartnerQueue, safely
from exchange.errors import Misconfigured, TryLater
from exchange.seals import jws
from exchange.seals.keys import key_id
from exchange.transports.queues import Delivery, Post
from tests.exchange.core.rig import ITEM, ORG, Core, Story, case_number, iso, new_key

OTHER_ORG = "114414020072081018"
FEEDBACK = "case.feedback.{org}.{object}"


class Box:
    """A queue transport that keeps what it is given."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.away = False

    def publish(self, posts: Any) -> None:
        if self.away:
            raise TryLater("broker_away", "no")
        self.posts += posts

    def declare(self, bindings: Any) -> None: ...

    def consume(self, queue: str, handler: Any, stopping: Any) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def now(core: Core) -> Core:
    """Queues stamp what arrives with the machine's time."""
    core.clock.now = time.time()
    return core


def sealed(core: Core, sender: str, exchange: str, key: str, body: bytes, **more: Any) -> Delivery:
    seal = jws.sign_amqp(
        body,
        more.pop("signer", None) or core.keys[sender],
        exchange=exchange,
        routing_key=more.pop("sealed_for", key),
        now=datetime.now(UTC),
        nonce=secrets.token_urlsafe(24),
    )
    ident = more.pop("message_id", secrets.token_hex(16))
    return Delivery(
        exchange, key, body, ident, "case-1", "application/json", None, {jws.HEADER_NAME: seal, **more}
    )


def house(
    core: Core, type_: str, payload: dict[str, Any], ident: str = "message-0001", **more: Any
) -> Delivery:
    document = {
        "message_id": ident,
        "type": type_,
        "sender": "hall",
        "sent_at": iso(datetime.now(UTC)),
        "payload": payload,
    }
    body = json.dumps(document, ensure_ascii=False).encode()
    return sealed(core, "hall", "tongban", "in.hall", body, message_id=ident, **more)


def opened_by_hub(core: Core, post: Post) -> Any:
    """The post's content, its seal verified over exchange and routing key with the hub's certificate."""
    ring = {key_id(core.hub.ec_key.certificate): core.hub.ec_key.certificate}
    jws.verify_amqp(
        post.headers[jws.HEADER_NAME],
        post.body,
        ring.get,
        exchange=post.exchange,
        routing_key=post.routing_key,
        now=datetime.now(UTC),
    )
    return json.loads(post.body)


class TestHouseQueue:
    """docs/wire.md §6."""

    @pytest.fixture
    def queue(self, now: Core, box: Box) -> HouseQueue:
        return HouseQueue(now.hub, box)

    def test_the_receipt_goes_to_the_senders_queue(
        self, now: Core, box: Box, queue: HouseQueue, story: Story
    ) -> None:
        queue(house(now, "case.applied.v1", story.applied()))
        (post,) = box.posts
        assert (post.exchange, post.routing_key, post.correlation_id) == (
            "tongban",
            "receipt.hall",
            "message-0001",
        )
        said = opened_by_hub(now, post)
        assert (said["status"], said["message_id"], said["case_no"]) == ("accepted", "message-0001", story.no)
        assert now.state(story.no) == "submitted"

    def test_a_business_refusal_is_a_receipt_too(
        self, now: Core, box: Box, queue: HouseQueue, story: Story
    ) -> None:
        queue(house(now, "case.applied.v1", story.applied(channel="pigeon")))
        (post,) = box.posts
        assert post.routing_key == "receipt.hall"
        assert opened_by_hub(now, post)["code"] == "unknown_code"

    def test_a_message_delivered_twice_gets_the_same_receipt(
        self, now: Core, box: Box, queue: HouseQueue, story: Story
    ) -> None:
        delivery = house(now, "case.applied.v1", story.applied())
        queue(delivery)
        queue(delivery)
        assert box.posts[0].body == box.posts[1].body
        assert box.posts[1].routing_key == "receipt.hall"

    def test_a_receipt_that_cannot_be_published_is_published_later(
        self, now: Core, box: Box, queue: HouseQueue, story: Story
    ) -> None:
        delivery, box.away = house(now, "case.applied.v1", story.applied()), True
        with pytest.raises(TryLater):
            queue(delivery)
        box.away, size = False, len(now.leaves())
        queue(delivery)
        assert opened_by_hub(now, box.posts[0])["status"] == "accepted"
        assert len(now.leaves()) == size

    @pytest.mark.parametrize("how", ["no seal", "foreign key", "other key", "body changed", "not ours"])
    def test_what_cannot_be_verified_is_set_aside_with_a_code(
        self, now: Core, box: Box, queue: HouseQueue, story: Story, how: str
    ) -> None:
        good = house(now, "case.applied.v1", story.applied())
        delivery, code = {
            "no seal": (Delivery(**{**vars(good), "headers": {}}), "seal_missing"),
            "foreign key": (
                house(now, "case.applied.v1", story.applied(), signer=new_key("hall")),
                "unknown_party",
            ),
            "other key": (
                house(now, "case.applied.v1", story.applied(), sealed_for="in.other"),
                "seal_scope",
            ),
            "body changed": (Delivery(**{**vars(good), "body": good.body + b" "}), "seal_invalid"),
            "not ours": (Delivery(**{**vars(good), "headers": {jws.HEADER_NAME: "x"}}), "seal_invalid"),
        }[how]
        queue(delivery)
        (post,) = box.posts
        assert (post.exchange, post.headers["x-tongban-code"]) == ("tongban.dlx", code)
        assert (post.body, post.routing_key, post.message_id) == (delivery.body, "in.hall", "message-0001")
        assert post.headers.get(jws.HEADER_NAME) == delivery.headers.get(jws.HEADER_NAME), (
            "the evidence stays whole"
        )
        assert now.state(story.no) is None

    def test_what_cannot_be_read_is_set_aside_and_answered(
        self, now: Core, box: Box, queue: HouseQueue
    ) -> None:
        delivery = sealed(now, "hall", "tongban", "in.hall", b"{", message_id="message-0001")
        queue(delivery)
        dead, receipt = sorted(box.posts, key=lambda post: post.exchange, reverse=True)
        assert (dead.exchange, dead.headers["x-tongban-code"], dead.body) == (
            "tongban.dlx",
            "bad_request",
            b"{",
        )
        assert (receipt.routing_key, receipt.correlation_id) == ("receipt.hall", "message-0001")
        assert opened_by_hub(now, receipt)["code"] == "bad_request"

    def test_a_partner_may_not_use_the_houses_queue(self, now: Core, box: Box, queue: HouseQueue) -> None:
        now.party("dept", adapter="department_a", org=ORG)
        queue(sealed(now, "dept", "tongban", "in.dept", b"{}"))
        (post,) = box.posts
        assert (post.exchange, post.headers["x-tongban-code"]) == ("tongban.dlx", "not_allowed")


def wire(story: Story, object_: str, **over: Any) -> bytes:
    """Process objects as department A writes them, from the table of its contract."""
    head = {"SBLSH": story.no, "SXBM": ITEM, "XZQHDM": "441402", "SJBBH": 1}
    at = "2026-11-23 15:20:00"
    members: dict[str, Any] = {
        "1": {
            "YSLBMMC": "市场监督管理局",
            "YSLBMZZJGDM": ORG,
            "BLRXM": "测试丙",
            "BLRGH": "S003",
            "YSLZTDM": "1",
            "YSLSJ": at,
        },
        "3": {
            "SPHJDM": "1",
            "SPHJMC": "承办",
            "SPBMMC": "市场监督管理局",
            "SPBMZZJDMD": ORG,
            "SPRXM": "测试戊",
            "SPRGH": "S009",
            "SPYJ": "同意",
            "SPSJ": at,
            "SPHJZTDM": "1",
            "SPBZH": 1,
        },
        "5": {
            "XH": 1,
            "TBCXZL": "B",
            "TBCXZLMC": "现场核查",
            "TBCXKSRQ": at,
            "TBCXPZR": "测试己",
            "TBCXQDLY": "需核查",
            "TBCXSX": 5,
            "TBCXSXDW": "G",
        },
        "6": {"XH": 1, "TBCXJG": "1", "TBCXJSRQ": at},
    }[object_]
    return json.dumps({**head, **members, **over}, ensure_ascii=False).encode()


class TestDepartmentA:
    """adapters/department_a/contract/contract.md."""

    @pytest.fixture
    def dept(self, now: Core, story: Story) -> Core:
        """An accepted case of the department."""
        now.party("dept", adapter="department_a", org=ORG)
        now.ok("hall", "case.applied.v1", story.applied())
        now.ok("hall", "case.accepted.v1", story.accepted())
        return now

    @pytest.fixture
    def queue(self, dept: Core, box: Box) -> PartnerQueue:
        adapter = dept.hub.adapters["department_a"]
        return PartnerQueue(dept.hub, box, faces.Door(adapter, adapter.heard("feedback")))

    def said(self, dept: Core, object_: str, body: bytes, org: str = ORG, **more: Any) -> Delivery:
        key = FEEDBACK.format(org=org, object=object_)
        more.setdefault("sender", "dept")
        more = {"x-obj": object_, "x-ver": "1", **more}
        return sealed(dept, more.pop("sender"), "gov.case", key, body, **more)

    def receipt(self, dept: Core, box: Box) -> tuple[str, Any]:
        """Routing key and content of the one receipt."""
        (post,) = [post for post in box.posts if post.exchange == "gov.case"]
        assert post.correlation_id == "case-1"
        return post.routing_key, opened_by_hub(dept, post)

    def test_0_for_what_was_taken(self, dept: Core, box: Box, queue: PartnerQueue, story: Story) -> None:
        queue(self.said(dept, "3", wire(story, "3"), message_id="0198f0c2-1a2b"))
        key, said = self.receipt(dept, box)
        assert key == f"case.receipt.{ORG}"
        assert said == {"message_id": "0198f0c2-1a2b", "code": "0", "msg": ""}
        assert dept.state(story.no) == "reviewing"
        assert len(box.posts) == 1

    def test_0_for_what_is_held(self, dept: Core, box: Box, queue: PartnerQueue, story: Story) -> None:
        queue(self.said(dept, "6", wire(story, "6")))
        assert self.receipt(dept, box)[1]["code"] == "0"
        assert dept.state(story.no) == "accepted"
        queue(self.said(dept, "5", wire(story, "5")))
        assert dept.state(story.no) == "accepted", "suspended and resumed"
        assert dept.rows("SELECT * FROM inbox WHERE state = 'held'") == []

    def test_the_first_receipt_again_for_the_same_message(
        self, dept: Core, box: Box, queue: PartnerQueue, story: Story
    ) -> None:
        for _ in range(2):
            queue(self.said(dept, "3", wire(story, "3"), message_id="0198f0c2-1a2b"))
        first, second = box.posts
        assert first.body == second.body

    def test_30_for_other_content_under_the_same_id(
        self, dept: Core, box: Box, queue: PartnerQueue, story: Story
    ) -> None:
        queue(self.said(dept, "3", wire(story, "3"), message_id="0198f0c2-1a2b"))
        box.posts.clear()
        queue(self.said(dept, "3", wire(story, "3", SPYJ="另有意见"), message_id="0198f0c2-1a2b"))
        said = self.receipt(dept, box)[1]
        assert (said["message_id"], said["code"]) == ("0198f0c2-1a2b", "30")

    @pytest.mark.parametrize(
        ("over", "named"),
        [
            ({"SPHJDM": "9"}, "SPHJDM"),
            ({"XINZENG": "x"}, "XINZENG"),
            ({"SPSJ": "2026-13-01 00:00:00"}, "SPSJ"),
        ],
    )
    def test_70_for_a_bad_parameter(
        self, dept: Core, box: Box, queue: PartnerQueue, story: Story, over: dict[str, Any], named: str
    ) -> None:
        queue(self.said(dept, "3", wire(story, "3", **over), message_id="0198f0c2-1a2b"))
        said = self.receipt(dept, box)[1]
        assert (said["message_id"], said["code"]) == ("0198f0c2-1a2b", "70")
        assert dept.state(story.no) == "accepted"

    def test_70_for_what_the_case_forbids(
        self, dept: Core, box: Box, queue: PartnerQueue, story: Story
    ) -> None:
        queue(self.said(dept, "1", wire(story, "1")))
        assert self.receipt(dept, box)[1]["code"] == "70"
        assert dept.findings(story.no) == [("logic", "state_forbids")]

    def test_80_for_what_is_too_long(self, dept: Core, box: Box, queue: PartnerQueue, story: Story) -> None:
        body = wire(story, "3", BZ="长" * (4 << 20))
        queue(self.said(dept, "3", body, message_id="0198f0c2-1a2b"))
        said = self.receipt(dept, box)[1]
        assert (said["message_id"], said["code"]) == ("0198f0c2-1a2b", "80")

    def test_60_for_speaking_in_the_name_of_another(
        self, dept: Core, box: Box, queue: PartnerQueue, story: Story
    ) -> None:
        """The routing key names another body: refused, set aside, and told to the one who sealed it."""
        dept.party("other", adapter="department_a", org=OTHER_ORG)
        queue(self.said(dept, "3", wire(story, "3"), sender="other", message_id="0198f0c2-1a2b"))
        assert dept.state(story.no) == "accepted"
        key, said = self.receipt(dept, box)
        assert key == f"case.receipt.{OTHER_ORG}", "not to the body whose name was used"
        assert (said["message_id"], said["code"]) == ("0198f0c2-1a2b", "60")
        (dead,) = [post for post in box.posts if post.exchange == "gov.case.dlx"]
        assert dead.headers["x-tongban-code"] == "not_allowed"

    @pytest.mark.parametrize("object_", ["3", "6"], ids=["taken at once", "held"])
    def test_60_for_a_case_of_another_department(
        self, dept: Core, box: Box, queue: PartnerQueue, story: Story, object_: str
    ) -> None:
        dept.party("other", adapter="department_a", org=OTHER_ORG)
        queue(self.said(dept, object_, wire(story, object_), org=OTHER_ORG, sender="other"))
        key, said = self.receipt(dept, box)
        assert (key, said["code"]) == (f"case.receipt.{OTHER_ORG}", "60")
        assert dept.state(story.no) == "accepted"
        assert dept.rows("SELECT * FROM inbox WHERE state = 'held'") == []

    def test_a_bad_seal_goes_to_the_partners_dead_letters(
        self, dept: Core, box: Box, queue: PartnerQueue, story: Story
    ) -> None:
        queue(self.said(dept, "3", wire(story, "3"), signer=new_key("dept")))
        (post,) = box.posts
        assert (post.exchange, post.headers["x-tongban-code"]) == ("gov.case.dlx", "unknown_party")

    def test_a_body_that_is_no_json_is_dead_and_told(self, dept: Core, box: Box, queue: PartnerQueue) -> None:
        queue(self.said(dept, "3", b"{", message_id="0198f0c2-1a2b"))
        assert self.receipt(dept, box)[1] == {
            "message_id": "0198f0c2-1a2b",
            "code": "70",
            "msg": self.receipt(dept, box)[1]["msg"],
        }
        assert [
            post.headers.get("x-tongban-code") for post in box.posts if post.exchange == "gov.case.dlx"
        ] == ["bad_request"]

    def test_a_receipt_of_the_department_closes_its_delivery(
        self, dept: Core, box: Box, story: Story
    ) -> None:
        adapter = dept.hub.adapters["department_a"]
        queue = PartnerQueue(dept.hub, box, faces.Door(adapter, adapter.heard("receipt")))
        pushed = dept.outbox("party = 'dept'")
        dept.delivered("dept")
        for row, code in zip(pushed, ("0", "70"), strict=True):
            body = json.dumps({"message_id": row["message_id"], "code": code, "msg": "SQRLX"}).encode()
            queue(sealed(dept, "dept", "gov.case", f"case.receipt.hub.{ORG}", body))
        rows = dept.outbox("party = 'dept'")
        assert [(row["receipt_code"], row["state"]) for row in rows] == [("0", "sent"), ("70", "refused")]
        assert ("procedure", "receipt_refused") in dept.findings(story.no)
        assert box.posts == [], "receipts are not answered"
        unknown = json.dumps({"message_id": "never-sent-1", "code": "0", "msg": ""}).encode()
        queue(sealed(dept, "dept", "gov.case", f"case.receipt.hub.{ORG}", unknown))
        assert [parse["code"] for parse in dept.rows("SELECT code FROM inbox WHERE state = 'refused'")] == [
            "unknown_message"
        ]
        dept.verified()


@pytest.mark.parametrize("fault", [KeyError("x"), Misconfigured("unroutable", "x"), TryLater("busy", "x")])
def test_no_fault_of_a_handler_ends_its_consumer(fault: Exception) -> None:
    def handler(delivery: Delivery) -> None:
        raise fault

    with pytest.raises(TryLater):
        safely(handler)(Delivery("e", "k", b""))


def test_held_feedback_of_another_case_is_not_released(core: Core) -> None:
    """Holding is by case."""
    one, two = Story(case_number(1)), Story(case_number(2))
    for story in (one, two):
        core.ok("hall", "case.applied.v1", story.applied())
        core.ok("hall", "case.accepted.v1", story.accepted())
        assert core.send("hall", "case.step.v1", story.step(2)).status == "held"
    core.ok("hall", "case.step.v1", one.step(1))
    assert (core.state(one.no), core.state(two.no)) == ("approving", "accepted")
