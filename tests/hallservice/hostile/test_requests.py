"""Requests no page of ours makes: each ends in a page or a code with the right status."""

import io
import json
import random
import zipfile
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from exchange.app.gate import Gate
from hallservice.web import responses
from hallservice.web.registry import FORM_BYTES
from tests.hallservice.hostile.site import Site, alone

LONG = "9" * 5000  # more digits than Python makes a number of
ODD = (
    *(
        LONG,
        "99999999999999999999",
        "٣",
        "²",
        "0001-01-01",
        "9999-12-31",
        "nan",
        "%",
        "user:x",
        "TB1:x",
        "441402",
    ),
    *("body.block[0]", f"body.parts[{LONG}]", "remove body.block[0]", f"up body.parts[{LONG}]", "(" * 900),
    *("'\"><script>", "../x", "\u202e", "\ufffe"),
)
FIELDS = (
    "do", "at", "kind", "id", "entry", "name", "expected", "revision", "seen", "version", "org", "code",
    "codes", "case_no", "step", "to", "days", "begins", "ends", "role", "receiver", "region", "reason",
    "opinion", "place", "item_code", "flow", "slot", "day", "due_on", "quantity-103044", "problem-1",
    "material-1", "more-1", "material-1-point", "rule", "post", "limit_days", "fact0", "type0", "share",
    "parts", "on", "list", "how", "words", "login", "staff_no", "parent", "uscc", "warning", "red",
    "c-1-code", "valid_from", "valid_to", "right", "layout", "satisfaction", "tags", "who", "ground",
    "amount", "key", "problem-99999999999999999999999999999999999999",
)  # fmt: skip
LASTING = ("/sign-out", "/sign-out-everywhere")
GRANT = {"kind": "user", "receiver": "{user}", "role": "{role}", "org": "441402", "may_pass": "1"}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/approval/cases/{case}/acts/passed", {"step": "undertake", "expected": LONG}),
        ("/flows/441402-scj/walked/draft/publish", {"revision": LONG}),
        ("/flows/441402-scj/walked/draft/list", {"do": "remove body.block[0]", "revision": "1"}),
        ("/flows/441402-scj/walked/draft/list", {"do": f"up body.parts[{LONG}]", "revision": "1"}),
        ("/people/orgs/441402-scj/close", {"kind": "villa", "id": "x"}),
        ("/people/grants/new", GRANT | {"begins": "0001-01-01"}),
        ("/people/grants/new", GRANT | {"ends": "9999-12-31"}),
    ],
)
def test_what_cannot_be_is_refused_in_words(site: Site, path: str, fields: dict[str, str]) -> None:
    typed = {name: text.format_map(site.made) if "{" in text else text for name, text in fields.items()}
    answer = site.visitor("all").send("/hall" + path.format_map(site.made), typed | site.hidden("all"))
    assert 400 <= answer.status_code < 500, answer.headers.get("location")


def test_versions_and_places_in_an_address_are_numbers_or_none(site: Site) -> None:
    visitor, made = site.visitor("all"), site.made
    for version in (LONG, "99999999999999999999"):
        assert visitor.get(f"/hall/items/guides/{made['item']}?version={version}").status_code in (200, 404)
        assert visitor.get(f"/hall/items/directory/{made['entry']}?version={version}").status_code == 200
    block = f"/hall/flows/441402-scj/walked/draft/block?at=body.parts[{LONG}]"
    assert visitor.get(block).status_code == 404


def test_another_method_or_a_control_character_finds_a_page_that_says_so(site: Site) -> None:
    visitor = site.visitor("all")
    for method in ("OPTIONS", "TRACE", "DELETE"):
        answer = visitor.http.request(method, f"/hall/cases/{site.made['case']}")
        assert (answer.status_code, "不支持的操作" in answer.text) == (405, True)
    for path in ("/hall/cases/%00", "/hall/items/guides/a%0dX", "/hall/people/users/%1f"):
        answer = visitor.get(path)
        assert (answer.status_code, "没有找到" in answer.text) == (404, True)


