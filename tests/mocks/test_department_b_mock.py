"""Department B against adapters/department_b/contract, as a process of its own."""

import base64
import hashlib
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
import zeep
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from tests.mocks.amqpparty import CODE, USCC, case_number
from tests.mocks.deptbparty import (
    DEPT,
    FORM,
    GBK,
    HUB,
    MATERIALS,
    DeptB,
    Push,
    accepted,
    answer_of,
    applied,
    attached,
    common,
    fault,
    issued,
    members,
    paid,
    request,
)
from tests.mocks.jsonparty import ROOT, compact_now, self_signed, until
from tests.mocks.soapparty import SOAP, sealed_inner, xmlsec1
from tests.mocks.test_fees_mock import GbkTransport

SERIAL = iter(one for one in range(1, 100_000) if one % 5 and one % 7)
CONTRACT = ROOT / "adapters" / "department_b" / "contract"
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
OWN_ITEM = CODE[:-1] + "7"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeptB]:
    program = DeptB(tmp_path_factory.mktemp("department"), own_certificate_items=[OWN_ITEM])
    yield program
    program.close()


@pytest.fixture(autouse=True)
def _disarmed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "office" in request.fixturenames:
        program = request.getfixturevalue("office")
        program.client.delete(program.url + "/admin/faults")
        program.service.answers.clear()
        program.service.only = ""


def new_case() -> str:
    return case_number(next(SERIAL))


def opened(program: DeptB, case: str, fee: str = "0", ends: str = "0", item: str = CODE) -> None:
    assert program.desc("SQ", applied(case, item)) == "200 0"
    assert program.desc("SL", accepted(case, fee, ends, item)) == "200 0"


def walked(program: DeptB, case: str, wanted: str) -> list[Push]:
    """Waits until so many documents came (kinds by blanks), then looks that they are those."""
    kinds = wanted.split()
    until(lambda: len(program.of(case)) >= len(kinds))
    assert [push.kind for push in program.of(case)] == kinds
    return program.of(case)


def settled(program: DeptB, case: str, seconds: float = 0.25) -> int:
    """How many documents came after a silence."""
    time.sleep(seconds)
    return len(program.of(case))


def in_form(program: DeptB, push: Push, case: str, schema: Any) -> dict[str, str]:
    """DATA of a push that follows headers, WSDL, seal and HEAD of the contract."""
    assert push.headers["content-type"] == GBK
    assert push.headers["soapaction"] == f'"{HUB}/{push.operation}"'
    assert push.body.startswith(b'<?xml version="1.0" encoding="GBK"?>')
    call = etree.fromstring(push.body.decode("gb18030").partition("?>")[2]).find(f"{{{SOAP}}}Body")[0]
    assert schema.validate(call)
    assert push.text.startswith('<?xml version="1.0" encoding="GBK"?>')
    assert xmlsec1(push.text.partition("?>")[2].encode(), program.certificate, program.folder) == "OK 1/1"
    head = {node.tag: node.text for node in push.document.find("HEAD")}
    assert head.keys() == {"MSGID", "KIND", "APPID", "TIME"}
    assert head["APPID"] == "DEPTB"
    assert re.fullmatch("[A-Za-z0-9._-]{8,50}", head["MSGID"])
    assert abs(int(compact_now()) - int(head["TIME"])) < 100
    data = push.data()
    assert {name: data[name] for name in common(case)} == common(case) | {"VERSION": "1"}
    assert (data["TYSHXYDM"], data["D_ZZJGDM"]) == (USCC, USCC[8:17])
    assert "null" not in data.values()
    return data


