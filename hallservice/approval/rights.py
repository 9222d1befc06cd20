"""Who may do what on a step, and who is being waited for."""

from hallservice.approval.events import Actor, OnStep, Person
from hallservice.approval.plan import Plan
from hallservice.approval.refusals import refuse
from hallservice.approval.state import Ask, State, Work

URGER = "supervision.urge"  # of those who watch the time over several bodies: may urge, and nothing else
DOERS = ("accept", "undertake")
HANDLING = ("undertake", "review", "approve")


def unit(plan: Plan, state: State, key: str) -> str:
    """The organisation a step belongs to: its sub-process's, else the case's at that level."""
    place = plan.places[key]
    return place.org if place.org is not None else state.units[place.step.level]


def owns(plan: Plan, state: State, key: str, actor: Actor) -> bool:
    """Whether the step is the actor's: by name after a transfer, else by post within the unit."""
    work = state.work[key]
    if work.person is not None:
        return actor.id == work.person.id
    return plan.places[key].step.post in actor.posts and actor.org == unit(plan, state, key)


def has_post(state: State, actor: Actor, post: str) -> bool:
    """A post counts only in, or over, an organisation that takes part in the case."""
    units = state.units.values()
    own = post in actor.posts and actor.org in units
    return own or any((post, org) in actor.over for org in units)


def supervises(plan: Plan, state: State, key: str, actor: Actor) -> bool:
    """Whether the actor holds the supervising post in, or over, the step's own unit."""
    here, post = unit(plan, state, key), plan.posts.supervisor
    return (post in actor.posts and here == actor.org) or (post, here) in actor.over


def decides(plan: Plan, state: State, ask: Ask) -> str:
    """The organisation whose special post answers: a step's own for its extension, else the case's."""
    if ask.kind == "extension":
        return unit(plan, state, ask.step)
    level = plan.places[ask.step].step.level
    return state.units.get(level, state.units[plan.definition.level])


def name_of(plan: Plan, key: str) -> str:
    return plan.places[key].step.name


def active_work(plan: Plan, state: State, key: str) -> Work:
    """The work of a step somebody can act on; says who was first if it is done already."""
    if key not in plan.places:
        refuse("unknown_step")
    if key in state.done:
        done = state.done[key]
        refuse("already_done", step=name_of(plan, key), who=done.by.name, at=f"{done.at:%Y-%m-%d %H:%M}")
    if key not in state.active:
        refuse("not_active", step=name_of(plan, key))
    return state.work[key]


def held_work(plan: Plan, state: State, event: OnStep) -> Work:
    """The work of an active step that is the actor's own to act on now."""
    work = active_work(plan, state, event.step)
    name = name_of(plan, event.step)
    if not owns(plan, state, event.step, event.by):
        refuse("not_holder", step=name)
    if work.passed_by is not None:
        refuse("already_passed", step=name, who=work.passed_by.name)
    if work.delegate is not None:
        refuse("delegated", step=name, who=work.delegate.name)
    return work


def may_decide(plan: Plan, key: str, work: Work) -> None:
    """Refuses while a signer or a panel has still to speak."""
    name = name_of(plan, key)
    if work.before:
        refuse("signers_waiting", step=name, who="、".join(person.name for person in work.before))
    if work.panel is not None and work.panel.failed:
        refuse("panel_failed", step=name)
    if work.panel is not None and not work.panel.met:
        refuse("panel_open", step=name)


def separated(plan: Plan, state: State, key: str, person: Person) -> None:
    """Refuses one who accepted the case for what follows, and one who undertook it as its approver; a step
    that was passed and waits for its signers counts like a done one."""
    kind = plan.places[key].step.kind
    if state.accepted is not None and state.accepted.id == person.id and kind in HANDLING:
        refuse("duty_separation", who=person.name)
    against = DOERS if kind == "approve" else ("approve",) if kind in DOERS else ()
    hands = [(other, done.by) for other, done in state.done.items()]
    hands += [(other, work.passed_by) for other, work in state.work.items() if work.passed_by is not None]
    for other, by in hands:
        if by.id == person.id and plan.places[other].step.kind in against:
            refuse("duty_separation", who=person.name)


def may_urge(plan: Plan, state: State, key: str, actor: Actor) -> bool:
    leads = any(actor.org == org and post in actor.posts for org, post in plan.places[key].leads)
    acted = any(done.by.id == actor.id for done in state.done.values())
    watches = supervises(plan, state, key, actor) or any(
        has_post(state, actor, post) for post in (plan.posts.supervisor, URGER)
    )
    return leads or acted or watches


def has_in_hand(plan: Plan, state: State, key: str, actor: Actor) -> bool:
    """Whether the actor owns the step, or is waited for on it by name."""
    waited = {person.id for person in awaited(state.work[key])}
    return actor.id in waited or owns(plan, state, key, actor)


def awaited(work: Work) -> tuple[Person, ...]:
    """The persons by name whose turn it is; empty if it is the whole post's."""
    if work.delegate is not None:
        return (work.delegate,)
    if work.before:
        return work.before
    if work.passed_by is not None:
        return work.after
    if work.panel is not None and work.panel.waiting:
        return work.panel.waiting
    return () if work.person is None else (work.person,)
