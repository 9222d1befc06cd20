"""The fee system and its bank against adapters/fees/contract, as a process of its own."""

import base64
import hashlib
import json
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest
import zeep
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from tests.mocks.jsonparty import ACCOUNT, Heard, Program, compact_now, kid_of, self_signed, until
from tests.mocks.soapparty import DS, FEES, SOAP, escaped, sealed_inner, xmlsec1
from tests.mocks.test_catalogue_mock import whole

PATH = "/FeeService"
GBK = "text/xml; charset=GBK"
OK = b'{"code":"0","msg":"success"}'


def start(folder: Path, **own: Any) -> Program:
    usual = {"auto_pay": False, "repeat_seconds": [0.2, 0.4], "monthly_freeze": False}
    return Program("fees", folder, OK, **(usual | own))


@pytest.fixture(scope="module")
def fees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = start(tmp_path_factory.mktemp("fees"))
    yield program
    program.close()


def envelope(operation: str, inner: str, *, cdata: bool = False) -> str:
    text = f"<![CDATA[{inner}]]>" if cdata else escaped(inner)
    return (
        f'<?xml version="1.0" encoding="GBK"?><s:Envelope xmlns:s="{SOAP}"><s:Body>'
        f'<f:{operation} xmlns:f="{FEES}"><f:xml>{text}</f:xml></f:{operation}></s:Body></s:Envelope>'
    )


def post(program: Program, data: bytes, operation: str, kind: str = GBK) -> httpx2.Response:
    headers = {"Content-Type": kind, "SOAPAction": f'"{FEES}/{operation}"'}
    return program.client.post(program.url + PATH, content=data, headers=headers)


def document(body: str, msg_id: str = "", app: str = ACCOUNT) -> str:
    head = f"<MSGID>{msg_id or secrets.token_hex(16)}</MSGID><APPID>{app}</APPID><TIME>{compact_now()}</TIME>"
    return f"<FEE><HEAD>{head}</HEAD>{body}</FEE>"


def send(
    program: Program, operation: str, text: str, *, sign: bool = True, cdata: bool = False
) -> httpx2.Response:
    inner = sealed_inner(text, (program.rsa, program.rsa_certificate)) if sign else text
    return post(program, envelope(operation, inner, cdata=cdata).encode("gb18030"), operation)


def inner_text(answer: httpx2.Response) -> str:
    """`result` of an answer that is GBK in every respect."""
    assert answer.status_code == 200
    assert answer.headers["content-type"] == GBK
    text = answer.content.decode("gb18030")
    assert text.startswith('<?xml version="1.0" encoding="GBK"?>')
    root = etree.fromstring(text.partition("?>")[2])
    return str(root.find(f"{{{SOAP}}}Body")[0].findtext(f"{{{FEES}}}result"))


def said(program: Program, answer: httpx2.Response) -> dict[str, str]:
    """The fields of RET, after xmlsec1 accepted its signature."""
    text = inner_text(answer)
    declaration, _, ret = text.partition("?>")
    assert declaration == '<?xml version="1.0" encoding="GBK"'
    assert xmlsec1(ret.encode(), program.certificate, program.folder) == "OK 1/1"
    root = etree.fromstring(ret)
    assert root.tag == "RET"
    assert root[-1].tag == f"{{{DS}}}Signature"
    assert root[-1].find(f".//{{{DS}}}Reference").get("URI") == ""
    fields = {node.tag: node.text or "" for node in root[:-1]}
    assert ("MSG" in fields) == (fields["CODE"] != "000000")
    return fields


def ask(program: Program, operation: str, body: str, msg_id: str = "") -> dict[str, str]:
    return said(program, send(program, operation, document(body, msg_id)))


