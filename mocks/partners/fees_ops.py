"""The fee system's six operations: signed inner document in, signed inner document out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from lxml import etree

from mocks.partners.catalogue_items import read
from mocks.partners.common.clock import Clock, is_date, parse_compact
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.soapdesk import distort, spoil_signature, wrapped
from mocks.partners.common.xmlseal import sign_enveloped, verify_enveloped
from mocks.partners.common.xmlsig import Element, SealError, Signer, XmlError, canonical, parse
from mocks.partners.fees_calendar import Freeze
from mocks.partners.fees_store import Notices, RuleBroken, fen, yuan

HEAD: Final = ("MSGID", "APPID", "TIME")
ITEM: Final = ("CODE", "NAME", "STD", "QTY", "AMOUNT")
BODIES: Final = {
    "CreateNotice": ("NOTICE", ("CASENO", "UNITNO", "UNITNAME", "PAYER", "TOTAL", "DUE")),
    "CancelNotice": ("CANCEL", ("PAYNOTENO", "REASON")),
    "QueryNotice": ("QUERY", ("PAYNOTENO",)),
    "ConfirmPayment": ("CONFIRM", ("PAYNOTENO", "CASENO", "WINDOW", "CLERK", "TIME")),
    "CreateRefund": ("REFUND", ("PAYNOTENO", "AMOUNT", "REASON")),
    "QueryFeeBasis": ("BASIS", ("CODE",)),
}
FROZEN: Final = frozenset({"CreateNotice", "CancelNotice", "ConfirmPayment", "CreateRefund"})
_AMOUNT = re.compile(r"(0|[1-9]\d{0,12})\.\d\d", re.ASCII)
_FORMS: Final = {
    "UNITNO": re.compile(r"\S{1,20}"),
    "MSGID": re.compile(r"\S{1,50}"),
    "QTY": re.compile(r"[1-9]\d{0,8}", re.ASCII),
    "PAYNOTENO": re.compile(r"\d{20}", re.ASCII),
    "AMOUNT": _AMOUNT,
    "TOTAL": _AMOUNT,
}
_ANY = re.compile(r".{1,200}")
Fields = dict[str, str]


@dataclass(frozen=True)
class Work:
    """One document whose signature holds: its head, its fields and the item lines of a notice."""

    head: Fields
    fields: Fields
    items: Sequence[Fields]


@dataclass(frozen=True)
class Operations:
    """Everything inside the envelope."""

    account: str
    record: Record
    notices: Notices
    faults: Faults
    clock: Clock
    signer: Signer
    trusted: Sequence[x509.Certificate]
    hour: Clock  # of business; `clock` is that of seals
    freeze: Freeze

    def table(self) -> Mapping[str, Callable[..., str]]:
        """The operations by name, for the SOAP service."""
        return {name: self._operation(name) for name in BODIES}

    def _operation(self, name: str) -> Callable[..., str]:
        return lambda xml: self._signed(name, self.answer(name, xml))

    def answer(self, name: str, xml: str) -> Fields:
        """The fields of RET, in order."""
        try:
            now = datetime.fromtimestamp(self.clock(), UTC)
            root = parse(xml)
        except XmlError:
            return self._refused(name, "", xml, "900001", "不是可读的 XML 文档")
        try:
            bare = verify_enveloped(root, self.trusted, now)
        except SealError:
            return self._refused(name, root.findtext("HEAD/MSGID") or "", xml, "900001", "签名无效")
        with self.record.work():
            return self._once(name, bare, xml)

    def _once(self, name: str, bare: Element, xml: str) -> Fields:
        msg_id = bare.findtext("HEAD/MSGID") or ""
        digest = hashlib.sha256(canonical(bare)).hexdigest()
        with self.record.work() as db:
            row = db.execute("SELECT * FROM answered WHERE msg_id = ?", (msg_id,)).fetchone()
        if row is not None and row["digest"] != digest:
            return self._refused(name, msg_id, xml, "900002", "MSGID 已用于其他内容")
        if row is not None:
            kept: Fields = json.loads(row["fields"])
            self._note(name, msg_id, xml, kept["CODE"], digest)
            return kept
        if code := self._later(name):
            return self._refused(name, msg_id, xml, code, "请稍后再试")
        return self._new(name, bare, xml, digest)

    def _later(self, name: str) -> str:
        """The code of an operation that is not open now, if it is not."""
        if self.faults.take(name, "freeze") or (name in FROZEN and self.freeze.holds(self.hour())):
            return "900020"
        return "900099" if self.faults.take(name, "busy") else ""

    def _new(self, name: str, bare: Element, xml: str, digest: str) -> Fields:
        msg_id = bare.findtext("HEAD/MSGID") or ""
        notice: int | None = None
        try:
            work = read_document(name, bare, self.account)
            with self.record.work():
                said, notice = self._do(name, work)
        except RuleBroken as error:
            said = {"CODE": error.code, "MSGID": msg_id, "MSG": str(error)}
        else:
            said = {"CODE": "000000", "MSGID": msg_id, **said}
        if _FORMS["MSGID"].fullmatch(msg_id):
            self._keep(msg_id, digest, said, notice)
        self._note(name, msg_id, xml, said["CODE"], digest, bare.findtext("*/CASENO") or "")
        return said

    def _keep(self, msg_id: str, digest: str, said: Fields, notice: int | None) -> None:
        with self.record.work() as db:
            text = json.dumps(said, ensure_ascii=False)
            db.execute("INSERT INTO answered VALUES (?, ?, ?, ?)", (msg_id, digest, text, notice))

    def _do(self, name: str, work: Work) -> tuple[Fields, int | None]:
        number = work.fields.get("PAYNOTENO", "")
        if name == "CreateNotice":
            return self._create(work)
        if name == "CancelNotice":
            self.notices.cancel(number)
            return {}, None
        if name == "QueryNotice":
            return self._query(number), None
        if name == "ConfirmPayment":
            self.notices.confirm(number, work.fields["CASENO"])
            return {"PAYNOTENO": number}, None
        if name == "CreateRefund":
            return {"RFSERIAL": self.notices.refund(number, fen(work.fields["AMOUNT"]))}, None
        return self._basis(work.fields["CODE"]), None

    def _create(self, work: Work) -> tuple[Fields, int]:
        total = fen(work.fields["TOTAL"])
        if sum(fen(item["AMOUNT"]) for item in work.items) != total:
            raise RuleBroken("900012", "明细合计与 TOTAL 不一致")
        if total == 0:
            raise RuleBroken("900013", "TOTAL 为零")
        notice = self.notices.create(work.fields["CASENO"], total, work.fields["DUE"])
        said = {
            "CASENO": notice.case_no,
            "PAYNOTENO": notice.number,
            "CHKNUM": notice.chk,
            "ALLNUM": notice.everything,
        }
        return said, notice.id

    def _query(self, number: str) -> Fields:
        notice = self.notices.named(number)
        return {
            "PAYNOTENO": number,
            "BILLSTATS": str(notice.state),
            "AMOUNT": yuan(notice.total),
            "PAYSERIAL": notice.serial,
        }

    def _basis(self, code: str) -> Fields:
        found = [base for base in read("fees/basis.toml")["basis"] if base["code"] == code]
        if not found:
            raise RuleBroken("900013", "没有这个收费项目")
        with self.record.work() as db:
            row = db.execute("SELECT amount FROM basis WHERE code = ?", (code,)).fetchone()
        amount = row["amount"] if row is not None else found[0]["amount"]
        return {"STD": found[0]["standard"], "AMOUNT": amount, "BYLAW": found[0]["law"]}

    def _refused(self, name: str, msg_id: str, xml: str, code: str, msg: str) -> Fields:
        self._note(name, msg_id, xml, code, "")
        return {"CODE": code, "MSGID": msg_id, "MSG": msg}

    def _note(self, name: str, msg_id: str, xml: str, code: str, digest: str, case: str = "") -> None:
        body = xml.encode("gb18030")
        id = msg_id[:50] or hashlib.sha256(body).hexdigest()[:32]
        good = code == "000000"
        self.record.note("received", name, id, body, code, accepted=good, case=case, content=digest)

    def _signed(self, name: str, said: Fields) -> str:
        root = etree.Element("RET")
        for field, value in said.items():
            etree.SubElement(root, field).text = value
        distort(root, self.faults, name)
        sign_enveloped(root, self.signer)
        if self.faults.take(name, "sig_bad"):
            spoil_signature(root)
        text = '<?xml version="1.0" encoding="GBK"?>' + str(etree.tostring(root, encoding="unicode"))
        return wrapped(text, self.faults, name)


def read_document(name: str, bare: Element, account: str) -> Work:
    """The document of an operation, or `RuleBroken` 900013 naming the field."""
    body_name, names = BODIES[name]
    if bare.tag != "FEE" or [node.tag for node in bare] != ["HEAD", body_name]:
        raise _wrong("FEE")
    head = _fields(bare[0], HEAD)
    items = bare[1].findall("ITEM") if name == "CreateNotice" else []
    lines = [_fields(item, ITEM) for item in items]
    if name == "CreateNotice":
        _require_items_in_place(bare[1], len(items))
    fields = _fields(bare[1], names, skip="ITEM" if items else "")
    if head["APPID"] != account:
        raise _wrong("APPID")
    _require_dates({"TIME": head["TIME"]} | fields)
    return Work(head, fields, lines)


def _require_items_in_place(body: Element, count: int) -> None:
    tags = [node.tag for node in body]
    if not count or tags[3 : 3 + count] != ["ITEM"] * count:
        raise _wrong("ITEM")


def _fields(node: Element, names: Sequence[str], skip: str = "") -> Fields:
    """The texts of exactly these children in this order."""
    children = [child for child in node if child.tag != skip]
    if [child.tag for child in children] != list(names) or any(len(child) for child in children):
        raise _wrong(node.tag)
    fields = {child.tag: child.text or "" for child in children}
    for name, value in fields.items():
        if not _FORMS.get(name, _ANY).fullmatch(value):
            raise _wrong(name)
    return fields


def _require_dates(fields: Mapping[str, str]) -> None:
    if not is_date(fields.get("DUE", "20260101")):
        raise _wrong("DUE")
    try:
        parse_compact(fields["TIME"])
    except ValueError as error:
        raise _wrong("TIME") from error


def _wrong(name: str) -> RuleBroken:
    return RuleBroken("900013", f"{name} 不符合规定")
