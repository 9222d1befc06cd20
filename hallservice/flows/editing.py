"""The editor's moves on a draft: a vertical list of blocks, each named by its path in the JSON. Pure.

A draft is JSON that need not be valid yet. Every place that holds more than one thing in a row is a serial
here, so that blocks can be added after each other; `tidied` makes a definition so, without changing what it
means, and gives each step the level of its surroundings.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Literal

from hallservice.approval.definition import LEVELS, FactField
from hallservice.refusals import HallRefused

Json = dict[str, Any]
LOST = "找不到要修改的位置，请刷新后再改"
New = Literal["step", "parallel", "choice", "sub", "hand_up", "hand_down"]
NEW: Mapping[New, str] = {
    "step": "环节", "parallel": "并行（几路同时办理）", "choice": "选择（按条件走其中一路）",
    "sub": "部门子流程（联合审批）", "hand_up": "上交上级", "hand_down": "下放下级",
}  # fmt: skip
_FACT = re.compile("[a-z\u4e00-\u9fff][a-z0-9_\u4e00-\u9fff]{0,39}")
_PART = re.compile(r"\.?([a-z]+)|\[(\d{1,4})\]", re.ASCII)
_PLACE = re.compile(r"(.*)\[(\d{1,4})\]", re.ASCII)


# -- finding


def keys_of(path: str) -> list[str | int]:
    """`body.parts[0]` as the members and numbers that lead there; HallRefused not_found."""
    if not path.startswith("body"):
        raise HallRefused("not_found", LOST)
    found: list[str | int] = []
    at = 0
    while at < len(path):
        part = _PART.match(path, at)
        if part is None:
            raise HallRefused("not_found", LOST)
        found.append(part[1] or int(part[2]))
        at = part.end()
    return found


def at_path(draft: Json, path: str) -> Any:
    """What stands at the path; HallRefused not_found."""
    here: Any = draft
    try:
        for key in keys_of(path):
            here = here[key]
    except (KeyError, IndexError, TypeError):
        raise HallRefused("not_found", LOST) from None
    return here


def identity(draft: Json, path: str) -> str:
    """What a block is known by wherever it stands: its key; a case by its choice's key and its own name."""
    block = at_path(draft, path)
    if not isinstance(block, dict):
        return ""
    if "key" in block:
        return str(block["key"])
    above = at_path(draft, path.rpartition(".branches[")[0]) if ".branches[" in path else {}
    return f"{above['key']}/{block['name']}" if above.get("block") == "choice" and "name" in block else ""


def path_of(draft: Json, known: str) -> str | None:
    """Where the block of that identity stands now."""
    return next(
        (path for path in _paths(draft["body"], "body") if known and identity(draft, path) == known), None
    )


def _paths(value: Any, path: str) -> Iterator[str]:
    """Every object below, itself first."""
    if isinstance(value, dict):
        yield path
        for name, one in value.items():
            yield from _paths(one, f"{path}.{name}") if name != "when" else ()
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _paths(one, f"{path}[{at}]")


def parent_of(path: str) -> tuple[str, int]:
    """`body.parts[3]` -> (`body.parts`, 3); HallRefused not_found where it is in no list."""
    found = _PLACE.fullmatch(path)
    if found is None:
        raise HallRefused("not_found", "这个位置不能这样修改")
    return found[1], int(found[2])


# -- shape


def tidied(draft: Mapping[str, Any]) -> Json:
    """The same process as the editor wants it: rows everywhere, levels from the surroundings."""
    made = deepcopy(dict(draft))
    made["body"] = _row(made.get("body"))
    _levelled(made["body"], made.get("level", "county"))
    return made


def _row(block: Any) -> Json:
    """A serial around whatever it is, its inner places rows as well."""
    if not isinstance(block, dict):
        return {"block": "serial", "parts": []}
    if block.get("block") != "serial":
        return {"block": "serial", "parts": [_inner(block)]}
    parts = [_inner(part) for part in block.get("parts", ()) if isinstance(part, dict)]
    return {**block, "parts": parts}


def _inner(block: Json) -> Json:
    match block.get("block"):
        case "serial":
            return _row(block)
        case "parallel":
            branches = [one for one in block.get("branches", ()) if isinstance(one, dict)]
            lanes = [_inner(one) if one.get("block") == "sub" else _row(one) for one in branches]
            return {**block, "branches": lanes}
        case "choice":
            branches = [one for one in block.get("branches", ()) if isinstance(one, dict)]
            made = [{**one, "then": _row(one.get("then"))} for one in branches]
            return {**block, "branches": made, "otherwise": _row(block.get("otherwise"))}
        case "sub":
            return block if block.get("ref") else {**block, "body": _row(block.get("body"))}
        case "hand_up" | "hand_down":
            return {**block, "body": _row(block.get("body"))}
    return block


def _levelled(block: Any, level: str) -> None:
    """In place, on our own copy."""
    if not isinstance(block, dict):
        return
    if block.get("block") == "step":
        block["level"] = level
    inner = block.get("to", level) if block.get("block") in ("hand_up", "hand_down") else level
    for name in ("parts", "branches"):
        for one in block.get(name, ()):
            _levelled(one.get("then", one) if isinstance(one, dict) else one, inner)
    for name in ("body", "otherwise"):
        _levelled(block.get(name), inner)


