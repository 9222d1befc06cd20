"""The frame of the pages over HTTP, as a browser without scripts meets it."""

import contextlib
import gzip
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import select

from exchange.store.tables import act
from hallservice.hall import Hall
from hallservice.web import answers
from tests.exchange.core.rig import Core, open_core
from tests.hallservice.web.webrig import Place, Visitor, hidden, mounted, served, until
from tests.hallservice.world import LOGINS, PASSWORD, hall_of

FORM = "/hall/sample/form"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\x02\0\0\0" + bytes(32)


def done(hub: Core) -> list[dict[str, Any]]:
    """What the sample act left in the ledger."""
    with hub.hub.store.read() as connection:
        bodies = [json.loads(body) for body in connection.scalars(select(act.c.body))]
    return [found for body in bodies if "files" in (found := said(body))]


def said(body: Any) -> dict[str, Any]:
    what = body.get("what") if isinstance(body, dict) else None
    return what if isinstance(what, dict) else {}


def names(found: Sequence[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in found]


def test_nobody_gets_in_unsigned_and_everybody_gets_where_they_wanted(place: Place) -> None:
    visitor = place.visitor()
    asked = visitor.get("/hall/sample?state=open")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/hall/sign-in?next=%2Fsample%3Fstate%3Dopen"
    fields = visitor.hidden(asked.headers["location"], "/hall/sign-in")
    typed = {"login": LOGINS["clerk"], "password": PASSWORD}
    entered = visitor.send("/hall/sign-in", {**fields, **typed})
    assert (entered.status_code, entered.headers["location"]) == (303, "/hall/sample?state=open")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/hall" in cookie
    assert visitor.get(entered.headers["location"]).status_code == 200
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nx: y"):
        other = place.visitor()
        sent = {**other.hidden("/hall/sign-in", "/hall/sign-in"), **typed, "next": elsewhere}
        assert other.send("/hall/sign-in", sent).headers["location"] == "/hall/"


def test_a_wrong_password_is_told_on_top_and_nothing_typed_is_lost(place: Place) -> None:
    visitor = place.visitor()
    answer = visitor.post("/hall/sign-in", "/hall/sign-in", {"login": LOGINS["clerk"], "password": "x"})
    assert answer.status_code == 422
    assert "<title>错误：登录" in answer.text and 'id="errors"' in answer.text
    assert f'value="{LOGINS["clerk"]}"' in answer.text and 'value="x"' not in answer.text


def test_a_function_not_held_is_forbidden_and_not_in_the_tree(place: Place) -> None:
    visitor = place.visitor().sign_in("editor")
    assert visitor.get("/hall/sample").status_code == 403
    assert "示例列表" not in visitor.get("/hall/").text
    fields = hidden(visitor.get("/hall/").text, "/hall/sign-out")
    assert visitor.send(FORM, {**fields, "name": "甲"}).status_code == 403


def test_failures_are_pages_with_a_trace_and_leak_nothing(place: Place) -> None:
    visitor = place.visitor().sign_in("clerk")
    broken = visitor.get("/hall/sample/defect")
    assert broken.status_code == 500 and re.search("追踪号 [0-9a-f]{12}", broken.text)
    assert "secret detail" not in broken.text and "Traceback" not in broken.text
    lost = visitor.get("/hall/no/such/page")
    assert lost.status_code == 404 and re.search("追踪号 [0-9a-f]{12}", lost.text)
    assert place.visitor().get("/hall/no/such/page").status_code == 404
    assert visitor.http.put("/hall/sample").status_code == 405
    assert visitor.get("/hall/sample?q=%ff").status_code == 400


def test_every_answer_carries_the_headers_of_a_closed_page(place: Place) -> None:
    visitor = place.visitor().sign_in("clerk")
    shown = [visitor.get(path) for path in ("/hall/", "/hall/nope", "/hall/sample?as=xlsx")]
    for answer in [*shown, place.visitor().get("/hall/sign-in")]:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "change"),
    [
        ({"origin": "https://evil.example"}, {}),
        ({"origin": "null"}, {}),
        ({"sec-fetch-site": "cross-site"}, {}),
        ({"sec-fetch-site": "same-site"}, {}),
        ({"referer": "https://evil.example/hall/"}, {}),
        ({}, {"csrf": "A" * 43, "owner": ""}),
        ({}, {"csrf": "中"}),
        ({}, {"act": "no token"}),
    ],
)
def test_a_form_that_is_not_ours_does_nothing(
    place: Place, hub: Core, headers: dict[str, str], change: dict[str, str]
) -> None:
    visitor = place.visitor().sign_in("clerk")
    fields = {**visitor.hidden(FORM, FORM), "name": "甲"} | change
    if change.get("csrf") == "中":
        del fields["owner"]
    assert visitor.send(FORM, fields, headers=headers).status_code == 403
    assert done(hub) == []


