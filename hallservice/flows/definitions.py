"""Processes of the bodies: drafts, immutable versions, and which process the cases of an item take."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from canonical.errors import ValueRefused
from canonical.form import digest as digest_of
from exchange.store.work import Work
from hallservice.approval.definition import dumped
from hallservice.approval.plan import Plan
from hallservice.approval.validation import MESSAGES, MOST_BYTES, DefinitionRefused, Problem, parsed
from hallservice.flows import checking, plans, shipped, staff
from hallservice.flows import tables as t
from hallservice.flows.assigning import EDIT, chosen, for_item
from hallservice.flows.checking import checked, finder
from hallservice.hall import Hall
from hallservice.people import organisations
from hallservice.people import tables as p
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.people.organisations import Org
from hallservice.refusals import FieldFault, FormRefused, HallRefused

__all__ = [
    "Draft", "Version", "discard", "draft", "for_item", "get", "listed", "new", "publish", "retire",
    "save_draft", "versions",
]  # fmt: skip

KEY_SAID = "编号用小写字母开头，只含小写字母、数字和下划线，最长 40 个字符"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a process as lists show it."""

    owner: str
    owner_name: str
    key: str
    version: int
    state: str
    name: str
    digest: str | None
    revision: int
    author_name: str
    changed_at: float
    published_by: str | None
    published_at: float | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What an editor works on: JSON that need not be valid yet, and what is wrong with it."""

    version: Version
    body: dict[str, Any]
    problems: tuple[Problem, ...]
    plan: Plan | None
    unheld: tuple[str, ...] = ()  # what is no fault, but leaves a case with nobody


_SHOWN = [t.flow.c[name] for name in Version.__slots__ if name != "owner_name"]


def listed(hall: Hall, clerk: Clerk) -> list[Version]:
    """The newest version and the draft of every process within the clerk's rights, then what ships."""
    clerk.expect(EDIT)
    ask = (
        select(*_SHOWN, p.org.c.name.label("owner_name"))
        .join(p.org, p.org.c.code == t.flow.c.owner)
        .where(within(p.org.c.path, clerk, EDIT))
        .order_by(p.org.c.path, t.flow.c.key, t.flow.c.version.desc())
    )
    rows = hall.read(lambda connection: [Version(**row._mapping) for row in connection.execute(ask)])
    newest: dict[tuple[str, str, str], Version] = {}
    for row in rows:
        newest.setdefault((row.owner, row.key, row.state), row)
    return [*newest.values(), *(_shipped(key) for key in shipped.KEYS)]


def _shipped(key: str) -> Version:
    definition = shipped.shipped()[key]
    digest = plans.link([definition]).digest
    return Version(
        shipped.OWNER, "随程序提供", key, definition.version, "published", definition.name, digest, 0, "",
        0.0, "随程序提供", None,
    )  # fmt: skip


def versions(hall: Hall, clerk: Clerk, owner: str, key: str) -> list[Version]:
    """Every version of one process, newest first; HallRefused unknown_flow, not_allowed."""
    if owner == shipped.OWNER:
        return [_shipped(key)] if key in shipped.KEYS else []
    return hall.read(lambda connection: _versions(connection, clerk, owner, key))


def _versions(connection: Connection, clerk: Clerk, owner: str, key: str) -> list[Version]:
    org = expect_owner(connection, clerk, owner)
    ask = select(*_SHOWN).where(t.flow.c.owner == owner, t.flow.c.key == key)
    rows = connection.execute(ask.order_by(t.flow.c.version.desc())).all()
    return [Version(**row._mapping, owner_name=org.name) for row in rows]


def expect_owner(connection: Connection, clerk: Clerk, owner: str) -> Org:
    """The body whose processes these are; HallRefused unknown_org, not_allowed."""
    org = organisations.get(connection, owner)
    clerk.expect(EDIT, org.path)
    return org


def get(hall: Hall, clerk: Clerk, owner: str, key: str, version: int) -> Draft:
    """One version with its body and, where it is valid, its plan."""
    if owner == shipped.OWNER and key in shipped.KEYS:
        definition = shipped.shipped()[key]
        return Draft(_shipped(key), dumped(definition), (), plans.link([definition]))
    return hall.read(lambda connection: _read(connection, clerk, owner, key, version))