def test_the_documents_follow_contract_and_wsdl(office: DeptB) -> None:
    case = new_case()
    opened(office, case, fee="1", ends="1")
    walked(office, case, "HJ HJ HJ")
    assert settled(office, case) == 3
    assert office.desc("FEE", paid(case)) == "200 0"
    assert settled(office, case) == 3
    assert office.desc("CERT", issued(case)) == "200 0"
    pushes = walked(office, case, "HJ HJ HJ BJ")
    wsdl = etree.parse(CONTRACT / "hub_department_b.wsdl")
    types = wsdl.find(".//{http://www.w3.org/2001/XMLSchema}schema")
    schema = etree.XMLSchema(etree.fromstring(etree.tostring(types)))
    for number, push in enumerate(pushes, start=1):
        data = in_form(office, push, case, schema)
        if number < 4:
            assert (push.operation, data["HJDM"]) == ("PushProcess", f"{number}0")
            assert (data["BZH"], data["JG"], data["HJMC"]) == (
                str(number),
                "1",
                ["承办", "审核", "批准"][number - 1],
            )
            assert TIME.fullmatch(data["BLSJ"])
    last = pushes[3].data()
    assert (pushes[3].operation, last["BJJG"], last["ZZBH"]) == ("PushResult", "0", "粤梅1")
    assert (last["SFJE"], last["ZZMC"], last["ZZYXQ"]) == ("105.00", "许可证", "2031-11-21")
    assert len({push.msg_id for push in pushes}) == 4
    assert len({push.data().get("BLR") for push in pushes[:3]}) == 3


def test_without_certificate_the_fee_alone_is_waited_for(office: DeptB) -> None:
    case, other = new_case(), new_case()
    opened(office, case, fee="1")
    walked(office, case, "HJ HJ HJ")
    assert settled(office, case) == 3
    assert office.desc("CERT", issued(case)) == "500 1005"
    assert office.desc("FEE", paid(case)) == "200 0"
    assert office.desc("FEE", paid(case)) == "500 1005"  # another MSGID, once more
    assert walked(office, case, "HJ HJ HJ BJ")[3].data()["BJJG"] == "6"
    opened(office, other)
    assert walked(office, other, "HJ HJ HJ BJ")[3].data()["BJJG"] == "6"
    assert office.desc("FEE", paid(other)) == "500 1005"  # SFSF was 0


def test_every_seventh_case_is_refused(office: DeptB) -> None:
    opened(office, case := case_number(77), fee="1", ends="1")
    pushes = walked(office, case, "HJ HJ HJ BJ")
    assert [push.data().get("JG") for push in pushes] == ["1", "1", "3", None]
    assert (pushes[3].data()["BJJG"], pushes[3].data().get("ZZBH")) == ("6", None)


def test_every_fifth_case_has_a_special_procedure(office: DeptB) -> None:
    for serial, kind in ((5, "2"), (10, "1")):
        opened(office, case := case_number(serial))
        pushes = walked(office, case, "HJ HJ TS TJ HJ BJ")
        begun, ended = pushes[2].data(), pushes[3].data()
        assert (begun["XH"], begun["ZL"], begun["SXDW"], ended["XH"], ended["JG"]) == (
            "1",
            kind,
            "1",
            "1",
            "1",
        )
        assert TIME.fullmatch(begun["KSSJ"])
        assert TIME.fullmatch(ended["JSSJ"])
        assert begun["MC"] and begun["PZR"] and begun["LY"]
        assert pushes[4].data()["BZH"] == "3"


def test_own_certificates_come_before_the_conclusion(office: DeptB) -> None:
    case = new_case()
    opened(office, case, fee="1", ends="1", item=OWN_ITEM)
    walked(office, case, "HJ HJ HJ")
    assert settled(office, case) == 3
    assert office.desc("CERT", issued(case)) == "500 1005"  # no CERT comes for an own item
    assert office.desc("FEE", paid(case)) == "200 0"
    paper, last = walked(office, case, "HJ HJ HJ ZZ BJ")[3:]
    data, file = paper.data(), base64.b64decode(paper.arguments["base64"], validate=True)
    assert paper.operation == "PushCertificate"
    assert data.keys() == {"CASENO", "ZZBS", "ZZBH", "ZT", "WJMC", "WJDX", "SHA256"}
    assert (data["ZT"], data["WJDX"]) == ("1", str(len(file)))
    assert data["SHA256"] == hashlib.sha256(file).hexdigest()
    assert file.startswith(b"%PDF-")
    assert (last.data()["BJJG"], last.data()["ZZBH"]) == ("0", data["ZZBH"])


