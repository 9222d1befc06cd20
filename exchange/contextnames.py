"""Names the hub fills templates and mappings with; any other name in an adapter is misspelt."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final

from canonical.messages import PAYLOADS
from exchange.manifest import Answer, Call, Inbound, Manifest
from exchange.mapping.spec import EachSpec, MappingSpec

ALWAYS: Final = frozenset(
    {
        "account", "secret", "token", "time14", "planned14", "call_id", "message_id", "once_id", "org",
        "region6", "object", "cursor", "since",
    }
)  # fmt: skip
"""Of the account, of the delivery and of its call."""
FACTS: Final = frozenset(
    {
        "case_no", "item_code", "region", "item_type", "version", "has_fee", "gives_certificate",
        "decision_refused", "certificate_name", "certificate_valid_to",
    }
)  # fmt: skip
"""Of the case, and of the certificate a message is about."""
ANSWERED: Final = frozenset({"message_id", "code", "hub_code", "path", "detail"})
"""In what a door answers."""

MARKED: Final = frozenset({"now"})
"""In what the reader of a table writes into a row."""


@dataclass(frozen=True)
class Use:
    """A name an adapter uses at `where`, and whether the hub fills it there."""

    where: str
    name: str
    known: frozenset[str]

    @property
    def wrong(self) -> bool:
        """Nothing fills it."""
        return self.name not in self.known


def own_names(manifest: Manifest) -> frozenset[str]:
    """What is known everywhere in this adapter: the hub's names and those the adapter itself gives."""
    calls = manifest.outbound
    given = {one.name for one in manifest.digests} | {kept.name for call in calls for kept in call.remote}
    read = {name for door in manifest.inbound for name in _read_by(door)}
    return ALWAYS | FACTS | given | read | {*manifest.parameters, *manifest.required_parameters}


def _read_by(door: Inbound) -> set[str]:
    """Names a door reads from routing key, pulled message or file name."""
    keys = names_in(door.amqp.routing_key) if door.amqp else set()
    patterns = [one.pattern for one in (door.pull, door.file) if one is not None]
    return {*keys, *(name for text in patterns for name in re.findall(r"\(\?P<(\w+)>", text))}


def said_names(type_: str | None) -> frozenset[str]:
    """`said_NAME` of a message of this type; nothing where there is none."""
    if type_ is None:
        return frozenset()
    fields = PAYLOADS[type_].model_fields if type_ in PAYLOADS else {}
    counts = {f"said_{name}_count" for name in fields}
    return frozenset({f"said_{name}" for name in fields} | counts | {"file_md5"})


def names_in(template: str) -> set[str]:
    """The `{name}` of a template; none in a text that is no template."""
    try:
        return {name for _, name, _, _ in Formatter().parse(template) if name}
    except ValueError:
        return set()


def uses(manifest: Manifest, read: Callable[[str], MappingSpec | None]) -> Iterator[Use]:
    """Every name in the manifest and in the mappings it names; `read` opens a mapping by name."""
    own = own_names(manifest)
    for rule in manifest.digests:
        yield from _templates(f"digest {rule.name}", (rule.text,), own)
    for queue in manifest.queues:
        yield from _templates("queues", (queue.name, queue.routing_key), own)
    for call in (*manifest.outbound, *([manifest.token.call] if manifest.token else [])):
        yield from _of_call(manifest, call, own, read)
    for door in manifest.inbound:
        for document in door.documents:
            yield from _of_mapping(document.mapping, own, read)
        yield from _of_door(door, own)
    if manifest.served is not None and manifest.served.account is not None:
        yield from _templates("served.account", (manifest.served.account.value,), own)


def _of_door(door: Inbound, own: frozenset[str]) -> Iterator[Use]:
    """What a door is read from, what must stand beside its documents, and what it answers."""
    if door.amqp is not None:
        yield from _templates(door.name, (door.amqp.queue, *door.amqp.headers.values()), own)
    if door.table is not None:
        marks = [door.table.ok, door.table.refused, door.table.unknown_case]
        yield from _templates(f"{door.name}.table", _texts([dict(one) for one in marks]), MARKED)
    if door.answer is not None:
        yield from _of_answer(door.name, door.answer, own)


def _of_answer(name: str, answer: Answer, own: frozenset[str]) -> Iterator[Use]:
    """Bodies know what was answered, addresses what the message came by."""
    yield from _templates(f"{name}.answer", _texts([answer.ok, answer.refused]), ANSWERED)
    told = (answer.exchange or "", answer.routing_key or "")
    yield from _templates(f"{name}.answer", told, own)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in parts:
        yield from _texts(one)


def _of_call(
    manifest: Manifest, call: Call, own: frozenset[str], read: Callable[[str], MappingSpec | None]
) -> Iterator[Use]:
    types, own = {document.type for document in call.documents}, own.union(call.asks)
    known = own.union(*map(said_names, types))
    yield from _templates(call.name, _written(manifest, call), known)
    for document in call.documents:
        yield from _of_mapping(document.mapping, own | said_names(document.type), read)
    if call.reply is not None and call.reply.mapping is not None:
        yield from _of_mapping(call.reply.mapping, known, read)


def _written(manifest: Manifest, call: Call) -> Iterator[str]:
    """The call's templates; {document} is the SOAP call's own."""
    if call.rest is not None:
        yield from (call.rest.path, *call.rest.query.values(), *call.rest.headers.values())
    if call.amqp is not None:
        yield from (call.amqp.exchange, call.amqp.routing_key, call.amqp.correlation_id)
        yield from call.amqp.headers.values()
    if call.soap is not None:
        shared: Mapping[str, str] = manifest.soap.arguments if manifest.soap else {}
        told = (call.soap.arguments or shared).values()
        yield from (text for text in told if text != "{document}")


def _templates(where: str, texts: Iterable[str], known: frozenset[str]) -> Iterator[Use]:
    for text in texts:
        yield from (Use(where, name, known) for name in sorted(names_in(text)))


def _of_mapping(name: str, known: frozenset[str], read: Callable[[str], MappingSpec | None]) -> Iterator[Use]:
    spec = read(name)
    if spec is not None:
        yield from (Use(f"{name}.mapping.toml", one, known) for one in _asked_by(spec))


def _asked_by(scope: MappingSpec | EachSpec) -> Iterator[str]:
    """Names of fill, given, instead and digest, in lists too."""
    for one in scope.fields:
        yield from (name for name in (one.fill, one.given) if name is not None)
        if one.instead is not None:
            yield one.instead.fact
        for part in one.digest.of if one.digest else ():
            yield from sorted(names_in(part))
    for inner in scope.each:
        yield from _asked_by(inner)
