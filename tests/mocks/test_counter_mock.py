"""The hall counter against docs/wire.md and the published schemas; the hub's side is played here by hand."""

import base64
import json
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from joserfc.errors import JoseError
from stdnum.cn import ric, uscc

from canonical.messages import PAYLOADS, Message
from canonical.values import CaseNumber
from tests.mocks.amqpparty import check_character, uuid
from tests.mocks.hallparty import (
    BROKEN,
    CERTIFIED,
    FULL,
    PLAIN,
    REGION,
    TYPE_CODE,
    Answer,
    Hall,
    Pusher,
    Seen,
    step,
)
from tests.mocks.jsonparty import Identity, checked_header, until


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Any]:
    made: list[Hall] = []

    def make(items: list[dict[str, Any]] | None, **own: Any) -> Hall:
        made.append(Hall(tmp_path, items, **own))
        return made[-1]

    yield make
    for one in made:
        one.close()


def conclude(counter: Hall, case: str) -> None:
    counter.ok("case.concluded.v1", {"case_no": case, "result": "concluded"})
    counter.awaited(case, "case.delivered.v1")
    counter.ok("archive.result.v1", {"case_no": case, "code": "200", "request_id": "r", "fonds": "0001"})


def test_a_case_with_fee_and_certificate_goes_from_application_to_delivery(hall: Any) -> None:
    counter = hall([FULL], cases=1)
    case = counter.case()
    for name in ("undertake", "review"):
        counter.ok("case.step.v1", step(case, name))
    counter.ok("case.step.v1", step(case))
    fee = counter.awaited(case, "fee.requested.v1")
    assert (fee["total"], [line["amount"] for line in fee["lines"]]) == ("105.00", ["100.00", "5.00"])
    counter.ok("fee.noticed.v1", {"case_no": case, "notice_no": "N1", "request_id": fee["request_id"]})
    counter.ok("fee.paid.v1", {"notice_no": "N1", "serial": "S1", "amount": "105.00"})
    assert counter.awaited(case, "fee.confirmed.v1")["notice_no"] == "N1"
    wanted = counter.awaited(case, "certificate.requested.v1")
    assert wanted["type_code"] == TYPE_CODE
    assert [one["name"] for one in wanted["fields"]] == ["holderName", "scope"]
    counter.ok("certificate.issued.v1", {"request_id": wanted["request_id"], "state": "pending_seal"})
    counter.ok(
        "certificate.issued.v1", {"request_id": wanted["request_id"], "case_no": case, "state": "issued"}
    )
    until(lambda: counter.admin("progress")["by_state"] == {"issued": 1})
    conclude(counter, case)
    assert counter.admin("progress") == {"cases": 1, "finished": 1, "by_state": {"finished": 1}, "failed": []}
    assert counter.desk.types(case) == [
        "case.applied.v1", "case.pre_reviewed.v1", "case.accepted.v1", "fee.requested.v1", "fee.confirmed.v1",
        "certificate.requested.v1", "case.delivered.v1",
    ]  # fmt: skip


def test_other_items_skip_fee_or_certificate(hall: Any) -> None:
    counter = hall([PLAIN], cases=1)
    case = counter.case()
    counter.ok("case.step.v1", step(case))
    conclude(counter, case)
    assert counter.desk.types(case)[2:] == ["case.accepted.v1", "case.delivered.v1"]


def test_a_certificate_without_fee_is_asked_for_at_once(hall: Any) -> None:
    counter = hall([CERTIFIED, BROKEN], cases=1)
    case = counter.case()
    counter.ok("case.step.v1", step(case))
    counter.awaited(case, "certificate.requested.v1")
    conclude(counter, case)
    assert "fee.requested.v1" not in counter.desk.types(case)


def test_a_refusing_step_asks_for_nothing(hall: Any) -> None:
    counter = hall([FULL], cases=1)
    case = counter.case()
    counter.ok("case.step.v1", step(case, action="refuse"))
    counter.ok("case.special_started.v1", {"case_no": case})
    conclude(counter, case)
    assert counter.desk.types(case)[3:] == ["case.delivered.v1"]