def test_zeep_reads_the_wsdl_and_a_query_is_answered(office: DeptB) -> None:
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_external=True)
    client = zeep.Client(f"{office.url}/DeptBService?wsdl", transport=GbkTransport(), settings=settings)
    case = new_case()
    office.desc("SQ", applied(case))
    inner = office.seal(request("CX", members({"CASENO": case})))
    ret = client.service.QueryProcess(case, inner).partition("?>")[2]
    client.transport.session.close()
    assert xmlsec1(ret.encode(), office.certificate, office.folder) == "OK 1/1"
    assert etree.fromstring(ret).findtext("DATA/JD") == "0"
    office.desc("SL", accepted(case, fee="1"))
    walked(office, case, "HJ HJ HJ")
    until(lambda: office.ask("CX", {"CASENO": case}, caseNo=case)["JD"] == "3")
    office.desc("FEE", paid(case))
    walked(office, case, "HJ HJ HJ BJ")
    said = until(lambda: (one := office.ask("CX", {"CASENO": case}, caseNo=case))["JD"] == "4" and one)
    assert list(said) == ["STATUS", "DESC", "CASENO", "JD", "GXSJ"]
    assert (said["STATUS"], said["CASENO"]) == ("200", case)
    assert TIME.fullmatch(said["GXSJ"])
    assert office.desc("CX", {"CASENO": new_case()}, caseNo=case) == "500 1002"
    missing = new_case()
    assert office.desc("CX", {"CASENO": missing}, caseNo=missing) == "500 1004"


def test_a_suspended_case_says_so(office: DeptB) -> None:
    office.arm(operation="PushProcess", fault="delay_ms", value=0)
    case = case_number(15)
    assert office.service is not None
    for _ in range(3):
        office.service.say("200", "0")
    office.service.say("503", "busy")  # TJ waits
    opened(office, case)
    walked(office, case, "HJ HJ TS TJ")
    assert office.ask("CX", {"CASENO": case}, caseNo=case)["JD"] == "9"
    until(lambda: len(office.of(case)) == 7)  # TJ again, HJ, BJ
    assert [push.msg_id for push in office.of(case)].count(office.of(case)[3].msg_id) == 2


def attachment(program: DeptB, case: str, file: bytes, data: dict[str, Any], **more: Any) -> str:
    given = {
        "caseNo": case,
        "materialId": "申请书",
        "fileName": "申请书.pdf",
        "base64": base64.b64encode(file).decode(),
        "md5": "",
    } | more
    return program.desc("FJ", data, **given)


def test_files(office: DeptB) -> None:
    case, file = new_case(), b"%PDF-1.4 invented"
    assert attachment(office, case, file, attached(case, file)) == "500 1005"  # before SQ
    assert office.desc("SQ", applied(case)) == "200 0"
    md5 = hashlib.md5(file).hexdigest()
    for more in ({}, {"md5": md5}, {"md5": md5.upper()}):
        assert attachment(office, case, file, attached(case, file), **more) == "200 0"
    for more in ({"base64": base64.b64encode(b"other").decode()}, {"md5": "0" * 32}):
        assert attachment(office, case, file, attached(case, file), **more) == "500 1006"
    for more in ({"caseNo": new_case()}, {"materialId": "x"}, {"fileName": "x"}, {"base64": "****"}):
        assert attachment(office, case, file, attached(case, file), **more) == "500 1002"
    wrong = attached(case, file, MATERIALID="别的材料")
    assert attachment(office, case, file, wrong, materialId="别的材料") == "500 1002"
    assert attachment(office, case, file, attached(case, file, WJLX=None)) == "500 1001"


def test_large_files_and_large_envelopes(office: DeptB) -> None:
    case, file = new_case(), b"x" * 7_864_320  # 10 MB of base64
    assert office.desc("SQ", applied(case)) == "200 0"
    assert attachment(office, case, file, attached(case, file)) == "200 0"
    inner = office.seal(request("FJ", members(attached(case, file))))
    more = {"caseNo": case, "materialId": "申请书", "fileName": "申请书.pdf", "md5": ""}
    larger = base64.b64encode(file + b"xyz").decode()
    envelope = office.enveloped("ReceiveAttachment", inner, base64=larger, **more)
    envelope = envelope.replace(b"<d:md5></d:md5>", b"").replace(b"<d:xml>", b"<d:md5></d:md5><d:xml>")
    client_fault(office.call(envelope, "ReceiveAttachment"))
    client_fault(office.call(office.enveloped("ReceiveApply", "x" * (4 << 20)), "ReceiveApply"))


