"""What a definition has to keep to before it may run: every problem at once, coded, by its path."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from canonical.errors import ValueRefused
from hallservice.approval.conditions import AllOf, AnyOf, Condition, comparisons, orderable, typed
from hallservice.approval.definition import (
    ADAPTER,
    EXPIRY,
    LEVELS,
    Block,
    Choice,
    Definition,
    HandDown,
    HandUp,
    Level,
    Parallel,
    Serial,
    Step,
    Sub,
    children,
    steps,
)

MOST_BYTES, MOST_BLOCKS, DEEPEST, DEEPEST_CONDITION = 262_144, 400, 12, 6
MESSAGES = {
    "bad_form": "格式不对",
    "missing": "必须填写",
    "unknown_member": "没有这一项",
    "not_json": "不是有效的 JSON，或者嵌套过深",
    "too_large": "流程定义过大",
    "too_deep": "嵌套过深",
    "duplicate_key": "编号重复",
    "duplicate_field": "要素名称重复",
    "duplicate_branch": "分支名称重复",
    "empty": "没有内容",
    "single_branch": "并行至少要有两个分支",
    "bad_share": "需要完成的分支数不在分支总数之内",
    "share_unused": "只有“达到几个”才填写分支数",
    "unknown_field": "流程没有声明这个要素",
    "bad_operator": "这种要素只能比较“等于”或“不等于”",
    "bad_value": "比较的值与要素类型不符",
    "no_default": "选择没有默认分支",
    "over_total": "各环节时限之和超过总时限",
    "duty_separation": "受理（承办）与批准不能是同一岗位",
    "sub_source": "子流程应当只引用或只内嵌一个流程",
    "hand_in_sub": "子流程内不能再跨级移交",
    "many_leads": "只能有一个牵头部门",
    "no_lead": "联合审批没有牵头部门",
    "level_not_handed": "环节的层级与所在层级不同，需要跨级移交",
    "not_up": "上交的目标层级不高于所在层级",
    "not_down": "下放的目标层级不低于所在层级",
    "no_basis": "默认处理没有法律依据",
    "no_limit": "默认处理的环节没有时限",
    "unlawful_default": "法律不允许这种环节默认处理",
    "no_expiry": f"有效期届满前不得视为准予延续：请先在“基本信息”中添加日期要素“{EXPIRY}”",
    "unknown_process": "引用的流程不存在",
    "cycle": "子流程循环引用",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong at `path`, as an editor shows it beside the field."""

    path: str
    code: str

    @property
    def message(self) -> str:
        return MESSAGES[self.code]


