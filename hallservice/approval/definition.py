"""Process definitions as frozen block trees, and their JSON form, which the browser's editor edits.

A version never changes: `digest` names it for ever, and a case pins the digest it was started with.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter

from canonical import form
from hallservice.approval.conditions import Condition, FieldType

Level = Literal["city", "county", "town", "village"]
StepKind = Literal["accept", "undertake", "review", "approve", "conclude", "deliver", "custom"]
Overdue = Literal["NONE", "DEEM_ACCEPTED", "DEEM_RENEWED", "DEEM_NO_OPINION"]
Join = Literal["all", "any", "share"]
EXPIRY = "有效期届满日"  # the fact that a renewal's default waits for (行政许可法 art. 50)

LEVELS: tuple[Level, ...] = ("village", "town", "county", "city")
LEVEL_NAMES: Mapping[Level, str] = {
    "city": "市",
    "county": "县（区）",
    "town": "镇（街）",
    "village": "村（居）",
}
KIND_NAMES: Mapping[StepKind, str] = {
    "accept": "受理",
    "undertake": "承办",
    "review": "审核",
    "approve": "批准",
    "conclude": "办结",
    "deliver": "送达",
    "custom": "其他",
}

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f\ufffe\uffff]*$")
]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/-]{1,64}$")]
Post = Annotated[
    str, StringConstraints(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f\x7f\ufffe\uffff]*$")
]
Days = Annotated[int, Field(ge=0, le=3650)]
FORBID = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Work of one post; `limit_days` in working days, 0 for none; `basis` is the law behind `overdue`."""

    __pydantic_config__ = FORBID
    key: Key
    name: Name
    kind: StepKind
    post: Post
    level: Level
    limit_days: Days = 0
    overdue: Overdue = "NONE"
    basis: Annotated[str, StringConstraints(max_length=200)] = ""
    integrity_risk: bool = False
    block: Literal["step"] = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial:
    __pydantic_config__ = FORBID
    parts: "Blocks"
    block: Literal["serial"] = "serial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Branches side by side; over when all, any or `share` of them are done, the others are then dropped."""

    __pydantic_config__ = FORBID
    key: Key
    branches: "Blocks"
    join: Join = "all"
    share: Annotated[int, Field(ge=0, le=100)] = 0
    block: Literal["parallel"] = "parallel"

    @property
    def need(self) -> int:
        """How many branches have to be done."""
        return {"all": len(self.branches), "any": 1, "share": self.share}[self.join]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    __pydantic_config__ = FORBID
    name: Name
    when: Condition
    then: "Block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The first branch whose condition holds on arrival, else `otherwise`; chosen once, until a return."""

    __pydantic_config__ = FORBID
    key: Key
    branches: Annotated[tuple[Branch, ...], Field(max_length=100)]
    otherwise: "Block | None" = None
    block: Literal["choice"] = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sub:
    """The process of another organisation within this one; `lead` marks the lead department (牵头部门).

    Either `ref`, the key of another definition, or `body` is given; linking turns a ref into a body.
    """

    __pydantic_config__ = FORBID
    key: Key
    name: Name
    org: Code
    lead: bool = False
    ref: Key | None = None
    body: "Block | None" = None
    block: Literal["sub"] = "sub"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandUp:
    """What is inside is the work of a higher level (village to town, town to county)."""

    __pydantic_config__ = FORBID
    key: Key
    to: Level
    body: "Block"
    block: Literal["hand_up"] = "hand_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandDown:
    """What is inside is the work of a lower level."""

    __pydantic_config__ = FORBID
    key: Key
    to: Level
    body: "Block"
    block: Literal["hand_down"] = "hand_down"


Block = Annotated[Step | Serial | Parallel | Choice | Sub | HandUp | HandDown, Field(discriminator="block")]
Blocks = Annotated[tuple[Block, ...], Field(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactField:
    """A fact of the case that choices may ask for."""

    __pydantic_config__ = FORBID
    name: Annotated[str, StringConstraints(pattern=r"^[a-z\u4e00-\u9fff][a-z0-9_\u4e00-\u9fff]{0,39}$")]
    label: Name
    type: FieldType


@dataclass(frozen=True, slots=True, kw_only=True)
class Posts:
    """Who decides on suspension, extension, abort and termination; who supervises; who migrates."""

    __pydantic_config__ = FORBID
    special: Post
    supervisor: Post
    administrator: Post


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One version of a process; `level` is where it begins, `total_days` the promised limit (0 for none)."""

    __pydantic_config__ = FORBID
    key: Key
    name: Name
    version: Annotated[int, Field(ge=1, le=100000)]
    org: Code
    level: Level
    posts: Posts
    body: "Block"
    total_days: Days = 0
    renewal: bool = False
    fields: Annotated[tuple[FactField, ...], Field(max_length=100)] = field(default=())

    @property
    def types(self) -> dict[str, FieldType]:
        """The type of each fact by its name."""
        return {fact.name: fact.type for fact in self.fields}


ADAPTER: TypeAdapter[Definition] = TypeAdapter(Definition)


def dumped(definition: Definition) -> dict[str, Any]:
    """The JSON form; `validation.parsed` reads it back to an equal value."""
    value: dict[str, Any] = ADAPTER.dump_python(definition, mode="json")
    return value


def digest(definition: Definition) -> str:
    """SHA-256 of the canonical JSON: the name of this version."""
    return str(form.digest(dumped(definition)))


def children(block: Block) -> tuple[Block, ...]:
    """The blocks directly inside, in their order; a choice's default last."""
    match block:
        case Serial():
            return block.parts
        case Parallel():
            return block.branches
        case Choice():
            default = () if block.otherwise is None else (block.otherwise,)
            return (*(branch.then for branch in block.branches), *default)
        case Sub():
            return () if block.body is None else (block.body,)
        case HandUp() | HandDown():
            return (block.body,)
    return ()


def steps(block: Block) -> Iterator[Step]:
    """Every step inside, in reading order."""
    if isinstance(block, Step):
        yield block
    for child in children(block):
        yield from steps(child)