def test_supplements_and_refusals_come_as_often_as_told(hall: Any) -> None:
    counter = hall([PLAIN], cases=12, supplement_every=3, refuse_every=4, prereview_refuse_every=5)
    until(lambda: len(counter.desk.cases()) == 12)
    until(lambda: counter.admin("progress")["by_state"] == {"finished": 5, "handling": 7}, 15)
    for case in counter.desk.cases():
        serial = int(case[21:27])
        types = [one.removeprefix("case.") for one in counter.desk.types(case)]
        supplement = ["supplement_noticed.v1", "supplemented.v1"] if serial % 3 == 0 else []
        if serial % 5 == 0:
            assert types == ["applied.v1", "pre_reviewed.v1"]
        else:
            assert types == ["applied.v1", "pre_reviewed.v1", *supplement, "accepted.v1"]
            refused = counter.desk.of(case)[-1].document["payload"]["result"] == "refused"
            assert refused == (serial % 4 == 0)


def test_documents_follow_the_published_schemas_and_are_sealed_by_the_wire(hall: Any) -> None:
    often = {"supplement_every": 3, "refuse_every": 7, "prereview_refuse_every": 11}
    counter = hall([FULL, CERTIFIED, PLAIN], cases=40, **often)
    until(lambda: counter.opened() == 40, 20)
    decided = [one for one in counter.desk.seen if one.type == "case.accepted.v1"]
    going = [one.case for one in decided if one.document["payload"]["result"] == "accepted"]
    for number, case in enumerate(going):
        counter.ok("case.step.v1", step(case))
        counter.ok("fee.noticed.v1", {"case_no": case, "notice_no": f"N{number}"})
        counter.ok("fee.paid.v1", {"notice_no": f"N{number}"})
        counter.ok("case.concluded.v1", {"case_no": case, "result": "concluded"})
    until(lambda: counter.admin("progress")["by_state"].get("delivering") == len(going), 20)
    nonces: set[str] = set()
    for seen in counter.desk.seen:
        header = checked_header(seen.headers["X-Gov-Signature"], seen.body, counter.certificate)
        assert (header["method"], header["path"]) == ("POST", "/api/v1/messages")
        nonces.add(header["nonce"])
        message = Message.model_validate(seen.document)
        assert message.sender == "hall.meijiang"
        PAYLOADS[message.type].model_validate(seen.document["payload"])
    assert len(nonces) == len(counter.desk.seen)
    assert {one.type for one in counter.desk.seen} == {
        "case.applied.v1", "case.pre_reviewed.v1", "case.supplement_noticed.v1", "case.supplemented.v1",
        "case.accepted.v1", "fee.requested.v1", "fee.confirmed.v1", "certificate.requested.v1",
        "case.delivered.v1",
    }  # fmt: skip


def test_people_are_synthetic_and_their_numbers_check(hall: Any) -> None:
    counter = hall([PLAIN], cases=60)
    until(lambda: len(counter.desk.cases()) == 60, 15)
    kinds = set()
    for case in counter.desk.cases():
        payload = counter.desk.of(case)[0].document["payload"]
        applicant, contact = payload["applicant"], payload["contact"]
        kinds.add(applicant["kind"])
        assert ric.calc_check_digit(contact["document_no"]) == contact["document_no"][-1]
        assert contact["document_no"].startswith("441499")
        assert contact["mobile"].startswith(("199", "13800138"))
        assert len(contact["mobile"]) == 11
        if applicant["kind"] == "enterprise":
            assert uscc.validate(applicant["document_no"])
            assert applicant["document_no"][2:8] == "441499"
        assert CaseNumber(case).region == REGION
        assert check_character(case[:27]) == case[27]
        assert case[12:20] == time.strftime("%Y%m%d", time.gmtime(time.time() + 8 * 3600))
        assert {"1": "online", "2": "window"}[case[20]] == payload["channel"]
    assert kinds == {"natural_person", "enterprise"}
    assert sorted(int(case[21:27]) for case in counter.desk.cases()) == list(range(1, 61))


