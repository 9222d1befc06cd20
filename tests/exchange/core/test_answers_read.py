"""Answers that cannot be relied on: what was done there is asked for again under the same id, never taken for
a refusal; what an answer says beyond its contract does not pass unseen. Expected values: the contracts."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from exchange.delivery import Channel, deliver, exchange
from exchange.errors import TryLater
from exchange.manifest import Outcome
from exchange.transports.rest import RestClient
from tests.exchange.core.partner import Stub, serving
from tests.exchange.core.rig import ORG, PLAIN_ITEM, Core, Story
from tests.exchange.core.test_archiving import attached
from tests.exchange.core.test_service_partners import COURIER, SECRET, parcel, replies, sent

BOOKED = {"orderId": "parcel-17", "waybillNo": "EB441400017CN", "bookTime": "20261127170003", "freight": 1200}
DONE = {"C-Response-Desc": "success", "C-Response-Code": "000000", "C-Response-Msg": ""}
SAID_WELL = {"C-Response-Desc": "success"}


@pytest.fixture
def partner(core: Core) -> Iterator[Callable[[str, Any], Stub]]:
    """Registers a partner of this adapter that answers so, in the machine's time."""
    core.clock.now = time.time()
    core.party("office", sends=("parcel.requested.v1",))
    with serving(Stub(core.hub.ec_key)) as stub:

        def registered(adapter: str, answer: Any) -> Stub:
            stub.key = core.party("other", adapter=adapter, address=stub.address, account={"account": "tb"})
            stub.answer = answer
            return stub

        yield registered


def applied(core: Core, story: Story) -> Story:
    """A case of an item without fee and certificate."""
    plain = Story(story.no, PLAIN_ITEM)
    core.ok("hall", "case.applied.v1", plain.applied())
    return plain


def ordered(core: Core, story: Story) -> None:
    """A case whose result is to be carried."""
    plain = applied(core, story)
    core.ok("hall", "case.accepted.v1", plain.accepted())
    core.ok("office", "parcel.requested.v1", parcel(plain, core))


def served(core: Core, story: Story) -> None:
    """A case whose acceptance is a service to record."""
    core.ok("hall", "case.accepted.v1", applied(core, story).accepted())


def content(core: Core, story: Story) -> list[str]:
    """Findings about what was said."""
    return [code for category, code in core.findings(story.no) if category == "content"]


@pytest.mark.parametrize("wrong", [{"bookTime": "2026-11-27"}, {"waybillNo": 17}])
def test_a_booked_parcel_whose_answer_cannot_be_read_is_asked_for_again(
    core: Core, story: Story, partner: Any, wrong: dict[str, Any]
) -> None:
    answers = iter([BOOKED | wrong] * 2 + [BOOKED])
    stub = partner("logistics", lambda call: (200, COURIER | {"data": next(answers)}))
    ordered(core, story)
    row = sent(core)
    assert (row["state"], row["code"]) == ("pending", "answer_unreadable")
    core.clock.now += 1.5
    assert sent(core)["state"] == "sent"
    assert {call.json["orderId"] for call in stub.calls} == {"parcel-17"}
    assert [one["waybill_no"] for one in replies(core, "parcel.booked.v1")] == ["EB441400017CN"]


def test_an_answer_with_a_member_too_many_brings_its_message_and_a_finding(
    core: Core, story: Story, partner: Any
) -> None:
    """Asking again would bring the same: it is told of at once."""
    stub = partner("logistics", lambda call: (200, COURIER | {"data": BOOKED | {"WZZD": "?"}}))
    ordered(core, story)
    assert (sent(core)["state"], len(stub.calls)) == ("sent", 1)
    assert [one["waybill_no"] for one in replies(core, "parcel.booked.v1")] == ["EB441400017CN"]
    assert content(core, story) == ["answer_not_as_agreed"]
    (row,) = core.rows(
        "SELECT state, code, note FROM document WHERE type = 'parcel.booked.v1' AND direction = 'in'"
    )
    assert (row["state"], row["code"]) == ("accepted", "answer_not_as_agreed")
    assert "data/WZZD" in row["note"]


@pytest.mark.parametrize("label", ["application/json; charset=GBK", 'application/json;charset="gb18030"'])
def test_json_under_the_label_of_another_character_set_is_no_answer(
    core: Core, story: Story, partner: Any, label: str
) -> None:
    answer = COURIER | {"data": BOOKED}
    partner("logistics", lambda call: (200, answer, {"Content-Type": label}))
    ordered(core, story)
    row = sent(core)
    assert (row["state"], row["code"]) == ("pending", "answer_unreadable")


def test_json_under_its_own_label_is_read(core: Core, story: Story, partner: Any) -> None:
    answer = COURIER | {"data": BOOKED}
    partner("logistics", lambda call: (200, answer, {"Content-Type": "application/json; charset=UTF-8"}))
    ordered(core, story)
    assert sent(core)["state"] == "sent"


