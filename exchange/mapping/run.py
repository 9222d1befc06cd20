"""A compiled mapping at work: read bytes, hear a message, say a message, write bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from canonical.messages import Payload
from exchange.errors import Misconfigured
from exchange.mapping import json, xml
from exchange.mapping.complaints import complaints
from exchange.mapping.conversions import Step
from exchange.mapping.digests import hex_digest
from exchange.mapping.fields import Path
from exchange.mapping.hearing import Handler, Hearing
from exchange.mapping.inner import InnerDocument
from exchange.mapping.paths import at
from exchange.mapping.refusal import BadValue, DocumentRefused, FieldError
from exchange.mapping.rows import BrokenRow, broken_row
from exchange.mapping.saying import Sayer, Saying


@dataclass(frozen=True, slots=True)
class Places:
    """Where canonical fields of one scope stand on the wire, to tell pydantic's complaints in the sender's
    words."""

    fields: Mapping[Path, str]
    lists: Mapping[Path, tuple[str, Places]] = field(default_factory=dict)

    def find(
        self, loc: tuple[int | str, ...], base: str, positions: Mapping[tuple[str, str], list[int]]
    ) -> str:
        """The wire path of a canonical location."""
        for end in range(len(loc), 0, -1):
            head = tuple(str(part) for part in loc[:end])
            if head in self.fields:
                return base + self.fields[head]
            if head in self.lists:
                return self._inside(head, loc[end:], base, positions)
        head = tuple(str(part) for part in loc)
        below = (
            next((wire for to, wire in self.fields.items() if to[: len(head)] == head), "") if head else ""
        )
        return base + below or "/"

    def _inside(
        self,
        head: Path,
        rest: tuple[int | str, ...],
        base: str,
        positions: Mapping[tuple[str, str], list[int]],
    ) -> str:
        rel, places = self.lists[head]
        if not rest or not isinstance(rest[0], int):
            return base + rel or "/"
        at = positions.get((base + rel, head[-1]), [])
        index = at[rest[0]] if rest[0] < len(at) else rest[0]
        return places.find(rest[1:], f"{base}{rel}[{index}]/", positions)


@dataclass(frozen=True, slots=True)
class Given:
    """A canonical field that comes from the call context: as it is, or read from the partner's form."""

    to: Path
    name: str
    required: bool
    hear: Step | None = None

    def put(self, heard: dict[str, Any], run: Hearing) -> None:
        """Sets it, or complains of the context's name in brackets."""
        value = run.context.get(self.name)
        if value is None:
            if self.required:
                run.wrong(f"({self.name})", "missing_field", "the call gives no such value")
            return
        try:
            heard[self.to[0]] = self.hear(value) if self.hear else value
        except BadValue as bad:
            run.wrong(f"({self.name})", bad.code, bad.detail)


class Answered(NamedTuple):
    """What an answer says, the rows of it that could not be read, the members its contract does not have."""

    payload: Payload
    broken: tuple[BrokenRow, ...]
    unknown: tuple[FieldError, ...]


def answered(payload: Payload, run: Hearing, invalid: Sequence[BrokenRow] = ()) -> Answered:
    """With what came apart; `invalid`: rows the model refused besides."""
    return Answered(payload, (*(run.broken or ()), *invalid), tuple(run.unknown or ()))


