"""Linked plans by their digest: what an instance was started with can be read back for ever."""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, insert, select

from exchange.store.work import Work
from hallservice.approval.definition import Block, Definition, Sub, children, dumped
from hallservice.approval.plan import Find, Plan, linked
from hallservice.approval.validation import parsed
from hallservice.flows import tables as t
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

KIND = "hall.flow"
MOST_KNOWN = 512
_KNOWN: dict[str, Plan] = {}  # by digest
_FIND = select(t.plan.c.definitions).where(t.plan.c.digest == bindparam("of"))


def with_references(definition: Definition, find: Find) -> tuple[Definition, ...]:
    """The process and every one it refers to, itself first; those nobody finds are left to `linked`."""
    found: dict[str, Definition] = {definition.key: definition}
    waiting = list(_references(definition.body))
    while waiting:
        key = waiting.pop()
        other = None if key in found else find(key)
        if other is not None:
            found[key] = other
            waiting += _references(other.body)
    return tuple(found.values())


def _references(block: Block) -> list[str]:
    own = [block.ref] if isinstance(block, Sub) and block.ref is not None else []
    return own + [key for child in children(block) for key in _references(child)]


def link(definitions: Sequence[Definition]) -> Plan:
    """The plan of the first, the others being what it refers to."""
    return linked(definitions[0], {one.key: one for one in definitions[1:]}.get)


def keep(hall: Hall, work: Work, clerk: Clerk, definitions: Sequence[Definition]) -> Plan:
    """The plan, stored and recorded in the ledger the first time."""
    plan = link(definitions)
    if run(work.connection, _FIND, {"of": plan.digest}).first() is None:
        said = [dumped(one) for one in definitions]
        entry = hall.record(work, clerk, KIND, plan.digest, said)
        text = json.dumps(said, ensure_ascii=False, sort_keys=True)
        row = {"digest": plan.digest, "definitions": text, "entry": entry.seq}
        work.connection.execute(insert(t.plan), row)
    return plan


def load(connection: Connection, digest: str) -> Plan:
    """HallRefused unknown_plan. A digest names one plan for ever, in whichever store it was read."""
    plan = _KNOWN.get(digest)
    if plan is None:
        if len(_KNOWN) >= MOST_KNOWN:
            _KNOWN.clear()
        plan = _KNOWN[digest] = read(_text(connection, digest))
    return plan


def definitions(connection: Connection, digest: str) -> tuple[Definition, ...]:
    """What a plan was made of, as it was then; HallRefused unknown_plan."""
    return unpacked(_text(connection, digest))


def _text(connection: Connection, digest: str) -> str:
    text = run(connection, _FIND, {"of": digest}).scalar()
    if text is None:
        raise HallRefused("unknown_plan", "找不到这个流程版本", digest)
    return str(text)


def read(text: str) -> Plan:
    """The plan of a stored list of definitions."""
    return link(unpacked(text))


def unpacked(text: str) -> tuple[Definition, ...]:
    """A stored list of definitions."""
    return tuple(parsed(json.dumps(one)) for one in json.loads(text))


def by_digest(plan: Plan) -> Mapping[str, Plan]:
    """As the engine asks for them."""
    return {plan.digest: plan}
