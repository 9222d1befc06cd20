"""Thresholds of a region, inherited down the tree of divisions; each change is a line in the ledger."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from canonical.errors import ValueRefused
from canonical.timelimit import Thresholds
from canonical.values import RegionCode
from exchange.clocks import today
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.refusals import FieldFault, FormRefused
from hallservice.supervision.limits import DEFAULT_RULES, Rules
from hallservice.supervision.tables import clock, threshold

SET, VIEW = "supervision.set", "supervision.view"
MOST_DAYS = 60  # of a threshold
_NUMBERS = ("warning", "prompt", "yellow", "red")
_SWITCHES = ("strict_red", "promise_cards", "deem_accepted")


@dataclass(frozen=True, slots=True)
class Setting:
    """What one region set itself, and who did."""

    region: str
    rules: Rules
    set_by: str
    set_at: float


@dataclass(frozen=True)
class Rulebook:
    """The rules of every region: its own, else those of the nearest region above that has its own."""

    own: Mapping[str, Setting]
    _found: dict[str, Rules] = field(default_factory=dict)

    def of(self, region: str) -> Rules:
        if region not in self._found:
            source = self.source(region)
            self._found[region] = source.rules if source else DEFAULT_RULES
        return self._found[region]

    def source(self, region: str) -> Setting | None:
        """Where the region's rules come from; None for those of the program."""
        above: RegionCode | None = RegionCode(region)
        while above is not None:
            if above in self.own:
                return self.own[above]
            above = above.parent()
        return None


def rulebook(connection: Connection) -> Rulebook:
    """The rules as they are now."""
    newest = select(func.max(threshold.c.entry)).group_by(threshold.c.region)
    rows = connection.execute(select(threshold).where(threshold.c.entry.in_(newest), ~threshold.c.inherits))
    return Rulebook({row.region: _setting(row) for row in rows})


@lru_cache(maxsize=4096)
def region_path(region: str) -> str:
    """The path of the organisation that stands for a division, as `people` makes them: /4414/441402/."""
    prefixes, here = [], RegionCode(region) if region else None
    while here is not None and here.level != "2":
        prefixes.append(here.prefix)
        here = here.parent()
    return "".join(f"/{prefix}" for prefix in reversed(prefixes)) + "/"


def set_rules(hall: Hall, clerk: Clerk, region: str, form: Mapping[str, str]) -> Rules:
    """New rules for a region and all below that have none of their own; FormRefused, HallRefused
    not_allowed. `form`: warning, prompt, yellow, red in days, and the switches that are on."""
    code = _region(region)
    clerk.expect(SET, region_path(code))
    rules = _rules(form)
    hall.write(lambda work: _store(hall, work, clerk, code, rules))
    return rules


def inherit(hall: Hall, clerk: Clerk, region: str) -> None:
    """Back to the rules of the region above; HallRefused not_allowed."""
    code = _region(region)
    clerk.expect(SET, region_path(code))
    hall.write(lambda work: _store(hall, work, clerk, code, None))


def _store(hall: Hall, work: Work, clerk: Clerk, region: RegionCode, rules: Rules | None) -> None:
    """Every clock it concerns is looked at again at the next scan."""
    said: dict[str, Any] = {"region": region, **(_flat(rules) if rules else {"inherits": True})}
    entry = hall.record(work, clerk, "hall.threshold_set", f"threshold-{region}", said)
    row = {"region": region, "inherits": rules is None, **_flat(rules or DEFAULT_RULES), "entry": entry.seq}
    ident = {"id": new_id(work.now), "set_by": clerk.name, "set_at": work.now}
    work.connection.execute(insert(threshold), {**row, **ident})
    here = clock.c.region.startswith(region.prefix, autoescape=True) & clock.c.concluded.is_(None)
    moved = update(clock).where(here, clock.c.due.is_not(None))
    work.connection.execute(moved.values(next_day=today(work.now).isoformat()))


def _flat(rules: Rules) -> dict[str, Any]:
    own = {"promise_cards": rules.promise_cards, "deem_accepted": rules.deem_accepted}
    return {**asdict(rules.thresholds), **own}


def _setting(row: Any) -> Setting:
    numbers = Thresholds(row.warning, row.prompt, row.yellow, row.red, row.strict_red)
    return Setting(row.region, Rules(numbers, row.promise_cards, row.deem_accepted), row.set_by, row.set_at)


def _region(text: str) -> RegionCode:
    try:
        return RegionCode(text)
    except ValueRefused:
        raise FormRefused([FieldFault("region", "bad_value", "请选择行政区划")]) from None


def _rules(form: Mapping[str, str]) -> Rules:
    numbers = {name: _number(form.get(name, "")) for name in _NUMBERS}
    faults = [
        FieldFault(name, "bad_number", f"请填写 0 到 {MOST_DAYS} 之间的整数（工作日）")
        for name, value in numbers.items()
        if value is None
    ]
    days = {name: value for name, value in numbers.items() if value is not None}
    if not faults:
        faults = _contradictions(days)
    if faults:
        raise FormRefused(faults)
    on = {name: form.get(name, "") in ("1", "on", "true") for name in _SWITCHES}
    thresholds = Thresholds(**days, strict_red=on["strict_red"])
    return Rules(thresholds, on["promise_cards"], on["deem_accepted"])


def _contradictions(days: Mapping[str, int]) -> list[FieldFault]:
    found = []
    if days["prompt"] > days["warning"]:
        found.append(FieldFault("prompt", "order", "到期提示不能早于预警"))
    if days["yellow"] < 1:
        found.append(FieldFault("yellow", "too_small", "黄牌至少在超期 1 个工作日后发出"))
    if days["red"] < max(days["yellow"], 1):
        found.append(FieldFault("red", "order", "红牌不能早于黄牌"))
    return found


def _number(text: str) -> int | None:
    value = text.strip()
    if not (value.isascii() and value.isdigit() and len(value) <= 3):
        return None
    return int(value) if int(value) <= MOST_DAYS else None