def notice_body(amounts: tuple[str, ...] = ("100.00", "5.00"), total: str = "105.00", **fields: str) -> str:
    values = {
        "CASENO": "441400202611220001",
        "UNITNO": "MZ4414001",
        "UNITNAME": "梅州市市场监督管理局",
    } | fields
    items = "".join(
        f"<ITEM><CODE>103043101</CODE><NAME>考试费</NAME><STD>每人每次</STD><QTY>1</QTY><AMOUNT>{amount}</AMOUNT></ITEM>"
        for amount in amounts
    )
    before = "".join(f"<{name}>{values[name]}</{name}>" for name in ("CASENO", "UNITNO", "UNITNAME"))
    payer, due = fields.get("PAYER", "陈㙓𠮷"), fields.get("DUE", "20261205")
    return f"<NOTICE>{before}{items}<PAYER>{payer}</PAYER><TOTAL>{total}</TOTAL><DUE>{due}</DUE></NOTICE>"


def new_notice(program: Program, **fields: str) -> str:
    answer = ask(program, "CreateNotice", notice_body(**fields))
    assert answer["CODE"] == "000000"
    return answer["PAYNOTENO"]


def query(program: Program, number: str) -> dict[str, str]:
    return ask(program, "QueryNotice", f"<QUERY><PAYNOTENO>{number}</PAYNOTENO></QUERY>")


def confirm(program: Program, number: str, case: str = "441400202611220001", msg_id: str = "") -> str:
    body = (
        f"<CONFIRM><PAYNOTENO>{number}</PAYNOTENO><CASENO>{case}</CASENO><WINDOW>3号窗口</WINDOW>"
        f"<CLERK>0017</CLERK><TIME>{compact_now()}</TIME></CONFIRM>"
    )
    return ask(program, "ConfirmPayment", body, msg_id)["CODE"]


def cancel(program: Program, number: str) -> str:
    body = f"<CANCEL><PAYNOTENO>{number}</PAYNOTENO><REASON>申请人撤回</REASON></CANCEL>"
    return ask(program, "CancelNotice", body)["CODE"]


def refund(program: Program, number: str, amount: str) -> dict[str, str]:
    body = f"<REFUND><PAYNOTENO>{number}</PAYNOTENO><AMOUNT>{amount}</AMOUNT><REASON>多缴</REASON></REFUND>"
    return ask(program, "CreateRefund", body)


def pay(program: Program, number: str, **more: str) -> httpx2.Response:
    return program.client.post(program.url + "/admin/pay", json={"payNoteNo": number} | more)


def heard_of(program: Program, number: str) -> list[Heard]:
    return [heard for heard in program.stub.heard if heard.json()["payNoteNo"] == number]


def checked_seal(program: Program, heard: Heard) -> dict[str, Any]:
    """The protected header of a callback, its RS256 signature checked by hand (RFC 7515, RFC 7797)."""
    first, second, third = heard.headers["X-Gov-Signature"].split(".")
    assert second == ""
    value = base64.urlsafe_b64decode(third + "=" * (-len(third) % 4))
    key = program.certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(value, first.encode() + b"." + heard.body, padding.PKCS1v15(), hashes.SHA256())
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    assert header.keys() == {"alg", "b64", "crit", "kid", "iat", "nonce", "method", "path"}
    assert (header["alg"], header["b64"], header["crit"]) == ("RS256", False, ["b64"])
    assert (header["method"], header["path"]) == ("POST", "/fee/paid")
    assert header["kid"] == kid_of(program.certificate)
    return header


class GbkTransport(zeep.Transport):
    """zeep speaks UTF-8 only: this turns its bytes into GBK and back."""

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> Any:
        text = message.decode().partition("?>")[2]
        data = ('<?xml version="1.0" encoding="GBK"?>' + text).encode("gb18030")
        answer = self.session.post(address, data=data, headers=headers | {"Content-Type": GBK}, timeout=10)
        answer._content = answer.content.decode("gb18030").partition("?>")[2].encode()
        answer.headers["Content-Type"] = "text/xml; charset=utf-8"
        return answer