def client_fault(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (500, GBK)
    root = etree.fromstring(answer.content.decode("gb18030").partition("?>")[2])
    assert str(root.findtext(".//faultcode")).endswith(":Client")
    assert b"Signature" not in answer.content


def test_an_envelope_outside_the_wsdl_is_a_client_fault(office: DeptB) -> None:
    good = office.enveloped("ReceiveApply", office.seal(request("SQ", members(applied(new_case())))))
    declared = b'<?xml version="1.0" encoding="GBK"?>'
    utf8 = good.replace(declared, b'<?xml version="1.0" encoding="UTF-8"?>')
    for body, kind, action in (
        (good, "text/xml", ""),
        (good, "text/xml; charset=utf-8", ""),
        (good, "application/xml; charset=GBK", ""),
        (good.replace(declared, b""), GBK, ""),
        (utf8, GBK, ""),
        (good, GBK, '"urn:other"'),
        (good, GBK, f'"{DEPT}/QueryProcess"'),
        (good[:-20], GBK, ""),
        (good.replace(b"d:xml>", b"d:more>"), GBK, ""),
        (good.replace("㙓".encode("gb18030"), b"\xff\xff"), GBK, ""),
        (good.replace(b"<s:Body>", b"<s:Body><d:x/>"), GBK, ""),
        (b"", GBK, ""),
        (good.replace(b"ReceiveApply", b"ReceiveOther"), GBK, ""),
    ):
        client_fault(office.call(body, "ReceiveApply", kind, action))
    assert office.said(office.call(good, "ReceiveApply", action=None))["STATUS"] == "200"  # absent is allowed


SEALS: dict[str, Callable[[str], str]] = {
    "changed": lambda inner: inner.replace("新办", "续办"),
    "moved": lambda inner: f"<REQUEST><HEAD/><DATA>{inner.partition('?>')[2]}</DATA></REQUEST>",
    "unsigned": lambda inner: re.sub(r"<ds:Signature .*</ds:Signature>", "", inner, flags=re.DOTALL),
    "digest method": lambda inner: inner.replace("xmlenc#sha256", "xmlenc#sha512"),
    "reference": lambda inner: inner.replace('URI=""', 'URI="#x"'),
    "inclusive C14N": lambda inner: inner.replace("2001/10/xml-exc-c14n#", "TR/2001/REC-xml-c14n-20010315"),
}


@pytest.mark.parametrize("what", SEALS)
def test_a_bad_seal_is_401(office: DeptB, what: str) -> None:
    inner = office.seal(request("SQ", members(applied(new_case()))))
    broken = SEALS[what](inner)
    assert broken != inner
    said = office.said(office.call(office.enveloped("ReceiveApply", broken), "ReceiveApply"))
    assert (said["STATUS"], said["DESC"][:5]) == ("401", "4001:")


def test_the_certificate_and_the_account_are_those_agreed(office: DeptB) -> None:
    key, case = rsa.generate_private_key(65537, 2048), new_case()
    foreign = sealed_inner(
        request("SQ", members(applied(case)), "m-foreign"), (key, self_signed(key, "hub-rsa"))
    )
    for inner in (foreign, office.seal(request("SQ", members(applied(case)), "m-foreign", app="other"))):
        said = office.said(office.call(office.enveloped("ReceiveApply", inner), "ReceiveApply"))
        assert (said["STATUS"], said["DESC"][:5]) == ("401", "4001:")
    assert office.desc("SQ", applied(case), "m-foreign") == "200 0"  # nothing was kept


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda text: text.replace("<SQRMC>", "<SQRMC>&amp;<").replace("</SQRMC>", ">"), "1002"),
        (lambda text: f'<!DOCTYPE REQUEST [<!ENTITY a "b">]>{text}', "1002"),
        (lambda text: text.replace("<HEAD>", "<?a b?><HEAD>"), "1002"),
        (lambda text: "", "1002"),
    ],
)
def test_what_is_not_xml_is_500(office: DeptB, spoil: Callable[[str], str], code: str) -> None:
    text = spoil(request("SQ", members(applied(new_case()))))
    said = office.said(office.call(office.enveloped("ReceiveApply", text), "ReceiveApply"))
    assert (said["STATUS"], said["DESC"][:4]) == ("500", code)


def in_person(**change: Any) -> Callable[[str], dict[str, Any]]:
    return lambda case: applied(case) | {"SPSHENQIN": applied(case)["SPSHENQIN"] | change}