def level_at(draft: Json, path: str) -> str:
    """The level of whatever stands at the path."""
    level = draft.get("level", "county")
    here: Any = draft
    for key in keys_of(path):
        here = here[key]
        if isinstance(here, dict) and here.get("block") in ("hand_up", "hand_down"):
            level = here.get("to", level)
    return str(level)


# -- changing


def moved(draft: Json, path: str, by: int) -> Json:
    """One place up (-1) or down (1) among its siblings."""
    made = deepcopy(draft)
    where, at = parent_of(path)
    siblings = at_path(made, where)
    if not (isinstance(siblings, list) and 0 <= at < len(siblings) and 0 <= at + by < len(siblings)):
        raise HallRefused("not_found", "已经在最前或最后，不能再移动")
    siblings[at], siblings[at + by] = siblings[at + by], siblings[at]
    return tidied(made)


def removed(draft: Json, path: str) -> Json:
    """Without the block, and all that is in it."""
    made = deepcopy(draft)
    where, at = parent_of(path)
    at_path(made, path)
    row = at_path(made, where)
    if not isinstance(row, list):
        raise HallRefused("not_found", LOST)
    del row[at]
    return tidied(made)


def added(draft: Json, path: str, inside: bool, kind: str) -> tuple[Json, str]:
    """A new block after the one at the path, or at the end of what is inside it; and the path of the new one.

    Inside a parallel that is a new lane, or a department's where `kind` is sub; inside a choice a new case.
    """
    if kind not in NEW:
        raise HallRefused("not_found", "没有这种环节")
    made = deepcopy(draft)
    where, at, lane = _place(made, path, inside)
    row = at_path(made, where)
    if not (isinstance(row, list) and 0 <= at <= len(row)):
        raise HallRefused("not_found", LOST)
    level = level_at(made, where)
    block = _fresh(made, kind, level)
    if lane == "branches":
        block = block if kind == "sub" else {"block": "serial", "parts": [block]}
    elif lane == "cases":
        then = {"block": "serial", "parts": [block]}
        block = {"name": f"情形 {at + 1}", "when": {"test": "and", "of": []}, "then": then}
    row.insert(at, block)
    return tidied(made), f"{where}[{at}]"


def _place(draft: Json, path: str, inside: bool) -> tuple[str, int, str]:
    """The list a new block goes into, where in it, and what kind of list that is."""
    if path in ("", "body"):
        return "body.parts", len(draft["body"]["parts"]), "parts"
    if not inside:
        where, at = parent_of(path)
        owner = at_path(draft, where.rsplit(".", 1)[0])
        of = owner.get("block") if isinstance(owner, dict) else None
        lane = {"parallel": "branches", "choice": "cases"}.get(str(of), "parts")
        return where, at + 1, lane
    block = at_path(draft, path)
    kind = block.get("block") if isinstance(block, dict) else None
    where, lane = {
        "parallel": (f"{path}.branches", "branches"), "choice": (f"{path}.branches", "cases"),
        "serial": (f"{path}.parts", "parts"), None: (f"{path}.then.parts", "parts"),
    }.get(kind, (f"{path}.body.parts", "parts"))  # fmt: skip
    row = at_path(draft, where)
    return where, len(row) if isinstance(row, list) else -1, lane


def _fresh(draft: Json, kind: str, level: str) -> Json:
    """A block with what it needs at least."""
    key = _unused(draft, {"hand_up": "up", "hand_down": "down"}.get(kind, kind))
    row = {"block": "serial", "parts": []}
    match kind:
        case "step":
            made = {"name": "", "kind": "undertake", "post": "undertake", "level": level, "limit_days": 0}
            return {"block": "step", "key": key, **made}
        case "parallel":
            return {"block": "parallel", "key": key, "join": "all", "branches": [dict(row), dict(row)]}
        case "choice":
            return {"block": "choice", "key": key, "branches": [], "otherwise": row}
        case "sub":
            return {"block": "sub", "key": key, "name": "", "org": "", "body": row}
    here = [*LEVELS].index(level) if level in {*LEVELS} else 2
    to = LEVELS[min(max(here + (1 if kind == "hand_up" else -1), 0), len(LEVELS) - 1)]
    return {"block": kind, "key": key, "to": to, "body": row}


def _unused(draft: Json, stem: str) -> str:
    used = set(_keys(draft))
    return next(name for name in (f"{stem}{n}" for n in range(1, 10_000)) if name not in used)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("key"), str):
            yield value["key"]
        for one in value.values():
            yield from _keys(one)
    elif isinstance(value, list):
        for one in value:
            yield from _keys(one)


def changed(draft: Json, path: str, values: Mapping[str, Any]) -> Json:
    """The block at the path with other values."""
    made = deepcopy(draft)
    block = at_path(made, path)
    if not isinstance(block, dict):
        raise HallRefused("not_found", LOST)
    block.update(values)
    return tidied(made)


def facts_of(draft: Mapping[str, Any]) -> list[FactField]:
    """The facts a draft declares, as far as they are whole."""
    rows = [
        row
        for row in draft.get("fields", ())
        if isinstance(row, dict) and {*row} >= {"name", "label", "type"}
    ]
    return [FactField(name=row["name"], label=row["label"], type=row["type"]) for row in rows]


def may_name_fact(text: str) -> bool:
    """Whether the engine takes it as the name of a fact."""
    return _FACT.fullmatch(text) is not None
