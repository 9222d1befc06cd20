"""The town's and the village's own items: drafted, reviewed by establishment and legal staff, published and
reported to the province; one still waits in each review, one came back."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hallservice.hall import Hall
from hallservice.items import drafts, published, review
from hallservice.items.elements import ELEMENTS, GROUPS, Content, Group, blank
from hallservice.items.wording import DIRECTORY, IMPLEMENTATION
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused

MATERIAL = {
    "necessity": "required",
    "kind": "original",
    "format": "paper",
    "copies": "1",
    "source": "applicant",
}


@cache
def told() -> Mapping[str, Any]:
    """items.toml."""
    return tomllib.loads((files(__package__) / "items.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Office:
    """Who drafts and who reviews."""

    hall: Hall
    keeper: Clerk
    establishment: Clerk
    legal: Clerk

    def publish(self, list_: str, org: str, content: Content) -> str:
        """The whole way; the code of the item."""
        change = self.submitted(list_, org, content)
        self.reviewed(change, self.establishment, "依据、层级与机构职责相符，同意")
        self.reviewed(change, self.legal, "设定依据有效，要素完整，同意发布")
        return self.hall.read(lambda connection: published.made_by(connection, change))

    def submitted(self, list_: str, org: str, content: Content) -> str:
        """A new item typed and handed to the reviewers; the change's id."""
        change = drafts.begin(self.hall, self.keeper, "add", list_, org=org)
        faults = drafts.save(self.hall, self.keeper, change, self._revision(change), 1, content)
        if faults:
            raise HallRefused("faulty", f"{content.get('name')}：{faults[0].said}", faults[0].field)
        review.submit(self.hall, self.keeper, change, self._revision(change))
        return change

    def reviewed(self, change: str, by: Clerk, words: str, *, passed: bool = True) -> None:
        """One stage."""
        review.decide(self.hall, by, change, self._revision(change), passed, words)

    def _revision(self, change: str) -> int:
        return self.hall.read(lambda connection: drafts.change_of(connection, change)).revision


def build(office: Office) -> None:
    """Everything items.toml says."""
    keeper = office.keeper.org
    for said in told()["directory"]:
        entry = _content(DIRECTORY, said)
        waits = said.get("waits")
        if waits is None:
            code = office.publish(DIRECTORY, keeper, entry)
            for at in said["at"]:
                _carried_out(office, said, code, at)
            continue
        change = office.submitted(DIRECTORY, keeper, entry)
        if waits == "legal_review":
            office.reviewed(change, office.establishment, "属镇街、村居职责范围，同意")
        elif waits == "returned":
            office.reviewed(change, office.establishment, said["words"], passed=False)


def _carried_out(office: Office, said: Mapping[str, Any], code: str, at: str) -> None:
    place = told()["at"][at]
    content = _content(IMPLEMENTATION, {**told()["body"], **said, **place}) | {"directory": code}
    office.publish(IMPLEMENTATION, place["org"], content)


def _content(list_: str, said: Mapping[str, Any]) -> Content:
    """As a person would type it: what is not said stays empty."""
    typed = [one.name for one in ELEMENTS[list_] if one.kind != "fixed" and one.name in said]
    groups = {group.name: [_row(group, row) for row in said.get(group.name, ())] for group in GROUPS[list_]}
    return blank(list_) | {name: said[name] for name in typed} | groups


def _row(group: Group, said: Mapping[str, str]) -> dict[str, str]:
    usual = MATERIAL if group.name == "materials" else {}
    return {one.name: said.get(one.name, usual.get(one.name, "")) for one in group.elements}