def test_zeep_reads_the_wsdl_and_speaks_with_it(fees: Program) -> None:
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_external=True)
    client = zeep.Client(f"{fees.url}{PATH}?wsdl", transport=GbkTransport(), settings=settings)
    operations = client.wsdl.services["FeeService"].ports["FeePort"].binding._operations
    assert set(operations) == {
        "CreateNotice", "CancelNotice", "QueryNotice", "ConfirmPayment", "CreateRefund", "QueryFeeBasis",
    }  # fmt: skip
    inner = sealed_inner(document(notice_body()), (fees.rsa, fees.rsa_certificate))
    ret = client.service.CreateNotice(inner).partition("?>")[2]
    assert xmlsec1(ret.encode(), fees.certificate, fees.folder) == "OK 1/1"
    assert etree.fromstring(ret).findtext("CODE") == "000000"
    client.transport.session.close()


@pytest.mark.parametrize("cdata", [False, True])
def test_a_notice(fees: Program, cdata: bool) -> None:
    answer = said(
        fees, send(fees, "CreateNotice", document(notice_body(), "m-notice-" + str(cdata)), cdata=cdata)
    )
    assert list(answer) == ["CODE", "MSGID", "CASENO", "PAYNOTENO", "CHKNUM", "ALLNUM"]
    assert (answer["CODE"], answer["MSGID"]) == ("000000", "m-notice-" + str(cdata))
    assert answer["CASENO"] == "441400202611220001"
    lengths = {"PAYNOTENO": 20, "CHKNUM": 4, "ALLNUM": 8}
    for name, length in lengths.items():
        assert re.fullmatch(rf"[0-9]{{{length}}}", answer[name])
    state = query(fees, answer["PAYNOTENO"])
    assert list(state) == ["CODE", "MSGID", "PAYNOTENO", "BILLSTATS", "AMOUNT", "PAYSERIAL"]
    assert (state["BILLSTATS"], state["AMOUNT"], state["PAYSERIAL"]) == ("0", "105.00", "")


def test_characters_outside_gb2312_come_back(fees: Program) -> None:
    for case in ("梅㙓𠮷—№1", "€㐀"):
        assert ask(fees, "CreateNotice", notice_body(CASENO=case))["CASENO"] == case


def test_a_payment_is_told_and_confirmed_once(fees: Program) -> None:
    number = new_notice(fees)
    assert confirm(fees, number) == "900011"  # before the payment
    assert pay(fees, number).status_code == 200
    heard = until(lambda: heard_of(fees, number))[0]
    header = checked_seal(fees, heard)
    assert abs(header["iat"] - time.time()) < 10
    assert heard.headers["Content-Type"] == "application/json"
    paid = heard.json()
    assert list(paid) == [
        "payNoteNo", "paySerial", "amount", "overdueAmount", "payTime", "bankCode", "voucherNo",
    ]  # fmt: skip
    assert (paid["amount"], paid["overdueAmount"]) == ("105.00", "0.00")
    assert 0 < len(paid["paySerial"]) <= 30
    assert re.fullmatch(r"\d{14}", paid["payTime"])
    state = query(fees, number)
    assert (state["BILLSTATS"], state["PAYSERIAL"]) == ("1", paid["paySerial"])
    assert confirm(fees, number, case="other") == "900013"
    assert [confirm(fees, number), confirm(fees, number)] == ["000000", "900011"]
    assert cancel(fees, number) == "900011"
    assert pay(fees, number).status_code == 409


def test_a_cancelled_notice_stays_cancelled(fees: Program) -> None:
    number = new_notice(fees)
    assert [cancel(fees, number), cancel(fees, number)] == ["000000", "900011"]
    assert query(fees, number)["BILLSTATS"] == "2"
    assert pay(fees, number).status_code == 409
    assert confirm(fees, number) == "900011"
    assert heard_of(fees, number) == []


def test_refunds_never_exceed_the_payment(fees: Program) -> None:
    number = new_notice(fees)
    assert refund(fees, number, "105.00")["CODE"] == "900011"
    pay(fees, number)
    first, second = refund(fees, number, "100.00"), refund(fees, number, "5.01")
    assert (first["CODE"], list(first)[-1], second["CODE"]) == ("000000", "RFSERIAL", "900013")
    assert refund(fees, number, "0.00")["CODE"] == "900013"
    third = refund(fees, number, "5.00")
    assert third["CODE"] == "000000"
    assert third["RFSERIAL"] != first["RFSERIAL"]
    assert confirm(fees, number) == "900011"  # nothing is left of the payment