def test_a_form_sent_again_and_at_once_has_one_effect_and_one_answer(place: Place, hub: Core) -> None:
    visitor = place.visitor().sign_in("clerk")
    fields = {**visitor.hidden(FORM, FORM), "name": "甲"}
    same = [place.visitor_with(visitor) for _ in range(6)]
    answers_: list[Any] = []

    def send(browser: Visitor) -> None:
        answers_.append(browser.send(FORM, fields))

    threads = [threading.Thread(target=send, args=(browser,)) for browser in same]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    later = visitor.send(FORM, fields)
    got = {(a.status_code, a.headers["location"], a.headers["set-cookie"]) for a in [*answers_, later]}
    assert len(answers_) == 6 and len(got) == 1 and later.headers["location"] == "/hall/sample"
    assert names(done(hub)) == ["甲"]
    assert "已登记：甲" in visitor.get("/hall/sample").text
    assert "已登记：甲" not in visitor.get("/hall/sample").text  # said once
    with again(hub) as (other, pages):
        after = pages.visitor_with(visitor)
        assert after.send(FORM, fields).headers["location"] == "/hall/sample"
        assert names(done(other)) == ["甲"]


@contextlib.contextmanager
def again(hub: Core) -> Iterator[tuple[Core, Place]]:
    """The same hall after its process ended and began anew."""
    hub.hub.store.engine.dispose()
    other = open_core(hub.settings.state.parent, hub.clock)
    with served(mounted(hall_of(other))) as pages:
        yield other, pages
    other.hub.store.engine.dispose()


def test_what_was_done_before_the_process_died_is_not_done_again(place: Place, hub: Core) -> None:
    visitor = place.visitor().sign_in("clerk")
    fields = {**visitor.hidden(FORM, FORM), "name": "甲"}
    with patch.object(answers, "keep"):  # the process ends between the commit and the keeping of its answer
        visitor.send(FORM, fields)
    told = visitor.send(FORM, fields)
    assert told.headers["location"] == "/hall/"
    assert "该操作已经办理" in visitor.get("/hall/").text
    assert names(done(hub)) == ["甲"]


def test_a_corrected_form_may_carry_the_same_token(place: Place, hub: Core) -> None:
    visitor = place.visitor().sign_in("clerk")
    fields = {**visitor.hidden(FORM, FORM), "note": "加急"}
    wrong = visitor.send(FORM, {**fields, "name": " "})
    assert wrong.status_code == 422 and "加急</textarea>" in wrong.text
    assert '<a href="#f-name">请填写姓名</a>' in wrong.text and 'id="e-name"' in wrong.text
    assert visitor.send(FORM, {**fields, "name": "乙"}).status_code == 303
    assert names(done(hub)) == ["乙"]


def test_a_session_that_ends_while_typing_loses_nothing(place: Place, hub: Core) -> None:
    visitor = place.visitor().sign_in("clerk")
    fields = {
        **visitor.hidden(FORM + "?case=7", FORM),
        "name": "甲",
        "note": "写了很久\r\n第二行",
        "mode": "post",
    }
    hub.clock.on(31 * 60)
    ended = visitor.send(FORM, fields)
    assert ended.status_code == 303 and ended.headers["location"].startswith("/hall/sign-in?next=")
    assert done(hub) == []
    with again(hub) as (other, pages):
        stranger = pages.visitor()
        back = stranger.signing_in(ended.headers["location"], "clerk2")
        shown = stranger.get(back).text
        assert "写了很久" not in shown and "未能保存" in shown
        mine = pages.visitor()
        back = mine.signing_in(ended.headers["location"], "clerk")
        shown = mine.get(back)
        assert "写了很久\n第二行</textarea>" in shown.text and 'value="甲"' in shown.text
        assert 'value="post" checked' in shown.text and "已恢复" in shown.text
        sent = {**hidden(shown.text, FORM), "name": "甲", "note": "写了很久"}
        assert mine.send(FORM, sent).status_code == 303
        assert names(done(other)) == ["甲"]
        assert "写了很久" not in mine.get(back).text  # what became an act is not kept


