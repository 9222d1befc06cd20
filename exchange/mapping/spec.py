"""The language of a mapping file: what may stand in `<name>.mapping.toml`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Frozen; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


Condition = dict[str, tuple[str, ...]]
"""Canonical field of the same table -> the values (text, as said in JSON) that make it hold."""


class Instead(Section):
    """While the context's fact is true, `say` is said (only in place of `of`, when given); heard, `say`
    reads as `of`."""

    fact: str
    say: str
    of: str | None = None


class Digest(Section):
    """A hex digest over parts joined: `{name}` of the call context, or the wire path of a value said before
    it."""

    algorithm: Literal["md5", "sha256"]
    of: tuple[str, ...]


class FieldSpec(Section):
    """One wire value and where it goes: exactly one of `to` (canonical field), `fill` (said from the call
    context, not heard), `derived` (said from a canonical field that another wire value fills; heard, it must
    agree), `constant` (said, and must be heard; {} is an object without members). Without `wire`, `given`
    fills a canonical field from the context on hearing, read by `as` where it is text of the partner's form.

    `wire` is a path of elements or members by `/`, `@name` an attribute, `name[]` a list that must hold
    exactly one entry.
    `heard`: a `fill` or `digest` must also be there when heard, and be what the hub would say: a wrong value
    is `not_allowed`, a wrong digest `seal_invalid`; what the context does not know is not compared. `within`:
    a filled time (yyyyMMddHHmmss) may be that many seconds off instead.
    `when`: the value occurs exactly then. `required_when`: it must occur then. `longest`, `shortest`:
    characters, refused beyond when said. `pattern`: what the text behind the prefix (each entry of a `split`
    one) must be as a whole, both ways. `coarse`: canonical names that share a code of the table when
    said; heard, the code is the table's name, and the mapping `blurs` the field. `todo`: what a person still
    has to settle here; a file with one is not loaded.
    """

    wire: str | None = None
    to: str | None = None
    fill: str | None = None
    derived: str | None = None
    digest: Digest | None = None
    constant: str | int | bool | dict[str, str] | None = None
    given: str | None = None
    as_: str | None = Field(default=None, alias="as")
    codes: str | dict[str, str] | None = None
    also: dict[str, str] = {}
    coarse: dict[str, str] = {}
    required: bool | None = None
    default: str | int | None = None
    when: Condition = {}
    required_when: Condition = {}
    prefix: str | None = None
    split: str | None = None
    longest: int | None = None
    shortest: int | None = None
    pattern: str | None = None
    heard: bool = False
    within: int | None = None
    instead: Instead | None = None
    todo: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> FieldSpec:
        sources = [self.to, self.fill, self.derived, self.constant, self.digest]
        if self.todo is not None and not any(one is not None for one in sources):
            return self
        if self.wire is None and (self.given is None or self.to is None):
            raise ValueError("a field without wire needs given and to")
        if self.wire is not None and sum(one is not None for one in sources) != 1:
            raise ValueError("exactly one of to, fill, derived, constant, digest is needed")
        if (self.heard and self.fill is None and self.digest is None) or (self.within and not self.heard):
            raise ValueError("heard goes with fill or digest, within with a filled value that is heard")
        return self


class EachSpec(Section):
    """Repeated data: every entry at `wire` becomes one of `to`. `only` chooses by a discriminator (wire
    name -> codes; the
    first is said). With `key` and `value` the wire is one object whose members are the entries. `row_wise`:
    a broken entry may be left out and reported where whoever listens takes the others alone."""

    wire: str
    to: str
    only: dict[str, tuple[str, ...]] = {}
    key: str | None = None
    value: str | None = None
    ignore: tuple[str, ...] = ()
    required: bool = False
    say_empty: bool = False
    before: str | None = None
    row_wise: bool = False
    todo: str | None = None
    fields: tuple[FieldSpec, ...] = ()
    each: tuple[EachSpec, ...] = ()


class Inner(Section):
    """The text at `wire` is a document of its own, in the form of the outer one (XML: with this `root`), and
    the mapping's paths go on inside it."""

    wire: str
    root: str | None = None


class MappingSpec(Section):
    """A whole mapping. `direction` say: the document cannot be heard into a whole message; `loses` names
    every canonical
    field the wire does not carry (`list.field` inside a list). `include` names files of shared fields in the
    same folder. `todo`: the mapping is unfinished and is not loaded."""

    message: str | None = None
    form: Literal["json", "xml"]
    root: str | None = None
    namespace: str = ""
    direction: Literal["both", "say", "hear"] = "both"
    loses: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    inner: tuple[Inner, ...] = ()
    fields: tuple[FieldSpec, ...] = ()
    each: tuple[EachSpec, ...] = ()
    codes: dict[str, dict[str, str]] = {}
    todo: str | None = None


class Fragment(Section):
    """Shared fields and code tables: `<name>.fragment.toml`."""

    fields: tuple[FieldSpec, ...] = ()
    codes: dict[str, dict[str, str]] = {}
