"""The text of a new mapping: every wire field on a line of its own, with its guess or left open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canonical.messages import PAYLOADS
from exchange.scaffold import writing
from exchange.scaffold.contract import Body
from exchange.scaffold.guess import OF_THE_CALL, Drafted, Guess, context_name, draft, likely, normal, table
from exchange.scaffold.shape import Leaf

LIKELY, LIKELY_ANSWER, CERTAIN = 0.4, 0.7, 0.85
"""From these likenesses on a message type is taken without being named, and without being confirmed."""
OPEN = "no guess: give it to, fill or constant, or name it in ignore"
UNSEEN = (
    "no sample of this document is known: put one at fixtures/accepted/{name}.{form}, then take this line out"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where an answer keeps its code and its explanation, and the code that means yes."""

    code: str | None
    text: str | None
    ok: str


def message_of(body: Body, asked: str | None) -> str | None:
    """The message type: as asked, or the likeliest if it is likely enough; None for a call without one, TODO
    for a document whose message nobody knows."""
    if asked is not None:
        return asked
    kind, score = likely(body.scope, body.form)[0]
    if score >= (LIKELY_ANSWER if body.answer else LIKELY):
        return kind
    said = body.answer or not body.known or all(context_name(leaf.name) for leaf in body.scope.leaves)
    return None if said else "TODO"


def mapping_text(body: Body, message: str | None, what: str, guessed: bool) -> str:
    """The mapping file of a document."""
    lines = [writing.comment(what)]
    if message is not None:
        lines.append(f"message = {writing.value(message)}")
    lines.append(f"form = {writing.value(body.form)}")
    if body.form == "xml":
        lines.append(f"root = {writing.value(body.root or 'TODO')}")
    if body.namespace:
        lines.append(f"namespace = {writing.value(body.namespace)}")
    if body.inner:
        lines.append(f"inner = {writing.value([one.model_dump(exclude_none=True) for one in body.inner])}")
    if message in PAYLOADS and guessed and likely(body.scope, body.form)[0][1] < CERTAIN:
        lines.append(f"todo = {writing.value(f'confirm the message: {message} is a guess')}")
    if not body.known:
        lines.append(f"todo = {writing.value(UNSEEN.format(name=body.name, form=body.form))}")
    return "\n".join([*lines, *_content(body, message)]) + "\n"


def _content(body: Body, message: str | None) -> Iterator[str]:
    known = message in PAYLOADS
    drafted = draft(body.scope, message or "", body.form) if known else Drafted({}, {}, body.scope.leaves)
    ignored = _ignored(body, drafted, message)
    if ignored:
        yield f"ignore = {writing.value(ignored)}"
    order = [leaf.path for leaf in body.scope.leaves]
    order += [wire for wire in drafted.guesses if wire not in order]
    rest = {leaf.path: leaf for leaf in drafted.open}
    if body.known and set(ignored) >= set(order):
        return
    yield "fields = ["
    for wire in dict.fromkeys([*order, *rest]):
        if wire in drafted.guesses or (wire in rest and wire not in ignored):
            yield _field(wire, drafted.guesses.get(wire), rest.get(wire), message)
    yield "]"
    for wire, (to, below) in drafted.lists.items():
        before = drafted.before.get(wire)
        yield from _list(wire, to, below, "each", message, None if before in ignored else before)


def _field(wire: str, guess: Guess | None, leaf: Leaf | None, message: str | None) -> str:
    entry: dict[str, Any] = {"wire": wire}
    if guess is not None:
        return writing.line({**entry, "to": guess.to, **guess.entry})
    name = context_name(leaf.name) if leaf is not None else None
    if name is not None and (message is None or name in OF_THE_CALL):
        return writing.line({**entry, "fill": name})
    return writing.line({**entry, "todo": OPEN})


def _list(
    wire: str, to: str, below: Drafted, key: str, message: str | None, before: str | None
) -> Iterator[str]:
    yield ""
    yield f"[[{key}]]"
    yield f"wire = {writing.value(wire)}"
    yield f"to = {writing.value(to)}"
    if before is not None:
        yield f"before = {writing.value(before)}"
    yield "fields = ["
    for guess in below.guesses.values():
        yield _field(guess.wire, guess, None, message)
    for leaf in below.open:
        yield writing.line({"wire": leaf.path, "todo": OPEN})
    yield "]"
    for inner, (inner_to, drafted) in below.lists.items():
        yield from _list(inner, inner_to, drafted, f"{key}.each", message, below.before.get(inner))


def _ignored(body: Body, drafted: Drafted, message: str | None) -> list[str]:
    """What an answer only needs for its verdict; all of it when it carries no message."""
    if not body.answer:
        return []
    if message is None:
        return [leaf.path for leaf in body.scope.leaves]
    verdict = verdict_of(body)
    return [leaf.path for leaf in drafted.open if leaf.path in (verdict.code, verdict.text)]


def verdict_of(body: Body) -> Verdict:
    """Where this answer probably says yes or no."""
    words: Mapping[str, list[str]] = table()["answers"]
    leaves = sorted(body.scope.leaves, key=lambda leaf: leaf.path.count("/"))
    code = _first(leaves, words["code"])
    text = _first([leaf for leaf in leaves if leaf is not code], words["text"])
    seen = [str(value) for value in code.values] if code else []
    ok = next((one for one in seen if one in words["ok"]), "0")
    return Verdict(code.path if code else None, text.path if text else None, ok)


def _first(leaves: list[Leaf], names: list[str]) -> Leaf | None:
    wanted = [normal(name) for name in names]
    found = [leaf for leaf in leaves if normal(leaf.name) in wanted]
    return found[0] if found else None
