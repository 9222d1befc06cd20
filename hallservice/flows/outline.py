"""A draft as the vertical list people edit: one line a block, with what is wrong at it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from hallservice.approval.conditions import AllOf, AnyOf, Condition
from hallservice.approval.definition import KIND_NAMES, LEVEL_NAMES, FactField
from hallservice.approval.rules import written
from hallservice.approval.validation import Problem
from hallservice.flows.checking import said
from hallservice.flows.editing import Json, facts_of

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_JOINS = {"all": "全部办结后继续", "any": "任一办结后继续", "share": "达到几路后继续"}
_KINDS: Mapping[str, str] = {str(kind): name for kind, name in KIND_NAMES.items()}
_LEVELS: Mapping[str, str] = {str(level): name for level, name in LEVEL_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `inside`: something may be put into it; `lane`: of a parallel, of a choice, or neither."""

    path: str
    depth: int
    block: str
    title: str
    detail: str
    up: bool = False
    down: bool = False
    inside: bool = False
    edit: bool = True
    remove: bool = True
    problems: tuple[str, ...] = ()


def lines(draft: Json, problems: Sequence[Problem] = ()) -> list[Line]:
    """From top to bottom; each problem stands at the innermost line it concerns."""
    bare = list(_Writer(facts_of(draft)).row(draft["body"], "body", 0))
    found = _by_line([line.path for line in bare], problems)
    return [replace(line, problems=tuple(found.get(line.path, ()))) for line in bare]


def unplaced(draft: Json, problems: Sequence[Problem]) -> list[str]:
    """What is wrong with the process as a whole."""
    paths = [line.path for line in lines(draft)]
    return list(dict.fromkeys(said(one) for one in problems if _line_of(paths, one.path) is None))


def named(draft: Json, problems: Sequence[Problem]) -> list[str]:
    """Each problem in words, behind the line it stands at; those of the process as a whole alone."""
    known = lines(draft)
    found = []
    for one in problems:
        at = " › ".join(line.title for line in known if _holds(line.path, one.path))
        found.append(f"“{at}”：{said(one)}" if at else said(one))
    return list(dict.fromkeys(found))


def _by_line(paths: Sequence[str], problems: Sequence[Problem]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in problems:
        path = _line_of(paths, problem.path)
        if path is not None and said(problem) not in found.setdefault(path, []):
            found[path].append(said(problem))
    return found


def _line_of(paths: Sequence[str], where: str) -> str | None:
    return max((path for path in paths if _holds(path, where)), key=len, default=None)


def _holds(path: str, where: str) -> bool:
    return where == path or where.startswith((f"{path}.", f"{path}["))


def rule_of(condition: object, facts: Sequence[FactField]) -> str:
    """A condition in words; '' while there is none."""
    try:
        found = _CONDITION.validate_python(condition)
    except ValidationError:
        return ""
    empty = isinstance(found, AllOf | AnyOf) and not found.of
    return "" if empty else written(found, facts)


def value_of(condition: Condition) -> Json:
    """A condition as a draft keeps it."""
    value: Json = _CONDITION.dump_python(condition, mode="json")
    return value


def is_lane(draft: Json, path: str) -> bool:
    """Whether the path is a lane of a parallel, which has nothing to fill in."""
    return any(line.path == path and line.block == "lane" for line in lines(draft))


@dataclass(frozen=True, slots=True)
class _Writer:
    facts: Sequence[FactField]

    def row(self, block: Json, path: str, depth: int) -> Iterator[Line]:
        """The blocks of a serial."""
        parts = block.get("parts", [])
        for at, part in enumerate(parts):
            place = Line(f"{path}.parts[{at}]", depth, "", "", "", at > 0, at < len(parts) - 1)
            yield from self.block(part, place)

    def block(self, block: Json, place: Line) -> Iterator[Line]:
        """A block and everything in it."""
        kind = str(block.get("block"))
        title, detail = _title(block)
        inside = kind in ("parallel", "choice") or "body" in block
        yield replace(place, block=kind, title=title, detail=detail, inside=inside)
        match kind:
            case "parallel":
                yield from self.lanes(block.get("branches", []), place)
            case "choice":
                yield from self.cases(block, place)
            case _ if isinstance(block.get("body"), dict):
                yield from self.row(block["body"], f"{place.path}.body", place.depth + 1)

    def lanes(self, branches: Sequence[Json], above: Line) -> Iterator[Line]:
        for at, branch in enumerate(branches):
            place = Line(f"{above.path}.branches[{at}]", above.depth + 1, "lane", f"第 {at + 1} 路", "",
                         at > 0, at < len(branches) - 1, inside=True, edit=False)  # fmt: skip
            if branch.get("block") == "sub":
                yield from self.block(branch, replace(place, edit=True))
            else:
                yield place
                yield from self.row(branch, place.path, place.depth + 1)

    def cases(self, block: Json, above: Line) -> Iterator[Line]:
        branches, depth = block.get("branches", []), above.depth + 1
        for at, branch in enumerate(branches):
            where = f"{above.path}.branches[{at}]"
            rule = rule_of(branch.get("when"), self.facts) or "（尚未填写条件）"
            title = f"情形：{branch.get('name') or '（未命名）'}"
            yield Line(where, depth, "branch", title, rule, at > 0, at < len(branches) - 1, inside=True)
            yield from self.row(branch["then"], f"{where}.then", depth + 1)
        default = f"{above.path}.otherwise"
        yield Line(default, depth, "otherwise", "其他情形", "", inside=True, edit=False, remove=False)
        yield from self.row(block["otherwise"], default, depth + 1)


def _title(block: Json) -> tuple[str, str]:
    match block.get("block"):
        case "step":
            return str(block.get("name") or "（未命名）"), _step_detail(block)
        case "parallel":
            return "并行", _JOINS.get(block.get("join", "all"), "")
        case "choice":
            return "选择", "按条件走其中一路"
        case "sub":
            return f"部门：{block.get('name') or '（未命名）'}", _sub_detail(block)
        case "hand_up" | "hand_down":
            word = "上交" if block["block"] == "hand_up" else "下放"
            return f"{word}：{_LEVELS.get(block.get('to', ''), '（未选层级）')}", ""
    return "顺序", ""


def _step_detail(block: Json) -> str:
    days = f"，{block['limit_days']} 个工作日" if block.get("limit_days") else ""
    risk = "，廉政风险点" if block.get("integrity_risk") else ""
    kind, level = _KINDS.get(block.get("kind", ""), ""), _LEVELS.get(block.get("level", ""), "")
    return f"{kind}·{level}，岗位 {block.get('post') or '（未填）'}{days}{risk}"


def _sub_detail(block: Json) -> str:
    lead = "，牵头" if block.get("lead") else ""
    ref = f"，引用流程 {block['ref']}" if block.get("ref") else ""
    return f"机构 {block.get('org') or '（未选）'}{lead}{ref}"
