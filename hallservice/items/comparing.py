"""What a change makes different: old and new side by side, for whoever reviews it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hallservice.items.elements import ELEMENTS, GROUPS, Element, Group


@dataclass(frozen=True, slots=True)
class Difference:
    """One element, in words; `changed` says whether old and new differ."""

    label: str
    old: str
    new: str

    @property
    def changed(self) -> bool:
        return self.old != self.new


def compared(list_: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[Difference]:
    """Every element that says something in either."""
    before = old or {}
    said = [one for one in ELEMENTS[list_] if one.name != "effective_on" or new.get("effective_on")]
    found = [_element(one, before, new) for one in said]
    for group in GROUPS[list_]:
        found += _group(group, before.get(group.name, ()), new.get(group.name, ()))
    return [one for one in found if one.old or one.new]


def _element(one: Element, old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    return Difference(one.label, _shown(one, old), _shown(one, new))


def _shown(one: Element, content: Mapping[str, Any]) -> str:
    return one.shown(content[one.name]) if one.name in content else ""


def _group(group: Group, old: Any, new: Any) -> Iterator[Difference]:
    key = group.elements[0].name
    before, after = ({row.get(key, ""): row for row in rows} for rows in (old, new))
    for name in dict.fromkeys([*before, *after]):
        yield Difference(
            f"{group.label}：{name}", _row(group, before.get(name)), _row(group, after.get(name))
        )


def _row(group: Group, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    said = ((one, one.shown(row.get(one.name, ""))) for one in group.elements)
    return "；".join(f"{one.label}：{text}" for one, text in said if text)
