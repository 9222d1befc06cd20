"""Short messages that are due together go in one call (contract of the gateway: at most 500, mac over the
mobiles joined by commas, rejected ones named by clientMsgId); each keeps its own line, answer and state."""

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tenacity import wait_none

from exchange.app.serving import Channels
from exchange.dispatch import Dispatcher, Dispatchers, Lots
from exchange.housedelivery import HouseDelivery
from exchange.transports.rest import RestClient
from tests.exchange.core.partner import Call, Stub, serving
from tests.exchange.core.rig import Core
from tests.exchange.core.test_consuming import Box
from tests.exchange.core.test_service_partners import replies

SIGN = "【梅州政务】"
MOBILES = ("13800000001", "13800000002", "13800000001", "13800000003")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second quick attempt comes at once."""
    monkeypatch.setattr("exchange.dispatch.wait_random_exponential", lambda *_: wait_none())


@pytest.fixture
def gateway(core: Core) -> Iterator[Stub]:
    """Four messages wait, two of them to one person."""
    core.clock.now = time.time()
    core.party("office", sends=("sms.requested.v1",))
    with serving(Stub(core.hub.ec_key)) as stub:
        account = {"account": "tongban"}
        stub.key = core.party("gate", adapter="sms", address=stub.address, account=account)
        for number, mobile in enumerate(MOBILES):
            asked = {
                "request_id": f"sms-{number}",
                "template": "t",
                "mobile": mobile,
                "content": f"第{number}条",
            }
            core.ok("office", "sms.requested.v1", asked)
        yield stub


def told(rejected: tuple[str, ...] = (), code: int = 0) -> Any:
    def answer(call: Call) -> Any:
        names = [one["clientMsgId"] for one in call.json["messages"]]
        gone = [{"clientMsgId": name, "code": "BLACKLIST"} for name in names if name in rejected]
        data = {"msgGroup": f"g-{names[0]}", "accepted": len(names) - len(gone), "rejected": gone}
        return 200, {"code": code, "msg": "", **({"data": data} if code == 0 else {})}

    return answer


def round_of(core: Core) -> int:
    channels, client = Channels(core.hub, Box()), RestClient(2.0)
    one = Dispatchers(core.hub, channels.to, HouseDelivery(core.hub, client), None)
    return Dispatcher(core.hub, "gate", one._attempt, None, Lots(channels.to)).round()


def named(call: Call) -> list[str]:
    return [one["clientMsgId"] for one in call.json["messages"]]


def test_what_is_due_goes_in_one_call_but_never_twice_to_one_person(core: Core, gateway: Stub) -> None:
    gateway.answer = told(rejected=("sms-1",))
    assert round_of(core) == 4
    assert [named(call) for call in gateway.calls] == [["sms-0", "sms-1"], ["sms-2", "sms-3"]]
    first = gateway.calls[0].json
    mac = f"tongbantongban{core.hub.secrets.get('gate', '')}13800000001,13800000002{SIGN}01"
    assert first["mac"] == hashlib.md5(mac.encode(), usedforsecurity=False).hexdigest()
    assert [one["content"] for one in first["messages"]] == [f"{SIGN}第0条", f"{SIGN}第1条"]
    assert {row["state"] for row in core.outbox("party = 'gate'")} == {"sent"}
    answers = [
        (one["group_id"], one["accepted"], [two["request_id"] for two in one["rejected"]])
        for one in replies(core, "sms.submitted.v1")
    ]
    assert answers == [("g-sms-0", 1, []), ("g-sms-0", 0, ["sms-1"]), ("g-sms-2", 1, []), ("g-sms-2", 1, [])]
    core.verified()


def test_each_record_holds_its_own_share_and_the_call_is_kept_once(core: Core, gateway: Stub) -> None:
    gateway.answer = told(rejected=("sms-1",))
    round_of(core)
    asked = "SELECT * FROM document WHERE party = 'gate' AND type = :kind ORDER BY entry"
    wholes = {row["message_id"]: row for row in core.rows(asked, kind="sms.requested.call")}
    assert [row["body"] for row in wholes.values()] == [call.body for call in gateway.calls]
    assert all(
        row["seal"] and row["answer"] and row["canonical"] in (None, "null") for row in wholes.values()
    )
    shares = core.rows(asked, kind="sms.requested.v1")
    for row, mobile, number in zip(shares, MOBILES, range(4), strict=True):
        said = {"mobile": mobile, "content": f"{SIGN}第{number}条", "clientMsgId": f"sms-{number}"}
        assert json.loads(row["body"]) == said and (row["seal"], row["answer"]) == (None, None)
        bound = json.loads(row["bound"])
        whole = wholes[f"call-{bound['call']}"[:64]]["body"]
        assert hashlib.sha256(whole).hexdigest() == bound["call"] and row["body"] in whole
        assert json.loads(whole)["messages"][bound["at"]] == said
    answers = core.rows(asked, kind="sms.submitted.v1")
    assert [b"sms-1" in row["body"] for row in answers] == [False, True, False, False]
    core.verified()


def test_a_call_refused_as_a_whole_is_made_again_for_each_alone(core: Core, gateway: Stub) -> None:
    def answer(call: Call) -> Any:
        return told(code=1)(call) if "sms-1" in named(call) else told()(call)

    gateway.answer = answer
    round_of(core)
    states = {json.loads(row["payload"])["request_id"]: row["state"] for row in core.outbox("party = 'gate'")}
    assert states == {"sms-0": "sent", "sms-1": "refused", "sms-2": "sent", "sms-3": "sent"}


@pytest.mark.parametrize("accepted", [1, 3])
def test_an_answer_that_does_not_add_up_is_asked_for_again(core: Core, gateway: Stub, accepted: int) -> None:
    gateway.answer = lambda call: (200, {"code": 0, "msg": "", "data": {"msgGroup": "g", "accepted": accepted,
                                                                       "rejected": []}})  # fmt: skip
    round_of(core)
    rows = core.outbox("party = 'gate'")
    assert [(row["state"], row["code"]) for row in rows] == [("pending", "answer_unreadable")] * 4
    gateway.answer = told()
    core.clock.now += 2
    round_of(core)
    assert {row["state"] for row in core.outbox("party = 'gate'")} == {"sent"}
