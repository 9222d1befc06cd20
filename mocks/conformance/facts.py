"""What only the contract's text says and checks need: `conformance.toml` beside the manifest, optional."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from exchange.mapping.compile import parse_toml

FILE = "conformance.toml"
Expect = dict[str, tuple[str, ...]]
"""Wire path in the answer (`@status` HTTP status, `@fault` SOAP fault code) -> values allowed there."""


class Section(BaseModel):
    """Frozen, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Probe(Section):
    """One business case of the contract: a specimen with values `set`, `drop`ped or `context` changed, and
    the answer the contract writes down for it."""

    id: str
    document: str
    zh: str
    en: str
    section: str = ""
    set: dict[str, JsonValue] = {}
    drop: tuple[str, ...] = ()
    payload: dict[str, JsonValue] = {}
    context: dict[str, JsonValue] = {}
    expect: Expect
    after: tuple[str, ...] = ()
    alone: bool = False  # without the documents that must come before it


class Idempotency(Section):
    """`other` is the wire path that is changed for "same id, other body"; `conflict` what is answered then.
    `same` are the answer's paths that must be equal when the same is sent again (empty: all of it)."""

    other: str | None = None
    value: JsonValue = None
    conflict: Expect | None = None
    same: tuple[str, ...] = ()


class Take(Section):
    """What a document needs of a call made before it: context or payload name -> wire path in the answer
    to `after` (`values`), or payload field it was asked with (`said`); `wait` seconds in between."""

    after: str
    values: dict[str, str] = {}
    said: dict[str, str] = {}
    wait: float = 0.0


class Many(Section):
    """A list on the wire that may have at most `most` entries."""

    document: str
    path: str
    most: int
    id: str | None = None
    expect: Expect | None = None


class Callback(Section):
    """How a call of the partner is caused and how it is repeated (seconds after the attempt before)."""

    trigger: tuple[str, ...]
    tries: int = 8
    wait: float = 3.0
    repeats: tuple[float, ...] = (1.0, 5.0, 30.0)
    timeout: float = 10.0
    may: bool = False  # the contract leaves it to the partner whether the call comes
    section: str = ""


class Window(Section):
    """Hours (HH:MM, Beijing) at which a document is answered in another way than at `outside`."""

    id: str
    document: str
    at: str
    outside: str = "12:00"
    zh: str
    en: str
    expect: Expect
    section: str = ""


class Pace(Section):
    """At most so many calls a second, and what is answered to more."""

    calls: int = Field(ge=1)
    expect: Expect


class Feedback(Section):
    """What a queue partner sends after these documents were pushed for one case, object by object."""

    after: tuple[str, ...]
    objects: tuple[str, ...]
    wait: float = 5.0
    resend: float | None = None
    section: str = ""


class Rows(Section):
    """A front-end database. `many` is a document of one row that a case may have any number of, `change` free
    columns of it and other values, `longest` the most characters of a column, `required` columns that are
    never NULL; `waits` a document that waits for its case. The partner reads every `poll` seconds, `lot`
    rows at once; `wait` seconds are given to a backlog. What the partner writes: `after` these documents of
    a case rows of the doors `objects`, in this order, `each` within so many seconds of the one before."""

    many: str
    change: dict[str, str] = Field(min_length=1)
    longest: dict[str, int] = {}
    required: tuple[str, ...] = ()
    waits: str | None = None
    poll: float = 2.0
    lot: int = 50
    wait: float = 30.0
    after: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    each: float = 10.0
    section: str = ""


class Facts(Section):
    """The whole file."""

    specimen: str | None = None
    strict: bool = True
    lenient: tuple[str, ...] = ()
    sections: dict[str, str] = {}
    seal_refused: Expect | None = None
    malformed: Expect | None = None
    after: dict[str, tuple[str, ...]] = {}
    refused: dict[str, Expect] = {}  # answers that say yes and turn the document down all the same
    take: dict[str, Take] = {}
    context: dict[str, dict[str, JsonValue]] = {}
    payload: dict[str, dict[str, JsonValue]] = {}
    fresh: tuple[str, ...] = ()
    idempotency: dict[str, Idempotency] = {}
    probes: tuple[Probe, ...] = ()
    many: tuple[Many, ...] = ()
    windows: tuple[Window, ...] = ()
    pace: Pace | None = None
    callback: dict[str, Callback] = {}
    feedback: Feedback | None = None
    rows: Rows | None = None
    not_offered: dict[str, str] = {}


def load_facts(folder: Path) -> Facts:
    """The facts of an adapter's folder; all defaults when it has no such file. Misconfigured."""
    file = folder / FILE
    return parse_toml(Facts, file.read_text("utf-8")) if file.is_file() else Facts()
