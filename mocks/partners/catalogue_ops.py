"""The catalogue's six operations: request string in, result string out."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from mocks.partners.catalogue_items import COLUMNS, read
from mocks.partners.catalogue_report import MOST_ROWS, audit, judge
from mocks.partners.catalogue_store import FIRST_VERSION, BadCursor, Catalogue, Change, Question
from mocks.partners.common.clock import Clock, compact, parse_compact
from mocks.partners.common.config import Config
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.soapdesk import distort, wrapped
from mocks.partners.common.xmlsig import Element, XmlError, canonical, parse

OPERATIONS: Final = (
    "GetToken", "QueryIncrement", "GetItem", "ReportItems", "QueryReportResult", "QueryDict",
)  # fmt: skip
TOKEN_SECONDS: Final = 1800
WINDOW: Final = 300
MOST_PER_PAGE: Final = 200
PASSING: Final = frozenset({"11", "20", "90"})
"""Codes that tell the caller to come again; such answers are not kept under the callId."""
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_BATCH = re.compile(r"[0-9A-Za-z_.-]{1,50}", re.ASCII)
_REGION = re.compile(r"4414\d{8}", re.ASCII)
Handler = Callable[[Element], Element]


class BusinessError(Exception):
    """Answered by CODE and MSG."""

    def __init__(self, code: str, msg: str) -> None:
        super().__init__(msg)
        self.code = code


@dataclass(frozen=True)
class Operations:
    """Everything behind the seal; each operation gives the text of `resultXml`."""

    config: Config
    record: Record
    catalogue: Catalogue
    faults: Faults
    clock: Clock

    def table(self) -> Mapping[str, Callable[..., str]]:
        """The operations by name, for the SOAP service."""
        handlers: dict[str, Handler] = {
            "QueryIncrement": self._increment,
            "GetItem": self._get_item,
            "ReportItems": self._report,
            "QueryReportResult": self._report_result,
            "QueryDict": self._dictionary,
        }
        return {"GetToken": self._get_token} | {
            name: self._with_token(name, f) for name, f in handlers.items()
        }

    def _with_token(self, name: str, handler: Handler) -> Callable[..., str]:
        def operation(app_id: str, token: str, request: str) -> str:
            def checked(root: Element) -> Element:
                self._require_token(name, app_id, token)
                return handler(root)

            return self._say(name, request, checked)

        return operation

    def _say(self, name: str, request: str, handler: Handler) -> str:
        try:
            if self.faults.take(name, "maintenance"):
                raise BusinessError("90", "系统维护")
            result = handler(_document(request))
        except BusinessError as error:
            result = _result(error.code)
            etree.SubElement(result, "MSG").text = str(error)
        distort(result, self.faults, name)
        text = '<?xml version="1.0" encoding="GBK"?>' + str(etree.tostring(result, encoding="unicode"))
        return wrapped(text, self.faults, name)

    def _require_token(self, name: str, app_id: str, token: str) -> None:
        with self.record.work() as db:
            row = db.execute("SELECT * FROM token WHERE token = ?", (token,)).fetchone()
        good = row is not None and row["account"] == app_id and row["expires"] > self.clock()
        if not good or self.faults.take(name, "token_expired"):
            raise BusinessError("11", "token 无效或者已过期")

    def _get_token(self, app_id: str, token: str, request: str) -> str:
        def handler(root: Element) -> Element:
            asked = _fields(root, "REQ", ("TIME", "DIGEST"))
            self._check_digest(app_id, token, asked)
            return self._new_token(app_id)

        return self._say("GetToken", request, handler)

    def _check_digest(self, app_id: str, token: str, asked: Mapping[str, str]) -> None:
        try:
            late = abs(parse_compact(asked["TIME"]) - self.clock()) > WINDOW
        except ValueError as error:
            raise BusinessError("70", "TIME") from error
        wanted = hashlib.sha256((app_id + asked["TIME"] + self.config.secret).encode()).hexdigest()
        same = hmac.compare_digest(wanted.encode(), asked["DIGEST"].lower().encode())
        if token or app_id != self.config.account or not same:
            raise BusinessError("70", "appId、token 或者 DIGEST")
        if late:
            raise BusinessError("20", "时间偏差超过 300 秒")

    def _new_token(self, app_id: str) -> Element:
        token, expires = secrets.token_hex(24), self.clock() + TOKEN_SECONDS
        with self.record.work() as db:
            db.execute("DELETE FROM token WHERE expires < ?", (self.clock(),))
            db.execute("INSERT INTO token VALUES (?, ?, ?)", (token, app_id, expires))
        result = _result("0")
        etree.SubElement(result, "TOKEN").text = token
        etree.SubElement(result, "EXPIRES").text = compact(expires)
        return result

    def _increment(self, root: Element) -> Element:
        asked = _fields(root, "REQ", ("SINCE_VERSION", "REGION", "PAGE_SIZE", "CURSOR"))
        since, size = _number(asked, "SINCE_VERSION"), _number(asked, "PAGE_SIZE")
        if not _REGION.fullmatch(asked["REGION"]) or not 1 <= size <= MOST_PER_PAGE:
            raise BusinessError("70", "REGION 或者 PAGE_SIZE")
        self._require_version(since)
        size, shift = min(size, self._limit("QueryIncrement", size)), self._shift(asked["CURSOR"])
        try:
            page = self.catalogue.page(Question(since, asked["REGION"]), size, asked["CURSOR"], shift)
        except BadCursor as error:
            raise BusinessError("70", "CURSOR") from error
        changes = self._disorder(list(page.changes))
        result = _result("0")
        attributes = {"total": str(page.total), "next": page.next, "to_version": str(page.to_version)}
        listing = etree.SubElement(result, "LIST", attributes)
        listing.extend(item_element(self._stripped("QueryIncrement", change)) for change in changes)
        return result

    def _limit(self, name: str, most: int) -> int:
        fault = self.faults.take(name, "batch_limit")
        return most if fault is None else int(fault.number(1))

    def _shift(self, cursor: str) -> int:
        fault = self.faults.take("QueryIncrement", "pagination_shift") if cursor else None
        return 0 if fault is None else int(fault.number(1))

    def _stripped(self, name: str, change: Change) -> Change:
        """Fault missing_attachment: an item without its materials."""
        if not change.item.get("MATERIALS") or not self.faults.take(name, "missing_attachment"):
            return change
        return Change(change.op, {key: value for key, value in change.item.items() if key != "MATERIALS"})

    def _require_version(self, since: int) -> None:
        if since > self.catalogue.version():
            raise BusinessError("70", "SINCE_VERSION")
        old = since and since < FIRST_VERSION
        if old or (since and self.faults.take("QueryIncrement", "version_gap")):
            raise BusinessError("91", "版本过旧，请从 0 重新同步")

    def _disorder(self, changes: list[Change]) -> list[Change]:
        if self.faults.take("QueryIncrement", "reorder"):
            changes.reverse()
        if fault := self.faults.take("QueryIncrement", "duplicate_push"):
            changes *= 1 + max(1, int(fault.number(1)))
        return changes

    def _get_item(self, root: Element) -> Element:
        asked = _fields(root, "REQ", ("TASK_CODE", "TASK_VERSION"))
        version = _number(asked, "TASK_VERSION") if asked["TASK_VERSION"] else None
        item = self.catalogue.item(asked["TASK_CODE"], version)
        if item is None:
            raise BusinessError("71", "没有这个事项")
        result = _result("0")
        result.append(item_element(self._stripped("GetItem", Change("I", item))))
        return result

    def _report(self, root: Element) -> Element:
        batch_id, items = _batch(root, self._limit("ReportItems", MOST_ROWS))
        digest = hashlib.sha256(canonical(root)).hexdigest()
        earlier = self.catalogue.batch(batch_id)
        if earlier is not None and earlier[0] != digest:
            raise BusinessError("70", "BATCH id 已用于其他内容")
        rows = earlier[1] if earlier is not None else self._accept(batch_id, digest, items)
        result = _result("0")
        listing = etree.SubElement(result, "ROWS")
        for row in rows:
            etree.SubElement(listing, "ROW", dict(zip(("guid", "code", "msg"), row, strict=True)))
        return result

    def _accept(self, batch_id: str, digest: str, items: Sequence[Element]) -> list[list[str]]:
        # The fault acts on every second row, so that some rows are accepted and some are not.
        places = iter(range(len(items)))
        partial = self.faults.take("ReportItems", "partial_accept") is not None
        rows = judge(items, lambda: next(places) % 2 == 1 and partial)
        good = [item for item, row in zip(items, rows, strict=True) if row[1] == "0"]
        findings = [line for item in good for line in audit(item)]
        self.catalogue.keep_batch(batch_id, digest, rows, findings)
        return [list(row) for row in rows]

    def _report_result(self, root: Element) -> Element:
        batch_id = _fields(root, "REQ", ("BATCH_ID",))["BATCH_ID"]
        if self.catalogue.batch(batch_id) is None:
            raise BusinessError("70", "没有这个批次")
        result = _result("0")
        listing = etree.SubElement(result, "ROWS")
        for line in self.catalogue.findings(batch_id):
            names = ("guid", "err_type", "table_name", "msg")
            etree.SubElement(listing, "ROW", dict(zip(names, line, strict=True)))
        return result

    def _dictionary(self, root: Element) -> Element:
        asked = _fields(root, "REQ", ("LIST_ID", "VERSION"))
        known = read("catalogue/dictionaries.toml")
        entries = known["list"].get(asked["LIST_ID"])
        if entries is None or asked["VERSION"] not in ("", known["version"]):
            raise BusinessError("70", "LIST_ID 或者 VERSION")
        result = _result("0")
        listing = etree.SubElement(result, "DICT", {"id": asked["LIST_ID"], "version": known["version"]})
        for code, name in entries.items():
            etree.SubElement(listing, "ENTRY", {"code": code, "name": name})
        return result


def item_element(change: Change) -> Element:
    """ITEM with the columns in the contract's order; of a D only its key."""
    node = etree.Element("ITEM", {"op": change.op})
    names = ("ROW_GUID", "TASK_CODE", "TASK_VERSION") if change.op == "D" else COLUMNS
    _columns(node, {name: change.item[name] for name in names if name in change.item})
    for group, name in (("MATERIALS", "MATERIAL"), ("FEES", "FEE")) if change.op != "D" else ():
        if change.item.get(group):
            holder = etree.SubElement(node, group)
            for line in change.item[group]:
                _columns(etree.SubElement(holder, name), line)
    return node


