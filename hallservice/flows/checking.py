"""What a draft has to keep to beside the engine's own rules: what it refers to, and who takes part, exist."""

from sqlalchemy import Connection, select

from hallservice.approval import reachable
from hallservice.approval.definition import Block, Choice, Definition, HandDown, HandUp, Parallel, Serial, Sub
from hallservice.approval.plan import Find, Plan
from hallservice.approval.validation import MESSAGES, DefinitionRefused, Problem, parsed
from hallservice.flows import plans, shipped, staff
from hallservice.flows import tables as t
from hallservice.people import organisations
from hallservice.people import tables as p
from hallservice.people.organisations import Org
from hallservice.supervision import roster

WORDS = {
    **MESSAGES,
    "unknown_org": "没有这个机构，请重新选择",
    "never_taken": "永远轮不到这个情形：它的条件自相矛盾，或者已被前面的情形包含",
}


MISSING = {
    "name": "请填写名称", "org": "请选择机构", "post": "请填写岗位", "to": "请选择层级",
    "basis": "请填写法律依据",
}  # fmt: skip


def said(problem: Problem) -> str:
    """What an editor shows at the block."""
    member = problem.path.rpartition(".")[2]
    if problem.code in ("bad_form", "missing") and member in MISSING:
        return MISSING[member]
    return WORDS.get(problem.code, problem.code)


def checked(connection: Connection, owner: Org, text: str) -> tuple[Plan | None, tuple[Problem, ...]]:
    """The linked plan, or everything that is wrong; bodies that take part have to exist."""
    try:
        definition = parsed(text)
    except DefinitionRefused as refused:
        return None, refused.problems
    try:
        plan = plans.link(plans.with_references(definition, finder(connection, owner)))
    except DefinitionRefused as refused:
        return None, tuple(_at_reference(definition.body, one) for one in refused.problems)
    problems = (*unknown_orgs(connection, definition.body), *never_taken(definition))
    return (None, problems) if problems else (plan, ())


def _at_reference(body: Block, problem: Problem) -> Problem:
    """What is wrong with a process that is referred to, at the department that refers to it."""
    for path, sub in reversed(_subs(body, "body")):
        if problem.path == sub.key or problem.path.startswith(f"{sub.key}."):
            return Problem(f"{path}.ref", problem.code)
    return problem


def never_taken(definition: Definition) -> list[Problem]:
    """Cases that nothing leads to; not in what the engine refuses, for a version published once runs on."""
    return [
        Problem(f"{path}.branches[{at}].when", "never_taken")
        for path, choice in _choices(definition.body, "body")
        for at in reachable.never_taken(choice, definition.types)
    ]


def _choices(block: Block, path: str) -> list[tuple[str, Choice]]:
    own = [(path, block)] if isinstance(block, Choice) else []
    return own + [found for where, child in _paths(block, path) for found in _choices(child, where)]


def unheld(connection: Connection, owner: Org, plan: Plan) -> list[str]:
    """Steps, of the owner's own level or a named department, whose post nobody holds there now: in words. It
    hinders no publication: people come, and other bodies may use the process."""
    own = staff.level_of(owner.region)
    found = []
    for place in plan.places.values():
        org = place.org or (owner.code if place.step.level == own else None)
        if org is not None and not roster.at_post(connection, org, place.step.post):
            name = connection.execute(select(p.org.c.name).where(p.org.c.code == org)).scalar() or org
            found.append(
                f"“{place.step.name}”：{name}现在没有人持有岗位“{place.step.post}”，办件到此无人办理"
            )
    return list(dict.fromkeys(found))


def unknown_orgs(connection: Connection, body: Block) -> list[Problem]:
    """Sub-processes of bodies the hall does not know, or that are closed."""
    named = list(_subs(body, "body"))
    ask = select(p.org.c.code).where(p.org.c.code.in_({sub.org for _, sub in named}), p.org.c.active)
    known = set(connection.execute(ask).scalars()) if named else set()
    return [Problem(f"{path}.org", "unknown_org") for path, sub in named if sub.org not in known]


def _subs(block: Block, path: str) -> list[tuple[str, Sub]]:
    own = [(path, block)] if isinstance(block, Sub) else []
    inner = _paths(block, path)
    return own + [found for where, child in inner for found in _subs(child, where)]


def _paths(block: Block, path: str) -> list[tuple[str, Block]]:
    """Children by their place in the JSON."""
    match block:
        case Serial():
            return [(f"{path}.parts[{at}]", one) for at, one in enumerate(block.parts)]
        case Parallel():
            return [(f"{path}.branches[{at}]", one) for at, one in enumerate(block.branches)]
        case Choice():
            then = [(f"{path}.branches[{at}].then", one.then) for at, one in enumerate(block.branches)]
            return then if block.otherwise is None else [*then, (f"{path}.otherwise", block.otherwise)]
        case Sub() if block.body is not None:
            return [(f"{path}.body", block.body)]
        case HandUp() | HandDown():
            return [(f"{path}.body", block.body)]
    return []


def finder(connection: Connection, owner: Org) -> Find:
    """What a reference means to this owner: its own newest, those of the bodies above, what ships."""
    line = [org.code for org in reversed(organisations.above(connection, owner.path))]

    def find(key: str) -> Definition | None:
        for code in line:
            if found := newest(connection, code, key):
                return found
        return shipped.shipped().get(key)

    return find


def newest(connection: Connection, owner: str, key: str, version: int | None = None) -> Definition | None:
    """The newest published version of a process, or that version if it is (still) published."""
    ask = select(t.flow.c.body).where(
        t.flow.c.owner == owner, t.flow.c.key == key, t.flow.c.state == "published"
    )
    if version is not None:
        ask = ask.where(t.flow.c.version == version)
    text = connection.execute(ask.order_by(t.flow.c.version.desc()).limit(1)).scalar()
    return parsed(text) if text is not None else None
