"""What happens to an instance, as frozen values: the ledger keeps them signed, the engine folds them.

Each says when (`at`, with a zone) and by whom, with the organisation and posts that person acted in.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from canonical.amounts import Timestamp
from canonical.errors import ValueRefused
from hallservice.approval.conditions import FORBID, LARGEST
from hallservice.approval.definition import Code, Level, Name, Overdue, Post

Text = Annotated[str, StringConstraints(max_length=2000)]
StepKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,299}$")]
AskKind = Literal["suspension", "extension", "abort", "termination"]
FactValue = Annotated[
    bool | Annotated[int, Field(ge=-LARGEST, le=LARGEST)] | Annotated[str, Field(max_length=2000)],
    Field(union_mode="left_to_right"),
]
FactSet = Annotated[dict[Annotated[str, Field(max_length=64)], FactValue], Field(max_length=200)]


@dataclass(frozen=True, slots=True)
class Person:
    """A member of staff as an act names one: staff number, name and organisation."""

    __pydantic_config__ = FORBID
    id: Code
    name: Name
    org: Code


@dataclass(frozen=True, slots=True)
class Actor(Person):
    """Who acts, with the posts held in the own organisation at that moment; `over`: a post that a granted
    function amounts to, and the unit of the case it holds for, each pair by itself."""

    __pydantic_config__ = FORBID
    posts: Annotated[tuple[Post, ...], Field(max_length=50)] = ()
    over: Annotated[tuple[tuple[Post, Code], ...], Field(max_length=150)] = ()

    @property
    def person(self) -> Person:
        return Person(self.id, self.name, self.org)


SYSTEM = Actor("system", "系统", "system")  # what only the passing of time does; no sign-in yields this value
People = Annotated[tuple[Person, ...], Field(min_length=1, max_length=30)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Common to all events."""

    __pydantic_config__ = FORBID
    at: Timestamp
    by: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Act):
    """`units` names the organisation of each level the process uses; `accepted`: who accepted the case."""

    plan: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    units: dict[Level, Code]
    facts: FactSet = field(default_factory=dict)
    accepted: Person | None = None
    verb: Literal["started"] = "started"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnStep(Act):
    step: StepKey
    opinion: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed(OnStep):
    """通过; `facts` are what the step found out, for the choices that follow."""

    facts: FactSet = field(default_factory=dict)
    verb: Literal["passed"] = "passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(OnStep):
    """不同意: the branch fails, and with it everything that cannot do without the branch."""

    verb: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(OnStep):
    """退回: to the previous step, to an earlier one of choice (`target`), or to the applicant."""

    to: Literal["previous", "chosen", "applicant"]
    target: StepKey | None = None
    verb: Literal["returned"] = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resupplied(Act):
    """The applicant brought what was asked for; taken down by whoever holds a current step."""

    opinion: Text = ""
    verb: Literal["resupplied"] = "resupplied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred(OnStep):
    """转办: the step is that person's now (to oneself: 签收); supervisors may do it for the absent."""

    to: Person
    verb: Literal["transferred"] = "transferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated(OnStep):
    """委派: that person works on it and gives it back."""

    to: Person
    verb: Literal["delegated"] = "delegated"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack(OnStep):
    """By the delegate, or by the owner who calls it back."""

    verb: Literal["given_back"] = "given_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerAdded(OnStep):
    """加签: signs before the holder may act, or after the holder has passed."""

    who: People
    where: Literal["before", "after"]
    verb: Literal["signer_added"] = "signer_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRemoved(OnStep):
    """减签: by the holder, of one who has not signed."""

    who: Person
    verb: Literal["signer_removed"] = "signer_removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Countersigned(OnStep):
    """会签 asked of a panel: all, any or `share` of them have to agree before the holder may pass."""

    who: People
    need: Literal["all", "any", "share"] = "all"
    share: Annotated[int, Field(ge=0, le=30)] = 0
    verb: Literal["countersigned"] = "countersigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(OnStep):
    """A signer's or panel member's word."""

    agree: bool
    verb: Literal["signed"] = "signed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Urged(OnStep):
    """催办: by a supervisor, the lead department, or one whose step is done, in words."""

    verb: Literal["urged"] = "urged"


@dataclass(frozen=True, slots=True, kw_only=True)
class UrgeAnswered(OnStep):
    """回复催办: what the one who was urged has to say to it."""

    verb: Literal["urge_answered"] = "urge_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(OnStep):
    """撤回: by the one who passed, until somebody has acted on what follows."""

    verb: Literal["withdrawn"] = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(OnStep):
    """Suspension, extension (of this step), abort or termination is asked for by a holder, with reasons.

    `ground` names the procedure that stops the clock (听证, 检验 …).
    """

    kind: AskKind
    ground: Annotated[str, StringConstraints(max_length=100)] = ""
    days: Annotated[int, Field(ge=0, le=365)] = 0
    verb: Literal["asked"] = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Act):
    """The holder of the special post grants or refuses what somebody else asked for."""

    kind: AskKind
    step: StepKey
    grant: bool
    opinion: Text = ""
    verb: Literal["answered"] = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Act):
    """恢复: the clock runs again."""

    opinion: Text = ""
    verb: Literal["resumed"] = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deemed(OnStep):
    """The lawful default of a step past `due`; by the system, `basis` as its definition gives it."""

    due: Timestamp
    policy: Overdue
    basis: Text
    verb: Literal["deemed"] = "deemed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Act):
    """The case has ended by another way than its process (the applicant took it back); by the system.

    `outcome` is finished where the process had nothing to decide any more.
    """

    outcome: Literal["finished", "terminated"] = "terminated"
    opinion: Text = ""
    verb: Literal["closed"] = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated(Act):
    """To another version; `skips` names every step that the change keeps from running or forgets."""

    plan: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    opinion: Text
    skips: Annotated[tuple[StepKey, ...], Field(max_length=500)] = ()
    verb: Literal["migrated"] = "migrated"


StepEvent = (
    Passed
    | Refused
    | Returned
    | Transferred
    | Delegated
    | GivenBack
    | SignerAdded
    | SignerRemoved
    | Countersigned
    | Signed
    | Urged
    | UrgeAnswered
    | Withdrawn
    | Asked
    | Deemed
)
Event = StepEvent | Started | Resupplied | Answered | Resumed | Closed | Migrated
VERBS = {kind.__dataclass_fields__["verb"].default: kind for kind in get_args(Event)}
ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="verb")])


def to_json(event: Event) -> bytes:
    """The JSON that is signed and kept."""
    return ADAPTER.dump_json(event)


def as_value(event: Event) -> dict[str, Any]:
    """The same as a JSON value."""
    value: dict[str, Any] = ADAPTER.dump_python(event, mode="json")
    return value


def from_json(text: str | bytes) -> Event:
    """The event JSON says; bad_event."""
    try:
        return ADAPTER.validate_json(text, strict=True)
    except ValidationError as wrong:
        place = ".".join(map(str, wrong.errors(include_url=False, include_input=False)[0]["loc"]))
        raise ValueRefused("bad_event", f"not an event: {place}") from None
