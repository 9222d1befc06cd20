"""Whatever is tried on whatever definition: no token is lost, a replay is exact, and JSON keeps it all."""

from collections import Counter
from random import Random
from zlib import compress

import pytest

from canonical.errors import ValueRefused
from hallservice.approval.engine import replay
from hallservice.approval.events import (
    SYSTEM,
    VERBS,
    Actor,
    Answered,
    Asked,
    Countersigned,
    Delegated,
    GivenBack,
    Migrated,
    Passed,
    Person,
    Refused,
    Resumed,
    Resupplied,
    Returned,
    Signed,
    SignerAdded,
    SignerRemoved,
    Transferred,
    UrgeAnswered,
    Urged,
    Withdrawn,
    from_json,
    to_json,
)
from hallservice.approval.migration import migration
from hallservice.approval.picture import picture
from hallservice.approval.plan import linked
from hallservice.approval.state import ActRefused, restored, stored
from hallservice.approval.todo import Todo, todos
from hallservice.approval.walk import ready
from tests.hallservice.approval.builders import UNITS, Builder, Run, actor, definition, four_levels, serial

SEEDS = range(60)


def due(since, days, pauses):
    return since


class Chaos:
    """Random acts, sensible and not, by people of all posts."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        builder = Builder(seed)
        builder.left = 14
        body = serial(*(builder.block(3, "county", False) for _ in range(4)))
        self.first = definition(body, key="flow")
        self.run = Run(self.first, facts=builder.facts())
        other = Builder(seed + 10_000)
        other.left = 5
        changed = definition(other.block(3, "county", False), key=self.first.key, version=2)
        self.other = linked(changed)
        self.run.plans[self.other.digest] = self.other
        orgs = [*UNITS.values(), "org-housing", "org-fire", "org-water"]
        posts = [
            "accept",
            "undertake",
            "review",
            "approve",
            "custom",
            "special",
            "supervisor",
            "administrator",
        ]
        self.people = [actor(post, org, number) for org in orgs for post in posts for number in (1, 2)]

    def pick(self, values):
        return self.random.choice(list(values))

    def values(self, kind) -> dict:
        step = self.pick(self.run.state.active or self.run.plan.places)
        if self.random.random() < 0.1:
            step = self.pick(self.run.plan.places)
        someone, said = self.pick(self.people).person, self.pick(["", "意见", "意见", "意见"])
        if self.random.random() < 0.7:
            someone = self.colleague(step)
        asked = {"kind": self.pick(["suspension", "extension", "abort", "termination"])}
        if kind is Asked and self.random.random() < 0.9:
            asked = {"kind": self.pick(["suspension", "extension"])}
        own = {
            Returned: {"to": self.pick(["previous", "chosen", "applicant"]), "target": step},
            Transferred: {"to": someone},
            Delegated: {"to": someone},
            SignerAdded: {"who": (someone,), "where": self.pick(["before", "after"])},
            SignerRemoved: {"who": someone},
            Countersigned: {
                "who": (someone, self.pick(self.people).person),
                "need": self.pick(["all", "any"]),
            },
            Signed: {"agree": self.random.random() < 0.7},
            Asked: {**asked, "days": 3},
            Answered: {**asked, "grant": self.random.random() < 0.6},
            Migrated: {"plan": self.other.digest, "skips": self.skips() if kind is Migrated else ()},
        }.get(kind, {})
        placed = {} if kind in (Resumed, Resupplied, Migrated) else {"step": step}
        return {"opinion": said} | placed | own | self.aimed(kind)

    def aimed(self, kind) -> dict:
        """Mostly an act aims at what is there: an open ask, a signer waited for, a step just passed."""
        state = self.run.state
        waiting = [(key, who) for key, work in state.work.items() for who in (*work.before, *work.after)]
        if kind is Answered and state.asks:
            ask = self.pick(state.asks)
            return {"kind": ask.kind, "step": ask.step}
        if kind is SignerRemoved and waiting:
            key, who = self.pick(waiting)
            return {"step": key, "who": who}
        urged = [key for key in state.active if state.work[key].urge]
        if kind is UrgeAnswered and urged:
            return {"step": self.pick(urged)}
        if kind is Withdrawn and state.done:
            return {"step": max(state.done, key=lambda key: state.done[key].number)}
        return {}

    def colleague(self, step: str) -> Person:
        place = self.run.plan.places[step]
        org = place.org or UNITS[place.step.level]
        return self.pick(p for p in self.people if p.org == org).person

    def skips(self) -> tuple:
        change = migration(self.run.plan, self.other, self.run.state)
        return change.skips if self.random.random() < 0.3 else ()

    def one(self) -> bool:
        """Tries one act; whether it was taken."""
        kinds = [Passed] * 3 + [Returned, Transferred, Delegated, GivenBack, SignerAdded, SignerRemoved]
        kinds += [
            Countersigned,
            Signed,
            Signed,
            Urged,
            Withdrawn,
            Asked,
            Asked,
            Answered,
            Answered,
            Resumed,
            Resupplied,
        ]
        kinds += [UrgeAnswered] * any(work.urge for work in self.run.state.work.values())
        kind = self.pick(kinds + [Migrated, Refused] * (self.random.random() < 0.1))
        values = self.values(kind)
        able = self.able(values.get("step"))
        by = self.pick(able) if able and self.random.random() < 0.7 else self.pick(self.people)
        office = {Answered: "special", Migrated: "administrator"}.get(kind)
        if kind is Withdrawn and values["step"] in self.run.state.done:
            by = next((p for p in self.people if p.id == self.run.state.done[values["step"]].by.id), by)
        by = actor(office) if office and self.random.random() < 0.7 else by
        before = self.run.state
        try:
            self.run.act(kind, by, **values)
        except ActRefused as refused:
            assert self.run.state is before and refused.code and refused.message
            return False
        self.run.plan = self.run.plans[self.run.state.plan]
        return True

    def able(self, step) -> list:
        """Those whom the to-do list names for the step."""
        known = {todo.step: todo for todo in todos(self.run.plan, self.run.state, due)}
        return [p for p in self.people if may(p, known[step])] if step in known else []


def may(person, todo: Todo) -> bool:
    if todo.people:
        return person.id in {other.id for other in todo.people}
    return person.org == todo.org and todo.post in person.posts


def test_whatever_is_tried_somebody_can_go_on_or_it_has_ended() -> None:
    taken: Counter[str] = Counter()
    for seed in SEEDS:
        chaos = Chaos(seed)
        for _ in range(120):
            chaos.one()
            state, plan = chaos.run.state, chaos.run.plan
            assert state.active == ready(plan, state)
            assert state.ended or [t for t in todos(plan, state, due) if t.wanted != "answer"]
            assert set(state.active) <= state.work.keys()
            assert not state.done.keys() & state.work.keys()
        assert replay(chaos.run.plans, chaos.run.events) == chaos.run.state
        assert "<svg" in picture(chaos.run.plan, chaos.run.state)
        taken.update(event.verb for event in chaos.run.events)
        finish(chaos)
    assert taken.total() > 600
    assert set(taken) >= set(VERBS) - {"deemed", "closed"}  # which only the system says


def finish(chaos: Chaos) -> None:
    """From wherever the chaos left it, the people named by the to-do list bring it to an end."""
    for _ in range(400):
        run = chaos.run
        if run.state.ended:
            return
        work = [t for t in todos(run.plan, run.state, due) if t.wanted != "answer"]
        assert any(go_on(chaos, todo) for todo in work), [(t.step, t.wanted, t.people) for t in work]
    pytest.fail("it never ends")


def go_on(chaos: Chaos, todo: Todo) -> bool:
    """Whether somebody of those the to-do names can do what it wants, or a supervisor for them."""
    kinds = {"resume": Resumed, "resupply": Resupplied, "give_back": GivenBack}
    kind = kinds.get(todo.wanted, Signed if todo.wanted in ("sign", "countersign") else Passed)
    values = {} if todo.wanted in ("resume", "resupply") else {"step": todo.step}
    values |= {"agree": True} if kind is Signed else {}
    named = [p for p in chaos.people if may(p, todo)] + [actor("special"), SYSTEM]
    return any(tried(chaos, kind, by, values) for by in named) or stepped_in(chaos, todo)


def stepped_in(chaos: Chaos, todo: Todo) -> bool:
    """What stands in the way of passing: a failed panel, or one who may not approve."""
    panel = chaos.run.state.work[todo.step].panel
    for by in chaos.people:
        if panel is not None and panel.failed and may(by, todo):
            others = [p.person for p in chaos.people if p.id != by.id][:1]
            if tried(chaos, Countersigned, by, {"step": todo.step, "who": tuple(others), "need": "any"}):
                return True
    fresh = Actor(f"new-{len(chaos.run.events)}", "新人", todo.org, ("fresh",))
    chaos.people.append(fresh)
    values = {"step": todo.step, "to": fresh.person, "opinion": "缺人"}
    return tried(chaos, Transferred, actor("supervisor", todo.org), values)


def tried(chaos: Chaos, kind, by, values: dict) -> bool:
    try:
        chaos.run.act(kind, by, **values)
    except ActRefused:
        return False
    return True


def test_events_and_states_survive_their_json() -> None:
    for seed in range(20):
        chaos = Chaos(seed)
        for _ in range(40):
            chaos.one()
        assert [from_json(to_json(event)) for event in chaos.run.events] == chaos.run.events
        assert restored(stored(chaos.run.state)) == chaos.run.state


@pytest.mark.parametrize("data", [b"", b"x", stored(Run(four_levels()).state)[:-9], compress(b"{}")])
def test_a_broken_row_says_so(data: bytes) -> None:
    with pytest.raises(ValueRefused) as refused:
        restored(data)
    assert refused.value.code == "broken_state"


def test_a_finished_case_of_four_levels_is_stored_in_less_than_two_kilobytes() -> None:
    run = Run(four_levels())
    run.passes("accept", "undertake", "housing.a", "housing.b", "fire.a", "water.a", "approve", "deliver")
    assert run.state.status == "finished" and len(stored(run.state)) < 2048


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[" * 9999, b'{"verb":"x"}', b'{"verb":"passed","at":1}', b"\xff"]
)
def test_hostile_events_are_refused(text: bytes) -> None:
    with pytest.raises(ValueRefused) as refused:
        from_json(text)
    assert refused.value.code == "bad_event"
