"""Which checks a partner gets: what its manifest declares decides, no check is written for one adapter."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from exchange.adapterfolder import load_adapter
from mocks.conformance.bench import Bench, Line, Partner
from mocks.conformance.callbacks import callback_checks
from mocks.conformance.checks import Maker
from mocks.conformance.clocks import clock_checks
from mocks.conformance.content import content_checks
from mocks.conformance.facts import load_facts
from mocks.conformance.feedback import feedback_checks
from mocks.conformance.hostile import hostile_checks
from mocks.conformance.hostilexml import hostile_xml_checks
from mocks.conformance.idempotency import idempotency_checks
from mocks.conformance.identity import Keys
from mocks.conformance.listener import Listener, accepting
from mocks.conformance.model import Check
from mocks.conformance.properties import property_checks
from mocks.conformance.queueline import QueueLine
from mocks.conformance.restline import RestLine
from mocks.conformance.sealchecks import seal_checks
from mocks.conformance.soaphub import soap_hub
from mocks.conformance.soapline import SoapLine
from mocks.conformance.specimen import Specimens
from mocks.conformance.tablechecks import table_checks
from mocks.conformance.tablefeedback import row_checks
from mocks.conformance.tableline import TableLine

PARTS = (  # callbacks before what leaves many others behind
    callback_checks, content_checks, property_checks, seal_checks, idempotency_checks, feedback_checks,
    hostile_checks, hostile_xml_checks, table_checks, row_checks, clock_checks,
)  # fmt: skip


def open_bench(
    folder: Path, keys: Keys, partner: Partner, listener: Listener | None, seed: int, *, connect: bool = True
) -> Bench:
    """A bench with the lines this adapter needs; without `connect` only the list of checks can be had."""
    adapter, facts = load_adapter(folder), load_facts(folder)
    draw = random.Random(seed)  # noqa: S311 - ids of probes, not secrets
    bench = Bench(adapter, facts, keys, partner, Specimens(adapter, facts, draw), draw, listener)
    if listener is not None:
        listener.doors |= {one.rest.path: accepting(one) for one in adapter.inbound if one.rest is not None}
        if (hub := soap_hub(adapter, keys.rsa)) is not None:
            listener.faces[hub.served.path] = hub
    if connect:
        bench.lines = lines(bench)
    return bench


def lines(bench: Bench) -> dict[str, Line]:
    """One line per transport the manifest uses."""
    adapter, partner, keys = bench.adapter, bench.partner, bench.keys
    found: dict[str, Any] = {}
    calls = [call for call, _ in bench.specimens.documents()]
    if any(call.rest for call in calls):
        found["rest"] = RestLine(partner, keys, adapter.limits.timeout)
    if any(call.soap for call in calls):
        found["soap"] = SoapLine(adapter, partner, keys)
    if any(call.amqp for call in calls):
        found["amqp"] = QueueLine(adapter, partner, keys)
    if any(call.table for call in calls):
        found["table"] = TableLine(adapter, partner, keys)
        found["table"].create()
    return found


def plan(bench: Bench) -> list[Check]:
    """Every check of this adapter."""
    make = Maker(bench)
    if bench.specimens.main() is None:
        return make.checks
    for part in PARTS:
        part(make)
    return make.checks