def _columns(node: Element, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        etree.SubElement(node, name).text = value


def _result(code: str) -> Element:
    root = etree.Element("RESULT")
    etree.SubElement(root, "CODE").text = code
    return root


def _document(request: str) -> Element:
    try:
        return parse(request)
    except XmlError as error:
        raise BusinessError("70", "requestXml") from error


def _fields(root: Element, name: str, names: Sequence[str]) -> dict[str, str]:
    """The texts of exactly these children; unknown, missing, repeated or nested ones are code 70."""
    if root.tag != name or sorted(node.tag for node in root) != sorted(names) or any(map(len, root)):
        raise BusinessError("70", f"{name} 的内容")
    return {node.tag: node.text or "" for node in root}


def _number(asked: Mapping[str, str], name: str) -> int:
    if not _NUMBER.fullmatch(asked[name]):
        raise BusinessError("70", name)
    return int(asked[name])


def _batch(root: Element, most: int) -> tuple[str, list[Element]]:
    items = list(root)
    if root.tag != "BATCH" or set(root.attrib) != {"id", "count"} or {node.tag for node in items} != {"ITEM"}:
        raise BusinessError("70", "BATCH 的内容")
    if not _BATCH.fullmatch(root.get("id")) or root.get("count") != str(len(items)):
        raise BusinessError("70", "BATCH 的 id 或者 count")
    if len(items) > most:
        raise BusinessError("70", f"超过 {most} 条")
    return root.get("id"), items
