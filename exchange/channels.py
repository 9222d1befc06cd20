"""What gets lost on the way: fields a mapping ignores or cannot carry, counted per channel.

Counted from the documents the ledger keeps, when somebody asks: messages on their way pay nothing for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, select

from exchange.adapterfolder import Adapter
from exchange.errors import HubError
from exchange.manifest import Call, Document
from exchange.mapping.compile import parse_toml, with_fragments
from exchange.mapping.run import WireMapping, value_at
from exchange.mapping.spec import MappingSpec
from exchange.store.tables import document, party

MOST = 20_000  # documents looked through


@dataclass(frozen=True, slots=True)
class Dropped:
    """One field that had a value and did not get through; `of` documents of this kind on this channel."""

    party: str
    direction: str  # out: a canonical field the partner's form does not carry; in: a wire field not needed
    mapping: str
    field: str
    count: int
    of: int


def dropped(connection: Connection, adapters: Mapping[str, Adapter], most: int = MOST) -> list[Dropped]:
    """Every field dropped in the newest `most` documents, most often first."""
    fields: Counter[tuple[str, str, str, str]] = Counter()
    whole: Counter[tuple[str, str, str]] = Counter()
    parties = {row.name: row.adapter for row in connection.execute(select(party.c.name, party.c.adapter))}
    rows = select(document).where(document.c.direction != "own").order_by(document.c.entry.desc()).limit(most)
    for row in connection.execute(rows):
        adapter = adapters.get(parties.get(row.party, ""))
        for mapping, names in _of(adapter, row) if adapter else ():
            direction = "out" if row.direction == "out" and mapping.direction != "hear" else row.direction
            whole[(row.party, direction, mapping.name)] += 1
            fields.update((row.party, direction, mapping.name, name) for name in names)
    return [
        Dropped(*key, count, whole[key[:3]]) for key, count in sorted(fields.items(), key=lambda one: -one[1])
    ]


def _of(adapter: Adapter, row: Row[Any]) -> Iterator[tuple[WireMapping, list[str]]]:
    """The mappings a document went through, with what each dropped of it."""
    if row.direction == "out" and isinstance(row.canonical, dict):
        for _, one in _calls(adapter, row):
            mapping = adapter.mapping(one)
            yield mapping, [name for name in mapping.loses if _present(row.canonical, name.split("."))]
    if row.direction == "in" and row.state == "accepted":
        mapping_names = {
            one.mapping for entry in adapter.inbound for one in entry.documents if one.type == row.type
        }
        answers = {
            call.reply.mapping for call in adapter.outbound if call.reply and call.reply.type == row.type
        }
        for name in sorted(mapping_names | {one for one in answers if one}):
            if (found := _ignored(adapter, name, row.body)) is not None:
                yield adapter.mappings[name], found
                return


def _calls(adapter: Adapter, row: Row[Any]) -> tuple[tuple[Call, Document], ...]:
    return adapter.outbound_for(row.type, SimpleNamespace(**row.canonical))


def _present(content: Any, path: list[str]) -> bool:
    if isinstance(content, list):
        return any(_present(one, path) for one in content)
    if not isinstance(content, dict) or content.get(path[0]) in (None, "", []):
        return False
    return len(path) == 1 or _present(content[path[0]], path[1:])


def _ignored(adapter: Adapter, name: str, body: bytes) -> list[str] | None:
    """The ignored wire fields that had a value; None when the body is not this document alone."""
    try:
        tree = adapter.mappings[name].read(body)
    except HubError:
        return None
    return [path for path in ignored_paths(adapter.folder, name, _used(adapter)) if value_at(tree, path)]


def _used(adapter: Adapter) -> frozenset[str]:
    """Wire paths that are read without a mapping: codes, texts, single values, tokens."""
    outcomes = [path for call in adapter.outbound for path in (call.outcome.path, call.outcome.text) if path]
    values = [path for call in adapter.outbound if call.reply for path in call.reply.values.values()]
    return frozenset(outcomes + values)


@cache
def ignored_paths(folder: Path, name: str, used: frozenset[str]) -> tuple[str, ...]:
    """What a mapping ignores by name and nothing else reads."""
    text = (folder / f"{name}.mapping.toml").read_text("utf-8")
    spec = with_fragments(parse_toml(MappingSpec, text), lambda file: (folder / file).read_text("utf-8"))
    return tuple(path for path in spec.ignore if path not in used)
