"""Where an instance stands: nothing but what its events say, so that a replay gives the same value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from zlib import DEFLATED, compressobj, decompressobj
from zlib import error as ZlibError

from pydantic import TypeAdapter, ValidationError

from canonical.errors import ValueRefused
from hallservice.approval.conditions import Fact
from hallservice.approval.events import AskKind, Person

Status = Literal["running", "suspended", "with_applicant", "finished", "refused", "aborted", "terminated"]
Outcome = Literal["passed", "refused", "deemed"]

STATUS_NAMES: Mapping[Status, str] = {
    "running": "办理中",
    "suspended": "已挂起",
    "with_applicant": "待申请人补正",
    "finished": "已办结",
    "refused": "不予同意",
    "aborted": "已中止",
    "terminated": "已终止",
}
ENDED: frozenset[Status] = frozenset({"finished", "refused", "aborted", "terminated"})


@dataclass(frozen=True, slots=True)
class Panel:
    """A countersign: who is asked, how many have to agree, and who has said what."""

    who: tuple[Person, ...]
    need: int
    agreed: tuple[str, ...] = ()
    objected: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        return len(self.agreed) >= self.need

    @property
    def failed(self) -> bool:
        """So many object that the need can no longer be met."""
        return len(self.objected) > len(self.who) - self.need

    @property
    def waiting(self) -> tuple[Person, ...]:
        """Who can still speak; nobody once it is settled."""
        said = {*self.agreed, *self.objected}
        return () if self.met or self.failed else tuple(p for p in self.who if p.id not in said)


@dataclass(frozen=True, slots=True)
class Urge:
    """What was said to hurry a step, until it is answered."""

    by: Person
    at: datetime
    said: str


@dataclass(frozen=True, slots=True)
class Work:
    """A step that was reached and is not done; its steps may be dormant while another branch has won."""

    since: datetime
    person: Person | None = None
    delegate: Person | None = None
    before: tuple[Person, ...] = ()
    after: tuple[Person, ...] = ()
    passed_by: Person | None = None
    said: str = ""  # the opinion of `passed_by`
    panel: Panel | None = None
    extra_days: int = 0
    urged: int = 0
    urge: Urge | None = None
    touched: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """A step that is done; `number` is the event that did it, `work` what it was before."""

    by: Person
    at: datetime
    outcome: Outcome
    number: int
    since: datetime
    person: Person | None = None
    extra_days: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which no clock runs; `until` None while it lasts."""

    start: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody asked the special post for; of a kind one may be open for a step."""

    kind: AskKind
    step: str
    by: Person
    at: datetime
    days: int = 0
    reason: str = ""
    ground: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """`active` are the steps somebody can act on, as `walk.ready` gives them; `count` counts events."""

    plan: str
    status: Status
    started: datetime
    latest: datetime
    units: Mapping[str, str]
    facts: Mapping[str, Fact] = field(default_factory=dict)
    accepted: Person | None = None
    done: Mapping[str, Done] = field(default_factory=dict)
    work: Mapping[str, Work] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)
    active: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = ()
    pauses: tuple[Pause, ...] = ()
    count: int = 1

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class ActRefused(ValueRefused):
    """The act changes nothing; `message` says why to the person who tried, in Chinese."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.message = message


ADAPTER: TypeAdapter[State] = TypeAdapter(State)
LARGEST_STORED = 1 << 22  # bytes of JSON


def stored(state: State) -> bytes:
    """The state as a row keeps it: JSON without what is at its default, deflated (some 300 bytes).

    It is short: a window of 4 KiB finds what there is to find, and costs a tenth of the memory.
    """
    packer = compressobj(1, DEFLATED, 12, 5)
    return packer.compress(ADAPTER.dump_json(state, exclude_defaults=True)) + packer.flush()


def restored(data: bytes) -> State:
    """The state a row holds; broken_state, and then its events have to be replayed."""
    try:
        return ADAPTER.validate_json(decompressobj().decompress(data, LARGEST_STORED))
    except (ZlibError, ValidationError):
        raise ValueRefused("broken_state", "the row holds no state") from None
