"""Small definitions and the people who work on them: each (organisation, post) is held by two persons."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from canonical.amounts import BEIJING
from hallservice.approval.conditions import AllOf, AnyOf, Compare
from hallservice.approval.definition import (
    Branch,
    Choice,
    Definition,
    FactField,
    HandDown,
    HandUp,
    Parallel,
    Posts,
    Serial,
    Step,
    Sub,
)
from hallservice.approval.engine import apply
from hallservice.approval.events import Actor, Passed, Started
from hallservice.approval.plan import linked

POSTS = Posts(special="special", supervisor="supervisor", administrator="administrator")
UNITS = {"village": "org-village", "town": "org-town", "county": "org-county", "city": "org-city"}
FIELDS = (
    FactField(name="amount", label="投资额（元）", type="money"),
    FactField(name="area", label="面积", type="integer"),
    FactField(name="urgent", label="是否加急", type="boolean"),
    FactField(name="kind", label="类别", type="text"),
    FactField(name="day", label="日期", type="date"),
)
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=BEIJING)


def at(minutes: int) -> datetime:
    return MONDAY + timedelta(minutes=minutes)


def step(key: str, kind: str = "review", level: str = "county", **more) -> Step:
    return Step(key=key, name=f"环节{key}", kind=kind, post=more.pop("post", kind), level=level, **more)


def serial(*parts) -> Serial:
    return Serial(parts=parts)


def definition(body, key: str = "flow", version: int = 1, level: str = "county", **more) -> Definition:
    return Definition(
        key=key, name="施工许可", version=version, org="org-county", level=level, posts=POSTS, body=body,
        fields=FIELDS, **more,
    )  # fmt: skip


def plans(*definitions: Definition):
    """The plans of the definitions by digest, and the digests in order."""
    made = [linked(one) for one in definitions]
    return {plan.digest: plan for plan in made}, [plan.digest for plan in made]


def actor(post: str, org: str = "org-county", number: int = 1) -> Actor:
    return Actor(f"{org}.{post}.{number}", f"{post}{number}", org, (post,))


class Run:
    """An instance under test: a clock that moves a minute an act, and the history."""

    def __init__(self, *definitions: Definition, facts=None) -> None:
        self.plans, digests = plans(*definitions)
        self.plan = self.plans[digests[0]]
        starter = actor("accept", UNITS[definitions[0].level])
        first = Started(at=at(0), by=starter, plan=digests[0], units=UNITS, facts=facts or {})
        self.events = [first]
        self.state = apply(self.plans, None, first)

    def act(self, kind, by, /, **values):
        event = kind(at=at(len(self.events)), by=by, **values)
        self.state = apply(self.plans, self.state, event)
        self.events.append(event)
        return self.state

    def passes(self, *keys: str, number: int = 1):
        """Each step passed by a holder of its post in its organisation."""
        for key in keys:
            place = self.plan.places[key]
            org = place.org or UNITS[place.step.level]
            self.act(Passed, actor(place.step.post, org, number), step=key)
        return self.state


def four_levels() -> Definition:
    """Village receives, town undertakes, county reviews jointly and approves, village delivers."""
    departments = Parallel(
        key="joint",
        branches=(
            Sub(key="housing", name="住建局", org="org-housing", lead=True,
                body=serial(step("a", "undertake", limit_days=3), step("b"))),
            Sub(key="fire", name="消防", org="org-fire", body=step("a", limit_days=5)),
            Sub(key="water", name="水务局", org="org-water", body=step("a", "custom", limit_days=2)),
        ),
    )  # fmt: skip
    up = HandUp(key="up", to="county", body=serial(departments, step("approve", "approve", limit_days=2)))
    town = HandUp(
        key="town", to="town", body=serial(step("undertake", "undertake", "town", limit_days=2), up)
    )
    accept = step("accept", "accept", "village", limit_days=1)
    return definition(
        serial(accept, town, step("deliver", "deliver", "village")),
        key="rural", level="village", total_days=10,
    )  # fmt: skip


class Builder:
    """Random definitions that are valid by construction."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.count = 0
        self.left = self.random.randint(1, 14)

    def key(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def definition(self) -> Definition:
        return definition(self.block(4, "county", False), key=self.key("flow"))

    def block(self, depth: int, level: str, in_sub: bool):
        kinds = (
            ["step"] if depth == 0 or self.left <= 0 else ["step", "serial", "serial", "parallel", "choice"]
        )
        if depth and self.left > 0:
            kinds += ["sub"] if in_sub else ["sub", "hand"]
        return getattr(self, self.random.choice(kinds))(depth - 1, level, in_sub)

    def step(self, depth: int, level: str, in_sub: bool) -> Step:
        self.left -= 1
        kind = self.random.choice(["accept", "undertake", "review", "approve", "custom"])
        return step(self.key("s"), kind, level, limit_days=self.random.randint(0, 5))

    def some(self, least: int, depth: int, level: str, in_sub: bool) -> tuple:
        return tuple(self.block(depth, level, in_sub) for _ in range(self.random.randint(least, 3)))

    def serial(self, depth: int, level: str, in_sub: bool) -> Serial:
        return Serial(parts=self.some(1, depth, level, in_sub))

    def parallel(self, depth: int, level: str, in_sub: bool) -> Parallel:
        branches = self.some(2, depth, level, in_sub)
        subs = [i for i, branch in enumerate(branches) if isinstance(branch, Sub)]
        if len(subs) > 1:
            at_lead = self.random.choice(subs)
            branches = tuple(replace(b, lead=True) if i == at_lead else b for i, b in enumerate(branches))
        join = self.random.choice(["all", "all", "any", "share"])
        share = self.random.randint(1, len(branches)) if join == "share" else 0
        return Parallel(key=self.key("p"), branches=branches, join=join, share=share)

    def choice(self, depth: int, level: str, in_sub: bool) -> Choice:
        names = [f"分支{i}" for i in range(self.random.randint(1, 2))]
        then = [Branch(name=n, when=self.condition(2), then=self.block(depth, level, in_sub)) for n in names]
        return Choice(key=self.key("c"), branches=tuple(then), otherwise=self.block(depth, level, in_sub))

    def sub(self, depth: int, level: str, in_sub: bool) -> Sub:
        org = self.random.choice(["org-housing", "org-fire", "org-water"])
        return Sub(key=self.key("b"), name="部门", org=org, body=self.block(depth, level, True))

    def hand(self, depth: int, level: str, in_sub: bool) -> HandUp | HandDown:
        order = ["village", "town", "county", "city"]
        to = self.random.choice([other for other in order if other != level])
        kind = HandUp if order.index(to) > order.index(level) else HandDown
        return kind(key=self.key("h"), to=to, body=self.block(depth, to, in_sub))

    def condition(self, depth: int):
        if depth and self.random.random() < 0.3:
            kind = self.random.choice([AllOf, AnyOf])
            return kind(of=tuple(self.condition(depth - 1) for _ in range(self.random.randint(1, 3))))
        fact = self.random.choice(FIELDS)
        ops = ["eq", "ne"] if fact.type in ("text", "boolean") else ["eq", "ne", "lt", "le", "gt", "ge"]
        return Compare(field=fact.name, op=self.random.choice(ops), value=self.value(fact.type))

    def value(self, kind: str):
        return self.random.choice(
            {
                "money": ["1.00", "5000.00", "120.5"],
                "integer": [0, 5, 90],
                "boolean": [True, False],
                "text": ["新建", "改建", 'a"b\\c'],
                "date": ["2026-01-01", "2026-12-31"],
            }[kind]
        )

    def facts(self) -> dict:
        return {fact.name: self.value(fact.type) for fact in FIELDS if self.random.random() < 0.8}