def test_an_unknown_notice(fees: Program) -> None:
    number = "9" * 20
    codes = {
        query(fees, number)["CODE"],
        cancel(fees, number),
        confirm(fees, number),
        refund(fees, number, "1.00")["CODE"],
    }
    assert codes == {"900010"}
    assert pay(fees, number).status_code == 404


def test_fee_basis(fees: Program) -> None:
    def basis(code: str) -> dict[str, str]:
        return ask(fees, "QueryFeeBasis", f"<BASIS><CODE>{code}</CODE></BASIS>")

    answer = basis("103043101")
    assert list(answer) == ["CODE", "MSGID", "STD", "AMOUNT", "BYLAW"]
    assert re.fullmatch(r"\d+\.\d\d", answer["AMOUNT"])
    assert basis("000000000")["CODE"] == "900013"
    changed = {"code": "103043101", "amount": "999.00"}
    assert fees.client.post(fees.url + "/admin/basis", json=changed).status_code == 200
    assert basis("103043101")["AMOUNT"] == "999.00"


def test_fee_codes_of_the_catalogue_are_known(tmp_path: Path, fees: Program) -> None:
    catalogue = Program("catalogue", tmp_path, b"{}")
    try:
        lines = [fee for item in whole(catalogue)[0] for fee in item.iterfind("FEES/FEE")]
        assert lines
        for code in {line.findtext("FEE_CODE") for line in lines} - {"103043101"}:
            known = ask(fees, "QueryFeeBasis", f"<BASIS><CODE>{code}</CODE></BASIS>")
            amounts = {line.findtext("AMOUNT") for line in lines if line.findtext("FEE_CODE") == code}
            assert amounts == {known["AMOUNT"]}
    finally:
        catalogue.close()


def test_the_sum_must_be_the_total(fees: Program) -> None:
    assert ask(fees, "CreateNotice", notice_body(("1.10", "2.20"), "3.30"))["CODE"] == "000000"
    assert ask(fees, "CreateNotice", notice_body(("1.10", "2.20"), "3.31"))["CODE"] == "900012"