def test_the_hub_tells_in_code_what_it_has_not(site: Site) -> None:
    visitor = site.visitor()
    for path in ("/nothing", "/health/", "/packages/%00", "/api/v1/cases/%00?password=1"):
        answer = visitor.get(path, headers={"host": "evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    wrong = visitor.get("/api/v1/messages")
    assert (wrong.status_code, wrong.json()["status"], wrong.headers["allow"]) == (405, 405, "POST")


def test_no_redirect_leads_to_the_host_a_request_names(site: Site) -> None:
    answer = site.visitor().get("/hall", headers={"host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/hall/")
    there = responses.redirect("/hall/x?org=甲\r\nset-cookie: a=b").headers["location"]
    assert there == "/hall/x?org=%E7%94%B2%0D%0Aset-cookie:%20a=b"


def test_an_origin_that_is_no_address_is_not_ours(site: Site) -> None:
    form = site.hidden("all") | {"leave": "1"}
    answer = site.visitor("all").send("/hall/window", form, headers={"origin": "http://["})
    assert (answer.status_code, "请求来源不明" in answer.text) == (403, True)


def test_a_browser_s_report_of_any_depth_is_taken(site: Site) -> None:
    answer = site.visitor().http.post("/hall/csp-report", content="[" * 16_000)
    assert answer.status_code == 204


def _parts(fields: dict[str, str], charset: str) -> dict[str, Any]:
    body = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()
    )
    head = {"content-type": f"multipart/form-data; boundary=b; charset={charset}"}
    return {"content": body.encode() + b"--b--\r\n", "headers": head}


@pytest.mark.parametrize("charset", ["utf-7", "undefined", "idna", "unicode_escape"])
def test_a_form_is_utf_8_whatever_it_says(site: Site, charset: str) -> None:
    path, fields = f"/hall/cases/{site.made['case']}/files", site.hidden("all") | {"material": "+2AA-\\ud800"}
    answer = site.visitor("all").http.post(path, **_parts(fields, charset))
    assert (answer.status_code, "无法识别的请求" in answer.text) == (400, True)
    assert "请选择" in site.visitor("all").http.post(path, **_parts(fields, "UTF-8")).text  # it was read


def test_files_of_nobody_are_not_read(site: Site) -> None:
    stranger = site.place.visitor().enter("not-a-session")
    large = {
        "content": b"x" * (FORM_BYTES + 1),
        "headers": {"content-type": "multipart/form-data; boundary=b"},
    }
    answer = stranger.http.post(f"/hall/cases/{site.made['case']}/files", **large)
    assert (answer.status_code, answer.headers["location"]) == (303, "/hall/sign-in")


def test_a_crowd_of_bodies_is_told_to_come_later(site: Site) -> None:
    held, form = site.gate.held, site.hidden("all") | {"leave": "1"}
    held.take(held.most)
    try:
        answer = site.visitor("all").send("/hall/window", form)
        assert (answer.status_code, "系统繁忙" in answer.text) == (503, True)
    finally:
        held.give(held.most)
    assert site.visitor("all").send("/hall/window", form).status_code == 303


def test_a_crowd_of_messages_is_told_to_come_later() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 11, "more_body": False}

    gate = Gate(1)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "raw_path": b"/",
    }
    door = gate.door(lambda _: Response(b"done"))
    assert alone(door(Request(scope, receive))).body == b"done"
    gate.held.most = 10
    answer = alone(door(Request(scope, receive)))
    assert (answer.status_code, json.loads(answer.body)["code"]) == (503, "busy")
    gate.held.most = 11  # nothing is held any more
    assert alone(door(Request(scope, receive))).body == b"done"


def test_a_spreadsheet_packed_in_another_way_is_broken(site: Site) -> None:
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", packing) as archive:
            archive.writestr("xl/workbook.xml", "<workbook/>" * 50)
        form = site.hidden("all") | {"list": "directory", "org": "441402-scj"}
        answer = site.visitor("all").send(
            "/hall/items/import", form, files={"file": ("a.xlsx", made.getvalue())}
        )
        assert (answer.status_code, "表格已损坏" in answer.text) == (422, True)


def test_what_is_logged_of_a_failing_statement_names_nobody(site: Site) -> None:
    with site.hall.hub.store.read() as connection, pytest.raises(SQLAlchemyError) as fault:
        connection.exec_driver_sql("SELECT nothing FROM nowhere WHERE name = ?", ("张三丰",))
    assert "张三丰" not in str(fault.value)


def test_no_page_fails_on_odd_addresses_and_forms(site: Site) -> None:
    """The last one: some of it succeeds."""
    visitor, dice = site.visitor("all"), random.Random(4)
    failed = []
    for page in site.pages:
        odd = {name: dice.choice(ODD) for name in dice.sample(FIELDS, 25)}
        if page.path.endswith(LASTING):
            continue
        if page.method == "GET":
            answer = visitor.get(site.path(page), params={name: text[:900] for name, text in odd.items()})
        else:
            answer = visitor.send(site.path(page), odd | site.hidden("all"))
        if answer.status_code >= 500:
            failed.append((page.method, page.path, odd))
    assert not failed