def test_the_word_null_is_no_code(core: Core, story: Story, partner: Any) -> None:
    """What became of the order is unknown: it is asked for again."""
    answers = iter([COURIER | {"resultCode": "null"}] * 2 + [COURIER | {"data": BOOKED}])
    partner("logistics", lambda call: (200, next(answers)))
    ordered(core, story)
    row = sent(core)
    assert (row["state"], row["code"]) == ("pending", "answer_unreadable")
    core.clock.now += 1.5
    assert sent(core)["state"] == "sent"


@pytest.mark.parametrize("header", [{"C-Response-Desc": "fail"}, {}])
def test_a_header_that_differs_from_the_body_is_no_answer(
    core: Core, story: Story, partner: Any, header: dict[str, str]
) -> None:
    headers = iter([header] * 2 + [SAID_WELL])
    stub = partner("evaluation", lambda call: (200, DONE, next(headers)))
    served(core, story)
    row = sent(core)
    assert (row["state"], row["code"]) == ("pending", "answer_contradicts")
    core.clock.now += 1.5
    assert sent(core)["state"] == "sent"
    assert len({json.dumps(call.json["txnBodyCom"]["params"]) for call in stub.calls}) == 1
    assert content(core, story) == []


def test_a_refusal_whose_header_says_success_is_no_refusal(core: Core, story: Story, partner: Any) -> None:
    refused = {"C-Response-Desc": "fail", "C-Response-Code": "100002", "C-Response-Msg": "mobile"}
    partner("evaluation", lambda call: (200, refused, SAID_WELL))
    served(core, story)
    assert sent(core)["state"] == "pending"


def test_what_a_good_answer_says_beyond_the_contract_is_a_finding(
    core: Core, story: Story, partner: Any
) -> None:
    partner("evaluation", lambda call: (200, DONE | {"score": "5"}, SAID_WELL))
    served(core, story)
    assert sent(core)["state"] == "sent"
    assert content(core, story) == ["answer_not_as_agreed"]
    (row,) = core.rows("SELECT detail FROM finding WHERE code = 'answer_not_as_agreed'")
    assert "score" in row["detail"]


def test_the_first_path_that_differs_is_named() -> None:
    outcome = Outcome(same={"a": "b", "c": "d"})
    assert outcome.differing({"a": "1", "b": "1", "c": "2", "d": "3"}.get) == "c"
    assert outcome.differing({"a": "1", "b": "1"}.get) is None


class Broken:
    """A SOAP client whose partner answers with half a document."""

    def exchange(self, operation: str, arguments: Any, **_: Any) -> Any:
        del operation, arguments
        return SimpleNamespace(result="<RET><CODE>000000</CODE>", answer=b"", request=b"", sealed={})


def test_half_a_document_in_a_soap_answer_is_asked_for_again(core: Core) -> None:
    core.party("fees", adapter="fees", address="http://127.0.0.1:9", account={"account": "tb"})
    party = core.hub.parties.named("fees")
    assert party is not None
    adapter = core.hub.adapters["fees"]
    soap: Any = Broken
    channel = Channel(party, adapter, SECRET, core.hub.ec_key, lambda _: None, RestClient(1.0), soap, None)
    call = next(one for one in adapter.outbound if one.soap is not None)
    with pytest.raises(TryLater) as fault:
        exchange(channel, call, None, None, channel.context({"message_id": "m-1"}))
    assert fault.value.code == "answer_unreadable"


class Heeding:
    """A SOAP client that keeps what it is called with."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}

    def exchange(self, operation: str, arguments: Any, **_: Any) -> Any:
        self.given = {"operation": operation, **arguments}
        result = "<RESULT><STATUS>200</STATUS><DESC>0:</DESC></RESULT>"
        return SimpleNamespace(result=result, answer=b"", request=b"", sealed={}, sealed_result=result)


def soap_of(client: Any) -> Any:
    return client


def test_a_file_goes_to_department_b_with_the_md5_its_older_systems_look_at(core: Core, story: Story) -> None:
    core.party(
        "dept", adapter="department_b", org=ORG, address="http://127.0.0.1:9", account={"account": "tb"}
    )
    party, heeding = core.hub.parties.named("dept"), Heeding()
    assert party is not None
    adapter = core.hub.adapters["department_b"]
    channel = Channel(
        party,
        adapter,
        SECRET,
        core.hub.ec_key,
        lambda _: None,
        RestClient(1.0),
        partial(soap_of, heeding),
        None,
    )
    facts = {"message_id": "m-00000001", "case_no": story.no}
    sent = deliver(
        channel, adapter.call("ReceiveAttachment"), "case.attached.v1", attached(story, b"%PDF-1"), facts
    )
    assert (sent.verdict, heeding.given["operation"]) == ("ok", "ReceiveAttachment")
    assert heeding.given["md5"] == hashlib.md5(b"%PDF-1", usedforsecurity=False).hexdigest()