NOTICE = notice_body()
WRONG = {
    "no items": notice_body((), "0.00"),
    "unit too long": notice_body(UNITNO="1" * 21),
    "no payer": notice_body(PAYER=""),
    "due": notice_body(DUE="20261301"),
    "amount": notice_body(("105.0",)),
    "total": notice_body(("105.00",), "105"),
    "negative": notice_body(("-105.00",), "-105.00"),
    "quantity": NOTICE.replace("<QTY>1</QTY>", "<QTY>1.5</QTY>"),
    "unknown member": NOTICE.replace("</NOTICE>", "<MORE>1</MORE></NOTICE>"),
    "missing member": NOTICE.replace("<UNITNO>MZ4414001</UNITNO>", ""),
    "nested": NOTICE.replace("考试费", "<B>考试费</B>"),
    "another body": "<QUERY><PAYNOTENO>1</PAYNOTENO></QUERY>",
    "two bodies": NOTICE + NOTICE,
    "order": NOTICE.replace("<UNITNO>MZ4414001</UNITNO>", "").replace(
        "<PAYER>", "<UNITNO>MZ4414001</UNITNO><PAYER>"
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_field(fees: Program, what: str) -> None:
    answer = ask(fees, "CreateNotice", WRONG[what])
    assert answer["CODE"] == "900013"


def test_a_wrong_head(fees: Program) -> None:
    texts = [
        document(NOTICE, app="other"),
        document(NOTICE, msg_id="x" * 51),
        document(NOTICE).replace("<TIME>2", "<TIME>x"),
        document(NOTICE).replace("<HEAD>", "<HEAD><MORE/>"),
        document(NOTICE).replace("FEE>", "FEES>"),
    ]
    assert [said(fees, send(fees, "CreateNotice", text))["CODE"] for text in texts] == ["900013"] * 5


def test_the_same_msgid_gets_the_first_answer(fees: Program) -> None:
    before = fees.admin("counts")
    text = document(NOTICE, "m-repeat")
    first, second = inner_text(send(fees, "CreateNotice", text)), inner_text(send(fees, "CreateNotice", text))
    assert first == second
    other = send(fees, "CreateNotice", text.replace("105.00", "105.01").replace("5.00<", "5.01<", 1))
    assert said(fees, other)["CODE"] == "900002"
    after = fees.admin("counts")
    assert after["by_kind"]["received.CreateNotice"] == before["by_kind"].get("received.CreateNotice", 0) + 1
    assert (after["repeats"], after["refused"]) == (before["repeats"] + 1, before["refused"] + 1)


def test_a_refusal_is_kept_under_its_msgid(fees: Program) -> None:
    number = new_notice(fees)
    now = compact_now()
    text = document(
        f"<CONFIRM><PAYNOTENO>{number}</PAYNOTENO><CASENO>441400202611220001</CASENO><WINDOW>3</WINDOW>"
        f"<CLERK>1</CLERK><TIME>{now}</TIME></CONFIRM>",
        "m-early",
    )
    assert said(fees, send(fees, "ConfirmPayment", text))["CODE"] == "900011"
    pay(fees, number)
    assert said(fees, send(fees, "ConfirmPayment", text))["CODE"] == "900011"
    assert confirm(fees, number) == "000000"


@pytest.mark.parametrize(("fault", "code"), [("freeze", "900020"), ("busy", "900099")])
def test_try_later_is_not_kept(fees: Program, fault: str, code: str) -> None:
    text = document(NOTICE, "m-" + fault)
    fees.arm(operation="CreateNotice", fault=fault)
    assert said(fees, send(fees, "CreateNotice", text))["CODE"] == code
    assert said(fees, send(fees, "CreateNotice", text))["CODE"] == "000000"


def moved(inner: str) -> str:
    """The signed document inside another one: the signature is no longer the root's."""
    signed = inner.partition("?>")[2]
    return f"<FEE><HEAD><MSGID>evil</MSGID></HEAD><OLD>{signed}</OLD></FEE>"


def signature_first(inner: str) -> str:
    root = etree.fromstring(inner.partition("?>")[2])
    root.insert(0, root[-1])
    return etree.tostring(root, encoding="unicode")


def twice(inner: str) -> str:
    root = etree.fromstring(inner.partition("?>")[2])
    root.append(etree.fromstring(etree.tostring(root[-1])))
    return etree.tostring(root, encoding="unicode")


SEALS: dict[str, Callable[[str], str]] = {
    "changed": lambda inner: inner.replace("105.00", "105.01"),
    "moved": moved,
    "first": signature_first,
    "twice": twice,
    "unsigned": lambda inner: re.sub(r"<ds:Signature .*</ds:Signature>", "", inner, flags=re.DOTALL),
    "digest method": lambda inner: inner.replace("xmlenc#sha256", "xmlenc#sha512"),
    "reference": lambda inner: inner.replace('URI=""', 'URI="#x"'),
    "doctype": lambda inner: inner.replace("?>", '?><!DOCTYPE FEE [<!ENTITY a "b">]>', 1),
    "instruction": lambda inner: inner.replace("<HEAD>", "<?a b?><HEAD>"),
    "not XML": lambda inner: inner[:-10],
    "empty": lambda inner: "",
}


@pytest.mark.parametrize("what", SEALS)
def test_a_bad_seal_gets_a_signed_900001(fees: Program, what: str) -> None:
    inner = sealed_inner(document(NOTICE), (fees.rsa, fees.rsa_certificate))
    broken = SEALS[what](inner)
    assert broken != inner
    assert said(fees, send(fees, "CreateNotice", broken, sign=False))["CODE"] == "900001"


def test_another_certificate_gets_900001(fees: Program) -> None:
    key = rsa.generate_private_key(65537, 2048)
    inner = sealed_inner(document(NOTICE), (key, self_signed(key, "hub-rsa")))
    assert said(fees, send(fees, "CreateNotice", inner, sign=False))["CODE"] == "900001"
    forged = sealed_inner(document(NOTICE), (key, fees.rsa_certificate))  # the known certificate, another key
    assert said(fees, send(fees, "CreateNotice", forged, sign=False))["CODE"] == "900001"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda text: b"", GBK),
        (lambda text: b"<a>", GBK),
        (lambda text: text.encode("utf-8"), GBK),  # unreadable as GBK, or not the text signed
        (lambda text: text.encode("gb18030"), "text/xml; charset=utf-8"),
        (lambda text: text.encode("gb18030"), "text/xml"),
        (lambda text: text.replace('encoding="GBK"', 'encoding="UTF-8"', 1).encode("gb18030"), GBK),
        (lambda text: text.partition("?>")[2].encode("gb18030"), GBK),
        (lambda text: text.encode("gb18030"), "application/json; charset=GBK"),
        (lambda text: text.replace("?>", "?><!DOCTYPE a>", 1).encode("gb18030"), GBK),
        (lambda text: text.replace("CreateNotice", "Unknown").encode("gb18030"), GBK),
        (lambda text: text.replace("CreateNotice", "QueryNotice").encode("gb18030"), GBK),
        (lambda text: text.replace("</s:Body>", "<a/></s:Body>").encode("gb18030"), GBK),
        (lambda text: text.replace("<f:xml>", "<f:xml><a/>").encode("gb18030"), GBK),
        (lambda text: text.encode("gb18030") + b"\x81", GBK),
    ],
)  # fmt: skip
def test_what_is_no_call_gets_a_fault(fees: Program, change: Callable[[str], bytes], kind: str) -> None:
    inner = sealed_inner(document(NOTICE), (fees.rsa, fees.rsa_certificate))
    answer = post(fees, change(envelope("CreateNotice", inner)), "CreateNotice", kind)
    text = answer.content.decode("gb18030")
    if answer.status_code == 200:  # UTF-8 bytes that happen to be GBK too: the text is not the one signed
        assert said(fees, answer)["CODE"] == "900001"
        return
    assert answer.status_code == 500
    fault = etree.fromstring(text.partition("?>")[2]).find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault")
    assert fault.findtext("faultcode").endswith(":Client")
    assert fault.findtext("faultstring")


