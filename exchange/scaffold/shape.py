"""The fields of a wire document: of samples as they came, merged, or of a contract's schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Scalar = str | int | bool | float


@dataclass(frozen=True, slots=True)
class Leaf:
    """One wire value of a scope: what samples hold, and what the contract says of it (`labels`, `codes`: code
    to label)."""

    path: str
    values: tuple[Scalar, ...] = ()
    labels: tuple[str, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict, hash=False)
    required: bool | None = None

    @property
    def name(self) -> str:
        """The last step of the path."""
        return self.path.rsplit("/", 1)[-1].removeprefix("@")


@dataclass(frozen=True, slots=True)
class Scope:
    """The values and lists of a whole document, or of one entry of a list; paths begin here."""

    leaves: tuple[Leaf, ...] = ()
    lists: Mapping[str, Scope] = field(default_factory=dict, hash=False)
    order: tuple[str, ...] = ()

    def after(self, path: str) -> str | None:
        """The value that stands next after this list."""
        held = [at for at, one in enumerate(self.order) if one == path or one.startswith(f"{path}/")]
        known = {leaf.path for leaf in self.leaves}
        behind = self.order[max(held, default=len(self.order)) + 1 :]
        return next((one for one in behind if one in known), None)

    @property
    def size(self) -> int:
        """How many fields it has in all."""
        return len(self.leaves) + sum(below.size for below in self.lists.values())


def shape(trees: Iterable[Any]) -> Scope:
    """The fields of these documents of one kind."""
    trees = tuple(trees)
    values: dict[str, list[Scalar]] = {}
    entries: dict[str, list[Any]] = {path: [] for tree in trees for path in _lists(tree, "")}
    for tree in trees:
        _walk(tree, "", values, entries)
    leaves = tuple(Leaf(path, tuple(dict.fromkeys(found))) for path, found in values.items())
    lists = {path: shape(found) for path, found in entries.items()}
    order = dict.fromkeys(path for tree in trees for path in _order(tree, "", entries))
    return Scope(leaves, lists, tuple(order))


def _order(tree: Any, at: str, lists: Mapping[str, Any]) -> Iterator[str]:
    """The values and lists as they stand."""
    if isinstance(tree, dict) and at not in lists:
        for name, below in tree.items():
            yield from _order(below, f"{at}/{name}" if at else str(name), lists)
    else:
        yield at


def _lists(tree: Any, at: str) -> Iterator[str]:
    """Where lists of objects are; XML shows one only where an element is repeated."""
    if isinstance(tree, dict):
        for name, below in tree.items():
            yield from _lists(below, f"{at}/{name}" if at else str(name))
    elif isinstance(tree, list) and any(isinstance(one, dict) for one in tree):
        yield at


def _walk(tree: Any, at: str, values: dict[str, list[Scalar]], entries: dict[str, list[Any]]) -> None:
    if at in entries:
        entries[at].extend(
            one for one in (tree if isinstance(tree, list) else [tree]) if isinstance(one, dict)
        )
    elif isinstance(tree, dict):
        for name, below in tree.items():
            _walk(below, f"{at}/{name}" if at else str(name), values, entries)
    else:
        held = tree if isinstance(tree, list) else [tree]
        values.setdefault(at, []).extend(one for one in held if isinstance(one, Scalar) and one != "")


def below(scope: Scope, path: str) -> Scope:
    """The scope as seen from a branch: what lies under `path/`."""
    start = f"{path}/"
    leaves = tuple(
        Leaf(one.path.removeprefix(start), one.values, one.labels, one.codes, one.required)
        for one in scope.leaves
        if one.path.startswith(start)
    )
    lists = {name.removeprefix(start): one for name, one in scope.lists.items() if name.startswith(start)}
    return Scope(leaves, lists)


def branches(scope: Scope) -> tuple[str, ...]:
    """The elements that hold others, the outermost first."""
    paths = [one.path for one in scope.leaves] + list(scope.lists)
    found = [path[:at] for path in paths for at, sign in enumerate(path) if sign == "/"]
    return tuple(dict.fromkeys(sorted(found, key=len)))


def turned(scope: Scope, path: str) -> Scope:
    """A branch taken for a list of one entry (XML does not tell them apart)."""
    start = f"{path}/"
    leaves = tuple(one for one in scope.leaves if not one.path.startswith(start))
    lists = {name: one for name, one in scope.lists.items() if not name.startswith(start)}
    return Scope(leaves, {**lists, path: below(scope, path)}, scope.order)
