"""The faults of SOAP partners that came with contracts' common list, seen by httpx2, lxml and xmlsec1."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from lxml import etree

from tests.mocks.jsonparty import BEIJING, Program, until
from tests.mocks.soapparty import CATALOGUE, SIGNED_PARTS, SOAP, WSU, xmlsec1
from tests.mocks.test_catalogue_mock import (
    DEPARTMENT,
    ask,
    batch,
    checked,
    fault_text,
    get_token,
    increment_request,
    post,
    reported,
    sealed_call,
    token_request,
)
from tests.mocks.test_fees_mock import NOTICE, document, inner_text, said, send
from tests.mocks.test_fees_mock import start as start_fees

DICTIONARY = "<REQ><LIST_ID>CATEGORY</LIST_ID><VERSION/></REQ>"
BASIS = "<BASIS><CODE>103043201</CODE></BASIS>"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("catalogue", tmp_path_factory.mktemp("catalogue"), b"{}", department_uscc=DEPARTMENT)
    yield program
    program.close()


@pytest.fixture(scope="module")
def fees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = start_fees(tmp_path_factory.mktemp("fees"))
    yield program
    program.close()


def arm(program: Program, operation: str, fault: str, **more: Any) -> None:
    answer = program.arm(operation=operation, fault=fault, **more)
    assert answer.status_code == 200, answer.text


def call(catalogue: Program, operation: str = "GetToken", request: str = "", token: str = "") -> Any:
    return post(
        catalogue, sealed_call(catalogue, operation, request or token_request(), token), operation
    )  # fmt: skip


def inner(catalogue: Program, answer: httpx2.Response) -> str:
    return str(checked(catalogue, answer).findtext(f"{{{CATALOGUE}}}resultXml"))


def items(catalogue: Program, token: str, cursor: str = "", size: int = 3) -> tuple[list[str], str]:
    listing = ask(catalogue, "QueryIncrement", increment_request(0, size, cursor), token).find("LIST")
    return [item.findtext("TASK_CODE") for item in listing], listing.get("next")


def test_cdata_in_cdata(catalogue: Program, fees: Program) -> None:
    arm(catalogue, "GetToken", "cdata_in_cdata")
    text = inner(catalogue, call(catalogue))
    assert text.startswith('<![CDATA[<?xml version="1.0" encoding="GBK"?><RESULT>')
    assert text.endswith("</RESULT>]]>")
    arm(fees, "QueryFeeBasis", "cdata_in_cdata")
    text = inner_text(send(fees, "QueryFeeBasis", document(BASIS)))
    assert (text[:9], text[-3:]) == ("<![CDATA[", "]]>")
    arm(fees, "CreateNotice", "cdata_in_cdata")
    assert inner_text(send(fees, "CreateNotice", document(NOTICE))).startswith("<![CDATA[")


def test_a_new_field(catalogue: Program, fees: Program) -> None:
    arm(catalogue, "QueryDict", "schema_new_field")
    assert ask(catalogue, "QueryDict", DICTIONARY).findtext("NEW_FIELD") == "新增字段"
    arm(fees, "QueryFeeBasis", "schema_new_field", value="EXTRA")
    assert said(fees, send(fees, "QueryFeeBasis", document(BASIS)))["EXTRA"] == "新增字段"


def test_gbk_bytes_that_say_utf_8(catalogue: Program) -> None:
    token = get_token(catalogue)
    arm(catalogue, "QueryDict", "gbk_body")
    answer = call(catalogue, "QueryDict", DICTIONARY, token)
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode("utf-8")
    root = etree.fromstring(answer.content.decode("gb18030").partition("?>")[2])
    assert root.find(f"{{{SOAP}}}Body")[0].findtext(f"{{{CATALOGUE}}}resultXml")


def test_a_skewed_clock(catalogue: Program) -> None:
    arm(catalogue, "GetToken", "clock_skew_s", value=-100)
    answer = call(catalogue)
    assert xmlsec1(answer.content, catalogue.certificate, catalogue.folder, SIGNED_PARTS) == "OK 4/4"
    created = datetime.fromisoformat(etree.fromstring(answer.content).findtext(f".//{{{WSU}}}Created"))
    assert 95 <= (datetime.now(UTC) - created).total_seconds() <= 105
    arm(catalogue, "GetToken", "clock_skew_s", value=600)
    answer = call(catalogue)
    assert answer.status_code == 500  # the hub's seal ended 300 s after it was made
    assert fault_text_skewed(answer) == "seal"


def fault_text_skewed(answer: httpx2.Response) -> str:
    return str(etree.fromstring(answer.content).findtext(".//faultstring"))


def test_pages_shift(catalogue: Program) -> None:
    token = get_token(catalogue)
    first, cursor = items(catalogue, token)
    second, _ = items(catalogue, token, cursor)
    arm(catalogue, "QueryIncrement", "pagination_shift")
    assert items(catalogue, token)[0] == first  # a first page does not shift, the switch is still armed
    assert items(catalogue, token, cursor)[0] == [first[-1], *second[:2]]
    arm(catalogue, "QueryIncrement", "pagination_shift", value=-1)
    assert items(catalogue, token, cursor)[0][:2] == second[1:]


def test_batch_limits(catalogue: Program) -> None:
    token = get_token(catalogue)
    arm(catalogue, "QueryIncrement", "batch_limit", value=2)
    page, cursor = items(catalogue, token)
    assert len(page) == 2
    assert cursor
    arm(catalogue, "ReportItems", "batch_limit", value=1)
    two = batch("limit-1", reported("limit-a"), reported("limit-b"))
    assert ask(catalogue, "ReportItems", two, token).findtext("CODE") == "70"
    assert ask(catalogue, "ReportItems", two, token).findtext("CODE") == "0"


def test_an_item_without_its_materials(catalogue: Program) -> None:
    token = get_token(catalogue)
    code = items(catalogue, token, size=1)[0][0]
    asked = f"<REQ><TASK_CODE>{code}</TASK_CODE><TASK_VERSION/></REQ>"
    assert ask(catalogue, "GetItem", asked, token).find(".//MATERIALS") is not None
    arm(catalogue, "GetItem", "missing_attachment")
    found = ask(catalogue, "GetItem", asked, token)
    assert (found.findtext("CODE"), found.find(".//MATERIALS")) == ("0", None)
    arm(catalogue, "QueryIncrement", "missing_attachment", times=1)
    listed = ask(catalogue, "QueryIncrement", increment_request(0, 2), token).findall("LIST/ITEM")
    assert [item.find("MATERIALS") is None for item in listed] == [True, False]


def window() -> str:
    now = datetime.now(UTC).astimezone(BEIJING)
    return f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"


def test_a_daily_maintenance_in_the_words_of_each(catalogue: Program, fees: Program) -> None:
    token = get_token(catalogue)
    for program in (catalogue, fees):
        arm(program, "*", "maintenance", value=window())
    for _ in range(2):
        assert ask(catalogue, "QueryDict", DICTIONARY, token).findtext("CODE") == "90"
        assert send(fees, "QueryFeeBasis", document(BASIS)).status_code == 503
    for program in (catalogue, fees):
        program.client.post(f"{program.url}/admin/clock", json={"offset_s": 7200, "seals": False})
    assert ask(catalogue, "QueryDict", DICTIONARY, token).findtext("CODE") == "0"
    assert said(fees, send(fees, "QueryFeeBasis", document(BASIS)))["CODE"] == "000000"
    for program in (catalogue, fees):
        program.client.delete(f"{program.url}/admin/faults")
        program.client.post(f"{program.url}/admin/clock", json={"offset_s": 0})


def test_a_clock_set_wrong_refuses_the_hubs_seals(catalogue: Program) -> None:
    catalogue.client.post(f"{catalogue.url}/admin/clock", json={"offset_s": 600})
    assert fault_text_skewed(call(catalogue)) == "seal"
    catalogue.client.post(f"{catalogue.url}/admin/clock", json={"offset_s": 0})
    with pytest.raises(AssertionError):
        fault_text(catalogue, call(catalogue))


def test_a_freeze_with_an_end(fees: Program) -> None:
    arm(fees, "CreateNotice", "freeze", until=1.0, then={"fault": "busy"})
    text = document(NOTICE, "m-frozen")
    codes = [said(fees, send(fees, "CreateNotice", text))["CODE"] for _ in range(2)]
    assert codes == ["900020", "900020"]
    until(lambda: said(fees, send(fees, "CreateNotice", text))["CODE"] == "900099")
    assert said(fees, send(fees, "CreateNotice", text))["CODE"] == "000000"