@dataclass(frozen=True, slots=True)
class WireMapping:
    """One kind of wire document, both ways.

    `message` is the canonical type (None: a call that carries no message). `loses` are the canonical fields
    the wire does not
    carry, `blurs` those it carries less exactly (canonical name -> the name it is heard as), `narrows` the
    divisions it writes as a higher one when they lie below; with direction `say` the document cannot become a
    whole message again.
    """

    name: str
    message: str | None
    form: Literal["json", "xml"]
    root: str
    namespace: str
    direction: Literal["both", "say", "hear"]
    loses: tuple[str, ...]
    model: type[Payload] | None
    handler: Handler
    sayer: Sayer
    given: tuple[Given, ...]
    places: Places
    row_wise: tuple[str, ...] = ()
    blurs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    inner: tuple[InnerDocument, ...] = ()
    narrows: tuple[str, ...] = ()
    digests: tuple[tuple[str, str, tuple[str, ...]], ...] = ()  # member, algorithm, parts

    @property
    def lossless(self) -> bool:
        """Whether everything the message says is on the wire."""
        return not self.loses and not self.blurs and not self.narrows

    def read(self, document: Any, charset: str | None = None) -> Any:
        """The wire tree of bytes, of a string inside another document, or of an lxml element; Refused."""
        if self.form == "json":
            return json.loads(document)
        return xml.read(document, self.root, self.namespace, charset)

    def hear(self, tree: Any, context: Mapping[str, Any] | None = None) -> Payload:
        """The payload of a wire tree; DocumentRefused with every complaint."""
        if self.model is None or self.direction == "say":
            raise Misconfigured("not_heard", "this mapping only says", self.name)
        run = Hearing(context or {})
        return self._validated(self.model, self._heard(tree, run), run)

    def hear_answer(self, tree: Any, context: Mapping[str, Any] | None = None) -> Answered:
        """As `hear`, of an answer to what is done already: entries of row-wise lists that cannot be read, and
        members the contract does not have, come apart."""
        if self.model is None or self.direction == "say":
            raise Misconfigured("not_heard", "this mapping only says", self.name)
        run = Hearing(context or {}, broken=[], unknown=[])
        heard = self._heard(tree, run)
        try:
            payload = self.model.model_validate(heard)
        except ValidationError as fault:
            invalid = self._taken_out(fault, heard, run)
            return answered(self._validated(self.model, heard, run), run, invalid)
        if run.errors:
            raise DocumentRefused(run.errors)
        return answered(payload, run)

    def hear_values(self, tree: Any, context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The canonical values of a wire tree before they are a message; DocumentRefused. Enough to check
        what was said."""
        run = Hearing(context or {})
        heard = self._heard(tree, run)
        if run.errors:
            raise DocumentRefused(run.errors)
        return heard

    def say(self, payload: Payload | None, context: Mapping[str, Any] | None = None) -> Any:
        """The wire tree of a payload; DocumentRefused when the partner's form cannot carry it."""
        if self.direction == "hear" or (payload is None) != (self.model is None):
            raise Misconfigured("not_said", "this mapping does not say that", self.name)
        run = Saying(context or {})
        tree = self.sayer(payload, run, "")
        if run.errors:
            raise DocumentRefused(run.errors)
        for one in reversed(self.inner):
            tree = one.closed(tree)
        return tree

    def together(
        self, payloads: Sequence[Payload], listed: str, context: Mapping[str, Any] | None = None
    ) -> Any:
        """One wire tree of several payloads, which say the same but for the entries of the list `listed`."""
        trees = [self.say(one, context) for one in payloads]
        own = {listed, *(name for name, _, _ in self.digests)}
        rest = [{name: value for name, value in tree.items() if name not in own} for tree in trees]
        if any(one != rest[0] for one in rest):
            raise Misconfigured("no_batch", f"more than {listed} differs from message to message", self.name)
        tree = {**trees[0], listed: [entry for one in trees for entry in one[listed]]}
        for name, algorithm, parts in self.digests:
            tree[name] = hex_digest(algorithm, parts, context or {}, tree)
        return tree

    def share(self, payload: Payload, listed: str, context: Mapping[str, Any] | None = None) -> bytes:
        """What one payload adds to the list `listed` of `together`: these very bytes stand in the written
        whole."""
        return b",".join(json.dumps(entry) for entry in self.say(payload, context)[listed])

    def write(self, tree: Any) -> bytes:
        """UTF-8 bytes of a wire tree."""
        return json.dumps(tree) if self.form == "json" else self.text(tree).encode()

    def element(self, tree: Any) -> Any:
        """The lxml element of a wire tree, for sealing."""
        return xml.build(self.root, tree, self.namespace)

    def text(self, tree: Any, declaration: str | None = None) -> str:
        """The document as a string inside another; `declaration` is the encoding it claims."""
        return (
            json.dumps(tree).decode() if self.form == "json" else xml.text_of(self.element(tree), declaration)
        )

    def _heard(self, tree: Any, run: Hearing) -> dict[str, Any]:
        heard: dict[str, Any] = {}
        for document in self.inner:
            tree = document.opened(tree)
        self.handler(tree, heard, run, "")
        for one in self.given:
            one.put(heard, run)
        return heard

    def _validated(self, model: type[Payload], heard: dict[str, Any], run: Hearing) -> Payload:
        try:
            payload = model.model_validate(heard)
        except ValidationError as fault:
            self._explain(fault, run)
            raise DocumentRefused(run.errors) from None
        if run.errors:
            raise DocumentRefused(run.errors)
        return payload

    def _taken_out(self, fault: ValidationError, heard: dict[str, Any], run: Hearing) -> list[BrokenRow]:
        """Takes the entries the model refuses out of `heard`, with the complaints about each."""
        wrong: dict[tuple[str, int], list[FieldError]] = {}
        for loc, code, detail in complaints(fault):
            if len(loc) > 1 and loc[0] in self.row_wise and isinstance(loc[1], int):
                where = self.places.find(loc, "", run.positions)
                wrong.setdefault((str(loc[0]), loc[1]), []).append(FieldError(where, code, detail))
        taken = [
            broken_row(heard[name][index], heard[name].pop(index), errors)
            for (name, index), errors in sorted(wrong.items(), reverse=True)
        ]
        return taken[::-1]

    def _explain(self, fault: ValidationError, run: Hearing) -> None:
        known = [error.path for error in run.errors]
        for loc, code, detail in complaints(fault):
            path = self.places.find(loc, "", run.positions)
            if not any(_within(path, one) or _within(one, path) for one in known):
                run.wrong(path, code, detail)


def _within(path: str, other: str) -> bool:
    """Whether a complaint at `path` follows from one at `other`, itself or around it."""
    return other == "/" or path == other or path.startswith((f"{other}/", f"{other}["))


def value_at(tree: Any, path: str) -> str | None:
    """The text at a wire path (`head/status`, `LIST/@next`), or None; integers as digits."""
    found = at(tree, path)
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None
