"""At the end of a run: both sides of every system compared, the ledger and an export of it verified."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from exchange.app.demo.comparing import (
    RULES,
    Outcome,
    compare,
    hub_lines,
    partner_lines,
    published_lines,
)
from exchange.app.demo.layout import READER, Partner
from exchange.app.opening import coded
from exchange.ledgervalues import value_of
from exchange.store.engine import reading
from ledger.export import export
from ledger.note import Signer
from ledger.report import Report
from ledger.verify_folder import verify_directory
from ledger.verify_store import verify_store

SETTLE_SECONDS = 10.0  # what is on its way when first compared has arrived by then
PAUSE = 0.5

Entries = Sequence[Mapping[str, Any]]
Ask = Callable[[str], Entries]
"""A partner's name -> its record."""


def compare_all(engine: Engine, members: Sequence[Partner], ask: Ask) -> dict[str, Outcome]:
    """Every system by name of its partner."""
    return {one.name: compare_one(engine, one, ask(one.name)) for one in members}


def compare_one(engine: Engine, member: Partner, entries: Entries) -> Outcome:
    """The hub's record, read after the partner's, against the partner's."""
    rule = RULES[member.adapter]
    with reading(engine) as connection:
        reader = member.adapter == READER
        lines, receipts = (
            (published_lines(connection), 0) if reader else hub_lines(connection, member.party, rule)
        )
    return compare(member.party, lines, partner_lines(entries, rule), receipts, rule)


def settled_comparison(
    engine: Engine, members: Sequence[Partner], ask: Ask, tend: Callable[[], object],
    seconds: float = SETTLE_SECONDS,
) -> dict[str, Outcome]:  # fmt: skip
    """Compared again while something differs: one side may be a moment ahead of the other."""
    deadline = time.monotonic() + seconds
    found = compare_all(engine, members, ask)
    while any(one.differences for one in found.values()) and time.monotonic() < deadline:
        tend()
        time.sleep(PAUSE)
        found = compare_all(engine, members, ask)
    return found


def verify_ledger(engine: Engine, signer: Signer, folder: Path | None) -> tuple[Report, Report | None]:
    """The live store against its own values, and the export of the same moment in `folder`."""
    with coded(), reading(engine) as connection:
        report = verify_store(connection, signer.vkey, value_of(connection))
        if folder is None:
            return report, None
        export(connection, folder, verifier=signer.verifier)
        return report, verify_directory(folder, signer.vkey)
