"""The province's code lists held against ours: a difference is a finding for a person, never taken over."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from canonical.codes import code_list, code_list_keys
from exchange.errors import Misconfigured, Refused
from exchange.mapping.paths import at
from exchange.records import add_finding
from exchange.store.work import Work

if TYPE_CHECKING:
    from exchange.adapterfolder import Adapter

CALL = "QueryDict"
PREFIX = "list_"  # parameters of an adapter: list_COLUMN = name of our list
FINDING = "code_list_differs"


def compared_lists(adapter: "Adapter") -> dict[str, str]:
    """Column of the province -> our code list; Misconfigured for a list nobody knows."""
    found = {
        name.removeprefix(PREFIX): ours
        for name, ours in adapter.parameters.items()
        if name.startswith(PREFIX)
    }
    if unknown := sorted(set(found.values()) - set(code_list_keys())):
        raise Misconfigured("unknown_list", f"there is no code list {unknown[0]}", adapter.name)
    return found


def entries(tree: Any) -> dict[str, str]:
    """Code -> label of an answer; Refused bad_value for what is no list of codes."""
    rows = at(tree, "DICT/ENTRY") or []
    rows = rows if isinstance(rows, list) else [rows]
    try:
        return {str(row["@code"]): str(row["@name"]) for row in rows}
    except (KeyError, TypeError):
        raise Refused("bad_value", "an entry without code and name", "DICT/ENTRY") from None


def differences(ours: str, theirs: Mapping[str, str]) -> list[str]:
    """A code one side lacks, or another meaning; a label that only says more is no difference."""
    own = {entry.code: entry.label for entry in code_list(ours).entries}
    missing = [f"{code} {own[code]} is ours alone" for code in sorted(own.keys() - theirs.keys())]
    new = [f"{code} {theirs[code]} is unknown here" for code in sorted(theirs.keys() - own.keys())]
    other = [
        f"{code} is {own[code]} here and {theirs[code]} there"
        for code in sorted(own.keys() & theirs.keys())
        if not _same(own[code], theirs[code])
    ]
    return missing + new + other


def note(work: Work, party: str, column: str, found: Sequence[str], entry: int) -> None:
    """One finding per list that differs."""
    if found:
        add_finding(work, None, ("logic", FINDING, f"{party} {column}: {'; '.join(found)}"[:500]), entry)


def _same(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