def draft(hall: Hall, clerk: Clerk, owner: str, key: str) -> Draft:
    """The one draft of a process; HallRefused no_draft."""

    def read(connection: Connection) -> Draft:
        expect_owner(connection, clerk, owner)
        found = _draft(connection, owner, key)
        if found is None:
            raise HallRefused("no_draft", "这个流程没有草稿", key)
        return _read(connection, clerk, owner, key, found.version)

    return hall.read(read)


def _read(connection: Connection, clerk: Clerk, owner: str, key: str, version: int) -> Draft:
    org = expect_owner(connection, clerk, owner)
    row = _row(connection, owner, key, version)
    if row is None:
        raise HallRefused("unknown_flow", "没有这个流程版本", key)
    plan, problems = checked(connection, org, row.body)
    shown = Version(
        **{name: getattr(row, name) for name in Version.__slots__ if name != "owner_name"},
        owner_name=org.name,
    )
    waiting = checking.unheld(connection, org, plan) if plan is not None and row.state == "draft" else ()
    return Draft(shown, json.loads(row.body), problems, plan, tuple(waiting))


def _row(connection: Connection, owner: str, key: str, version: int) -> Row[Any] | None:
    ask = select(t.flow).where(t.flow.c.owner == owner, t.flow.c.key == key, t.flow.c.version == version)
    return connection.execute(ask).one_or_none()


def save_draft(
    hall: Hall, clerk: Clerk, owner: str, key: str, body: Mapping[str, Any], revision: int | None = None
) -> Draft:
    """Keep a draft, valid or not; `revision` is the one the editor saw (None: there was none)."""
    return hall.write(lambda work: _save(hall, work, clerk, owner, key, body, revision))


def _save(
    hall: Hall, work: Work, clerk: Clerk, owner: str, key: str, body: Mapping[str, Any], revision: int | None
) -> Draft:
    org = expect_owner(work.connection, clerk, owner)
    old = _draft(work.connection, owner, key)
    _expect_unchanged(old, revision)
    version = old.version if old is not None else _highest(work.connection, owner, key) + 1
    whole = {**body, "key": key, "org": owner, "version": version}
    text = _written(whole)
    row = {
        "state": "draft", "name": str(whole.get("name", ""))[:100], "body": text, "digest": None,
        "revision": (old.revision if old is not None else 0) + 1, "author": clerk.staff_no,
        "author_name": clerk.name, "changed_at": work.now, "published_by": None, "published_at": None,
    }  # fmt: skip
    if old is not None:
        here = t.flow.c.owner == owner, t.flow.c.key == key, t.flow.c.version == version
        work.connection.execute(update(t.flow).where(*here).values(row))
    else:
        work.connection.execute(insert(t.flow), {"owner": owner, "key": key, "version": version, **row})
    about = {"owner": owner, "key": key, "version": version, "revision": row["revision"]}
    hall.record(
        work, clerk, "hall.flow_drafted", f"{owner}/{key}/{version}", {**about, "digest": digest_of(whole)}
    )
    plan, problems = checked(work.connection, org, text)
    return Draft(Version(**{**about, **_shown(row)}, owner_name=org.name), whole, problems, plan)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in Version.__slots__ if name in row}


def _draft(connection: Connection, owner: str, key: str) -> Row[Any] | None:
    ask = select(t.flow).where(t.flow.c.owner == owner, t.flow.c.key == key, t.flow.c.state == "draft")
    return connection.execute(ask).one_or_none()


def _expect_unchanged(old: Row[Any] | None, revision: int | None) -> None:
    if old is not None and old.revision != revision:
        raise HallRefused("changed", f"草稿已由{old.author_name}修改，请按最新内容再改")
    if old is None and revision is not None:
        raise HallRefused("changed", "草稿已经发布或删除，请刷新后再看")


def _highest(connection: Connection, owner: str, key: str) -> int:
    ask = select(func.max(t.flow.c.version)).where(t.flow.c.owner == owner, t.flow.c.key == key)
    return connection.execute(ask).scalar() or 0


def _written(whole: Mapping[str, Any]) -> str:
    """The JSON that is stored; FormRefused for what is no JSON or far too large."""
    try:
        digest_of(dict(whole))
    except ValueRefused as refused:
        raise FormRefused([FieldFault("body", refused.code, MESSAGES["bad_form"])]) from None
    text = json.dumps(whole, ensure_ascii=False, sort_keys=True)
    if len(text) > MOST_BYTES:
        raise FormRefused([FieldFault("body", "too_large", MESSAGES["too_large"])])
    return text


