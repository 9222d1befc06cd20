"""Documents nobody wrote: said, written, read and heard again without an unexplained difference."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from canonical.messages import Payload
from exchange.adapterfolder import Adapter
from exchange.errors import HubError
from exchange.mapping.refusal import DocumentRefused
from exchange.mapping.run import WireMapping
from exchange.mapping.spec import MappingSpec
from mocks.conformance.generate import messages
from mocks.conformance.model import Verdict, failed, not_offered, passed
from mocks.conformance.sample import Sample, heard, lost
from mocks.conformance.wording import declared


def generated(adapter: Adapter, mapping: WireMapping, found: list[Sample], count: int, seed: int) -> Verdict:
    """At most `count` messages said and heard again; what the partner's form cannot say is counted."""
    assert mapping.model is not None  # noqa: S101 - chosen by its message
    if mapping.direction == "hear":
        return not_offered("只读不写 / only heard")
    draw = random.Random(f"{seed} {mapping.name}")  # noqa: S311 - invented documents, not secrets
    contents = [one.held["payload"] for one in found if one.held.get("payload")]
    said = unsayable = 0
    for payload in messages(mapping.model, contents, count, draw):
        try:
            written = mapping.write(mapping.say(payload, found[0].context))
        except DocumentRefused:
            unsayable += 1
            continue
        said += 1
        if problem := _difference(found[0], payload, written):
            return failed(problem, payload.model_dump_json(exclude_none=True), written.decode())
    text = f"{said} 往返不变 / round trips, {unsayable} 对方格式说不出而被拒 / refused before sending"
    return passed("", text) if said else not_offered(text)


def _difference(sample: Sample, payload: Payload, written: bytes) -> str:
    wanted = lost(payload.model_dump(mode="json", exclude_none=True), sample.mapping.loses)
    spec = declared(sample.adapter.folder, sample.mapping.name)
    try:
        found = heard(sample, sample.mapping.read(written))
    except HubError as fault:
        return f"说出的读不回 / what is said is not heard: {fault}"
    given = {one.to for one in spec.fields if one.wire is None and one.to}
    wanted = coarsened(wanted, spec, sample.mapping.blurs)
    names = (found.keys() | wanted.keys()) - given
    wrong = sorted(name for name in names if found.get(name) != wanted.get(name))
    return f"往返改变 / changed: {', '.join(wrong)}" if wrong else ""


def coarsened(
    content: dict[str, Any], spec: MappingSpec, blurs: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """As it is heard after a coarser form said it: a town as its county, one code for several names."""
    changed = copy.deepcopy(content)
    for name, heard_as in blurs.items():
        _each_value(changed, name.split("."), partial(_shared, heard_as))
    for one in _counties(spec):
        _each_value(changed, one.split("."), lambda value: f"{str(value)[:6]}000000")
    return changed


def _shared(heard_as: Mapping[str, str], value: Any) -> Any:
    return heard_as.get(value, value)


def _counties(spec: MappingSpec) -> list[str]:
    top = [one.to for one in spec.fields if _is_county(one.as_) and one.to]
    return top + [
        f"{each.to}.{one.to}" for each in spec.each for one in each.fields if _is_county(one.as_) and one.to
    ]


def _is_county(conversion: str | None) -> bool:
    return conversion is not None and conversion.startswith("county")


def _each_value(content: Any, path: list[str], change: Callable[[Any], Any]) -> None:
    if isinstance(content, list):
        for one in content:
            _each_value(one, path, change)
    elif isinstance(content, dict) and path[0] in content:
        if len(path) == 1:
            content[path[0]] = change(content[path[0]])
        else:
            _each_value(content[path[0]], path[1:], change)