def test_a_payment_may_come_before_its_notice(hall: Any) -> None:
    counter = hall([FULL], cases=1)
    case = counter.case()
    counter.ok("case.step.v1", step(case))
    counter.awaited(case, "fee.requested.v1")
    counter.ok("fee.paid.v1", {"notice_no": "N1"})
    counter.ok("fee.noticed.v1", {"case_no": case, "notice_no": "N1"})
    assert counter.awaited(case, "fee.confirmed.v1")["notice_no"] == "N1"
    counter.awaited(case, "certificate.requested.v1")


def test_a_push_again_has_no_second_effect(hall: Any) -> None:
    counter = hall([CERTIFIED], cases=1)
    case, name = counter.case(), uuid()
    for _ in range(3):
        counter.ok("case.step.v1", step(case), name=name)
    counter.ok("case.step.v1", step(case))  # another message of the same content
    counter.awaited(case, "certificate.requested.v1")
    time.sleep(0.3)
    assert counter.desk.types(case).count("certificate.requested.v1") == 1
    other = counter.push("case.step.v1", step(case, action="refuse"), name=name)
    assert (other.status_code, counter.checked(other)["code"]) == (409, "conflict")


def test_the_inbox_is_closed_to_what_is_not_the_hubs(hall: Any) -> None:
    counter = hall([CERTIFIED], cases=1)
    case, stranger = counter.case(), Identity("stranger")
    document = {
        "message_id": uuid(),
        "type": "case.step.v1",
        "sender": "hub",
        "sent_at": "x",
        "payload": step(case),
    }
    body, bound = json.dumps(document).encode(), {"method": "POST", "path": "/inbox"}
    hub, used = counter.desk.identity, secrets.token_hex(16)
    for seal in (
        None, "a..b", stranger.seal(body, **bound), hub.seal(body + b" ", **bound), hub.seal(body,
        method="POST"),
        hub.seal(body, method="POST", path="/inbox?x=1"), hub.seal(body, **bound, iat=int(time.time()) - 301),
        hub.seal(body, **bound, alg="none"),
    ):  # fmt: skip
        answer = counter.raw(body, seal=seal)
        assert (answer.status_code, answer.json()["code"]) == (401, "seal_invalid")
    assert counter.raw(body, nonce=used).status_code == 200
    assert counter.raw(body, nonce=used).status_code == 401
    for wrong, status, code in (
        (b"{", 400, "bad_request"), (b'{"a":1,"a":2}', 400, "bad_request"), (b"[]", 400, "bad_request"),
        (json.dumps(document | {"x": 1}).encode(), 422, "unknown_field"),
        (json.dumps(document | {"type": "case.applied.v2"}).encode(), 422, "unknown_type"),
        (json.dumps(document | {"message_id": "?"}).encode(), 422, "bad_value"),
        (json.dumps(document | {"payload": []}).encode(), 422, "bad_value"),
        (json.dumps({k: v for k, v in document.items() if k != "sender"}).encode(), 422, "missing_field"),
        (json.dumps(document | {"message_id": uuid(), "payload": {"case_no": case}}).encode(), 422,
        "missing_field"),
        (json.dumps(document | {"message_id": uuid(), "payload": step("441403")}).encode(), 422,
        "unknown_case"),
    ):  # fmt: skip
        answer = counter.raw(wrong)
        assert (answer.status_code, counter.checked(answer)["code"]) == (status, code)
    wrong_case = json.dumps(document | {"message_id": "early-push", "payload": step("441403")}).encode()
    assert [counter.raw(wrong_case).status_code for _ in range(2)] == [
        422,
        422,
    ]  # a refusal is not remembered


def test_the_same_bytes_are_sent_again_while_the_hub_is_busy_or_away(hall: Any) -> None:
    counter = hall([PLAIN])
    tries: list[Seen] = []

    def troubled(seen: Seen) -> Answer:
        tries.append(seen)
        trouble: list[Answer] = [(503, {"Retry-After": "1"}, b""), None, (500, {}, b"oops")]
        return trouble[len(tries) - 1] if len(tries) < 4 else counter.desk.receipt(seen)

    counter.desk.answer = troubled
    assert counter.run(1).status_code == 200
    counter.case()
    first = [one for one in tries if one.type == "case.applied.v1"]
    assert len(first) == 4
    assert len({(one.headers["X-Gov-Signature"], one.body) for one in first}) == 1
    assert first[1].at - first[0].at >= 1


