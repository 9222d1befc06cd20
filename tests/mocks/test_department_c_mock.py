"""Department C against adapters/department_c/contract and docs/wire.md, as a process of its own."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx2
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.mocks.amqpparty import case_number
from tests.mocks.jsonparty import (
    ACCOUNT,
    SECRET,
    Heard,
    Identity,
    Program,
    checked_header,
    compact_now,
    until,
)

KEY = "00112233445566778899aabbccddeeff"
USCC = "11441400XX0023309F"
ITEM = f"{USCC}-4-440125105000"
GOOD = b'{"status":"200","msg":"","data":{}}'
BASIC, PROC, FILE, NOTICE = "receiveBasicInfo", "receiveProcInfo", "receiveAttachment", "receiveNoticeInfo"
ROOTS = {
    BASIC: "EA_JC_STEP_BASICINFO", PROC: "EA_JC_STEP_PROC", FILE: "EA_JC_FILE", NOTICE: "EA_JC_NOTICE"
}  # fmt: skip
WHEN = "2026-11-22 09:30:00"
OWN: dict[str, Any] = {
    "uscc": USCC, "department_name": "示范局", "cipher_key": KEY, "step_seconds": 0.03, "extend_every": 11,
    "repeat_seconds": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
}  # fmt: skip
SERIAL = iter(one for one in range(1, 100_000) if one % 5 and one % 7 and one % 11)
Members = dict[str, Any]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Office"]:
    program = Office(tmp_path_factory.mktemp("department"))
    yield program
    program.close()


@pytest.fixture
def office(shared: "Office") -> Iterator["Office"]:
    yield shared
    shared.client.delete(f"{shared.url}/admin/faults")
    shared.stub.answers.clear()


@pytest.fixture
def quiet(office: "Office") -> "Office":
    """The shared department once it has nothing left to send."""

    def silent() -> bool:
        count = len(office.stub.heard)
        time.sleep(0.15)
        return len(office.stub.heard) == count

    until(silent)
    return office


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    """Starts a department of its own with other keys."""
    programs: list[Office] = []

    def make(**own: Any) -> Office:
        programs.append(Office(tmp_path, **own))
        return programs[-1]

    yield make
    for program in programs:
        program.close()


def padded(data: bytes) -> bytes:
    count = 16 - len(data) % 16
    return data + bytes([count]) * count


def encrypted(plain: bytes, key: str = KEY, *, pad: bool = True) -> str:
    """GB/T 32907 in CBC, as contract.md 1 says it."""
    iv = os.urandom(16)
    cipher = Cipher(algorithms.SM4(bytes.fromhex(key)), modes.CBC(iv)).encryptor()
    return base64.b64encode(iv + cipher.update(padded(plain) if pad else plain)).decode()


def decrypted(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    plain = Cipher(algorithms.SM4(bytes.fromhex(KEY)), modes.CBC(raw[:16])).decryptor().update(raw[16:])
    count = plain[-1]
    assert plain[-count:] == bytes([count]) * count
    assert 1 <= count <= 16
    return plain[:-count]


def xml(root: str, members: Members) -> bytes:
    top = ElementTree.Element(root)
    for name, value in members.items():
        node = ElementTree.SubElement(top, name)
        if isinstance(value, list):
            for one in value:
                material = ElementTree.SubElement(node, "MATERIAL")
                for key, text in one.items():
                    ElementTree.SubElement(material, key).text = text
        else:
            node.text = str(value)
    return ElementTree.tostring(top, encoding="utf-8")


class Office(Program):
    """The department, its token, and what it sent by case."""

    def __init__(self, folder: Path, **own: Any) -> None:
        super().__init__("department_c", folder, GOOD, **OWN | own)
        self.ticket = ""

    def token(self, **wrong: str) -> Any:
        now = wrong.get("time", compact_now())
        appid = wrong.get("appid", ACCOUNT)
        digest = wrong.get("digest", hashlib.sha256(f"{appid}{now}{SECRET}".encode()).hexdigest())
        return self.checked(self.send("GET", f"/token?appid={appid}&time={now}&digest={digest}"))

    def say(self, operation: str, body: bytes, **more: Any) -> httpx2.Response:
        self.ticket = self.ticket or self.token()["data"]["token"]
        headers = {"token": self.ticket} | more.pop("headers", {})
        return self.send("POST", f"/{operation}", body, headers=headers, **more)

    def give(self, operation: str, members: Members, **more: Any) -> Any:
        """The answer to one document, encrypted and sealed."""
        body = json.dumps({"xmlStr": encrypted(xml(ROOTS[operation], members))}).encode()
        answer = self.say(operation, body, **more)
        assert answer.status_code == 200
        said = self.checked(answer)
        assert set(said) == {"status", "msg", "data"}
        return said

    def status(self, operation: str, members: Members) -> str:
        return str(self.give(operation, members)["status"])

    def accept(self, case: str, **more: Any) -> None:
        assert self.give(BASIC, applied(case))["status"] == "200"
        assert self.give(PROC, accepted(case, **more))["status"] == "200"

    def sent(self, case: str) -> list[tuple[Heard, str, Members]]:
        """Call, root and members of every document about a case."""
        found = []
        for heard in list(self.stub.heard):
            try:
                root = ElementTree.fromstring(decrypted(heard.json()["xmlStr"]))
            except (ValueError, AssertionError, ElementTree.ParseError):
                continue
            members = {node.tag: node.text or "" for node in root}
            if members.get("ORGBUSNO") == f"44{case}":
                found.append((heard, root.tag, members))
        return found

    def ways(self, case: str) -> list[str]:
        """Root and number of each document in the order sent."""
        return [root[11:] + said.get("SN", "") for _, root, said in self.sent(case)]

    def rows(self, case: str, direction: str = "sent") -> list[dict[str, Any]]:
        return [row for row in self.admin("record") if row["case"] == case and row["direction"] == direction]


def head(case: str, version: int = 1) -> Members:
    return {
        "ORGBUSNO": f"44{case}",
        "PROJID": "H1",
        "ITEMCODE": ITEM,
        "REGIONID": "441403000000",
        "DATAVER": version,
    }


def applied(case: str, version: int = 1) -> Members:
    return head(case, version) | {
        "ITEMNAME": "食品经营许可", "PROJECTNAME": "新办", "APPLYTYPE": "2", "APPLYNAME": "测试甲",
        "APPLYCARDTYPE": "111", "APPLYCARDNO": "441499199001011234", "LINKMAN": "测试甲",
        "LINKPHONE": "13800138000", "APPLYFROM": "1", "APPLYTIME": WHEN, "SITEID": "441403000000",
        "MATERIALS": [{"MNAME": "申请书", "MCOUNT": "1", "TAKETYPE": "2"}],
    }  # fmt: skip


def accepted(case: str, *, fee: int = 0, certificate: int = 0, version: int = 1) -> Members:
    return head(case, version) | {
        "NODETYPE": "1", "SN": "0", "ORGNAME": "示范局", "ORGCODE": USCC, "USERNAME": "窗口", "USERID": "W1",
        "NODERESULT": "4", "ACCEPTDATE": WHEN, "QUERYPWD": "123456", "PROMISELIMIT": "5", "PROMISEUNIT": "2",
        "APPLYFROM": "1", "ISFEE": fee, "ISCERT": certificate,
    }  # fmt: skip


def paid(case: str) -> Members:
    return {
        "ORGBUSNO": f"44{case}", "DATAVER": 1, "NOTICETYPE": "1", "PAYNOTENO": "PN-1", "FEE": "10500",
        "PAYTIME": WHEN,
    }  # fmt: skip


def issued(case: str) -> Members:
    return {
        "ORGBUSNO": f"44{case}", "DATAVER": 1, "NOTICETYPE": "2", "CERTID": "1.2.156.1", "CERTNO": "JY1",
        "CERTNAME": "食品经营许可证", "CERTLIMIT": "2031-11-21",
    }  # fmt: skip


def file(case: str, content: bytes = b"%PDF-1.7 invented") -> Members:
    return head(case) | {
        "ATTRNAME": "申请书", "FILENAME": "a.pdf", "FILETYPE": "application/pdf",
        "SHA256": hashlib.sha256(content).hexdigest(), "CONTENT": base64.b64encode(content).decode(),
        "UPLOADTIME": WHEN,
    }  # fmt: skip


def new_case() -> str:
    return case_number(next(SERIAL))


def test_a_case_without_fee_and_certificate_walks_to_its_conclusion(office: Office) -> None:
    case = new_case()
    office.accept(case)
    until(lambda: len(office.sent(case)) == 4)
    sent = office.sent(case)
    assert [heard.path for heard, _, _ in sent] == ["/department_c/receiveProcInfo"] * 3 + [
        "/department_c/receiveDoneInfo"
    ]
    steps = [(said["NODETYPE"], said["SN"], said["NODERESULT"]) for _, root, said in sent[:3]]
    assert steps == [("2", "1", "1"), ("3", "2", "1"), ("4", "3", "1")]
    done = sent[3][2]
    assert done["DONERESULT"] == "7"
    assert done["ORGCODE"] == USCC
    assert done["ITEMCODE"] == ITEM
    assert "FEE" not in done
    times = [said.get("NODETIME") or said["DONETIME"] for _, _, said in sent]
    assert times == sorted(times)
    for heard, _, _ in sent:
        assert set(heard.json()) == {"xmlStr"}
        header = checked_header(heard.headers["X-Gov-Signature"], heard.body, office.certificate)
        assert (header["method"], header["path"]) == ("POST", heard.path)
    until(lambda: all(row["accepted"] for row in office.rows(case)))
    names = [row["id"] for row in office.rows(case)]
    assert names == [f"P-44{case}-1-1", f"P-44{case}-2-1", f"P-44{case}-3-1", f"D-44{case}-1"]
    assert [row["sha256"] for row in office.rows(case)] == [
        hashlib.sha256(heard.body).hexdigest() for heard, _, _ in sent
    ]


def test_every_fifth_case_has_a_special_procedure_in_milliseconds(office: Office) -> None:
    case = case_number(10)  # an even one: the clock stops
    office.accept(case)
    until(lambda: "DONE" in office.ways(case))
    assert office.ways(case) == ["PROC1", "PROC2", "SPECIALNODE1", "SPECIALNODE1", "PROC3", "DONE"]
    begin, end = (said for _, root, said in office.sent(case) if root == "EA_JC_STEP_SPECIALNODE")
    assert (begin["SPECIALNODETYPE"], end["SPECIALNODETYPE"]) == ("0", "1")
    assert begin["SPECIALTYPE"] == "2"
    assert {"SPECIALNAME", "APPROVER", "REASON"} <= begin.keys()
    assert end["SPECIALRESULT"] == "1"
    for said in (begin, end):
        assert len(said["SPECIALTIME"]) == 13
        assert abs(int(said["SPECIALTIME"]) / 1000 - time.time()) < 30
    kinds = [(row["kind"], row["id"]) for row in office.rows(case)]
    assert ("EA_JC_STEP_SPECIALNODE", f"S-44{case}-1-0-1") in kinds
    assert ("EA_JC_STEP_SPECIALNODE", f"S-44{case}-1-1-1") in kinds


def test_an_extension_follows_where_it_is_asked_for(office: Office) -> None:
    case = case_number(55)
    office.accept(case)
    until(lambda: "DONE" in office.ways(case))
    said = [said for _, root, said in office.sent(case) if root == "EA_JC_STEP_SPECIALNODE"]
    assert [(one["SN"], one["SPECIALNODETYPE"], one.get("SPECIALTYPE")) for one in said] == [
        ("1", "0", "2"), ("1", "1", None), ("2", "0", "1"), ("2", "1", None)
    ]  # fmt: skip
    assert {"LIMIT", "LIMITUNIT"} <= said[2].keys()


def test_every_seventh_case_is_refused_at_once_whatever_it_waits_for(office: Office) -> None:
    case = case_number(14)
    office.accept(case, fee=1, certificate=1)
    until(lambda: "DONE" in office.ways(case))
    said = {root + said.get("SN", ""): said for _, root, said in office.sent(case)}
    assert said["EA_JC_STEP_PROC3"]["NODERESULT"] == "3"
    assert said["EA_JC_STEP_DONE"]["DONERESULT"] == "1"
    assert said["EA_JC_STEP_DONE"]["EXITRES"]


def test_fee_and_certificate_are_waited_for_and_named_in_the_conclusion(office: Office) -> None:
    case = new_case()
    office.accept(case, fee=1, certificate=1)
    until(lambda: len(office.sent(case)) == 3)
    assert office.status(NOTICE, paid(case)) == "200"
    time.sleep(0.3)
    assert len(office.sent(case)) == 3
    assert office.status(NOTICE, issued(case)) == "200"
    until(lambda: len(office.sent(case)) == 4)
    done = office.sent(case)[3][2]
    wanted = {"DONERESULT": "0", "CERTIFICATENO": "JY1", "FEE": "10500", "CERTIFICATELIMIT": "2031-11-21"}
    assert wanted.items() <= done.items()
    names = [row["id"] for row in office.rows(case, "received")]
    assert names == [
        f"B-44{case}-1", f"P-44{case}-0-1", f"N-44{case}-1-PN-1-1", f"N-44{case}-2-1.2.156.1-1"
    ]  # fmt: skip


def test_openssl_understands_the_cipher_both_ways(office: Office) -> None:
    case = new_case()

    def sm4(how: str, iv: bytes, data: bytes) -> bytes:
        command = ["openssl", "enc", how, "-sm4-cbc", "-K", KEY, "-iv", iv.hex()]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout

    iv = os.urandom(16)
    text = base64.b64encode(iv + sm4("-e", iv, xml(ROOTS[BASIC], applied(case)))).decode()
    assert office.checked(office.say(BASIC, json.dumps({"xmlStr": text}).encode()))["status"] == "200"
    assert office.status(PROC, accepted(case)) == "200"
    until(lambda: office.sent(case))
    raw = base64.b64decode(office.sent(case)[0][0].json()["xmlStr"])
    assert ElementTree.fromstring(sm4("-d", raw[:16], raw[16:])).tag == "EA_JC_STEP_PROC"


def test_tokens(office: Office) -> None:
    said = office.token()
    assert said["status"] == "200"
    assert set(said["data"]) == {"token", "expires"}
    assert compact_now(7100) < said["data"]["expires"] <= compact_now(7200)
    assert office.token(digest="0" * 64) == {"status": "403", "msg": "appid or digest", "data": {}}
    assert office.token(appid="someone")["status"] == "403"
    assert office.token(time=compact_now(-400))["status"] == "403"
    body = json.dumps({"xmlStr": encrypted(xml(ROOTS[BASIC], applied(new_case())))}).encode()
    for wrong in ("", "0" * 48):
        answer = office.say(BASIC, body, headers={"token": wrong})
        assert (answer.status_code, office.checked(answer)["status"]) == (200, "401")


def test_seals_are_looked_at_before_anything_else_and_http_is_200(office: Office) -> None:
    body = json.dumps({"xmlStr": encrypted(xml(ROOTS[BASIC], applied(new_case())))}).encode()
    stranger = Identity("stranger").seal(body, method="POST", path=f"/{BASIC}")
    stale = office.hub.seal(body, method="POST", path=f"/{BASIC}", iat=int(time.time()) - 400)
    other = office.hub.seal(body, method="POST", path=f"/{PROC}")
    used = office.hub.seal(body, method="POST", path=f"/{BASIC}")
    assert office.checked(office.say(BASIC, body, seal=used))["status"] == "200"
    for seal in (None, "rubbish", stranger, stale, other, used):
        answer = office.say(BASIC, body, seal=seal)
        assert answer.status_code == 200
        assert office.checked(answer)["status"] == "403"
    unreadable = office.say(BASIC, body, seal=None)
    header = checked_header(unreadable.headers["X-Gov-Signature"], unreadable.content, office.certificate)
    assert header["req"] == ""


def test_what_cannot_be_decrypted_is_403(office: Office) -> None:
    plain = xml(ROOTS[BASIC], applied(new_case()))
    bad = [
        encrypted(plain, "0" * 32), encrypted(plain)[:-4], encrypted(plain) + "\n", encrypted(b"<a><b></a>"),
        encrypted(padded(plain)[:-1] + b"\x00", pad=False), encrypted(b""),
        encrypted(plain).rstrip("=") + "*",
        encrypted("<EA_JC_STEP_BASICINFO>食品经营许可</EA_JC_STEP_BASICINFO>".encode("gb18030")),
    ]  # fmt: skip
    for text in bad:
        answer = office.say(BASIC, json.dumps({"xmlStr": text}).encode())
        assert (answer.status_code, office.checked(answer)["status"]) == (200, "403"), text[-20:]


DOCUMENTS: dict[str, bytes] = {
    "doctype": b'<!DOCTYPE a [<!ENTITY b "c">]>' + xml(ROOTS[BASIC], applied(case_number(1))),
    "declared as GBK": b'<?xml version="1.0" encoding="GBK"?>' + xml(ROOTS[BASIC], {}),
    "attribute": xml(ROOTS[BASIC], applied(case_number(1))).replace(b"<PROJID>", b'<PROJID a="b">'),
    "namespace": xml(ROOTS[BASIC], {}).replace(b"BASICINFO", b'BASICINFO xmlns="urn:a"', 1),
    "another root": xml(ROOTS[PROC], applied(case_number(1))),
    "member twice": xml(ROOTS[BASIC], applied(case_number(1))).replace(b"<PROJ", b"<MEMO/><MEMO/><PROJ"),
    "text between": xml(ROOTS[BASIC], applied(case_number(1))).replace(b"<PROJID>", b"a<PROJID>"),
    "too deep": b"<a>" * 50 + b"</a>" * 50,
}  # fmt: skip


@pytest.mark.parametrize("plain", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_a_document_outside_the_contract_is_refused(office: Office, plain: bytes) -> None:
    received = office.admin("counts")["received"]
    answer = office.say(BASIC, json.dumps({"xmlStr": encrypted(plain)}).encode())
    assert (answer.status_code, office.checked(answer)["status"]) == (200, "500")
    assert office.admin("counts")["received"] == received


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("APPLYTYPE", "3"), ("APPLYCARDTYPE", "112"), ("APPLYTIME", "2026-11-22T09:30:00"),
        ("APPLYTIME", "2026-02-30 09:30:00"), ("ITEMCODE", ITEM.replace("-", "")), ("REGIONID", "441403"),
        ("PROJECTNAME", "长" * 396), ("APPLYNAME", "null"), ("APPLYNAME", ""), ("DATAVER", "0"),
        ("ORGBUSNO", case_number(1)), ("NEWFIELD", "x"), ("MATERIALS", [{"MNAME": "甲", "MCOUNT": "1"}]),
    ],
)  # fmt: skip
def test_members_are_checked(office: Office, member: str, value: Any) -> None:
    said = office.give(BASIC, applied(new_case()) | {member: value})
    assert said["status"] == "500"
    assert member in said["msg"] or member == "MATERIALS"


def test_bodies_outside_the_form_are_refused(office: Office) -> None:
    for body in (b"", b"[]", b'{"xmlStr": 1}', b'{"xmlStr": "", "x": 1}', b"\xef\xbb\xbf{}"):
        assert office.checked(office.say(BASIC, body))["status"] == "500"
    answer = office.say(BASIC, b"[" + b" " * (4 << 20))
    assert (answer.status_code, office.checked(answer)["status"]) == (200, "500")
    answer = office.say(BASIC, b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, office.checked(answer)["status"]) == (200, "500")


def test_order_and_belonging(office: Office) -> None:
    case = new_case()
    for operation, members in ((PROC, accepted(case)), (FILE, file(case)), (NOTICE, paid(case))):
        assert office.status(operation, members) == "500"
    assert office.status(BASIC, applied(case)) == "200"
    other = {"ITEMCODE": ITEM[:-1] + "9"}
    assert office.status(PROC, accepted(case) | other) == "500"
    assert office.status(FILE, file(case) | other) == "500"
    assert office.status(FILE, file(case) | {"ATTRNAME": "别的"}) == "500"
    assert office.status(FILE, file(case)) == "200"
    assert office.status(PROC, accepted(case)) == "200"
    assert office.status(NOTICE, paid(case)) == "500"  # ISFEE is 0
    assert office.status(NOTICE, issued(case)) == "500"  # ISCERT is 0


def test_a_file_of_ten_megabytes_is_taken_and_its_digest_checked(office: Office) -> None:
    case = new_case()
    assert office.status(BASIC, applied(case)) == "200"
    large = file(case, os.urandom(10 << 20))
    assert office.status(FILE, large) == "200"
    assert office.rows(case, "received")[-1]["id"] == f"F-44{case}-{large['SHA256']}-1"
    assert office.status(FILE, file(case) | {"SHA256": "0" * 64}) == "500"
    assert office.status(FILE, file(case, b"x" * ((10 << 20) + 1))) == "500"


def test_identity(office: Office) -> None:
    case = new_case()
    office.accept(case, fee=1)
    received = office.admin("counts")["received"]
    assert office.status(BASIC, applied(case)) == "200"  # the same text, encrypted afresh
    assert office.admin("counts")["received"] == received
    assert office.status(BASIC, applied(case) | {"LINKPHONE": "13800138001"}) == "409"
    assert office.status(BASIC, applied(case, 3)) == "500"
    assert office.status(BASIC, applied(case, 2) | {"LINKPHONE": "13800138001"}) == "200"
    assert office.status(BASIC, applied(case)) == "200"
    second = paid(case) | {"PAYNOTENO": "PN-2"}
    assert [office.status(NOTICE, one) for one in (paid(case), second, second)] == ["200"] * 3


def test_later_is_repeated_with_the_same_document_under_a_fresh_seal(quiet: Office) -> None:
    office, case = quiet, new_case()
    busy = b'{"status":"503","msg":"busy","data":{}}'
    office.stub.answers = [
        (500, "sealed"),
        (200, "unsealed"),
        (200, "sealed", busy),
        (200, "sealed", b"<html/>"),
    ]
    office.accept(case)
    until(lambda: len(office.sent(case)) == 5)
    sent = [one for one in office.sent(case) if one[2]["SN"] == "1"]
    assert len(sent) == 5
    assert len({heard.json()["xmlStr"] for heard, _, _ in sent}) == 1
    seals = [checked_header(h.headers["X-Gov-Signature"], h.body, office.certificate) for h, _, _ in sent]
    assert len({seal["nonce"] for seal in seals}) == 5
    until(lambda: office.ways(case)[-1] == "DONE")
    until(lambda: len(office.rows(case)) == 4)  # a report is written down once its answer is there
    assert [row["id"] for row in office.rows(case)] == [
        *(f"P-44{case}-{count}-1" for count in (1, 2, 3)), f"D-44{case}-1"
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["403", "409", "500"])
def test_a_refusal_ends_the_case_and_is_not_repeated(quiet: Office, status: str) -> None:
    office, case = quiet, new_case()
    office.stub.answers = [(200, "sealed", json.dumps({"status": status, "msg": "x", "data": {}}).encode())]
    office.accept(case)
    until(lambda: office.admin("cases")[case] == {"P-1": {"state": "refused", "code": status, "msg": "x"}})
    time.sleep(0.3)
    assert len(office.sent(case)) == 1
    assert [row["accepted"] for row in office.rows(case)] == [False]


def test_it_gives_up_after_the_last_repeat(fresh: Any) -> None:
    office, case = fresh(repeat_seconds=[0.02] * 6), new_case()
    office.stub.answers = [(503, "sealed")] * 20
    office.accept(case)
    until(lambda: office.admin("cases")[case].get("P-1", {}).get("state") == "given_up")
    assert len(office.stub.heard) == 7


def test_a_killed_department_goes_on(fresh: Any) -> None:
    office, case = fresh(step_seconds=0.5), new_case()
    office.accept(case, fee=1)
    record = office.admin("record")
    office.end(signal.SIGKILL)
    office.start()
    assert office.admin("record")[: len(record)] == record
    assert office.status(BASIC, applied(case)) == "200"  # the token outlived it too
    assert office.status(NOTICE, paid(case)) == "200"
    until(lambda: "DONE" in office.ways(case))
    assert office.ways(case) == ["PROC1", "PROC2", "PROC3", "DONE"]


@pytest.mark.parametrize("fault", ["sig_bad", "sig_expired", "truncate_800b", "bom", "gbk_body"])
def test_what_the_hub_could_not_read_is_sent_again_as_it_was(quiet: Office, fault: str) -> None:
    office, case, before = quiet, new_case(), len(quiet.stub.heard)
    office.arm(operation="hubReceiveProcInfo", fault=fault)
    office.stub.answers = [(200, "sealed", b'{"status":"403","msg":"","data":{}}')]
    office.accept(case)
    until(lambda: "DONE" in office.ways(case))
    assert [said["DATAVER"] for _, _, said in office.sent(case)][-4:] == ["1"] * 4
    assert len(office.stub.heard) == before + 5
    spoilt = office.stub.heard[before]
    if fault == "sig_bad":
        with pytest.raises(Exception, match="bad_signature"):
            checked_header(spoilt.headers["X-Gov-Signature"], spoilt.body, office.certificate)
    if fault == "truncate_800b":
        assert len(spoilt.body) == 800
    if fault == "gbk_body":
        with pytest.raises(UnicodeDecodeError):
            decrypted(spoilt.json()["xmlStr"]).decode()


@pytest.mark.parametrize("fault", ["null_text", "bad_date_pattern", "schema_new_field", "missing_attachment"])
def test_what_the_hub_refused_for_a_fault_is_corrected(quiet: Office, fault: str) -> None:
    office, case = quiet, new_case()
    office.accept(case, certificate=1)
    until(lambda: len(office.sent(case)) == 3)
    until(lambda: all(row["accepted"] for row in office.rows(case)))
    office.arm(operation="hubReceiveDoneInfo", fault=fault)
    office.stub.answers = [(200, "sealed", b'{"status":"500","msg":"x","data":{}}')]
    assert office.status(NOTICE, issued(case)) == "200"
    until(lambda: len(office.sent(case)) == 5)
    spoilt, good = (said for _, _, said in office.sent(case)[3:])
    assert (spoilt["DATAVER"], good["DATAVER"]) == ("1", "2")
    assert good["CERTIFICATENO"] == "JY1"
    seen = {
        "null_text": spoilt.get("USERNAME") == "null",
        "bad_date_pattern": "T" in spoilt["DONETIME"],
        "schema_new_field": "NEWFIELD" in spoilt,
        "missing_attachment": "CERTIFICATENO" not in spoilt,
    }
    assert [name for name, is_so in seen.items() if is_so] == [fault]
    until(lambda: office.rows(case)[-1]["accepted"])
    assert office.rows(case)[-1]["id"] == f"D-44{case}-2"


def test_faults_of_order_and_number(quiet: Office) -> None:
    office, first, second, third = quiet, new_case(), new_case(), new_case()
    office.arm(operation="hubReceiveProcInfo", fault="duplicate_push", value=2)
    office.accept(first)
    until(lambda: "DONE" in office.ways(first))
    assert office.ways(first).count("PROC1") == 3
    office.arm(operation="hubReceiveProcInfo", fault="reorder", value=0.4)
    office.accept(second)
    until(lambda: len(office.sent(second)) == 4)
    assert office.ways(second) != ["PROC1", "PROC2", "PROC3", "DONE"]
    assert sorted(office.ways(second)) == ["DONE", "PROC1", "PROC2", "PROC3"]
    office.arm(operation="hubReceiveProcInfo", fault="drop_before_reply")
    office.accept(third)
    until(lambda: "DONE" in office.ways(third))
    assert office.ways(third) == ["PROC1", "PROC2", "PROC3", "DONE"]  # what is not answered is sent again
    assert [row["accepted"] for row in office.rows(third)] == [True] * 4


def test_the_first_step_can_come_before_the_answer(fresh: Any) -> None:
    office, case = fresh(step_seconds=5), new_case()
    office.arm(operation=PROC, fault="callback_before_reply")
    office.accept(case)
    assert office.ways(case) == ["PROC1"]


def test_faults_of_the_answers(office: Office) -> None:
    def plain(operation: str = BASIC) -> httpx2.Response:
        body = json.dumps({"xmlStr": encrypted(xml(ROOTS[BASIC], applied(new_case())))}).encode()
        return office.say(operation, body)

    office.token()
    for fault, status in (("maintenance", "503"), ("rate_limit", "503"), ("token_expired", "401")):
        assert office.arm(operation=BASIC, fault=fault).status_code == 200
        answer = plain()
        assert (answer.status_code, office.checked(answer)["status"]) == (200, status)
    office.arm(operation=BASIC, fault="http500")
    assert plain().status_code == 500
    office.arm(operation=BASIC, fault="http200_error_body")
    assert "status" not in plain().json()
    case = new_case()
    office.arm(operation=BASIC, fault="drop_before_reply")
    with pytest.raises(httpx2.RemoteProtocolError):
        office.give(BASIC, applied(case))
    assert office.rows(case, "received")[0]["accepted"] is True
    office.arm(operation=BASIC, fault="null_text")
    assert plain().json()["status"] == "null"
    office.arm(operation=BASIC, fault="sig_bad")
    with pytest.raises(Exception, match="bad_signature"):
        office.checked(plain())
    refused = office.arm(operation=BASIC, fault="reorder")
    assert refused.status_code == 422
    assert "token_expired" in refused.json()["supported"][BASIC]


def test_the_log_holds_no_personal_data_and_the_end_is_clean(fresh: Any) -> None:
    office, case = fresh(), new_case()
    office.accept(case)
    until(lambda: "DONE" in office.ways(case))
    code, seconds = office.end()
    assert code == 0
    assert seconds < 2
    log = (office.folder / "state" / "department_c.log").read_text("utf-8")
    assert "started" in log
    assert not any(text in log for text in ("测试甲", "4414991990", SECRET, KEY))