class DefinitionRefused(ValueRefused):
    """A definition that may not run; `problems` in reading order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.code, f"{first.path}: {len(self.problems)} problem(s)")


Placed = tuple[str, Block]  # a block with its path, `body.parts[0]`


def parsed(text: str | bytes) -> Definition:
    """The definition that JSON text says, checked for everything but its references; DefinitionRefused."""
    if len(text) > MOST_BYTES:
        raise DefinitionRefused([Problem("", "too_large")])
    try:
        definition = ADAPTER.validate_json(text, strict=True)
    except ValidationError as wrong:
        raise DefinitionRefused(_form_problems(wrong)) from None
    if found := problems(definition):
        raise DefinitionRefused(found)
    return definition


_TAGS = {"step", "serial", "parallel", "choice", "sub", "hand_up", "hand_down", "compare", "and", "or"}
_FORM_CODES = {"missing": "missing", "extra_forbidden": "unknown_member", "json_invalid": "not_json"}
_FORM_CODES |= {"union_tag_not_found": "missing", "unexpected_keyword_argument": "unknown_member"}


def _form_problems(wrong: ValidationError) -> list[Problem]:
    errors = wrong.errors(include_url=False, include_context=False, include_input=False)[:100]
    return [Problem(_path(e["loc"]), _FORM_CODES.get(e["type"], "bad_form")) for e in errors]


def _path(location: tuple[int | str, ...]) -> str:
    """`body.parts[0].key`; the tags that a union adds are no members of the JSON."""
    parts = [f"[{p}]" if isinstance(p, int) else f".{p}" for p in location if p not in _TAGS]
    return "".join(parts).removeprefix(".")


def problems(definition: Definition) -> list[Problem]:
    """Everything wrong that one definition shows by itself, in reading order."""
    placed = list(_bounded(definition.body))
    if placed and placed[-1][0] in ("too_large", "too_deep"):
        return [Problem("body", placed[-1][0])]
    found = [*_repeated(definition, placed), *_separation(definition, placed)]
    for path, block in placed:
        found += [Problem(path + suffix, code) for suffix, code in _own_problems(definition, block)]
    found += [Problem(path, code) for path, code in _levels(definition.body, "body", definition.level)]
    if definition.total_days and longest_days(definition.body) > definition.total_days:
        found.append(Problem("total_days", "over_total"))
    return found


def _bounded(body: Block) -> Iterator[Placed]:
    """Every block with its path, in reading order; ends with the name of a passed bound."""
    stack: list[tuple[str, Block, int]] = [("body", body, 1)]
    count = 0
    while stack:
        path, block, depth = stack.pop()
        count += 1
        if depth > DEEPEST or count > MOST_BLOCKS:
            yield ("too_deep" if depth > DEEPEST else "too_large"), block
            return
        yield path, block
        below = [(where, child, depth + 1) for where, child in _placed_children(path, block)]
        stack.extend(reversed(below))


def _placed_children(path: str, block: Block) -> list[Placed]:
    inner = children(block)
    if isinstance(block, Serial):
        names = [f"parts[{i}]" for i in range(len(inner))]
    elif isinstance(block, Parallel):
        names = [f"branches[{i}]" for i in range(len(inner))]
    elif isinstance(block, Choice):
        names = [*(f"branches[{i}].then" for i in range(len(block.branches))), "otherwise"]
    else:
        names = ["body"]
    return [(f"{path}.{name}", child) for name, child in zip(names, inner, strict=False)]


def _repeated(definition: Definition, placed: list[Placed]) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    scopes = [""]  # a sub-process has keys of its own
    for path, block in placed:
        if isinstance(block, Serial):
            continue
        named = (max((s for s in scopes if path.startswith(s)), key=len), block.key)
        if named in seen:
            yield Problem(f"{path}.key", "duplicate_key")
        seen.add(named)
        if isinstance(block, Sub):
            scopes.append(f"{path}.")
    names = [fact.name for fact in definition.fields]
    for at, name in enumerate(names):
        if name in names[:at]:
            yield Problem(f"fields[{at}].name", "duplicate_field")


def _separation(definition: Definition, placed: list[Placed]) -> Iterator[Problem]:
    """Who accepts or undertakes does not approve: no post may do both."""
    doers = {s.post for s in steps(definition.body) if s.kind in ("accept", "undertake")}
    for path, block in placed:
        if isinstance(block, Step) and block.kind == "approve" and block.post in doers:
            yield Problem(f"{path}.post", "duty_separation")


Suffixed = Iterator[tuple[str, str]]


def _own_problems(definition: Definition, block: Block) -> Suffixed:
    match block:
        case Step():
            return _step_problems(definition, block)
        case Serial():
            return iter([] if block.parts else [(".parts", "empty")])
        case Parallel():
            return _parallel_problems(block)
        case Choice():
            return _choice_problems(definition, block)
        case Sub():
            return _sub_problems(block)
    return iter(())


def _step_problems(definition: Definition, step: Step) -> Suffixed:
    if step.overdue == "NONE":
        return
    lawful = {
        "DEEM_ACCEPTED": step.kind == "accept",  # 行政许可法 art. 32
        "DEEM_RENEWED": step.kind == "approve" and definition.renewal,  # art. 50
        "DEEM_NO_OPINION": step.kind in ("review", "custom"),  # internal consultation
    }
    if not lawful[step.overdue]:
        yield ".overdue", "unlawful_default"
    elif step.overdue == "DEEM_RENEWED" and definition.types.get(EXPIRY) != "date":
        yield ".overdue", "no_expiry"
    if not step.basis.strip():
        yield ".basis", "no_basis"
    if step.limit_days == 0:
        yield ".limit_days", "no_limit"


def _parallel_problems(block: Parallel) -> Suffixed:
    if len(block.branches) < 2:
        yield ".branches", "single_branch"
    if block.join == "share" and not 1 <= block.share <= len(block.branches):
        yield ".share", "bad_share"
    if block.join != "share" and block.share:
        yield ".share", "share_unused"
    subs = [branch for branch in block.branches if isinstance(branch, Sub)]
    leads = sum(sub.lead for sub in subs)
    if leads > 1:
        yield ".branches", "many_leads"
    if len(subs) > 1 and leads == 0:
        yield ".branches", "no_lead"


def _choice_problems(definition: Definition, block: Choice) -> Suffixed:
    if not block.branches:
        yield ".branches", "empty"
    if block.otherwise is None:
        yield ".otherwise", "no_default"
    names = [branch.name for branch in block.branches]
    for at, branch in enumerate(block.branches):
        if branch.name in names[:at]:
            yield f".branches[{at}].name", "duplicate_branch"
        for code in _condition_problems(definition, branch.when):
            yield f".branches[{at}].when", code


def _condition_problems(definition: Definition, condition: Condition) -> Iterator[str]:
    if _depth(condition) > DEEPEST_CONDITION:
        yield "too_deep"
        return
    if _has_empty(condition):
        yield "empty"
    types = definition.types
    for test in comparisons(condition):
        if test.field not in types:
            yield "unknown_field"
        elif typed(test.value, types[test.field]) is None:
            yield "bad_value"
        elif not orderable(test.op, types[test.field]):
            yield "bad_operator"


def _depth(condition: Condition) -> int:
    inner = condition.of if isinstance(condition, AllOf | AnyOf) else ()
    return 1 + max(map(_depth, inner), default=0)


def _has_empty(condition: Condition) -> bool:
    if not isinstance(condition, AllOf | AnyOf):
        return False
    return not condition.of or any(map(_has_empty, condition.of))


def _sub_problems(block: Sub) -> Suffixed:
    if (block.ref is None) == (block.body is None):
        yield ".ref", "sub_source"
    if block.body is not None and _hands(block.body):
        yield ".body", "hand_in_sub"


def _hands(block: Block) -> bool:
    return isinstance(block, HandUp | HandDown) or any(map(_hands, children(block)))


def _levels(block: Block, path: str, here: Level) -> Suffixed:
    """Every crossing of levels is a hand-over: a step stands where its surroundings are."""
    if isinstance(block, Step) and block.level != here:
        yield f"{path}.level", "level_not_handed"
    if isinstance(block, HandUp) and LEVELS.index(block.to) <= LEVELS.index(here):
        yield f"{path}.to", "not_up"
    if isinstance(block, HandDown) and LEVELS.index(block.to) >= LEVELS.index(here):
        yield f"{path}.to", "not_down"
    inside = block.to if isinstance(block, HandUp | HandDown) else here
    for where, child in _placed_children(path, block):
        yield from _levels(child, where, inside)


def longest_days(block: Block) -> int:
    """The working days of the longest way through."""
    if isinstance(block, Step):
        return block.limit_days
    inner = [longest_days(child) for child in children(block)]
    return sum(inner) if isinstance(block, Serial) else max(inner, default=0)
