"""Complaints in the hall: taken down at a window, told by the portal, answered once and told back."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from hallservice.complaints import lists, places, reading, register, resolve
from hallservice.complaints.register import Complaint
from hallservice.counter import apply
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.partner import Stub, serving
from tests.exchange.core.rig import MOBILE, ORG, REGION, Core, iso
from tests.exchange.core.rig import START as NOW
from tests.exchange.core.test_service_partners import knocked, sent
from tests.hallservice.counter.counter import PLAIN
from tests.hallservice.world import HEALTH

People = Callable[[str], Clerk]
CALLED = Complaint(
    "telephone", organisation=HEALTH, title="电话无人接听", content="上午拨打六次。\n无人接听。",
    complainant="陈试", mobile=MOBILE,
)  # fmt: skip
CAME = replace(CALLED, source="visit", organisation="", title="排队过久")
TOLD = {
    "complaint_no": "WX-1", "source": "portal", "region": REGION, "organisation_code": ORG,
    "title": "超过承诺时限", "content": "未按时办结", "complainant": "陈试", "mobile": "13800000001",
    "registered_at": iso(NOW),
}  # fmt: skip
ANSWER = {
    "complaint_no": "WX-1", "result": "unfounded", "organisation": "测试局", "reply": "已核实",
    "resolved_at": iso(NOW),
}  # fmt: skip


def seen(hall: Hall, clerk: Clerk, **wanted: str) -> list[tuple[str, str, str]]:
    """Source, title and state of what the list shows, oldest first."""
    rows, total = hall.read(
        lambda connection: lists.found(connection, clerk, lists.Wanted(**wanted), descending=False)
    )
    assert total == len(rows)
    return sorted((row.source, row.title, row.state) for row in rows)


def messages(hub: Core, kind: str) -> list[dict[str, Any]]:
    """What was recorded of this type, in its order."""
    rows = hub.rows(
        "SELECT canonical FROM document WHERE type = :kind AND state = 'accepted' ORDER BY entry", kind=kind
    )
    return [json.loads(row["canonical"]) for row in rows]


def window(clerk: Clerk) -> Clerk:
    return replace(clerk, window="A01")


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(HallRefused) as refusal:
        act()
    return refusal.value.code


@pytest.mark.req("SYS-13")
@pytest.mark.req("S3-79")
def test_complaints_of_all_three_sources_stand_in_one_list(hall: Hall, hub: Core, clerk_as: People) -> None:
    clerk, supervisor = window(clerk_as("clerk")), clerk_as("supervisor")
    called, came = (register.register(hall, clerk, one) for one in (CALLED, CAME))
    hub.party("web", sends=("complaint.registered.v1",))
    hub.ok("web", "complaint.registered.v1", TOLD)
    assert [called.number, came.number] == [f"TS{REGION}{NOW:%Y%m%d}{n:04d}" for n in (1, 2)]
    every = [
        ("portal", "超过承诺时限", "registered"), ("telephone", "电话无人接听", "registered"),
        ("visit", "排队过久", "registered"),
    ]  # fmt: skip
    assert seen(hall, supervisor) == seen(hall, clerk_as("auditor")) == every
    assert seen(hall, supervisor, source="visit") == every[2:]
    assert (
        seen(hall, supervisor, words="卫生健康") == every[1:2] == seen(hall, supervisor, words=called.number)
    )
    assert seen(hall, supervisor, state="resolved") == []
    said = messages(hub, "complaint.registered.v1")[0]
    assert (said["source"], said["organisation_code"], said["content"]) == (
        "telephone", HEALTH, CALLED.content
    )  # fmt: skip
    kept = hub.rows("SELECT * FROM hall_complaint WHERE number = :no", no=called.number)[0]
    assert (kept["clerk"], kept["window"], kept["complainant_masked"]) == ("窗口甲", "A01", "陈*")
    assert kept["mobile_masked"] == "138****8017"
    assert MOBILE not in json.dumps(kept), "no plain copy beside the message"
    told = messages(hub, "sms.requested.v1")
    assert [(one["template"], one["mobile"]) for one in told] == [("complaint_registered", MOBILE)] * 2
    hub.verified()


@pytest.mark.req("SYS-13")
def test_every_fault_of_the_form_is_said_and_nothing_is_kept(hall: Hall, hub: Core, clerk_as: People) -> None:
    wrong = Complaint(
        "portal", "4414020000002026030220000018", "114414020072081099", " ", "字" * 4001, "", "12"
    )
    with pytest.raises(FormRefused) as refusal:
        register.register(hall, clerk_as("clerk"), wrong)
    assert {fault.field: fault.code for fault in refusal.value.faults} == {
        "source": "bad_choice", "case_no": "check_digit", "organisation": "bad_choice", "title": "required",
        "content": "too_long", "complainant": "required", "mobile": "bad_form",
    }  # fmt: skip
    assert hub.value("SELECT count(*) FROM hall_complaint") == 0
    assert register.register(hall, clerk_as("clerk"), CALLED).number.endswith("0001")
    assert refused(lambda: register.register(hall, clerk_as("auditor"), CALLED)) == "not_allowed"


@pytest.mark.req("SYS-13")
def test_a_complaint_about_a_case_is_about_its_body(hall: Hall, hub: Core, clerk_as: People) -> None:
    case_no = apply.apply(hall, clerk_as("clerk"), PLAIN).case_no
    about = replace(CAME, case_no=case_no.lower())
    register.register(hall, clerk_as("clerk"), about)
    assert messages(hub, "complaint.registered.v1")[0]["case_no"] == case_no
    assert messages(hub, "complaint.registered.v1")[0]["organisation_code"] == ORG
    assert seen(hall, clerk_as("supervisor"), words=case_no) == [("visit", "排队过久", "registered")]
    with pytest.raises(FormRefused) as refusal:  # a clerk of another county
        register.register(hall, clerk_as("other"), about)
    assert [(fault.field, fault.code) for fault in refusal.value.faults] == [("case_no", "unknown_case")]


def test_the_same_form_sent_twice_is_one_complaint(hall: Hall, hub: Core, clerk_as: People) -> None:
    made = [register.register(hall, clerk_as("clerk"), CALLED, once="form-1") for _ in range(2)]
    assert made[0] == made[1]
    assert len(messages(hub, "complaint.registered.v1")) == 1


def test_rows_are_seen_where_the_body_is_supervised(hall: Hall, hub: Core, clerk_as: People) -> None:
    register.register(hall, clerk_as("town"), CAME)
    mine = register.register(hall, clerk_as("clerk"), CALLED)
    hub.party("web", sends=("complaint.registered.v1",))
    nobody = {name: value for name, value in TOLD.items() if name != "organisation_code"}
    hub.ok("web", "complaint.registered.v1", {**nobody, "region": "441403100000"})
    portal = ("portal", "超过承诺时限", "registered")
    visit, call = ("visit", "排队过久", "registered"), ("telephone", "电话无人接听", "registered")
    assert seen(hall, clerk_as("town")) == [visit], "its own division's"
    assert seen(hall, clerk_as("village")) == []
    assert seen(hall, clerk_as("supervisor")) == [call, visit]
    assert seen(hall, clerk_as("other")) == [portal], "of its county"
    away = replace(clerk_as("clerk"), scopes={places.VIEW: ("/4414/441403/",)})
    assert seen(hall, away) == [portal, call], "whoever took it down sees it still"
    handling = replace(away, scopes={places.HANDLE: ("/4414/441403/",)})
    assert refused(lambda: resolve.resolve(hall, handling, mine.id, "unfounded", "否")) == "unknown_complaint"
    waiting = {
        who: hall.read(lambda c, who=who: lists.waiting(c, clerk_as(who))) for who in ("supervisor", "clerk")
    }
    assert waiting == {"supervisor": 2, "clerk": 0}


@pytest.mark.req("S3-79")
def test_a_complaint_is_answered_once(hall: Hall, hub: Core, clerk_as: People) -> None:
    hub.party("portal", adapter="portal", address="http://127.0.0.1:1", account={"account": "t"})
    made, supervisor = register.register(hall, clerk_as("clerk"), CALLED), clerk_as("supervisor")
    assert refused(lambda: resolve.resolve(hall, clerk_as("clerk"), made.id, "unfounded", "否")) \
        == "not_allowed"  # fmt: skip
    for result, reply, field in (("", "已改正", "result"), ("unfounded", "字" * 1001, "reply")):
        with pytest.raises(FormRefused) as refusal:
            resolve.resolve(hall, supervisor, made.id, result, reply)
        assert [fault.field for fault in refusal.value.faults] == [field]
    reply = "字" * 999 + "。"
    resolve.resolve(hall, supervisor, made.id, "substantiated", reply)
    with pytest.raises(HallRefused, match=r"监察辰已于 .* 先答复了这件投诉") as late:
        resolve.resolve(hall, replace(supervisor, name="别人"), made.id, "unfounded", "再答")
    assert late.value.code == "overtaken"
    (said,) = messages(hub, "complaint.resolved.v1")
    assert (said["complaint_no"], said["result"], said["reply"]) == (made.number, "substantiated", reply)
    text = messages(hub, "sms.requested.v1")[-1]["content"]
    assert made.number in text and "认定结果:属实" in text and text.endswith("字…")
    assert hub.outbox("party = 'portal'") == [], "the portal never heard of it"

    def course(connection: Connection) -> list[tuple[str, str, str]]:
        whole = reading.whole(connection, supervisor, made.id)
        assert (whole.content, whole.reply) == (CALLED.content, reply)
        return [(one.what, one.who, one.result) for one in reading.course(connection, whole.row)]

    assert hall.read(course) == [("登记", "窗口甲", "来电"), ("答复", "监察辰", "属实")]
    hub.verified()


@pytest.mark.req("S3-81")
def test_the_result_of_a_portals_complaint_is_delivered_to_it(
    hall: Hall, hub: Core, clerk_as: People
) -> None:
    hub.clock.now = time.time()  # calls carry the machine's time
    wire = {
        "requestId": "wx-00000001", "complaintNo": "TS20261125-01", "areaCode": "441402004",
        "title": "超过承诺时限", "content": "未按时办结", "name": "陈试", "mobile": "13800000001",
        "source": "WEB", "submitTime": int(hub.clock.now) * 1000,
    }  # fmt: skip
    with serving(Stub(hub.hub.ec_key)) as stub:
        facts = {"adapter": "portal", "address": stub.address, "account": {"account": "tongban"}}
        stub.key = hub.party("other", **facts)
        stub.answer = lambda call: (200, {"custom": "success", "message": ""})
        again = {**wire, "requestId": "wx-00000002", "submitTime": wire["submitTime"] + 2000}
        other = {**again, "requestId": "wx-00000003", "title": "另一件"}
        codes = [knocked(hub, "complain", one)[1]["code"] for one in (wire, again, other)]
        assert codes == ["0000", "0000", "1003"], "said twice it is one; another one needs its own number"
        one = hub.value("SELECT id FROM hall_complaint")
        assert seen(hall, clerk_as("supervisor")) == [("portal", "超过承诺时限", "registered")]
        resolve.resolve(hall, clerk_as("supervisor"), one, "partly_substantiated", "已督促改正")
        assert sent(hub)["state"] == "sent"
        (call,) = stub.to("/openapi/v1/complaint/result")
    said = {name: call.json[name] for name in ("complaintNo", "conclusion", "orgName", "reply", "replyTime")}
    assert said == {
        "complaintNo": "TS20261125-01", "conclusion": "P", "orgName": clerk_as("supervisor").org_name,
        "reply": "已督促改正", "replyTime": int(hub.clock.now) * 1000,
    }  # fmt: skip
    row = hall.read(lambda connection: places.look(connection, clerk_as("supervisor"), one))
    last = hall.read(lambda connection: reading.course(connection, row))[-1]
    assert (last.what, last.who, last.result) == ("反馈结果", "other", "对方已接收")
    assert messages(hub, "sms.requested.v1") == [], "the portal tells its own"


def test_a_number_is_one_partys_and_an_answer_is_final_for_partners_too(
    hall: Hall, hub: Core, clerk_as: People
) -> None:
    taken = register.register(hall, clerk_as("clerk"), CALLED)
    hub.party("web", sends=("complaint.registered.v1", "complaint.resolved.v1"))
    assert (
        hub.send("web", "complaint.registered.v1", {**TOLD, "complaint_no": taken.number}).code == "conflict"
    )
    ahead = taken.number[:-4] + "0002"
    hub.ok("web", "complaint.registered.v1", {**TOLD, "complaint_no": ahead})
    assert register.register(hall, clerk_as("clerk"), CAME).number.endswith("0003")
    hub.ok("web", "complaint.resolved.v1", {**ANSWER, "complaint_no": ahead})
    assert seen(hall, clerk_as("supervisor"), state="resolved") == [("portal", "超过承诺时限", "resolved")]
    again = {**ANSWER, "complaint_no": ahead, "result": "substantiated"}
    assert hub.send("web", "complaint.resolved.v1", again).code == "state_forbids"
    hub.verified()


def test_the_complainant_is_unmasked_by_an_act_for_who_answers_and_not_for_those_complained_of(
    hall: Hall, hub: Core, clerk_as: People
) -> None:
    made = register.register(hall, clerk_as("clerk"), CALLED)
    for role in ("clerk", "supervisor"):
        person = reading.unmask(hall, clerk_as(role), made.id, "回电核实")
        assert (person.name, person.mobile) == ("陈试", MOBILE)
    for role in ("clerk2", "auditor"):  # the one at the next window, who may unmask applicants
        assert (
            refused(lambda role=role: reading.unmask(hall, clerk_as(role), made.id, "看看")) == "not_allowed"
        )
    assert refused(lambda: reading.unmask(hall, clerk_as("supervisor"), made.id, " ")) == "form"
    told = hub.rows("SELECT leaf, body FROM act JOIN ledger_entry ON seq = entry ORDER BY entry")
    acts = [json.loads(row["body"])["by"] for row in told if b"hall.unmasked" in row["leaf"]]
    assert acts == ["S-clerk", "S-supervisor"]