def new(hall: Hall, clerk: Clerk, owner: str, key: str, name: str, source: tuple[str, str]) -> Draft:
    """A first draft, or the next version's: a copy of `source` (owner, key), its newest published version."""
    Key(key).expect()
    if not name.strip():
        raise FormRefused([FieldFault("name", "required", "请填写流程名称")])

    def act(work: Work) -> Draft:
        org = expect_owner(work.connection, clerk, owner)
        if _draft(work.connection, owner, key) is not None:
            raise HallRefused("draft_exists", "这个流程已经有草稿，请继续编辑或先发布")
        level = staff.level_of(org.region)
        found = chosen(work.connection, org, source[0], source[1], None)
        body = dumped(found[0] if found else shipped.at_level(shipped.STANDARD, level))
        return _save(hall, work, clerk, owner, key, {**body, "name": name.strip()}, None)

    return hall.write(act)


@dataclass(frozen=True, slots=True)
class Key:
    """The name of a process within its owner."""

    text: str

    def expect(self) -> None:
        """FormRefused key."""
        good = (
            self.text.isascii() and self.text.replace("_", "a").isalnum() and self.text == self.text.lower()
        )
        if not (good and self.text[:1].isalpha() and len(self.text) <= 40):
            raise FormRefused([FieldFault("key", "bad_key", KEY_SAID)])


def publish(hall: Hall, clerk: Clerk, owner: str, key: str, revision: int) -> Version:
    """The draft becomes a version for ever; DefinitionRefused names what is wrong with it."""

    def act(work: Work) -> Version:
        org = expect_owner(work.connection, clerk, owner)
        draft = _draft(work.connection, owner, key)
        if draft is None:
            raise HallRefused("no_draft", "没有草稿可以发布")
        _expect_unchanged(draft, revision)
        _, problems = checked(work.connection, org, draft.body)
        if problems:
            raise DefinitionRefused(list(problems))
        found = plans.with_references(parsed(draft.body), finder(work.connection, org))
        plan = plans.keep(hall, work, clerk, found)
        row = {
            "state": "published", "digest": plan.digest, "published_by": clerk.name, "published_at": work.now,
        }  # fmt: skip
        here = t.flow.c.owner == owner, t.flow.c.key == key, t.flow.c.version == draft.version
        work.connection.execute(update(t.flow).where(*here).values(row))
        about = {"owner": owner, "key": key, "version": draft.version, "digest": plan.digest}
        hall.record(work, clerk, "hall.flow_published", f"{owner}/{key}/{draft.version}", about)
        return Version(**{**_shown(dict(draft._mapping)), **row}, owner_name=org.name)

    return hall.write(act)


def retire(hall: Hall, clerk: Clerk, owner: str, key: str, version: int) -> None:
    """No new case takes this version; running ones go on with it."""

    def act(work: Work) -> None:
        expect_owner(work.connection, clerk, owner)
        here = t.flow.c.owner == owner, t.flow.c.key == key, t.flow.c.version == version
        change = update(t.flow).where(*here, t.flow.c.state == "published").values(state="retired")
        if not work.connection.execute(change).rowcount:
            raise HallRefused("not_published", "只有已发布的版本可以停用")
        about = {"owner": owner, "key": key, "version": version}
        hall.record(work, clerk, "hall.flow_retired", f"{owner}/{key}/{version}", about)

    hall.write(act)


def discard(hall: Hall, clerk: Clerk, owner: str, key: str, revision: int) -> None:
    """The draft is given up."""

    def act(work: Work) -> None:
        expect_owner(work.connection, clerk, owner)
        _expect_unchanged(draft := _draft(work.connection, owner, key), revision)
        if draft is None:
            raise HallRefused("no_draft", "没有草稿")
        here = t.flow.c.owner == owner, t.flow.c.key == key, t.flow.c.state == "draft"
        work.connection.execute(t.flow.delete().where(*here))
        about = {"owner": owner, "key": key, "version": draft.version}
        hall.record(work, clerk, "hall.flow_discarded", f"{owner}/{key}/{draft.version}", about)

    hall.write(act)
