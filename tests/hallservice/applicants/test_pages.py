"""The pages of the register, and the form that calls somebody up, as a browser without scripts sees them."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from zipfile import ZipFile

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import insert, select

from exchange.store.work import Work
from hallservice.people import rights
from hallservice.people import tables as t
from hallservice.web.pages import applicants, counter_apply, counter_case
from tests.exchange.core.rig import ID_NUMBER, MOBILE, NAME, PLAIN_ITEM
from tests.hallservice.applicants.test_applicants import COMPANY, FIRM, FOR_HER, acts, listed
from tests.hallservice.counter.counter import PLAIN, Desk
from tests.hallservice.web.webrig import FRAME, Place, mounted, served

LIST, APPLY = "/hall/applicants", "/hall/counter/apply"


@pytest.fixture
def place(desk: Desk) -> Iterator[Place]:
    features = [*FRAME, applicants.pages, counter_apply.pages, counter_case.pages]
    with served(mounted(desk.hall, features)) as found:
        yield found


@pytest.mark.req("S0-04")
def test_the_register_is_masked_searched_by_post_and_read_by_an_act(place: Place, desk: Desk) -> None:
    for form in (PLAIN, COMPANY, FOR_HER):
        desk.opened(form)
    clerk = place.visitor().sign_in("clerk")
    page = clerk.get(LIST).text
    assert "测***" in page and COMPANY.name in page and "代办人" in page
    assert (
        NAME not in page and ID_NUMBER not in page and FIRM not in page and "/applicants/export" not in page
    )
    led = clerk.post(LIST, LIST, {"person": ID_NUMBER}).headers["location"]
    mine = next(one for one in listed(desk.hall, desk.clerk()) if one.name == "测***")
    assert led == f"{LIST}/{mine.id}" and ID_NUMBER not in led
    one = clerk.get(led).text
    for shown in ("测***", "短信", "没有投诉", "收到申请", "更正联系方式"):
        assert shown in one
    assert NAME not in one and ID_NUMBER not in one and MOBILE not in one
    full = clerk.post(led, led + "/unmask", {"reason": "电话核对"}).text
    assert ID_NUMBER in full and MOBILE in full and "1990-03-07" in full and "本次查看已记入操作日志" in full
    wrong = clerk.post(
        led, led + "/correct", {"mobile": "12", "address": "梅江区新址路九号", "basis": "到场"}
    )
    assert (
        wrong.status_code == 422
        and "手机号码应为 11 位数字" in wrong.text
        and "梅江区新址路九号" in wrong.text
    )
    done = clerk.post(led, led + "/correct", {"mobile": "13800000041", "basis": "本人到场"})
    assert done.status_code == 303
    told = clerk.get(led).text
    assert "138****0041" in told and "窗口甲" in told and "本人到场" in told
    missed = clerk.post(LIST, LIST, {"person": "44149919900307002X"}).headers["location"]
    assert "who=" in missed and "没有符合条件的服务对象" in clerk.get(missed).text
    other = place.visitor().sign_in("other")
    assert "没有符合条件的服务对象" in other.get(LIST).text
    who = clerk.post(LIST, LIST, {"person": "不存在"}).headers["location"]
    assert other.get(who).status_code == 200 and "测***" not in other.get(f"{LIST}?who={mine.id}").text
    assert "不在您的管辖范围内" in other.get(led).text
    assert place.visitor().sign_in("approver").get(led).status_code == 403
    for odd in (
        "?after=x~y",
        "?after=nan~x~y",
        "?who='%20OR%201=1&kind=x&role=y&doubt=z",
        "?size=9999999&page=-1",
    ):
        assert clerk.get(LIST + odd).status_code in (200, 400, 422), odd
    long = clerk.post(LIST, LIST, {"person": "𠅤" * 101})
    assert long.headers["location"] == LIST, "asked for whole names, and nothing is kept of what was typed"


@pytest.mark.req("S0-04")
def test_whoever_was_here_is_called_up_by_the_exact_number_with_one_act(place: Place, desk: Desk) -> None:
    desk.opened(replace(PLAIN, contact_name="联系甲", address="梅江区试验路1号"))
    clerk = place.visitor().sign_in("clerk")
    form = f"{APPLY}?item={PLAIN_ITEM}"
    typed = {"channel": "window", "document_type": "resident_id_card", "document_no": ID_NUMBER,
             "remark": "写了一半", "do": "known", "item_code": PLAIN_ITEM}  # fmt: skip
    before = len(acts(desk.core, "hall.unmasked"))
    called = clerk.post(form, APPLY, typed)
    assert called.status_code == 200 and "已填入登记过的信息" in called.text
    for value in (NAME, MOBILE, "联系甲", "梅江区试验路1号", "写了一半", ID_NUMBER):
        assert f'value="{value}"' in called.text
    assert len(acts(desk.core, "hall.unmasked")) == before + 1
    nobody = clerk.post(form, APPLY, {**typed, "document_no": "44149919800101001" + "9"})
    wrong = clerk.post(
        form, APPLY, {**typed, "document_no": ID_NUMBER[:-1] + ("0" if ID_NUMBER[-1] != "0" else "1")}
    )
    assert wrong.status_code == 422 and "校验位不符" in wrong.text and "写了一半" in wrong.text
    assert nobody.status_code in (200, 422) and NAME not in nobody.text
    away = place.visitor().sign_in("other").post(form, APPLY, typed)
    assert "没有这个证件号码的登记信息" in away.text and NAME not in away.text and MOBILE not in away.text
    assert len(acts(desk.core, "hall.unmasked")) == before + 1


def test_a_body_under_another_name_is_said_at_the_window(place: Place, desk: Desk) -> None:
    desk.opened(COMPANY)
    clerk = place.visitor().sign_in("clerk")
    fields = {"channel": "window", "kind": "enterprise", "name": "梅州市改名有限公司", "mobile": MOBILE,
              "document_type": "unified_social_credit_code", "document_no": FIRM, "identified": "seen",
              "item_code": PLAIN_ITEM}  # fmt: skip
    done = clerk.post(f"{APPLY}?item={PLAIN_ITEM}", APPLY, fields)
    assert done.status_code == 303
    assert "和以往登记的不一致" in clerk.get(done.headers["location"]).text
    led = clerk.post(LIST, LIST, {"person": FIRM}).headers["location"]
    assert "登记过 2 个不同的名称" in clerk.get(led).text


@pytest.mark.req("S0-04")
def test_the_spreadsheet_needs_its_right_and_holds_no_formula(place: Place, desk: Desk) -> None:
    desk.opened(replace(COMPANY, name="=HYPERLINK(1)公司"))
    clerk = place.visitor().sign_in("clerk")
    assert clerk.send(f"{LIST}/export", {**clerk.hidden(LIST, LIST), "reason": "汇总"}).status_code == 403
    desk.hall.write(grant_export)
    may = place.visitor().sign_in("clerk2")
    fields = {**may.hidden(LIST, f"{LIST}/export"), "kind": "enterprise"}
    assert may.send(f"{LIST}/export", fields).status_code == 422
    body = may.post(LIST, f"{LIST}/export", {"kind": "enterprise", "reason": "汇总"}).content
    sheet = CalamineWorkbook.from_filelike(BytesIO(body)).get_sheet_by_index(0).to_python()
    assert [line[0] for line in sheet] == ["姓名或名称", "=HYPERLINK(1)公司"] and FIRM not in str(sheet)
    with ZipFile(BytesIO(body)) as parts:
        cells = parts.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in cells
    ((_, said),) = acts(desk.core, "hall.exported")
    assert (said["rows"], said["reason"]) == (1, "汇总")


def grant_export(work: Work) -> None:
    """The windows' role may export from now on."""
    role = work.connection.execute(select(t.role.c.id).where(t.role.c.name == "窗口受理")).scalar_one()
    row = {"role": role, "function": "applicants.export", "added_at": work.now}
    work.connection.execute(insert(t.role_function), row)
    rights.touched(work.connection)
