"""The rules for accounts in force: what the site's file says, and what an administrator set since then."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from sqlalchemy import Connection, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall, HallSettings
from hallservice.people import organisations
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.policy import AccountPolicy
from hallservice.refusals import FieldFault, FormRefused
from ledger.prepared import run

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Rule:
    """One figure that may be set, and its bounds: policy.toml."""

    name: str
    group: str
    label: str
    unit: str
    least: int
    most: int

    def allows(self, figure: int) -> bool:
        """Within the bounds."""
        return self.least <= figure <= self.most


@cache
def rules() -> Mapping[str, Rule]:
    """Every rule by its name, in the order they are shown."""
    text = (files("hallservice.people") / "policy.toml").read_text("utf-8")
    return {row["name"]: Rule(**row) for row in tomllib.loads(text)["rule"]}


def figures(settings: HallSettings) -> dict[str, int]:
    """What these settings say to each rule."""
    known = asdict(settings.accounts) | {
        "idle_minutes": settings.idle_minutes,
        "session_hours": settings.session_hours,
    }
    return {name: known[name] for name in rules()}


def outside(settings: HallSettings) -> list[Rule]:
    """The rules whose bounds these settings do not keep."""
    said = figures(settings)
    return [rule for name, rule in rules().items() if not rule.allows(said[name])]


# -- in force


_SET = select(t.policy)


def settings(hall: Hall, connection: Connection) -> HallSettings:
    """The settings of the site with what an administrator has set."""
    row = run(connection, _SET, {}).first()
    return _with(hall.settings, {name: getattr(row, name) for name in rules()}) if row else hall.settings


def now(hall: Hall) -> HallSettings:
    """As `settings`, read by itself."""
    return hall.read(lambda connection: settings(hall, connection))


def _with(site: HallSettings, said: Mapping[str, int]) -> HallSettings:
    own = {"idle_minutes", "session_hours"}
    other = {name: each for name, each in said.items() if name not in own}
    accounts = AccountPolicy(**(asdict(site.accounts) | other))
    return replace(
        site, accounts=accounts, idle_minutes=said["idle_minutes"], session_hours=said["session_hours"]
    )


def last(connection: Connection) -> Any:
    """When and by whom the rules were set; None: they are those of the site's file."""
    ask = select(t.policy.c.changed_at, t.user.c.name).outerjoin(t.user, t.user.c.id == t.policy.c.changed_by)
    return connection.execute(ask).one_or_none()


# -- setting


def change(hall: Hall, clerk: Clerk, given: Mapping[str, object]) -> None:
    """Set every figure, by who manages everywhere; FormRefused says which is out of bounds. Sessions that are
    open keep to the new limits at once."""
    wanted, faults = read(given)
    if faults:
        raise FormRefused(faults)

    def act(work: Work) -> None:
        organisations.expect_everywhere(work.connection, clerk)
        before = figures(settings(hall, work.connection))
        row = {**wanted, "changed_at": work.now, "changed_by": clerk.user}
        if not work.connection.execute(update(t.policy).values(row)).rowcount:
            work.connection.execute(insert(t.policy), {"one": 1, **row})
        _shorten(work, wanted["session_hours"])
        told = {name: [before[name], each] for name, each in wanted.items() if each != before[name]}
        hall.record(work, clerk, "hall.account_rules", "accounts", told)

    hall.write(act)


def read(given: Mapping[str, object]) -> tuple[dict[str, int], list[FieldFault]]:
    """The figures, or what is wrong with them field by field."""
    found: dict[str, int] = {}
    faults = list[FieldFault]()
    for name, rule in rules().items():
        text = str(given.get(name, "")).strip()
        figure = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None
        if figure is None or not rule.allows(figure):
            faults.append(
                FieldFault(name, "invalid", f"{rule.label}：填写 {rule.least} 到 {rule.most} 的整数")
            )
        else:
            found[name] = figure
    return found, faults


def _shorten(work: Work, hours: int) -> None:
    """No session under way lasts longer than one that begins now."""
    latest = t.session.c.opened_at + hours * HOUR
    work.connection.execute(update(t.session).where(t.session.c.ends_at > latest).values(ends_at=latest))
