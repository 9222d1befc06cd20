"""Items as people type them, and whole ways through the review path."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hallservice.hall import Hall
from hallservice.items import drafts, published, review
from hallservice.items.elements import blank
from hallservice.items.published import Kept
from hallservice.people.clerk import Clerk
from tests.exchange.core.rig import Core

TOWN = "441402102000"
ENTRY = blank("directory") | {
    "name": "小型餐饮场所登记", "kind": "public_service", "department": "31",
    "legal_basis": "《广东省食品生产加工小作坊和食品摊贩管理条例》第九条", "levels": ["county", "town"],
    "category": "city_management",
}  # fmt: skip
FORM = {"name": "申请书", "necessity": "required", "kind": "original", "format": "paper", "copies": "1",
        "source": "applicant", "review_point": "签名；日期", "situations": ""}  # fmt: skip
PLAN = FORM | {"name": "平面布局图", "copies": "2", "review_point": "", "situations": "较大场所"}
FEE = {
    "code": "F1", "name": "登记工本费", "standard": "每件 2.50 元，最低 10 元",
    "legal_basis": "粤财综〔2018〕17号", "reducible": "1", "formula": "per_unit", "price": "2.50",
    "unit": "件", "least": "10.00", "most": "", "tiers": "",
}  # fmt: skip
ITEM = blank("implementation") | {
    "region": "441402000000", "case_kind": "promised", "served": ["enterprise"], "statutory_count": "20",
    "statutory_unit": "working_day", "promised_count": "5", "promised_unit": "working_day",
    "conditions": "有固定场所", "handling_forms": ["window"], "result_kind": "other", "result_name": "登记证",
    "has_fee": "1", "fee_basis": "粤财综〔2018〕17号", "address": "梅江区政务服务大厅",
    "opening_hours": "工作日", "contact": "0753-2100000", "materials": [FORM, PLAN], "fees": [FEE],
    "questions": [{"label": "经营面积", "type": "integer", "options": ""}],
    "situations": [{"name": "较大场所", "description": "", "condition": "经营面积 > 150"}],
}  # fmt: skip


@dataclass
class Lists:
    """The lists of one hall."""

    hall: Hall
    core: Core
    clerk_as: Callable[[str], Clerk]

    def revision(self, change: str) -> int:
        return self.hall.read(lambda connection: drafts.change_of(connection, change)).revision

    def state(self, change: str) -> str:
        return self.hall.read(lambda connection: drafts.change_of(connection, change)).state

    def begun(self, act: str, list_: str, *codes: str, who: str = "editor", **more: Any) -> str:
        return drafts.begin(self.hall, self.clerk_as(who), act, list_, codes, **more)

    def saved(self, change: str, content: dict[str, Any], no: int = 1, who: str = "editor") -> list[str]:
        """Fields that are still wrong."""
        faults = drafts.save(self.hall, self.clerk_as(who), change, self.revision(change), no, content)
        return [fault.field for fault in faults]

    def submitted(self, change: str, who: str = "editor") -> str:
        review.submit(self.hall, self.clerk_as(who), change, self.revision(change))
        return change

    def decided(self, change: str, who: str, passed: bool = True, words: str = "") -> str:
        return review.decide(self.hall, self.clerk_as(who), change, self.revision(change), passed, words)

    def published(self, change: str, who: str = "editor") -> list[Kept]:
        """Through both reviews; the versions it made."""
        self.submitted(change, who)
        assert self.decided(change, "staffing") == "legal_review"
        assert self.decided(change, "lawyer") == "published"
        rows = self.core.rows("SELECT list, code, version FROM hall_item ORDER BY published_at, list, code")
        found = [self.kept(row["list"], row["code"], row["version"]) for row in rows]
        return [one for one in found if one.change == change]

    def kept(self, list_: str, code: str, version: int | None = None) -> Kept:
        return self.hall.read(lambda connection: published.expect(connection, list_, code, version))

    def entry(self, who: str = "editor", **over: Any) -> str:
        """A published directory entry; its code."""
        change = self.begun("add", "directory", who=who)
        assert self.saved(change, ENTRY | over, who=who) == []
        return self.published(change, who)[0].code

    def item(self, entry: str, who: str = "editor", org: str = "", **over: Any) -> str:
        """A published implementation item; its code."""
        change = self.begun("add", "implementation", who=who, org=org)
        assert self.saved(change, ITEM | {"directory": entry} | over, who=who) == []
        return self.published(change, who)[0].code