def test_an_answer_nobody_can_believe_counts_for_nothing(hall: Any) -> None:
    counter = hall([PLAIN], first_retry_ms=5)
    stranger, tries = Identity("stranger"), list[Seen]()
    desk = counter.desk

    def lying(seen: Seen) -> Answer:
        tries.append(seen)
        said, body = desk.said(seen), json.dumps(desk.said(seen)).encode()
        bad: list[Answer] = [
            (200, {}, body),
            (200, {"X-Gov-Signature": stranger.seal(body, status=200, req=seen.nonce)}, body),
            desk.sealed(seen, 200, said, {"req": secrets.token_hex(16)}), desk.sealed(seen, 200, said,
            {"status": 201}),
            desk.sealed(seen, 200, said | {"digest": "0" * 64}), desk.sealed(seen, 200,
            said | {"message_id": "other-one"}),
            desk.sealed(seen, 200, said | {"status": "held"}),
        ]  # fmt: skip
        return bad[len(tries) - 1] if len(tries) <= len(bad) else desk.receipt(seen)

    desk.answer = lying
    counter.run(1)
    case = counter.case()
    assert [one.type for one in tries[:8]] == ["case.applied.v1"] * 8
    assert counter.desk.types(case)[-1] == "case.accepted.v1"


def test_a_refused_document_is_told_with_code_and_path(hall: Any) -> None:
    counter = hall([PLAIN])
    desk = counter.desk

    def refusing(seen: Seen) -> Answer:
        if seen.type != "case.pre_reviewed.v1":
            return desk.receipt(seen)
        said = desk.said(seen, "refused", "state_forbids") | {
            "errors": [{"path": "payload.case_no", "code": "x"}]
        }
        return desk.sealed(seen, 422, said)

    desk.answer = refusing
    counter.run(2)
    until(lambda: counter.admin("progress")["by_state"] == {"failed": 2})
    progress = counter.admin("progress")
    assert (progress["cases"], progress["finished"]) == (2, 0)
    path = "case.pre_reviewed.v1: payload.case_no"
    cases = sorted(desk.cases(), key=lambda case: str(case)[21:27])
    assert progress["failed"] == [{"case": case, "code": "state_forbids", "path": path} for case in cases]


def test_a_stale_seal_is_made_anew_and_a_held_document_goes_on(hall: Any) -> None:
    counter = hall([PLAIN])
    desk, tries = counter.desk, list[Seen]()

    def stale(seen: Seen) -> Answer:
        tries.append(seen)
        if len(tries) == 1:
            return desk.sealed(seen, 409, {"code": "stale", "status": "refused"})
        return desk.sealed(seen, 202, desk.said(seen, "held", "held"))

    desk.answer = stale
    counter.run(1)
    counter.case()
    assert tries[0].body == tries[1].body
    assert tries[0].nonce != tries[1].nonce


def test_a_failed_archive_is_told(hall: Any) -> None:
    counter = hall([PLAIN], cases=1)
    case = counter.case()
    counter.ok("case.step.v1", step(case))
    counter.ok("case.concluded.v1", {"case_no": case, "result": "concluded"})
    counter.awaited(case, "case.delivered.v1")
    counter.ok("archive.result.v1", {"case_no": case, "code": "412"})
    assert counter.admin("progress")["failed"] == [
        {"case": case, "code": "archive_412", "path": "archive.result.v1"}
    ]
    counter.ok("archive.result.v1", {"case_no": case, "code": "200"})
    assert counter.admin("progress")["finished"] == 1


