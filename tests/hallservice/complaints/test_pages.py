"""The pages of complaints as a browser without scripts sees them."""

import re
from collections.abc import Iterator

import pytest

from hallservice.complaints import register
from hallservice.complaints.register import Complaint
from hallservice.counter import apply
from hallservice.hall import Hall
from hallservice.web.pages import complaints
from tests.exchange.core.rig import MOBILE
from tests.hallservice.counter.counter import PLAIN
from tests.hallservice.web.webrig import FRAME, Place, mounted, served
from tests.hallservice.world import HEALTH, clerk_of_role

NEW, LIST = "/hall/complaints/new", "/hall/complaints"
TYPED = {
    "source": "telephone", "complainant": "陈试", "mobile": MOBILE, "case_no": "", "organisation": HEALTH,
    "title": "电话无人接听", "content": "上午拨打六次，\n无人接听。",
}  # fmt: skip


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    with served(mounted(hall, [*FRAME, complaints.pages])) as found:
        yield found


@pytest.mark.req("SYS-13")
def test_a_call_is_taken_down_and_nothing_typed_is_lost(place: Place, hall: Hall) -> None:
    case_no = apply.apply(hall, clerk_of_role(hall, "clerk"), PLAIN).case_no
    clerk = place.visitor().sign_in("clerk")
    looked = clerk.post(NEW, NEW, {**TYPED, "case_no": case_no, "do": "case"})
    assert looked.status_code == 200
    for shown in ("食品经营许可", "梅江区市场监督管理局", "上午拨打六次", MOBILE, case_no):
        assert shown in looked.text
    assert "没有符合条件的投诉" in clerk.get(LIST).text, "looking registers nothing"
    wrong = clerk.post(NEW, NEW, {**TYPED, "case_no": case_no[:-1] + "*", "mobile": "1"})
    assert wrong.status_code == 422
    assert "手机号码应为 11 位数字" in wrong.text
    assert "办件编号应为 28 位" in wrong.text
    assert "上午拨打六次" in wrong.text
    assert f'value="{HEALTH}" selected' in wrong.text
    fields = {**clerk.hidden(NEW, NEW), **TYPED}
    answers = [clerk.send(NEW, fields) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert clerk.get(LIST).text.count(TYPED["title"]) == 1


def test_it_is_listed_masked_and_answered_once(place: Place, hall: Hall) -> None:
    clerk, supervisor = place.visitor().sign_in("clerk"), place.visitor().sign_in("supervisor")
    address = f"{LIST}/{register.register(hall, clerk_of_role(hall, 'clerk'), Complaint(**TYPED)).id}"
    listed = supervisor.get(LIST + "?words=无人接听&state=registered").text
    assert "陈*" in listed and "138****8017" in listed and MOBILE not in listed
    assert "投诉台账" in listed and address in listed
    whole = clerk.get(address).text
    assert "无人接听。" in whole and MOBILE not in whole and "/resolve" not in whole
    full = supervisor.post(address, address + "/unmask", {"reason": "回电核实"}).text
    assert MOBILE in full and "本次查看已记入操作日志" in full
    act = address + "/resolve"
    fault = supervisor.post(address, act, {"reply": "已安排专人"})
    assert fault.status_code == 422 and "请选择认定结果" in fault.text and "已安排专人" in fault.text
    late = {**supervisor.hidden(address, act), "result": "unfounded", "reply": "晚了"}
    assert (
        supervisor.post(address, act, {"result": "substantiated", "reply": "已安排专人"}).status_code == 303
    )
    second = supervisor.send(act, late)
    assert second.status_code == 422 and re.search("监察辰已于 .*先答复了这件投诉", second.text)
    done = clerk.get(address).text
    assert "已办结" in done and "已安排专人" in done and "属实" in done