def form(text: str) -> Callable[[str], dict[str, Any]]:
    return in_person(XML_DATA=f"<![CDATA[{text}]]>")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda case: applied(case) | {"SXMC": None}, "1001"),
        (lambda case: applied(case) | {"SXMC": ""}, "1001"),
        (lambda case: applied(case) | {"SXMC": "null"}, "1002"),
        (lambda case: applied(case) | {"MORE": "1"}, "1003"),
        (lambda case: applied(case) | {"SXJBBM": "440107001009"}, "1002"),
        (lambda case: applied(case) | {"XZQHDM": "441403000000"}, "1002"),
        (lambda case: applied(case) | {"VERSION": "0"}, "1002"),
        (lambda case: applied(case) | {"YWLY": "11"}, "1002"),
        (lambda case: applied(case) | {"YWLSH": "x" * 51}, "1002"),
        (lambda case: applied(case[:-1]), "1002"),
        (lambda case: applied(case) | {"SPSHENQIN": None}, "1001"),
        (lambda case: applied(case) | {"SPCAILIAOSHENHE": MATERIALS.replace(">2<", ">4<")}, "1002"),
        (in_person(SQRLX="1"), "1002"),
        (in_person(SQSJ="2026-326 0315:20:07"), "1002"),
        (in_person(SQSJ="2026-11-31 09:30:00"), "1002"),
        (in_person(ZJLX="110"), "1002"),
        (in_person(ZJLX="001", ZJHM=USCC[8:17]), "1002"),
        (in_person(D_ZZJGDM="123456789"), "1003"),
        (in_person(XML_DATA=None), "1001"),
        (form("<FORM><BJMC>a & b</BJMC></FORM>"), "1002"),
        (form(FORM.replace("BJMC", "BJMD")), "1003"),
        (form("<FORM><BJMC>a</BJMC></FORM>"), "1001"),
        (in_person(SQRMC="<B>甲</B>"), "1003"),
        (lambda case: members(applied(case)) + "text", "1002"),
        (lambda case: members(applied(case)) + "<VERSION>1</VERSION>", "1002"),
        (lambda case: members(applied(case)).replace("<SXMC>", '<SXMC a="b">'), "1003"),
    ],
)
def test_every_member_of_an_application_is_checked(office: DeptB, make: Any, code: str) -> None:
    assert office.desc("SQ", make(new_case())) == f"500 {code}"


def test_order_and_empty_members_do_not_matter(office: DeptB) -> None:
    case = new_case()
    turned = dict(reversed(list(applied(case).items()))) | {"BZ": "", "PDH": ""}
    text = re.sub(r"(</\w+>)(<\w)", "\\1\n  \\2", members(turned)).replace("<PDH></PDH>", "<PDH/>")
    assert office.desc("SQ", text) == "200 0"
    organisation = {"SQRLX": "20", "ZJLX": "001", "ZJHM": USCC}
    assert office.desc("SQ", in_person(**organisation)(new_case())) == "200 0"


def test_an_acceptance_is_checked_too(office: DeptB) -> None:
    case = new_case()
    assert office.desc("SL", accepted(case)) == "500 1005"
    assert office.desc("SQ", applied(case)) == "200 0"
    good = accepted(case)["SPSHOULI"]
    for change, code in (
        ({"D_ZZJGDM": "123456789"}, "1002"), ({"TYSHXYDM": USCC[8:17]}, "1002"), ({"TYSHXYDM": None}, "1001"),
        ({"SLJG": "2", "BSLYY": "x"}, "1002"), ({"SFSF": "是"}, "1002"), ({"SFCZ": None}, "1001"),
        ({"BLRGH": "工1"}, "1002"), ({"CXMM": "12345"}, "1002"), ({"FDSXDW": "4"}, "1002"),
    ):  # fmt: skip
        assert office.desc("SL", accepted(case) | {"SPSHOULI": good | change}) == f"500 {code}"
    assert office.desc("SL", accepted(case, item=OWN_ITEM)) == "500 1002"
    assert office.desc("SL", accepted(case)) == "200 0"
    assert office.desc("SL", accepted(case)) == "500 1005"
    assert office.desc("SL", accepted(case) | {"VERSION": 2}) == "200 0"
    walked(office, case, "HJ HJ HJ BJ")