def test_runs_are_added_and_serials_go_on(hall: Any) -> None:
    counter = hall([PLAIN], cases=2, serial_start=500)
    counter.case(2)
    for wrong in ({"cases": 0}, {"cases": "3"}, {"cases": True}, {}, {"cases": 1, "x": 1}, {"cases": 10**9}):
        assert counter.client.post(f"{counter.url}/admin/run", json=wrong).status_code == 422
    assert counter.run(3).json()["cases"] == 5
    counter.case(5)
    counter.end(signal.SIGTERM)
    counter.start()
    assert counter.admin("progress")["cases"] == 5
    counter.run(1)
    counter.case(6)
    assert sorted(int(case[21:27]) for case in counter.desk.cases()) == [501, 502, 503, 504, 505, 506]


def test_the_list_of_items_may_come_later(hall: Any) -> None:
    counter = hall(None, cases=1)
    time.sleep(0.5)
    assert counter.admin("progress") == {"cases": 1, "finished": 0, "by_state": {}, "failed": []}
    (counter.folder / "items.json").write_text("[{")
    time.sleep(0.4)
    (counter.folder / "items.json").write_text(json.dumps([PLAIN]))
    counter.case()


def test_nothing_is_lost_or_doubled_when_it_is_killed(hall: Any) -> None:
    often = {"supplement_every": 5, "refuse_every": 9, "prereview_refuse_every": 17}
    counter = hall([FULL, PLAIN, CERTIFIED], cases=25, **often)
    desk, count = counter.desk, [0]

    def shaky(seen: Seen) -> Answer:
        count[0] += 1
        return None if count[0] % 9 == 0 else desk.receipt(seen)

    desk.answer = shaky
    with closing(Pusher(counter)):
        for _ in range(3):
            time.sleep(0.4)
            counter.end(signal.SIGKILL)
            counter.start()
        until(lambda: counter.admin("progress")["finished"] == 25, 30)
    assert counter.admin("progress")["by_state"] == {"finished": 25}
    assert len(desk.cases()) == 25
    assert len({(one.document["message_id"], one.body) for one in desk.seen}) == len(desk.ids())
    assert len({(one.case, one.type) for one in desk.seen}) == len(desk.ids())
    assert counter.admin("counts")["sent"] == len(desk.ids())
    code, seconds = counter.end()
    assert code == 0
    assert seconds < 2


def test_faults_of_its_own_messages(hall: Any) -> None:
    counter = hall([PLAIN])
    desk = counter.desk

    def strict(seen: Seen) -> Answer:
        try:
            header = checked_header(seen.headers["X-Gov-Signature"], seen.body, counter.certificate)
        except JoseError:
            header = None
        return desk.receipt(seen) if header else desk.sealed(seen, 401, {"code": "seal_invalid"})

    desk.answer = strict
    counter.arm(operation="send", fault="sig_bad")
    counter.run(1)
    counter.case()
    counter.arm(operation="send", fault="duplicate_push")
    counter.run(1)
    counter.case(2)
    names = [one.headers["X-Gov-Signature"] for one in desk.seen]
    assert len(names) == len(set(names)) + 1
    assert counter.arm(operation="send", fault="bom").status_code == 422


def test_a_counter_that_is_closed_and_one_whose_clock_is_wrong(hall: Any) -> None:
    counter = hall([PLAIN])
    counter.arm(operation="send", fault="maintenance", until=1.5)
    began = time.time()
    counter.run(1)
    counter.case()
    assert counter.desk.seen[0].at - began >= 1.3
    counter.arm(operation="send", fault="clock_skew_s", value=-100)
    before = len(counter.desk.seen)
    counter.run(1)
    until(lambda: len(counter.desk.seen) > before)
    head = counter.desk.seen[before].headers["X-Gov-Signature"].split(".")[0]
    iat = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["iat"]
    assert 95 <= time.time() - iat <= 110
    counter.arm(operation="inbox", fault="maintenance")
    case = counter.case(2)
    assert (
        counter.push("case.step.v1", {"case_no": case, "step": "approve", "action": "pass"}).status_code
        == 503
    )


def test_the_log_holds_no_personal_data(hall: Any) -> None:
    counter = hall([PLAIN], cases=1)
    case = counter.case()
    person = counter.desk.of(case)[0].document["payload"]["contact"]
    log = (counter.folder / "state" / "counter.log").read_text("utf-8")
    assert "started" in log
    assert person["document_no"] not in log
    assert person["mobile"] not in log
