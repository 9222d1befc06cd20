"""Rules across the members of a message, as data: what the models check in functions, told to partners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """Where every member of `when` has one of its values: `needs` must be there, or a member of `never` has
    none of its values. Without either, words alone say it."""

    message: str
    text: str
    when: Mapping[str, tuple[str, ...]]
    needs: str | None = None
    never: Mapping[str, tuple[str, ...]] | None = None

    def conditions(self) -> list[dict[str, Any]]:
        """The rule as JSON Schema conditions, none where words alone say it."""
        if self.needs is None and self.never is None:
            return []
        return [{"if": _holds(self.when), "then": self._consequence()}]

    def _consequence(self) -> dict[str, Any]:
        if self.needs is not None:
            return {"required": [self.needs], "properties": {self.needs: {"not": {"type": "null"}}}}
        never = (self.never or {}).items()
        return {"properties": {name: {"not": {"enum": list(values)}} for name, values in never}}


def rules_from(data: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """The rules of the `[[rule]]` tables of contracts.toml."""
    return tuple(
        Rule(one["message"], one["text"], _values(one.get("when", {})), one.get("needs"),
             _values(one["never"]) if "never" in one else None)
        for one in data
    )  # fmt: skip


def rules_of(kind: str, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules of one message type."""
    return tuple(rule for rule in rules if rule.message == kind)


def _values(table: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in table.items()}


def _holds(when: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    members = {name: {"enum": list(values)} for name, values in when.items()}
    return {"properties": members, "required": list(when)}