def test_a_document_goes_to_its_own_operation(office: DeptB) -> None:
    case = new_case()
    inner = office.seal(request("CX", members({"CASENO": case})))
    said = office.said(office.call(office.enveloped("ReceiveApply", inner), "ReceiveApply"))
    assert (said["STATUS"], said["DESC"][:4]) == ("500", "1002")
    assert office.desc("FEE", paid(case)) == office.desc("CERT", issued(case)) == "500 1004"


def test_head(office: DeptB) -> None:
    data = members(applied(new_case()))
    for text, code in (
        (request("SQ", data, when="2026-11-22"), "1002"), (request("SQ", data, "short"), "1002"),
        (request("SQ", data, "x" * 51), "1002"), (request("XX", data), "1002"),
        (request("SQ", data).replace("<HEAD>", "<HEAD><MORE>1</MORE>"), "1003"),
        (request("SQ", data).replace("REQUEST>", "ASK>"), "1003"),
    ):  # fmt: skip
        answer = office.call(office.enveloped("ReceiveApply", office.seal(text), cdata=True), "ReceiveApply")
        said = office.said(answer)
        assert (said["STATUS"], said["DESC"][:4]) == ("500", code)


def test_the_same_msgid_gets_the_first_answer(office: DeptB) -> None:
    case, before = new_case(), office.admin("counts")

    def send(text: str) -> str:
        return office.result(office.call(office.enveloped("ReceiveApply", office.seal(text)), "ReceiveApply"))

    data = members(applied(case))
    first = send(request("SQ", data, "m-same-" + case, when="20261122093000"))
    assert send(request("SQ", data, "m-same-" + case, when="20261122093100")) == first
    other = send(request("SQ", data.replace("新办", "续办"), "m-same-" + case))
    assert "<STATUS>409</STATUS><DESC>4009:" in other
    after = office.admin("counts")
    assert after["by_kind"]["received.SQ"] == before["by_kind"]["received.SQ"] + 1
    assert after["repeats"] == before["repeats"] + 1
    early = new_case()
    assert [office.desc("SL", accepted(early), "m-early-1"), office.desc("SQ", applied(early))] == [
        "500 1005",
        "200 0",
    ]
    assert office.desc("SL", accepted(early), "m-early-1") == "500 1005"  # the refusal is kept
    assert office.desc("SL", accepted(early), "m-early-2") == "200 0"


def test_busy_is_not_kept(office: DeptB) -> None:
    office.arm(operation="ReceiveApply", fault="busy")
    case = new_case()
    assert [office.desc("SQ", applied(case), "m-busy-" + case) for _ in range(2)] == ["503 5003", "200 0"]


def test_the_record(office: DeptB) -> None:
    case = new_case()
    inner = office.seal(request("SQ", members(applied(case)), "m-rec-" + case))
    office.call(office.enveloped("ReceiveApply", inner, cdata="]]>" not in inner), "ReceiveApply")
    office.desc("SL", accepted(case))
    pushes = walked(office, case, "HJ HJ HJ BJ")
    until(lambda: office.admin("cases")[case].get("BJ:1", {}).get("state") == "done")
    rows = {row["id"]: row for row in office.admin("record") if row["case"] == case}
    row = rows["m-rec-" + case]
    assert (row["direction"], row["kind"], row["code"], row["accepted"]) == ("received", "SQ", "200", True)
    assert row["sha256"] == hashlib.sha256(inner.encode("gb18030")).hexdigest()
    for push in pushes:
        row = rows[push.msg_id]
        assert (row["direction"], row["kind"], row["accepted"]) == ("sent", push.kind, True)
        assert row["sha256"] == hashlib.sha256(push.text.encode("gb18030")).hexdigest()


def stranger() -> Any:
    key = rsa.generate_private_key(65537, 2048)
    return key, self_signed(key, "hub-rsa")


def unsigned(answer: bytes) -> bytes:
    cut = re.sub(rb"&lt;ds:Signature .*&lt;/ds:Signature&gt;", b"", answer, flags=re.DOTALL)
    assert cut != answer
    return cut


LATER: dict[str, Callable[[DeptB, str], tuple[int, str, bytes]]] = {
    "503": lambda office, name: (200, GBK, answer_of(name, office.service.key, "503", "busy")),
    "http 502": lambda office, name: (502, "text/html", b"x"),
    "fault server": lambda office, name: (500, GBK, fault("Server")),
    "maintenance page": lambda office, name: (200, "text/html", "系统维护".encode()),
    "foreign seal": lambda office, name: (200, GBK, answer_of(name, stranger())),
    "unsigned": lambda office, name: (200, GBK, unsigned(answer_of(name, office.service.key))),
    "other operation": lambda office, name: (200, GBK, answer_of("PushResult", office.service.key)),
    "not gbk": lambda office, name: (200, "text/xml; charset=utf-8", answer_of(name, office.service.key)),
}