def test_a_form_of_an_earlier_session_is_shown_again_under_the_new_one(place: Place, hub: Core) -> None:
    visitor = place.visitor().sign_in("clerk")
    fields = {**visitor.hidden(FORM, FORM), "name": "甲"}
    visitor.http.cookies.clear()
    visitor.sign_in("clerk")
    stale = visitor.send(FORM, fields)
    assert stale.status_code == 303 and done(hub) == []
    assert 'value="甲"' in visitor.get(stale.headers["location"]).text


def test_bodies_are_bounded(place: Place, hub: Core) -> None:
    visitor = place.visitor().sign_in("clerk")
    fields = {**visitor.hidden(FORM, FORM), "name": "甲"}
    big = visitor.http.post(FORM, data=fields, files={"paper": ("a.png", bytes(3_000_001), "image/png")})
    assert big.status_code == 413 and "内容太大" in big.text
    many = [("paper", (f"{n}.png", PNG, "image/png")) for n in range(3)]
    assert visitor.http.post(FORM, data=fields, files=many).status_code == 400
    url = {"content-type": "application/x-www-form-urlencoded"}
    flood = "&".join(f"a{n}=1" for n in range(1001))
    for body in (flood, "name=%ff%fe", "n" * 201 + "=1"):
        assert visitor.http.post(FORM, content=body, headers=url).status_code == 400
    torn = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"--y\r\nnothing", b"--x\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--x--"):
        assert visitor.http.post(FORM, content=body, headers=torn).status_code in (400, 403)
    files = {"paper": ("a.png", PNG)}
    assert visitor.http.post("/hall/window", data=fields, files=files).status_code == 400
    assert visitor.http.post(FORM, json={"name": "甲"}).status_code == 400
    assert done(hub) == []


def test_a_file_is_known_by_its_content_not_by_its_name(place: Place, hub: Core) -> None:
    visitor = place.visitor().sign_in("clerk")

    def send(name: str, body: bytes) -> Any:
        fields = {**visitor.hidden(FORM, FORM), "name": "甲"}
        return visitor.http.post(FORM, data=fields, files={"paper": (name, body, "application/pdf")})

    assert "按内容识别" in send("a.pdf", b"MZ\x90\0 a program").text
    assert "与扩展名 .pdf 不符" in send("a.pdf", PNG).text
    assert send("../..\\etc/身份证\u202egnp.png", PNG).status_code == 303
    assert done(hub)[0]["files"] == ["身份证gnp.png"]
    assert "未配置病毒扫描" in visitor.get(FORM).text