def test_the_hub_is_told_again_until_it_answers(fees: Program) -> None:
    number = new_notice(fees)
    fees.stub.answers[:] = [(500, "sealed"), (200, "unsealed"), (503, "sealed")]
    pay(fees, number)
    heard = until(lambda: heard if len(heard := heard_of(fees, number)) == 4 else None)
    assert len({call.body for call in heard}) == 1  # the same paySerial …
    assert len({checked_seal(fees, call)["nonce"] for call in heard}) == 4  # … freshly sealed
    waits = [after.at - before.at for before, after in pairwise(heard)]
    assert [wait >= least for wait, least in zip(waits, (0.2, 0.4, 0.4), strict=True)] == [True] * 3
    time.sleep(0.6)
    assert len(heard_of(fees, number)) == 4


def test_faults_of_the_callback(fees: Program) -> None:
    number = new_notice(fees)
    fees.arm(operation="paid", fault="duplicate_push", value=2)
    pay(fees, number)
    heard = until(lambda: heard if len(heard := heard_of(fees, number)) == 3 else None)
    assert len({call.json()["paySerial"] for call in heard}) == 1
    number = new_notice(fees)
    fees.arm(operation="paid", fault="sig_expired")
    pay(fees, number)
    first = until(lambda: heard_of(fees, number))[0]
    assert checked_seal(fees, first)["iat"] < time.time() - 300


def test_the_callback_may_come_before_the_answer(fees: Program) -> None:
    fees.arm(operation="CreateNotice", fault="callback_before_reply")
    number = new_notice(fees)
    assert len(heard_of(fees, number)) == 1
    assert query(fees, number)["BILLSTATS"] == "1"


def test_an_overdue_surcharge_is_told(fees: Program) -> None:
    number = new_notice(fees)
    assert pay(fees, number, overdueAmount="1.5").status_code == 422
    pay(fees, number, overdueAmount="1.50")
    assert until(lambda: heard_of(fees, number))[0].json()["overdueAmount"] == "1.50"