@pytest.mark.parametrize("what", LATER)
def test_no_answer_means_the_same_document_again(office: DeptB, what: str) -> None:
    case = office.service.only = new_case()
    office.service.answers.append(lambda name: LATER[what](office, name))
    opened(office, case, fee="1")
    pushes = walked(office, case, "HJ HJ HJ HJ")
    one, two = pushes[:2]
    assert (one.msg_id, one.text) == (two.msg_id, two.text)
    assert 0.15 < two.at - one.at < 2
    assert pushes[2].msg_id != one.msg_id


@pytest.mark.parametrize(
    ("status", "state"), [("500", "refused"), ("409", "refused"), ("401", "stopped"), ("Client", "refused")]
)
def test_a_refusal_ends_the_walk(office: DeptB, status: str, state: str) -> None:
    case = new_case()
    if status == "Client":
        office.service.raw(500, fault("Client"))
    else:
        office.service.say(status)
    opened(office, case, fee="1")
    walked(office, case, "HJ")
    assert settled(office, case, 0.8) == 1
    assert office.admin("cases")[case]["HJ:1"]["state"] == state
    again = office.client.post(office.url + "/admin/resend").json()["again"]
    assert again == (1 if state == "stopped" else 0)
    if again:
        walked(office, case, "HJ HJ HJ HJ")  # our side was put right


def test_after_the_last_repeat_it_is_given_up(office: DeptB) -> None:
    case = new_case()
    for _ in range(3):
        office.service.raw(503, b"")
    opened(office, case, fee="1")
    until(lambda: office.admin("cases")[case]["HJ:1"]["state"] == "given_up")
    assert len(office.of(case)) == 3


def test_faults_of_what_it_sends(office: DeptB) -> None:
    office.arm(operation="PushProcess", fault="reorder", value=0.3)
    opened(office, case := new_case(), fee="1")
    assert [push.data()["BZH"] for push in walked(office, case, "HJ HJ HJ")] == ["2", "3", "1"]
    office.arm(operation="PushProcess", fault="duplicate_push")
    opened(office, case := new_case(), fee="1")
    until(lambda: len(office.of(case)) > 3 == len({push.text for push in office.of(case)}))
    office.arm(operation="PushProcess", fault="drop_before_reply")
    opened(office, case := new_case(), fee="1")
    assert [push.data()["BZH"] for push in walked(office, case, "HJ HJ HJ")] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("null_text", lambda push: push.data().get("YJ") == "null"),
        ("version_gap", lambda push: push.data().get("VERSION") == "3"),
        (
            "bad_date_pattern",
            lambda push: re.fullmatch(r"\d{4}-\d\d-\d{3} \d{4}:\d\d:\d\d", push.data().get("BLSJ", "")),
        ),
        ("schema_new_field", lambda push: push.document.find("DATA/NEW_FIELD") is not None),
    ],
)
def test_wrong_content_is_corrected_under_another_msgid(office: DeptB, name: str, seen: Any) -> None:
    office.arm(operation="PushProcess", fault=name)
    office.service.say("500", "bad_value")
    opened(office, case := new_case(), fee="1")
    until(lambda: len(office.heard) and len([push for push in office.heard if push.document is not None]))
    until(lambda: len(office.of(case)) >= (3 if name == "null_text" else 4))
    first = next(push for push in reversed(office.heard) if push.document is not None and seen(push))
    assert xmlsec1(first.text.partition("?>")[2].encode(), office.certificate, office.folder) == "OK 1/1"
    good = [push for push in office.of(case) if push.msg_id != first.msg_id]
    assert [push.data()["BZH"] for push in good] == ["1", "2", "3"]
    assert not seen(good[0])


