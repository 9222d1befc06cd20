"""Whatever is done in whatever process, the case's own machine takes every message, in that order."""

from collections import Counter

from canonical.case import CaseFacts, Event, State, step
from hallservice.approval.definition import Parallel, Sub
from hallservice.approval.events import Passed, Refused, Returned
from hallservice.flows.telling import Ended, Saying, SpecialBegun, SpecialOver, StepSaid, begun, say
from hallservice.refusals import HallRefused
from tests.hallservice.approval.builders import Run, actor, definition, serial
from tests.hallservice.approval.builders import step as step_
from tests.hallservice.approval.test_properties import Chaos, tried


class Teller:
    """What a case hears of a run."""

    def __init__(self, run: Run) -> None:
        self.told = begun(run.plan)
        self.facts = CaseFacts(state=State.ACCEPTED, no_review=self.told.no_review)
        self.heard: list[Saying] = []

    def hears(self, plan, before, event, after) -> None:
        said, told = say(plan, before, event, after, self.told)
        for one in said:
            result = step(self.facts, Event(name_of(one)))
            assert result.outcome in ("allowed", "already_there"), (name_of(one), self.facts.state)
            self.facts = getattr(result, "facts", self.facts)
        self.told, self.heard = told, [*self.heard, *said]


def name_of(said: Saying) -> str:
    match said:
        case StepSaid():
            return f"case.step:{said.step}:{said.action}"
        case SpecialBegun():
            return f"case.special_started:{said.kind}"
        case SpecialOver():
            return f"case.special_finished:{said.result}"
        case Ended():
            return f"case.concluded:{said.result}"


OUTCOME = {
    "finished": (State.DECIDED, True), "refused": (State.DECIDED, False),
    "aborted": (State.CONCLUDED, None), "terminated": (State.CONCLUDED, None),
}  # fmt: skip


class Line(Chaos):
    """Random acts on the plain line of three, so that every phase is often gone through."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        kinds = ["undertake", "review", "approve"]
        self.first = definition(serial(*(step_(kind[0], kind) for kind in kinds)))
        self.run = Run(self.first)
        self.run.plans[self.other.digest] = self.other

    def one(self) -> bool:
        active = self.run.state.active
        if not active or self.random.random() < 0.6:
            return super().one()
        by = actor(self.run.plan.places[active[0]].step.post, number=self.pick([1, 2]))
        step = active[0]
        kind = self.pick([Passed] * 4 + [Returned] * 4 + [Refused])
        more = {"to": "previous"} if kind is Returned else {}
        return tried(self, kind, by, {"step": step, "opinion": "意见", **more})


def test_the_case_takes_everything_a_random_process_says() -> None:
    heard: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for seed in range(100):
        chaos = Chaos(seed) if seed % 2 else Line(seed)
        teller = Teller(chaos.run)
        for _ in range(150):
            before, plan = chaos.run.state, chaos.run.plan
            if not chaos.one():
                continue
            try:
                teller.hears(plan, before, chaos.run.events[-1], chaos.run.state)
            except HallRefused:  # then the act is not done
                chaos.run.state, chaos.run.plan = before, plan
                chaos.run.events.pop()
        status = chaos.run.state.status
        if status in OUTCOME:
            assert (teller.facts.state, teller.facts.granted) == OUTCOME[status]
        numbers = [one.number for one in teller.heard if isinstance(one, StepSaid)]
        assert numbers == [*range(1, len(numbers) + 1)]
        heard.update(map(name_of, teller.heard))
        ends[status] += 1
    assert (
        heard.total() > 400
        and min(ends["finished"], ends["refused"], ends["aborted"] + ends["terminated"]) > 0
    )
    kinds = ("undertake", "review", "approve")
    passed_and_returned = {f"case.step:{kind}:{action}" for kind in kinds for action in ("pass", "return")}
    others = {"case.step:approve:refuse", "case.special_started:other", "case.special_started:extension"}
    assert heard.keys() >= passed_and_returned | others


def told_of(run: Run, acts) -> list[tuple[str, str]]:
    """Kind and name of every step the case hears of."""
    teller = Teller(run)
    for act in acts:
        before, plan = run.state, run.plan
        act(run)
        teller.hears(plan, before, run.events[-1], run.state)
    return [(f"{one.step}:{one.action}", one.name) for one in teller.heard if isinstance(one, StepSaid)]


def passing(*keys: str):
    return [lambda run, key=key: run.passes(key) for key in keys]


def test_departments_side_by_side_are_told_by_their_own_names() -> None:
    branches = tuple(
        Sub(key=key, name=key, org=f"org-{key}", lead=key == "housing",
            body=serial(step_("a", "undertake"), step_("b", "review"), step_("c", "approve", post="chief")))
        for key in ("housing", "fire")
    )  # fmt: skip
    run = Run(definition(serial(Parallel(key="joint", branches=branches), step_("end", "approve"))))
    order = ["housing.a", "housing.b", "fire.a", "housing.c", "fire.b", "fire.c", "end"]
    assert told_of(run, passing(*order)) == [
        ("undertake:pass", "环节a"), ("review:pass", "环节b"),
        ("review:pass", "环节a"),  # the case is past undertaking; the name says what it was
        ("review:pass", "环节c"), ("review:pass", "环节b"), ("review:pass", "环节c"),
        ("approve:pass", "环节end"),
    ]  # fmt: skip


def test_one_act_that_is_everything_says_what_the_case_has_to_hear_first() -> None:
    instant = Run(definition(step_("only", "approve")))
    assert told_of(instant, passing("only")) == [
        ("undertake:pass", "环节only（承办）"), ("approve:pass", "环节only"),
    ]  # fmt: skip
    reviewed = Run(definition(serial(step_("a", "undertake"), step_("b", "review"))))
    assert told_of(reviewed, passing("a", "b")) == [
        ("undertake:pass", "环节a"), ("review:pass", "环节b"), ("approve:pass", "环节b（批准）"),
    ]  # fmt: skip


def test_what_follows_the_decision_is_not_told_and_a_branch_turning_back_stays_inside() -> None:
    run = Run(definition(serial(step_("a", "undertake"), step_("b", "approve"), step_("c", "deliver"))))
    assert told_of(run, passing("a", "b", "c")) == [("undertake:pass", "环节a"), ("approve:pass", "环节b")]
    lanes = Parallel(key="p", branches=(
        serial(step_("a", "undertake"), step_("b", "review")), step_("d", "review", post="other"),
    ))  # fmt: skip
    run = Run(definition(serial(lanes, step_("end", "approve"))))
    back = [lambda run: run.act(Returned, actor("review"), step="b", to="previous", opinion="重办")]
    said = told_of(run, [*passing("a"), *back, *passing("a", "b", "d")])
    assert [kind for kind, _ in said] == ["undertake:pass", "undertake:pass", "review:pass", "review:pass"]
    assert isinstance(run.events[-1], Passed)