def test_files_of_the_browser_are_kept_for_ever_and_packed(place: Place) -> None:
    visitor = place.visitor()
    shown = visitor.get("/hall/sign-in").text
    style = re.search(r'href="(/hall/static/hall\.[0-9a-f]{10}\.css)"', shown)
    assert style
    sent = visitor.get(style.group(1), headers={"accept-encoding": "gzip"})
    assert sent.headers["content-encoding"] == "gzip" and "immutable" in sent.headers["cache-control"]
    assert len(sent.content) < 10_000
    known = visitor.get(style.group(1), headers={"if-none-match": sent.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert visitor.get("/hall/static/..%2fapp.py").status_code == 404
    page = visitor.http.build_request("GET", "/hall/sign-in", headers={"accept-encoding": "gzip"})
    raw = visitor.http.send(page, stream=True)
    packed = b"".join(raw.iter_raw())
    assert b"<html" in gzip.decompress(packed)


def test_counts_are_told_by_stream_and_by_asking(place: Place, hub: Core) -> None:
    visitor = place.visitor().sign_in("clerk")
    first = visitor.get("/hall/live/counts")
    assert first.json()["acts"] == 0
    tag = {"if-none-match": first.headers["etag"]}
    assert visitor.get("/hall/live/counts", headers=tag).status_code == 304
    assert place.visitor().get("/hall/live").status_code == 401
    with visitor.http.stream("GET", "/hall/live") as stream:
        lines = stream.iter_lines()
        place.visitor_with(visitor).post(FORM, FORM, {"name": "甲"})
        told = (line for line in lines if line.startswith("data: "))
        assert until(lambda: json.loads(next(told)[6:])["acts"] == 1)
    assert "（1）" in visitor.get("/hall/").text
    assert visitor.get("/hall/live/counts", headers=tag).status_code == 200


def test_looking_at_counts_does_not_keep_a_session_alive(place: Place, hub: Core) -> None:
    visitor = place.visitor().sign_in("clerk")
    for _ in range(4):
        hub.clock.on(8 * 60)
        last = visitor.get("/hall/live/counts").status_code
    assert last == 401


def test_a_list_filters_sorts_pages_and_exports_without_formulas(place: Place) -> None:
    visitor = place.visitor().sign_in("clerk")
    first = visitor.get("/hall/sample")
    assert "共 137 条，第 1–20 条" in first.text and first.text.count("<tr>") == 21
    last = visitor.get("/hall/sample?sort=-no&page=7")
    assert "第 121–137 条" in last.text and 'aria-sort="descending"' in last.text
    assert "44140200020260300000" in last.text
    assert visitor.get("/hall/sample?page=99999999&size=7&sort=evil&state=evil&q=").status_code == 200
    assert "没有符合条件的记录" in visitor.get("/hall/sample?q=%3Cscript%3E").text
    sheet = visitor.get("/hall/sample?as=xlsx&state=done")
    assert sheet.headers["content-disposition"] == "attachment; filename*=UTF-8''%E7%A4%BA%E4%BE%8B.xlsx"
    with zipfile.ZipFile(io.BytesIO(sheet.content)) as book:
        cells = book.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in cells and cells.count("<row ") == 1 + 46
        assert 'quotePrefix="1"' in book.read("xl/styles.xml").decode()
        assert "=cmd()" in book.read("xl/sharedStrings.xml").decode()


def test_leaving_ends_the_session_everywhere(place: Place, hall: Hall) -> None:
    visitor = place.visitor().sign_in("clerk")
    thief = place.visitor_with(visitor)
    assert visitor.post("/hall/", "/hall/sign-out").headers["location"] == "/hall/sign-in"
    assert thief.get("/hall/").status_code == 303


def test_sitting_down_at_a_window_shows_in_the_title_bar(place: Place) -> None:
    visitor = place.visitor().sign_in("clerk")
    choices = re.findall(r'<option value="([^"]+)">', visitor.get("/hall/window").text)
    assert len(choices) == 3
    assert visitor.post("/hall/window", "/hall/window", {"window": choices[0]}).status_code == 303
    assert "A01 号窗口</a>" in visitor.get("/hall/").text
    other = place.visitor().sign_in("clerk2")
    taken = other.post("/hall/window", "/hall/window", {"window": choices[0]})
    assert taken.status_code == 422 and "正由窗口甲使用" in taken.text


def test_the_own_password_is_changed(place: Place) -> None:
    visitor = place.visitor().sign_in("clerk")
    wrong = {"old": "x", "password": "short", "again": "other"}
    told = visitor.post("/hall/password", "/hall/password", wrong)
    assert told.status_code == 422
    assert all(f'href="#f-{name}"' in told.text for name in ("old", "password", "again"))
    assert 'value="short"' not in told.text
    new = {"old": PASSWORD, "password": "Ke-jia-2027-x", "again": "Ke-jia-2027-x"}
    assert visitor.post("/hall/password", "/hall/password", new).status_code == 303
    again_ = place.visitor()
    typed = {"login": LOGINS["clerk"], "password": "Ke-jia-2027-x"}
    assert again_.post("/hall/sign-in", "/hall/sign-in", typed).status_code == 303