@pytest.mark.parametrize("name", ["sig_bad", "truncate_800b", "bom", "wrong_charset_label", "cdata_in_cdata"])
def test_wrong_bytes_are_sent_again_as_they_should_be(office: DeptB, name: str) -> None:
    office.arm(operation="PushProcess", fault=name)
    office.service.say("401") if name == "sig_bad" else office.service.raw(500, fault("Client"))
    count = len(office.heard)
    opened(office, case := new_case(), fee="1")
    until(lambda: len(office.heard) == count + 4)
    bad, good = office.heard[count], office.heard[count + 1]
    assert (bad.body, bad.headers["content-type"]) != (good.body, good.headers["content-type"])
    if name == "sig_bad":
        assert bad.msg_id == good.msg_id
        assert xmlsec1(bad.text.partition("?>")[2].encode(), office.certificate, office.folder).startswith(
            "FAIL"
        )
    if name == "wrong_charset_label":
        assert bad.headers["content-type"] == "text/xml; charset=UTF-8"
    assert [push.data()["BZH"] for push in office.of(case)[-3:]] == ["1", "2", "3"]


def test_faults_of_the_certificate(office: DeptB) -> None:
    office.arm(operation="PushCertificate", fault="missing_attachment")
    opened(office, case := new_case(), ends="1", item=OWN_ITEM)
    until(lambda: [push.kind for push in office.of(case)] == ["HJ", "HJ", "HJ", "ZZ", "BJ"])
    assert office.of(case)[3].arguments["base64"] == ""


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("http500", lambda answer: answer.status_code == 500),
        ("rate_limit", lambda answer: answer.status_code == 429),
        ("maintenance", lambda answer: answer.status_code == 503),
        ("http200_error_body", lambda answer: "text/html" in answer.headers["content-type"]),
        ("truncate_800b", lambda answer: len(answer.content) == 800),
        ("wrong_charset_label", lambda answer: "utf-8" in answer.headers["content-type"]),
        ("null_text", lambda answer: b"STATUS&gt;null" in answer.content),
        ("bom", lambda answer: answer.content[0] == 0xEF),
        ("schema_new_field", lambda answer: b"NEW_FIELD" in answer.content),
        ("cdata_in_cdata", lambda answer: b"&lt;![CDATA[" in answer.content),
        ("sig_bad", lambda answer: answer.status_code == 200),
    ],
)
def test_faults_of_an_answer(office: DeptB, name: str, seen: Any) -> None:
    assert office.arm(operation="ReceiveApply", fault=name).status_code == 200
    case = new_case()
    inner = office.seal(request("SQ", members(applied(case)), "m-f-" + case))
    envelope = office.enveloped("ReceiveApply", inner)
    answer = office.call(envelope, "ReceiveApply")
    assert seen(answer)
    if name == "sig_bad":
        ret = office.result(answer).partition("?>")[2]
        assert xmlsec1(ret.encode(), office.certificate, office.folder).startswith("FAIL")
    assert office.said(office.call(envelope, "ReceiveApply"))["STATUS"] == "200"


def test_a_push_can_come_before_the_answer_it_belongs_to(office: DeptB) -> None:
    case = new_case()
    assert office.desc("SQ", applied(case)) == "200 0"
    office.arm(operation="ReceiveApply", fault="callback_before_reply")
    assert office.desc("SL", accepted(case)) == "200 0"
    assert office.of(case)
    assert office.arm(operation="QueryProcess", fault="callback_before_reply").status_code == 422


def test_nothing_is_lost_or_doubled_when_it_is_killed(tmp_path: Path) -> None:
    program = DeptB(tmp_path, step_seconds=0.1)
    with closing(program):
        cases = [new_case() for _ in range(3)]
        for case in cases:
            opened(program, case)
        for _ in range(2):
            count = len(program.heard)
            until(lambda: len(program.heard) > count)  # noqa: B023  # waits inside the loop
            program.end(signal.SIGKILL)
            program.start()
        until(
            lambda: all(
                len(one) == 4 and one["BJ:1"]["state"] == "done" for one in program.admin("cases").values()
            )
        )
        texts = {push.msg_id: push.text for push in program.heard}
        assert len(texts) == 12
        assert all(texts[push.msg_id] == push.text for push in program.heard)
        counts = program.admin("counts")
        assert (counts["received"], counts["sent"], counts["undelivered"]) == (6, 12, 0)
        code, seconds = program.end()
        assert (code, seconds < 4) == (0, True)  # 2 s on a machine that has nothing else to do
        assert "测试甲" not in (tmp_path / "state" / "department_b.log").read_text("utf-8")
