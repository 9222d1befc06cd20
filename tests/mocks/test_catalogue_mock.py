"""The provincial catalogue against adapters/provincial_catalogue/contract, as a process of its own."""

import hashlib
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import zeep
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from stdnum.cn import uscc

from tests.mocks.jsonparty import ACCOUNT, SECRET, Program, compact_now, self_signed
from tests.mocks.soapparty import CATALOGUE, DS, SIGNED_PARTS, SOAP, WSSE, WSU, call_envelope, seal, xmlsec1

DEPARTMENT = "11441400XXA0003160"  # GB 32100 holds; see test_codes_hold
TYPES = {"01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "20"}
PATH = "/CatalogService"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("catalogue", tmp_path_factory.mktemp("catalogue"), b"{}", department_uscc=DEPARTMENT)
    yield program
    program.close()


def new_id() -> str:
    return str(uuid.uuid4())


def post(
    program: Program, data: bytes, operation: str, kind: str = "text/xml; charset=utf-8"
) -> httpx2.Response:
    headers = {"Content-Type": kind, "SOAPAction": f'"{CATALOGUE}/{operation}"'}
    return program.client.post(program.url + PATH, content=data, headers=headers)


def sealed_call(
    program: Program,
    operation: str,
    request: str,
    token: str = "",
    call_id: str = "",
    app: str = ACCOUNT,
    **more: Any,
) -> bytes:
    envelope = call_envelope(operation, app, token, request, call_id or new_id())
    return etree.tostring(seal(envelope, (program.rsa, program.rsa_certificate), **more))


def checked(program: Program, answer: httpx2.Response, call_id: str | None = None) -> Any:
    """The child of Body of an answer that xmlsec1 accepts, all four parts signed."""
    assert xmlsec1(answer.content, program.certificate, program.folder, SIGNED_PARTS) == "OK 4/4"
    envelope = etree.fromstring(answer.content)
    targets = {node.get("URI") for node in envelope.iter(f"{{{DS}}}Reference")}
    signed = [node for node in envelope.iter() if f"#{node.get(f'{{{WSU}}}Id')}" in targets]
    assert {f"{etree.QName(node).namespace}:{etree.QName(node).localname}" for node in signed} == set(
        SIGNED_PARTS
    )
    if call_id is not None:
        assert (
            envelope.findtext(f"{{{SOAP}}}Header/{{{CATALOGUE}}}CallHeader/{{{CATALOGUE}}}callId") == call_id
        )
    created, expires = (
        datetime.fromisoformat(envelope.findtext(f".//{{{WSU}}}{name}")) for name in ("Created", "Expires")
    )
    assert created <= datetime.now(UTC) < expires
    return envelope.find(f"{{{SOAP}}}Body")[0]


def result(program: Program, answer: httpx2.Response, call_id: str | None = None) -> Any:
    assert answer.status_code == 200
    text = checked(program, answer, call_id).findtext(f"{{{CATALOGUE}}}resultXml")
    assert text.startswith('<?xml version="1.0" encoding="GBK"?>')
    return etree.fromstring(text.partition("?>")[2])


def fault_text(program: Program, answer: httpx2.Response, call_id: str | None = None) -> str:
    assert answer.status_code == 500
    payload = checked(program, answer, call_id)
    assert payload.tag == f"{{{SOAP}}}Fault"
    assert payload.findtext("faultcode").rpartition(":")[2] == "Client"
    return str(payload.findtext("faultstring"))


def token_request(shift: float = 0, secret: str = SECRET, app: str = ACCOUNT) -> str:
    now = compact_now(shift)
    digest = hashlib.sha256((app + now + secret).encode()).hexdigest()
    return f"<REQ><TIME>{now}</TIME><DIGEST>{digest}</DIGEST></REQ>"


def get_token(program: Program) -> str:
    call_id = new_id()
    answer = post(program, sealed_call(program, "GetToken", token_request(), call_id=call_id), "GetToken")
    root = result(program, answer, call_id)
    assert root.findtext("CODE") == "0"
    return str(root.findtext("TOKEN"))


def ask(program: Program, operation: str, request: str, token: str | None = None) -> Any:
    token = get_token(program) if token is None else token
    return result(program, post(program, sealed_call(program, operation, request, token), operation))


def increment_request(since: int, size: int = 200, cursor: str = "", region: str = "441400000000") -> str:
    return (
        f"<REQ><SINCE_VERSION>{since}</SINCE_VERSION><REGION>{region}</REGION>"
        f"<PAGE_SIZE>{size}</PAGE_SIZE><CURSOR>{cursor}</CURSOR></REQ>"
    )


def whole(
    program: Program, since: int = 0, size: int = 200, region: str = "441400000000"
) -> tuple[list[Any], int]:
    """Every page of an increment, and the version it leads to."""
    token, items, cursor, versions = get_token(program), [], "", set()
    while True:
        listing = ask(program, "QueryIncrement", increment_request(since, size, cursor, region), token).find(
            "LIST"
        )
        page = list(listing)
        items += page
        versions.add(int(listing.get("to_version")))
        cursor = listing.get("next")
        assert len(page) == size if cursor else len(page) <= size
        if not cursor:
            assert len(items) == int(listing.get("total"))
            assert len(versions) == 1
            return items, versions.pop()


def version(program: Program) -> int:
    return int(program.admin("change")["version"])


def change(program: Program, **asked: Any) -> httpx2.Response:
    return program.client.post(program.url + "/admin/change", json=asked)


class SealPlugin(zeep.Plugin):
    """zeep calls sealed both ways."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.answers: list[bytes] = []

    def egress(self, envelope: Any, http_headers: Any, operation: Any, binding_options: Any) -> Any:
        return seal(envelope, (self.program.rsa, self.program.rsa_certificate)), http_headers

    def ingress(self, envelope: Any, http_headers: Any, operation: Any) -> Any:
        self.answers.append(etree.tostring(envelope))
        return envelope, http_headers


def test_zeep_reads_the_wsdl_and_speaks_with_it(catalogue: Program) -> None:
    plugin = SealPlugin(catalogue)
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_external=True)
    client = zeep.Client(f"{catalogue.url}{PATH}?wsdl", plugins=[plugin], settings=settings)
    operations = client.wsdl.services["CatalogService"].ports["CatalogPort"].binding._operations
    assert set(operations) == {
        "GetToken", "QueryIncrement", "GetItem", "ReportItems", "QueryReportResult", "QueryDict",
    }  # fmt: skip
    call_id = new_id()
    header = client.get_element(f"{{{CATALOGUE}}}CallHeader")(callId=call_id)
    answer = client.service.GetToken(ACCOUNT, "", token_request(), _soapheaders=[header])
    assert answer.header.header.callId == call_id
    assert xmlsec1(plugin.answers[0], catalogue.certificate, catalogue.folder, SIGNED_PARTS) == "OK 4/4"
    root = etree.fromstring(answer.body.resultXml.partition("?>")[2])
    expires = datetime.strptime(root.findtext("EXPIRES") + "+0800", "%Y%m%d%H%M%S%z").timestamp()
    assert 1795 <= expires - time.time() <= 1801
    client.transport.session.close()


@pytest.fixture(scope="module")
def items(catalogue: Program) -> list[Any]:
    found, to_version = whole(catalogue)
    assert to_version == version(catalogue) == 1024
    return found


def column(item: Any, name: str) -> str:
    return str(item.findtext(name) or "")


def test_the_first_version_is_large_and_varied(items: list[Any]) -> None:
    assert len(items) >= 240
    assert {item.get("op") for item in items} == {"I"}
    assert len({column(item, "TASK_CODE") for item in items}) == len(items)
    assert len({column(item, "ROW_GUID") for item in items}) == len(items)
    assert len({column(item, "TASK_NAME") for item in items}) >= 24
    assert {column(item, "PROJECT_TYPE") for item in items} == {"1", "2"}
    assert {column(item, "USE_LEVEL") for item in items} == {"3", "4", "5", "6"}
    assert {"10", "99"} <= {column(item, "RESULT_TYPE") for item in items}
    assert sum(column(item, "DEPT_CODE") == DEPARTMENT for item in items) >= 12
    assert all(item.find("MATERIALS/MATERIAL") is not None for item in items)
    assert all(stand.text for item in items for stand in item.iterfind("MATERIALS/MATERIAL/ACCEPT_STAND"))


def test_codes_hold(items: list[Any]) -> None:
    assert uscc.is_valid(DEPARTMENT)
    for item in items:
        dept, basic = column(item, "DEPT_CODE"), column(item, "CATALOG_CODE")
        assert uscc.is_valid(dept)
        assert 441400 <= int(dept[2:8]) <= 441481
        assert column(item, "TASK_CODE") == dept + column(item, "USE_LEVEL") + basic
        assert len(basic) == 12 and basic.isdecimal()
        assert basic.startswith("44" + column(item, "TASK_TYPE"))
        assert column(item, "TASK_TYPE") in TYPES
        if column(item, "RESULT_TYPE") == "10":
            assert len(column(item, "CERT_TYPE_CODE")) == 21
            assert uscc.is_valid(column(item, "CERT_TYPE_CODE")[:18])
        else:
            assert item.find("CERT_TYPE_CODE") is None


def test_promises_fees_and_regions_hold(items: list[Any]) -> None:
    for item in items:
        assert column(item, "PROMISE_TYPE") == column(item, "ANTICIPATE_TYPE")
        assert 0 < int(column(item, "PROMISE_DAY")) <= int(column(item, "ANTICIPATE_DAY"))
        assert (item.find("FEES/FEE") is not None) == (column(item, "IS_FEE") == "1")
        region, level = column(item, "REGION_CODE"), column(item, "USE_LEVEL")
        assert len(region) == 12 and region.startswith("4414")
        assert len(region.rstrip("0")) <= {"3": 4, "4": 6, "5": 9, "6": 12}[level]
        assert column(item, "VILLAGE_CODE") == (region if level == "6" else "")
        assert column(item, "TOWN_CODE")[:9] == (region[:9] if level in "56" else "")
    amounts = {fee.text for item in items for fee in item.iterfind("FEES/FEE/AMOUNT")}
    assert amounts and all(
        text.partition(".")[2].isdecimal() and len(text.partition(".")[2]) == 2 for text in amounts
    )


def test_columns_are_those_of_the_contract_in_its_order(items: list[Any]) -> None:
    text = (Path(__file__).parents[2] / "adapters/provincial_catalogue/contract/contract.md").read_text()
    described = text.partition("`ITEM` children")[2]
    for item in items:
        places = [described.index(node.tag) for node in item]
        assert places == sorted(places)
        assert all(node.text or len(node) for node in item)


def test_a_region_holds_what_is_under_it(catalogue: Program, items: list[Any]) -> None:
    for region, prefix in (("441424000000", "441424"), ("441424100000", "441424100")):
        found, _ = whole(catalogue, region=region)
        wanted = [
            column(item, "ROW_GUID") for item in items if column(item, "REGION_CODE").startswith(prefix)
        ]
        assert [column(item, "ROW_GUID") for item in found] == wanted
        assert wanted


def test_changes_become_versions(catalogue: Program, items: list[Any]) -> None:
    code = column(items[3], "TASK_CODE")
    before = version(catalogue)
    made = change(catalogue, op="U", task_code=code, fields={"PROMISE_DAY": "1"}).json()
    assert made == {"version": before + 1, "task_code": code}
    change(catalogue, op="D", task_code=code)
    found, to_version = whole(catalogue, since=before, size=1)
    assert to_version == before + 2
    assert [item.get("op") for item in found] == ["U", "D"]
    assert (column(found[0], "PROMISE_DAY"), column(found[0], "TASK_VERSION")) == ("1", "2")
    assert [node.tag for node in found[1]] == ["ROW_GUID", "TASK_CODE", "TASK_VERSION"]
    assert code not in {column(item, "TASK_CODE") for item in whole(catalogue)[0]}
    assert (
        ask(catalogue, "GetItem", f"<REQ><TASK_CODE>{code}</TASK_CODE><TASK_VERSION/></REQ>").findtext("CODE")
        == "71"
    )
    change(catalogue, op="I", task_code=code)
    again, _ = whole(catalogue, since=before + 2)
    assert [(item.get("op"), column(item, "TASK_VERSION")) for item in again] == [("I", "3")]
    old = ask(catalogue, "GetItem", f"<REQ><TASK_CODE>{code}</TASK_CODE><TASK_VERSION>1</TASK_VERSION></REQ>")
    assert old.find("ITEM").findtext("PROMISE_DAY") == column(items[3], "PROMISE_DAY")


def test_a_change_during_paging_waits_for_the_next_increment(catalogue: Program) -> None:
    token, before = get_token(catalogue), version(catalogue)
    first = ask(catalogue, "QueryIncrement", increment_request(0, 200), token).find("LIST")
    code = first[-1].findtext("TASK_CODE")
    change(catalogue, op="U", task_code=code, fields={"LINK_WAY": "0753-0009999"})
    second = ask(catalogue, "QueryIncrement", increment_request(0, 200, first.get("next")), token).find(
        "LIST"
    )
    assert first.get("to_version") == second.get("to_version") == str(before)
    assert code not in [item.findtext("TASK_CODE") for item in second]
    assert [column(item, "TASK_CODE") for item in whole(catalogue, since=before)[0]] == [code]


@pytest.mark.parametrize(
    "asked",
    [
        {"op": "X"},
        {"op": "U", "task_code": "nobody"},
        {"op": "I", "item": {"TASK_NAME": "x"}},
        {"op": "U", "fields": {}},
        {"op": "D", "task_code": "x", "more": 1},
    ],
)
def test_an_impossible_change_is_refused(catalogue: Program, asked: dict[str, Any]) -> None:
    assert change(catalogue, **asked).status_code == 422


def test_business_errors(catalogue: Program) -> None:
    token = get_token(catalogue)
    increment = increment_request(0)
    calls = [
        ("QueryIncrement", increment, "0" * 48, "11"),
        ("QueryIncrement", "<REQ/>", token, "70"),
        ("QueryIncrement", "not xml", token, "70"),
        ("QueryIncrement", "<!DOCTYPE REQ><REQ/>", token, "70"),
        ("QueryIncrement", increment.replace("</REQ>", "<MORE/></REQ>"), token, "70"),
        ("QueryIncrement", increment_request(99_999), token, "70"),
        ("QueryIncrement", increment_request(0, 0), token, "70"),
        ("QueryIncrement", increment_request(0, 201), token, "70"),
        ("QueryIncrement", increment_request(0, cursor="bm9uc2Vuc2U"), token, "70"),
        ("QueryIncrement", increment_request(0, region="110000000000"), token, "70"),
        ("QueryIncrement", increment_request(1023), token, "91"),
        ("GetItem", "<REQ><TASK_CODE>no</TASK_CODE><TASK_VERSION/></REQ>", token, "71"),
        ("QueryDict", "<REQ><LIST_ID>no</LIST_ID><VERSION/></REQ>", token, "70"),
        ("QueryReportResult", "<REQ><BATCH_ID>no</BATCH_ID></REQ>", token, "70"),
        ("GetToken", token_request(), token, "70"),
        ("GetToken", token_request(secret="other"), "", "70"),
        ("GetToken", token_request(-400), "", "20"),
    ]  # fmt: skip
    for operation, request, used, code in calls:
        root = ask(catalogue, operation, request, used)
        assert (operation, request, root.findtext("CODE")) == (operation, request, code)
        assert root.findtext("MSG")


def wrap_body(envelope: Any, place: str) -> None:
    """The signed Body goes elsewhere and another takes its place."""
    body = envelope.find(f"{{{SOAP}}}Body")
    evil = etree.fromstring(etree.tostring(body).replace(b"GetToken", b"QueryDict"))
    del evil.attrib[f"{{{WSU}}}Id"]
    if place == "same id":
        evil.set("Id", "body-1")
    envelope.replace(body, evil)
    etree.SubElement(envelope.find(f"{{{SOAP}}}Header"), "wrapper").append(body)


def second_body(envelope: Any) -> None:
    body = envelope.find(f"{{{SOAP}}}Body")
    body.addprevious(etree.fromstring(etree.tostring(body).replace(b"body-1", b"body-2")))


def altered_text(envelope: Any) -> None:
    envelope.find(f".//{{{CATALOGUE}}}appId").text = "other"


def altered_call(envelope: Any) -> None:
    envelope.find(f".//{{{CATALOGUE}}}callId").text = new_id()


def longer_life(envelope: Any) -> None:
    envelope.find(f".//{{{WSU}}}Expires").text = "2099-01-01T00:00:00Z"


def no_signature(envelope: Any) -> None:
    node = envelope.find(f".//{{{DS}}}Signature")
    node.getparent().remove(node)


def two_signatures(envelope: Any) -> None:
    node = envelope.find(f".//{{{DS}}}Signature")
    node.addnext(etree.fromstring(etree.tostring(node)))


def no_security(envelope: Any) -> None:
    node = envelope.find(f".//{{{WSSE}}}Security")
    node.getparent().remove(node)


def sha1(envelope: Any) -> None:
    node = envelope.find(f".//{{{DS}}}SignatureMethod")
    node.set("Algorithm", "http://www.w3.org/2000/09/xmldsig#rsa-sha1")


def id_twice(envelope: Any) -> None:
    etree.SubElement(envelope.find(f"{{{SOAP}}}Header"), "{urn:other}note").set("ID", "body-1")


ATTACKS: dict[str, Callable[[Any], None]] = {
    "wrapped": lambda envelope: wrap_body(envelope, ""),
    "wrapped, same id": lambda envelope: wrap_body(envelope, "same id"),
    "text": altered_text,
    "call id": altered_call,
    "life": longer_life,
    "no signature": no_signature,
    "two signatures": two_signatures,
    "no security": no_security,
    "sha1": sha1,
    "an id twice": id_twice,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_broken_seal_gets_a_signed_fault(catalogue: Program, attack: str) -> None:
    envelope = etree.fromstring(sealed_call(catalogue, "GetToken", token_request()))
    ATTACKS[attack](envelope)
    assert fault_text(catalogue, post(catalogue, etree.tostring(envelope), "GetToken")) == "seal"


def test_two_bodies_are_no_envelope(catalogue: Program) -> None:
    envelope = etree.fromstring(sealed_call(catalogue, "GetToken", token_request()))
    second_body(envelope)
    assert "envelope" in fault_text(catalogue, post(catalogue, etree.tostring(envelope), "GetToken"))


@pytest.mark.parametrize(
    "more",
    [
        {"age": 400},  # expired 100 s ago
        {"age": -400},  # created 400 s ahead
        {"lifetime": 3700},
        {"lifetime": 0},
        {"parts": ("body-1", "ts-1", "x509-1")},
        {"parts": ("body-1", "ts-1", "call-1")},
        {"parts": ("ts-1", "x509-1", "call-1")},
        {"parts": ("body-1", "x509-1", "call-1")},
    ],
)
def test_a_seal_outside_the_profile_gets_a_fault(catalogue: Program, more: dict[str, Any]) -> None:
    data = sealed_call(catalogue, "GetToken", token_request(), **more)
    assert fault_text(catalogue, post(catalogue, data, "GetToken")) == "seal"


def test_another_certificate_gets_a_fault(catalogue: Program) -> None:
    key = rsa.generate_private_key(65537, 2048)
    envelope = call_envelope("GetToken", ACCOUNT, "", token_request(), new_id())
    data = etree.tostring(seal(envelope, (key, self_signed(key, "hub-rsa"))))
    assert fault_text(catalogue, post(catalogue, data, "GetToken")) == "seal"
    envelope = call_envelope("GetToken", ACCOUNT, "", token_request(), new_id())
    forged = etree.tostring(seal(envelope, (key, catalogue.rsa_certificate)))  # the known one, another key
    assert fault_text(catalogue, post(catalogue, forged, "GetToken")) == "seal"


@pytest.mark.parametrize(
    ("change_bytes", "kind"),
    [
        (lambda data: b"", "text/xml; charset=utf-8"),
        (lambda data: b"<a>", "text/xml; charset=utf-8"),
        (lambda data: b"<a/>", "text/xml; charset=utf-8"),
        (lambda data: b"<!DOCTYPE a>" + data, "text/xml; charset=utf-8"),
        (lambda data: b'<!DOCTYPE a [<!ENTITY b "c">]>' + data, "text/xml; charset=utf-8"),
        (lambda data: b"<?target x?>" + data, "text/xml; charset=utf-8"),
        (lambda data: data.replace(b"GetToken", b"Unknown"), "text/xml; charset=utf-8"),
        (lambda data: data, "application/json"),
        (lambda data: data, "text/xml; charset=utf-16"),
        (
            lambda data: data.replace(b"<c:appId>", b"<c:appId>\xe6\xa2\x85\xe5\xb7\x9e\xff"),
            "text/xml; charset=utf-8",
        ),
        (lambda data: data.replace(b"<c:appId>", b'<c:appId href="#body-1">'), "text/xml"),
        (lambda data: data.decode().encode("utf-16"), "text/xml; charset=utf-8"),
        (lambda data: b"\x00" * 5000, "text/xml"),
        (lambda data: b"<a>" * 100_000, "text/xml"),
    ],
)
def test_what_is_no_call_gets_a_signed_fault(
    catalogue: Program, change_bytes: Callable[[bytes], bytes], kind: str
) -> None:
    data = change_bytes(sealed_call(catalogue, "GetToken", token_request()))
    assert fault_text(catalogue, post(catalogue, data, "GetToken", kind))


def test_an_operation_must_be_the_one_of_its_soapaction(catalogue: Program) -> None:
    data = sealed_call(catalogue, "GetToken", token_request())
    assert "SOAPAction" in fault_text(catalogue, post(catalogue, data, "QueryDict"))


def test_a_call_id_must_be_a_uuid(catalogue: Program) -> None:
    data = sealed_call(catalogue, "GetToken", token_request(), call_id="42")
    assert "UUID" in fault_text(catalogue, post(catalogue, data, "GetToken"), "")


def test_too_large_is_refused_and_the_program_lives(catalogue: Program) -> None:
    answer = post(catalogue, b"x" * (4 << 20) + b"x", "GetToken")
    assert answer.status_code == 413
    assert catalogue.admin("health") == {"ready": True}


def test_an_envelope_in_gbk_is_read_as_gb18030(catalogue: Program) -> None:
    request = "<REQ><LIST_ID>㙓𠮷</LIST_ID><VERSION/></REQ>"
    envelope = call_envelope("QueryDict", ACCOUNT, get_token(catalogue), request, new_id())
    text = etree.tostring(seal(envelope, (catalogue.rsa, catalogue.rsa_certificate)), encoding="unicode")
    data = ('<?xml version="1.0" encoding="GBK"?>' + text).encode("gb18030")
    root = result(catalogue, post(catalogue, data, "QueryDict", "text/xml; charset=GBK"))
    assert root.findtext("CODE") == "70"  # the signature held: a mistaken reading would have been "seal"
    wrong = post(catalogue, data, "QueryDict", "text/xml; charset=utf-8")
    assert fault_text(catalogue, wrong)


def test_the_same_call_is_answered_again_and_another_body_conflicts(catalogue: Program) -> None:
    token, call_id = get_token(catalogue), new_id()
    request = increment_request(0, 5)
    before = catalogue.admin("counts")
    first = post(
        catalogue, sealed_call(catalogue, "QueryIncrement", request, token, call_id), "QueryIncrement"
    )
    change(catalogue, op="U", task_code=result(catalogue, first)[1][0].findtext("TASK_CODE"), fields={})
    data = sealed_call(catalogue, "QueryIncrement", request, token, call_id, lifetime=200)
    second = post(catalogue, data, "QueryIncrement")
    assert etree.tostring(result(catalogue, first)) == etree.tostring(result(catalogue, second, call_id))
    other = sealed_call(catalogue, "QueryIncrement", increment_request(0, 6), token, call_id)
    assert fault_text(catalogue, post(catalogue, other, "QueryIncrement"), call_id) == "conflict"
    after = catalogue.admin("counts")
    assert after["received"] == before["received"] + 1
    assert after["repeats"] == before["repeats"] + 1
    assert after["refused"] == before["refused"] + 1


def test_a_call_that_met_an_expired_token_may_come_again(catalogue: Program) -> None:
    token, call_id = get_token(catalogue), new_id()
    assert catalogue.arm(operation="QueryDict", fault="token_expired").status_code == 200
    request = "<REQ><LIST_ID>CATEGORY</LIST_ID><VERSION/></REQ>"
    data = sealed_call(catalogue, "QueryDict", request, token, call_id)
    assert result(catalogue, post(catalogue, data, "QueryDict")).findtext("CODE") == "11"
    assert result(catalogue, post(catalogue, data, "QueryDict")).findtext("CODE") == "0"


def test_the_eleven_categories(catalogue: Program) -> None:
    entries = ask(catalogue, "QueryDict", "<REQ><LIST_ID>CATEGORY</LIST_ID><VERSION/></REQ>").findall(
        "DICT/ENTRY"
    )
    assert [(entry.get("code"), entry.get("name")) for entry in entries] == [
        ("01", "人口计生"), ("02", "民政事务"), ("03", "教育事务"), ("04", "社会保障"), ("05", "培训就业"),
        ("06", "国土资源"), ("07", "城市管理"), ("08", "农村经济"), ("09", "城乡经济"), ("10", "住房管理"),
        ("11", "其他事务"),
    ]  # fmt: skip


def reported(guid: str, **columns: str) -> str:
    values = {
        "ROW_GUID": guid,
        "TASK_NAME": "生育登记",
        "ANTICIPATE_DAY": "5",
        "ANTICIPATE_TYPE": "1",
        "PROMISE_DAY": "1",
        "PROMISE_TYPE": "1",
        "LOCAL_CATALOG_CODE": "MZ-0001",
        "TOWN_CODE": "441424100000",
        "VILLAGE_CODE": "441424100001",
        "CATEGORY": "01",
    } | columns
    lines = "".join(f"<{name}>{value}</{name}>" for name, value in values.items() if value)
    material = "<MATERIAL><MATERIAL_NAME>申请表</MATERIAL_NAME></MATERIAL>"
    return f"<ITEM>{lines}<MATERIALS>{material}</MATERIALS></ITEM>"


def batch(name: str, *rows: str, count: int | None = None) -> str:
    return f'<BATCH id="{name}" count="{len(rows) if count is None else count}">{"".join(rows)}</BATCH>'


def row_codes(root: Any) -> dict[str, str]:
    assert root.findtext("CODE") == "0"
    assert all(bool(row.get("msg")) == (row.get("code") != "0") for row in root.find("ROWS"))
    return {row.get("guid"): row.get("code") for row in root.find("ROWS")}


def test_reported_rows_are_judged_one_by_one(catalogue: Program) -> None:
    rows = {
        "good": reported("good"),
        "late": reported("late", PROMISE_DAY="6"),
        "category": reported("category", CATEGORY="12"),
        "town": reported("town", TOWN_CODE="110101001000", VILLAGE_CODE=""),
        "village": reported("village", VILLAGE_CODE="441424101001"),
        "missing": reported("missing", LOCAL_CATALOG_CODE=""),
        "unknown": reported("unknown", COLOUR="red"),
    }
    root = ask(catalogue, "ReportItems", batch("b-1", *rows.values()))
    assert row_codes(root) == {name: "0" if name in ("good", "late") else "70" for name in rows}
    again = ask(catalogue, "ReportItems", batch("b-1", *rows.values()))
    assert etree.tostring(again) == etree.tostring(root)
    (kept,) = [line for line in catalogue.admin("record") if line["id"] == "b-1"]
    assert (kept["kind"], kept["code"], kept["repeats"]) == ("ReportItems", "0", 1)
    assert ask(catalogue, "ReportItems", batch("b-1", reported("other"))).findtext("CODE") == "70"
    audit = ask(catalogue, "QueryReportResult", "<REQ><BATCH_ID>b-1</BATCH_ID></REQ>").findall("ROWS/ROW")
    assert [(row.get("guid"), row.get("err_type"), row.get("table_name")) for row in audit] == [
        ("late", "1", "up_task_general_basic")
    ]


def test_batches_have_limits(catalogue: Program) -> None:
    assert row_codes(ask(catalogue, "ReportItems", batch("b-2", *(reported(f"r{n}") for n in range(200)))))
    many = batch("b-3", *(reported(f"r{n}") for n in range(201)))
    for request in (many, batch("b-4"), batch("b-5", reported("x"), count=2), batch("", reported("x"))):
        assert ask(catalogue, "ReportItems", request).findtext("CODE") == "70"
    twice = ask(catalogue, "ReportItems", batch("b-6", reported("same"), reported("same")))
    assert [row.get("code") for row in twice.find("ROWS")] == ["70", "70"]


def test_faults_of_the_list(catalogue: Program) -> None:
    newest, token = version(catalogue), get_token(catalogue)
    catalogue.arm(operation="QueryIncrement", fault="version_gap")
    assert ask(catalogue, "QueryIncrement", increment_request(newest), token).findtext("CODE") == "91"
    catalogue.arm(operation="QueryIncrement", fault="maintenance")
    assert ask(catalogue, "QueryIncrement", increment_request(newest), token).findtext("CODE") == "90"
    plain = [
        item.findtext("TASK_CODE")
        for item in ask(catalogue, "QueryIncrement", increment_request(0, 4), token)[1]
    ]
    catalogue.arm(operation="QueryIncrement", fault="duplicate_push")
    twice = ask(catalogue, "QueryIncrement", increment_request(0, 4), token)[1]
    assert [item.findtext("TASK_CODE") for item in twice] == plain * 2
    catalogue.arm(operation="QueryIncrement", fault="reorder")
    turned = ask(catalogue, "QueryIncrement", increment_request(0, 4), token)[1]
    assert [item.findtext("TASK_CODE") for item in turned] == plain[::-1]
    catalogue.arm(operation="ReportItems", fault="partial_accept")
    codes = row_codes(
        ask(catalogue, "ReportItems", batch("b-7", *(reported(f"p{n}") for n in range(4))), token)
    )
    assert list(codes.values()) == ["0", "70", "0", "70"]


def test_faults_of_the_inner_text(catalogue: Program) -> None:
    token = get_token(catalogue)
    catalogue.arm(operation="QueryIncrement", fault="null_text")
    item = ask(catalogue, "QueryIncrement", increment_request(0, 1), token).find("LIST/ITEM")
    assert item.findtext("TASK_NAME") == "null"
    catalogue.arm(operation="QueryIncrement", fault="bad_date_pattern")
    item = ask(catalogue, "QueryIncrement", increment_request(0, 1), token).find("LIST/ITEM")
    assert item.findtext("PLAN_EFFECTIVE_DATE") == "2026-01-001"


def test_faults_of_the_answer(catalogue: Program) -> None:
    def call() -> httpx2.Response:
        return post(catalogue, sealed_call(catalogue, "GetToken", token_request()), "GetToken")

    def verdict(answer: httpx2.Response) -> str:
        return xmlsec1(answer.content, catalogue.certificate, catalogue.folder, SIGNED_PARTS)

    catalogue.arm(operation="GetToken", fault="sig_bad")
    assert verdict(call()).startswith("FAIL")
    catalogue.arm(operation="GetToken", fault="sig_expired")
    late = call()
    assert verdict(late) == "OK 4/4"
    assert datetime.fromisoformat(
        etree.fromstring(late.content).findtext(f".//{{{WSU}}}Expires")
    ) < datetime.now(UTC)
    catalogue.arm(operation="GetToken", fault="truncate_800b")
    assert len(call().content) == 800
    catalogue.arm(operation="GetToken", fault="bom")
    assert call().content.startswith(b"\xef\xbb\xbf<?xml")
    catalogue.arm(operation="GetToken", fault="wrong_charset_label")
    assert call().headers["content-type"] == "text/xml; charset=GBK"
    catalogue.arm(operation="GetToken", fault="http500")
    assert call().text == "Internal Server Error"
    catalogue.arm(operation="GetToken", fault="http200_error_body")
    assert (call().status_code, b"html" in call().content) == (200, False)
    catalogue.arm(operation="GetToken", fault="rate_limit")
    assert call().status_code == 429
    catalogue.arm(operation="GetToken", fault="delay_ms", value=300)
    began = time.monotonic()
    assert call().status_code == 200
    assert time.monotonic() - began >= 0.3


def test_dropped_and_half_open(catalogue: Program) -> None:
    before = catalogue.admin("counts")["received"]
    call_id, token = new_id(), get_token(catalogue)
    request = "<REQ><LIST_ID>CATEGORY</LIST_ID><VERSION/></REQ>"
    data = sealed_call(catalogue, "QueryDict", request, token, call_id)
    catalogue.arm(operation="QueryDict", fault="drop_before_reply")
    with pytest.raises(httpx2.TransportError):
        post(catalogue, data, "QueryDict")
    assert (
        catalogue.admin("counts")["received"] == before + 2
    )  # the token and the dropped call: the work was done
    assert result(catalogue, post(catalogue, data, "QueryDict"), call_id).findtext("CODE") == "0"
    assert catalogue.admin("counts")["received"] == before + 2
    catalogue.arm(operation="GetToken", fault="half_open")
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f"{CATALOGUE}/GetToken"}
    with pytest.raises(httpx2.ReadTimeout):
        catalogue.client.post(catalogue.url + PATH, content=data, headers=headers, timeout=0.5)


def test_an_unknown_fault_names_those_there_are(catalogue: Program) -> None:
    answer = catalogue.arm(operation="GetToken", fault="version_gap")
    assert answer.status_code == 422
    assert "version_gap" in answer.json()["supported"]["QueryIncrement"]
    assert "version_gap" not in answer.json()["supported"]["GetToken"]


def test_the_record_outlives_kill_9_and_sigterm_is_quick(tmp_path: Path) -> None:
    program = Program("catalogue", tmp_path, b"{}")
    try:
        token, call_id = get_token(program), new_id()
        data = sealed_call(program, "QueryIncrement", increment_request(0, 3), token, call_id)
        first = result(program, post(program, data, "QueryIncrement"))
        change(program, op="D", task_code=first[1][0].findtext("TASK_CODE"))
        record = program.admin("record")
        assert [line["kind"] for line in record] == ["GetToken", "QueryIncrement"]
        assert record[1]["sha256"] == hashlib.sha256(data).hexdigest()
        assert (record[1]["id"], record[1]["code"]) == (call_id, "0")
        program.end(signal.SIGKILL)
        program.start()
        assert program.admin("record") == record
        assert program.admin("change") == {"version": 1025}
        assert etree.tostring(result(program, post(program, data, "QueryIncrement"))) == etree.tostring(first)
        assert ask(program, "QueryIncrement", increment_request(1024), token)[1][0].get("op") == "D"
        code, seconds = program.end(signal.SIGTERM)
        assert (code, seconds < 2) == (0, True)
    finally:
        program.close()


def test_a_wrong_department_code_is_refused_at_the_start(tmp_path: Path) -> None:
    program = Program("catalogue", tmp_path, b"{}")
    try:
        program.end()
        program.config(department_uscc=DEPARTMENT[:17] + ("0" if DEPARTMENT[17] != "0" else "1"))
        with pytest.raises(ValueError, match="not enough values"):
            program.start()  # nothing is said to be ready
        assert program.process is not None
        assert program.process.wait(10) == 2
        assert program.process.stdout is not None
        program.process.stdout.close()
        program.process = None
    finally:
        program.close()


def test_nothing_but_the_ready_line_is_said(tmp_path: Path) -> None:
    program = Program("catalogue", tmp_path, b"{}")
    try:
        post(program, b"<a>", "GetToken")
        process = program.process
        assert process is not None and process.stdout is not None
        process.terminate()
        assert process.stdout.read() == ""
        assert process.wait(10) == 0
        process.stdout.close()
        program.process = None
    finally:
        program.close()
    assert (
        subprocess.run(["test", "-s", str(tmp_path / "state" / "catalogue.log")], check=False).returncode == 0
    )
