"""The SOAP service the hub serves to department B, over real HTTP: zeep and plain requests as clients, seals
by signxml, answers judged by xmlsec1 (adapters/department_b/contract/contract.md §1, §4)."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from lxml import etree
from signxml import CanonicalizationMethod, SignatureMethod, XMLSigner

from exchange.errors import TryLater
from tests.exchange.core import departmentb as b
from tests.exchange.core.departmentb import (
    GBK,
    PATH,
    SOAP,
    SPACE,
    Answered,
    arguments,
    envelope,
    sealed,
    told,
)
from tests.exchange.core.rig import Core, Story, case_number

Post = Callable[..., Answered]
PDF = b"%PDF-1.7 made by the department"


@pytest.fixture
def case(core: Core) -> Story:
    """An accepted case of the department."""
    b.register(core)
    story = Story(case_number(1))
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    return story


@pytest.fixture
def address(core: Core, case: Story) -> Iterator[str]:
    del case
    with b.listening(core.hub) as address:
        yield address


@pytest.fixture
def post(address: str) -> Post:
    """One request in GBK; a text is encoded, bytes go as they are."""

    def send(body: str | bytes, media: str = GBK, action: str | None = None) -> Answered:
        data = body if isinstance(body, bytes) else body.encode("gb18030")
        headers = {"Content-Type": media} | ({} if action is None else {"SOAPAction": action})
        return Answered(requests.post(address + PATH, data, headers=headers, timeout=20))

    return send


def pushed(text: str) -> str:
    """PushProcess with the document escaped."""
    return envelope("PushProcess", arguments(xml=b.escaped(text)))


def refusals(core: Core) -> list[str]:
    return [
        row["code"] for row in core.rows("SELECT code FROM document WHERE state = 'refused' ORDER BY entry")
    ]


class TestGoodCalls:
    """What follows the contract."""

    def test_zeep_reads_the_served_description_and_is_answered(
        self, core: Core, case: Story, address: str, tmp_path: Path
    ) -> None:
        client = zeep.Client(f"{address}{PATH}?wsdl", transport=b.InGbk())
        client.service._binding_options["address"] = address + PATH
        result = client.service.PushProcess(xml=sealed(b.step(case.no, opinion="同意 <A&B> 㐂𠮷")))
        assert told(result) == ("200", "0")
        assert b.genuine(result, core.hub, tmp_path)
        assert not b.genuine(result.replace("200", "500"), core.hub, tmp_path), "xmlsec1 would notice"
        assert core.state(case.no) == "reviewing"
        kept = core.rows("SELECT canonical FROM document WHERE type = 'case.step.v1'")[0]["canonical"]
        assert json.loads(kept)["opinion"] == "同意 <A&B> 㐂𠮷"

    def test_the_description_names_where_it_is_served(self, core: Core, address: str) -> None:
        root = etree.fromstring(requests.get(f"{address}{PATH}?wsdl", timeout=10).content)
        (found,) = root.iter("{http://schemas.xmlsoap.org/wsdl/soap/}address")
        assert found.get("location") == core.hub.public_url + PATH
        assert requests.get(address + PATH, timeout=10).status_code == 404

    def test_a_document_in_cdata(self, core: Core, case: Story, post: Post) -> None:
        text = sealed(b.step(case.no))
        answer = post(envelope("PushProcess", f"<t:xml><![CDATA[{text}]]></t:xml>"))
        assert (answer.status, told(answer.result)) == (200, ("200", "0"))
        assert core.state(case.no) == "reviewing"

    @pytest.mark.parametrize("action", ["", '""', f'"{SPACE}/PushProcess"', f"{SPACE}/PushProcess"])
    def test_the_action_may_be_said(self, case: Story, post: Post, action: str) -> None:
        assert told(post(pushed(sealed(b.step(case.no))), action=action).result) == ("200", "0")

    def test_a_case_from_step_to_conclusion(self, core: Core, case: Story, post: Post) -> None:
        assert told(post(pushed(sealed(b.step(case.no)))).result) == ("200", "0")
        done = b.request(
            "BJ",
            f"{b.common(case.no)}<SPBANJIE>{b.officer()}<BJJG>2</BJJG><YY>申请人撤回</YY><BJSJ>{b.AT}</BJSJ>"
            "</SPBANJIE>",
        )
        answer = post(envelope("PushResult", arguments(xml=b.escaped(sealed(done)))))
        assert told(answer.result) == ("200", "0")
        core.verified()

    def test_a_step_before_its_predecessor_is_taken_and_held(
        self, core: Core, case: Story, post: Post
    ) -> None:
        assert told(post(pushed(sealed(b.step(case.no, 2)))).result) == ("200", "0")
        assert core.state(case.no) == "accepted"
        assert told(post(pushed(sealed(b.step(case.no, 1)))).result) == ("200", "0")
        assert core.state(case.no) == "approving"


class TestFraming:
    """What does not follow WSDL or headers: Fault Client, HTTP 500, no seal, a line in the ledger."""

    def refused(self, core: Core, answer: Answered, code: str) -> None:
        assert (answer.status, answer.fault) == (500, "Client")
        assert b"Signature" not in answer.body
        assert refusals(core) == [code]

    @pytest.mark.parametrize(
        ("media", "declared", "codec", "code"),
        [
            ("text/xml; charset=UTF-8", "GBK", "gbk", "bad_media_type"),
            ("text/xml; charset=UTF-8", "UTF-8", "utf-8", "bad_media_type"),
            ("text/xml", "GBK", "gbk", "bad_media_type"),
            (GBK, "UTF-8", "utf-8", "bad_request"),
            (GBK, "UTF-8", "gbk", "bad_request"),
            (GBK, None, "gbk", "bad_media_type"),
            (GBK, "GBK", "utf-8", "bad_request"),
            ("application/soap+xml; charset=GBK", "GBK", "gbk", "bad_media_type"),
        ],
    )
    def test_label_declaration_and_bytes(
        self, core: Core, case: Story, post: Post, media: str, declared: str | None, codec: str, code: str
    ) -> None:
        text = pushed(sealed(b.step(case.no, opinion="同意发证")))
        said = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
        text = said + text.removeprefix(b.DECLARATION)
        self.refused(core, post(text.encode(codec), media), code)
        assert core.state(case.no) == "accepted"

    def test_bytes_that_are_no_gb18030(self, core: Core, case: Story, post: Post) -> None:
        body = pushed(sealed(b.step(case.no))).encode("gb18030").replace(b"<t:xml>", b"<t:xml>\x81\x20", 1)
        self.refused(core, post(body), "bad_request")

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda t: t.replace("PushProcess", "PushNothing"),
            lambda t: t.replace(SPACE, SPACE + "x"),
            lambda t: t.replace("t:xml>", "t:document>"),
            lambda t: t.replace("</s:Body>", "</s:Body><s:Body/>"),
            lambda t: t.replace("</t:PushProcess>", "</t:PushProcess><t:PushProcess/>"),
            lambda t: t.replace("<t:xml>", '<t:xml href="#a">'),
            lambda t: t.replace(SOAP, "http://www.w3.org/2003/05/soap-envelope"),
            lambda t: t.replace("<s:Body>", '<s:Header><x s:mustUnderstand="1"/></s:Header><s:Body>'),
            lambda t: t.replace("<s:Envelope", "<!DOCTYPE a><s:Envelope"),
            lambda t: t.replace("</s:Envelope>", ""),
            lambda t: t[: len(t) // 2],
            lambda t: t.replace("</t:PushProcess>", "<t:base64>QQ==</t:base64></t:PushProcess>"),
        ],
        ids=["operation", "namespace", "argument", "two bodies", "two calls", "href", "soap 1.2",
             "must understand", "doctype", "unclosed", "truncated", "argument too many"],
    )  # fmt: skip
    def test_envelopes(self, core: Core, case: Story, post: Post, spoil: Callable[[str], str]) -> None:
        self.refused(core, post(spoil(pushed(sealed(b.step(case.no))))), "bad_request")
        assert core.state(case.no) == "accepted"

    def test_a_missing_argument(self, core: Core, post: Post) -> None:
        self.refused(core, post(envelope("PushProcess", "")), "bad_request")

    def test_an_action_of_another_operation(self, core: Core, case: Story, post: Post) -> None:
        answer = post(pushed(sealed(b.step(case.no))), action=f'"{SPACE}/PushResult"')
        self.refused(core, answer, "bad_request")

    def test_an_empty_body(self, core: Core, post: Post) -> None:
        self.refused(core, post(b""), "bad_media_type")

    @pytest.mark.parametrize("size", [4 << 20, 17 << 20])
    def test_more_than_4_mb(self, core: Core, case: Story, post: Post, size: int) -> None:
        """A Fault Client, because anything else is sent again."""
        body = pushed(sealed(b.step(case.no))).replace("同意", "a" * size)
        self.refused(core, post(body), "too_large")


class TestSeals:
    """STATUS 401, sealed; the same document may come again under a good seal."""

    def no_seal(self, text: str) -> str:
        return b.DECLARATION + text

    def changed(self, text: str) -> str:
        return sealed(text).replace("同意", "不同意")

    def stranger(self, text: str) -> str:
        return sealed(text, "nobody")

    def wrapped(self, text: str) -> str:
        return b.DECLARATION + f"<REQUEST>{sealed(text).removeprefix(b.DECLARATION)}</REQUEST>"

    @pytest.mark.parametrize(
        ("how", "code"),
        [("no_seal", "seal_missing"), ("changed", "seal_invalid"), ("stranger", "unknown_party"),
         ("wrapped", "seal_invalid")],
    )  # fmt: skip
    def test_not_looked_at(
        self, core: Core, case: Story, post: Post, tmp_path: Path, how: str, code: str
    ) -> None:
        text = b.step(case.no)
        answer = post(pushed(getattr(self, how)(text)))
        assert (answer.status, told(answer.result)) == (200, ("401", code))
        assert b.genuine(answer.result, core.hub, tmp_path)
        assert (core.state(case.no), refusals(core)) == ("accepted", [code])
        assert told(post(pushed(sealed(text))).result) == ("200", "0"), "401 is not kept"

    def test_a_party_of_another_adapter(self, core: Core, case: Story, post: Post) -> None:
        b.register(core, "other", "114414020072081018", "department_a")
        answer = post(pushed(sealed(b.step(case.no), "other")))
        assert told(answer.result) == ("401", "not_allowed")

    def test_the_contract_says_rsa(self, core: Core, case: Story, post: Post) -> None:
        key = core.party("dept-ec", adapter="department_b", org="114414020072081018",
                         address="http://127.0.0.1:9", account={"account": "tongban"})  # fmt: skip
        assert told(post(pushed(_signed_by(b.step(case.no), key))).result) == ("401", "seal_invalid")

    def test_another_department_of_the_same_kind(self, core: Core, case: Story, post: Post) -> None:
        b.register(core, "dept-b2", "114414020072081018")
        answer = post(pushed(sealed(b.step(case.no), "dept-b2")))
        assert told(answer.result)[0] == "401"
        assert core.state(case.no) == "accepted"

    def test_an_account_that_was_not_agreed(self, core: Core, case: Story, post: Post) -> None:
        text = b.step(case.no, app="SOMEBODY", msg_id="m-00000001")
        assert told(post(pushed(sealed(text))).result) == ("401", "not_allowed")
        again = b.step(case.no, msg_id="m-00000001")
        assert told(post(pushed(sealed(again))).result) == ("200", "0"), "401 is not kept"

    def test_the_account_may_be_agreed_otherwise(self, core: Core, case: Story, post: Post) -> None:
        b.register(core, "dept-b3", own_account="B3")
        assert told(post(pushed(sealed(b.step(case.no, app="B3"), "dept-b3"))).result) == ("200", "0")

    def test_what_is_no_document(self, core: Core, post: Post) -> None:
        for text in ("", "no xml", "<REQUEST>&nbsp;</REQUEST>", "<!DOCTYPE a []><REQUEST/>"):
            assert told(post(pushed(text)).result)[0] in ("401", "500")
        assert len(refusals(core)) == 4


class TestIdentity:
    """MSGID."""

    def test_the_same_document_sealed_afresh(self, core: Core, case: Story, post: Post) -> None:
        first = b.step(case.no, msg_id="m-00000001")
        later = first.replace("<TIME>20", "<TIME>21")
        assert first != later
        for text in (first, first, later):
            assert told(post(pushed(sealed(text))).result) == ("200", "0")
        steps = core.rows("SELECT * FROM document WHERE type = 'case.step.v1' AND direction = 'in'")
        assert len(steps) == 1

    def test_another_document_is_a_conflict(self, core: Core, case: Story, post: Post) -> None:
        post(pushed(sealed(b.step(case.no, msg_id="m-00000001"))))
        other = b.step(case.no, msg_id="m-00000001", opinion="不同意")
        assert told(post(pushed(sealed(other))).result) == ("409", "conflict")

    def test_a_refusal_is_kept(self, core: Core, case: Story, post: Post) -> None:
        bad = b.step(case.no, msg_id="m-00000001").replace("<HJDM>10</HJDM>", "<HJDM>77</HJDM>")
        for _ in range(2):
            assert told(post(pushed(sealed(bad))).result) == ("500", "unknown_code")

    @pytest.mark.parametrize("ident", ["short", "m" * 51, "m-0000 0001", "编号-00000001", ""])
    def test_an_id_of_another_form(self, core: Core, case: Story, post: Post, ident: str) -> None:
        text = b.step(case.no, msg_id="m-00000001").replace("m-00000001", ident)
        status, code = told(post(pushed(sealed(text))).result)
        assert (status, code) == ("500", "bad_value" if ident else "missing_field")
        assert core.state(case.no) == "accepted"


class TestContent:
    """§1 quirks of older senders and §2–§4 rules: 500 with a code."""

    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            ("<YJ>同意</YJ>", "<YJ>null</YJ>", "bad_value"),
            ("<YJ>同意</YJ>", "", "missing_field"),
            ("<YJ>同意</YJ>", "<YJ/>", "missing_field"),
            ("<YJ>", "<XIN>1</XIN><YJ>", "unknown_field"),
            (b.AT, "2026-326 0315:20:07", "bad_value"),
            ("TYSHXYDM>", "TYSHXYDX>", "unknown_field"),
            ("<D_ZZJGDM>007208100", "<D_ZZJGDM>007208101", "bad_value"),
            ("<KIND>HJ", "<KIND>XX", "unknown_type"),
            ("<KIND>HJ", "<KIND>BJ", "unknown_type"),
        ],
    )
    def test_refused(self, core: Core, case: Story, post: Post, old: str, new: str, code: str) -> None:
        text = b.step(case.no)
        assert old in text
        assert told(post(pushed(sealed(text.replace(old, new)))).result) == ("500", code)
        assert core.state(case.no) == "accepted"

    def test_text_without_escaping_is_not_well_formed(self, core: Core, case: Story, post: Post) -> None:
        text = sealed(b.step(case.no)).replace("<YJ>同意", "<YJ>A & B <同意")
        assert told(post(pushed(text)).result) == ("500", "bad_request")

    def test_a_case_that_is_not_known(self, post: Post) -> None:
        assert told(post(pushed(sealed(b.step(case_number(99))))).result) == ("500", "unknown_case")


class TestPushCertificate:
    """A file beside the document, bound by its digest."""

    def call(self, document: str, file: str) -> str:
        return envelope("PushCertificate", arguments(xml=b.escaped(sealed(document)), base64=file))

    @pytest.fixture
    def ready(self, core: Core, case: Story) -> Story:
        for number in (1, 2, 3):
            core.ok("hall", "case.step.v1", case.step(number))
        return case

    @pytest.mark.parametrize("lines", [False, True])
    def test_the_file_is_kept(self, core: Core, ready: Story, post: Post, lines: bool) -> None:
        document = b.certificate(ready.no, hashlib.sha256(PDF).hexdigest(), len(PDF))
        file = base64.encodebytes(PDF * 1).decode() if lines else base64.b64encode(PDF).decode()
        assert told(post(self.call(document, file)).result) == ("200", "0")
        assert [row["body"] for row in core.rows("SELECT body FROM attachment")] == [PDF]
        core.verified()

    @pytest.mark.parametrize(
        ("file", "said"),
        [("", PDF), (base64.b64encode(PDF + b"x").decode(), PDF), ("%%%%", PDF), ("QUJD=QUJD", PDF),
         ("%%%%", b""), ("QUJ", b"")],
    )  # fmt: skip
    def test_a_file_that_is_another_or_none(
        self, core: Core, ready: Story, post: Post, tmp_path: Path, file: str, said: bytes
    ) -> None:
        document = b.certificate(ready.no, hashlib.sha256(said).hexdigest(), len(said))
        answer = post(self.call(document, file))
        assert told(answer.result) == ("500", "bad_value")
        assert b.genuine(answer.result, core.hub, tmp_path)
        assert refusals(core) == ["bad_value"]

    def test_a_file_of_10_mb_of_base64(self, core: Core, ready: Story, post: Post) -> None:
        whole = b"%PDF" + bytes(3 * (10 << 20) // 4 - 4)
        file = base64.b64encode(whole).decode()
        assert len(file) == 10 << 20
        document = b.certificate(ready.no, hashlib.sha256(whole).hexdigest(), len(whole))
        assert told(post(self.call(document, file)).result) == ("200", "0")

    def test_more_is_a_fault(self, core: Core, ready: Story, post: Post) -> None:
        document = b.certificate(ready.no, hashlib.sha256(PDF).hexdigest(), len(PDF))
        for size in ((10 << 20) + 4, 16 << 20):
            answer = post(self.call(document, "A" * size))
            assert (answer.status, answer.fault) == (500, "Client")
        assert refusals(core) == ["too_large", "too_large"]


class TestLater:
    """Nothing is lost while the hub cannot commit."""

    def test_503_while_the_store_is_away(
        self, core: Core, case: Story, post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = pushed(sealed(b.step(case.no)))
        with monkeypatch.context() as patched:
            patched.setattr(type(core.hub.store), "write", _away(TryLater("busy", "locked")))
            answer = post(text)
        assert (answer.status, told(answer.result)) == (200, ("503", "busy"))
        assert b.genuine(answer.result, core.hub, tmp_path)
        assert told(post(text).result) == ("200", "0")

    def test_a_defect_of_ours_is_a_fault_server(
        self, core: Core, case: Story, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(type(core.hub.store), "write", _away(KeyError("x")))
            answer = post(pushed(sealed(b.step(case.no))))
        assert (answer.status, answer.fault) == (500, "Server")


def _away(fault: Exception) -> Callable[..., Any]:
    def write(*_: Any, **__: Any) -> Any:
        raise fault

    return write


def _signed_by(text: str, key: Any) -> str:
    """Sealed by an EC key of the rig."""
    signer = XMLSigner(
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    root = signer.sign(etree.fromstring(text), key=key.private, cert=[key.certificate])
    return b.DECLARATION + etree.tostring(root, encoding="unicode")