def test_faults_of_the_answer(fees: Program) -> None:
    def call() -> httpx2.Response:
        return send(fees, "QueryFeeBasis", document("<BASIS><CODE>103043201</CODE></BASIS>"))

    fees.arm(operation="QueryFeeBasis", fault="sig_bad")
    ret = inner_text(call()).partition("?>")[2]
    assert xmlsec1(ret.encode(), fees.certificate, fees.folder).startswith("FAIL")
    fees.arm(operation="QueryFeeBasis", fault="null_text")
    assert said_of_null(inner_text(call())) == {"STD": "null", "AMOUNT": "null", "BYLAW": "null"}
    fees.arm(operation="QueryFeeBasis", fault="truncate_800b")
    assert len(call().content) == 800
    fees.arm(operation="QueryFeeBasis", fault="wrong_charset_label")
    assert call().headers["content-type"] == "text/xml; charset=utf-8"
    fees.arm(operation="QueryFeeBasis", fault="http500")
    assert call().status_code == 500
    assert fees.arm(operation="QueryFeeBasis", fault="sig_expired").status_code == 422  # its seal has no time


def said_of_null(text: str) -> dict[str, str]:
    root = etree.fromstring(text.partition("?>")[2])
    return {name: root.findtext(name) for name in ("STD", "AMOUNT", "BYLAW")}


def test_a_dropped_answer_left_its_work(fees: Program) -> None:
    text = document(NOTICE, "m-dropped")
    before = len(fees.admin("notices"))
    fees.arm(operation="CreateNotice", fault="drop_before_reply")
    with pytest.raises(httpx2.TransportError):
        send(fees, "CreateNotice", text)
    assert len(fees.admin("notices")) == before + 1
    number = said(fees, send(fees, "CreateNotice", text))["PAYNOTENO"]
    assert fees.admin("notices")[-1]["payNoteNo"] == number
    assert len(fees.admin("notices")) == before + 1


def test_the_bank_pays_by_itself_and_kill_9_loses_nothing(tmp_path: Path) -> None:
    program = start(tmp_path, auto_pay=True, pay_delay_ms=1500)
    try:
        inner = sealed_inner(document(NOTICE, "m-kill"), (program.rsa, program.rsa_certificate))
        data = envelope("CreateNotice", inner).encode("gb18030")
        first = post(program, data, "CreateNotice")
        number = said(program, first)["PAYNOTENO"]
        record = program.admin("record")
        assert [(line["kind"], line["id"], line["case"]) for line in record] == [
            ("CreateNotice", "m-kill", "441400202611220001")
        ]
        assert record[0]["sha256"] == hashlib.sha256(inner.encode("gb18030")).hexdigest()
        assert program.stub.heard == []
        program.end(signal.SIGKILL)
        program.start()
        assert program.admin("record") == record
        assert inner_text(post(program, data, "CreateNotice")) == inner_text(first)
        heard = until(lambda: heard_of(program, number))
        assert query(program, number)["BILLSTATS"] == "1"
        until(lambda: program.admin("counts")["sent"] == 1)
        sent = [line for line in program.admin("record") if line["direction"] == "sent"]
        assert [(line["kind"], line["id"]) for line in sent] == [("paid", heard[0].json()["paySerial"])]
        code, seconds = program.end(signal.SIGTERM)
        assert (code, seconds < 2) == (0, True)
        program.start()
        time.sleep(0.7)
        assert len(heard_of(program, number)) == 1  # told once, not again after the restart
    finally:
        program.close()


def test_the_bank_can_be_switched_off_and_on(tmp_path: Path) -> None:
    program = start(tmp_path, auto_pay=True, pay_delay_ms=100)
    try:
        switch = program.client.post(program.url + "/admin/autopay", json={"on": False})
        assert switch.json() == {"on": False}
        number = new_notice(program)
        time.sleep(0.9)
        assert query(program, number)["BILLSTATS"] == "0"
        program.client.post(program.url + "/admin/autopay", json={"on": True})
        assert until(lambda: heard_of(program, number))
    finally:
        program.close()
