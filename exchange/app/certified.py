"""What `tongban check` keeps and asks of the local hub: certificates of conformance, fields dropped."""

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from exchange import channels, conformance
from exchange.adapterfolder import load_adapters
from exchange.app import opening, table
from exchange.app.settings import load_settings
from exchange.errors import Misconfigured
from exchange.store.engine import reading
from mocks.conformance import asjson
from mocks.conformance.model import Report


def record(report: Report, folder: Path, partner_key: str) -> str:
    """Enters the verdict in the hub's ledger; the line that says so. Misconfigured for a run that is not
    whole."""
    if report.left_out or report.part:
        raise Misconfigured("run_incomplete", "a run that left out checks is not recorded", report.adapter)
    settings = load_settings()
    store, key = opening.open_store(settings), opening.ec_key(settings)
    digest = hashlib.sha256(asjson.write(report).encode()).hexdigest()
    outcome = conformance.Outcome(
        report.adapter, conformance.adapter_digest(folder), report.contract_version, report.against,
        partner_key, report.count("passed"), report.count("failed"), report.count("not_offered"), digest,
    )  # fmt: skip
    entry = store.write(lambda work: conformance.certify(work, settings.hub, key, outcome))
    kind = "failed: no certificate" if outcome.failed else "certificate valid 90 days"
    return f"recorded in the ledger as entry {entry.seq} ({kind})"


def show_certificates(as_json: Path | None) -> int:
    """Every recorded verdict with its state; 1 when the newest of an adapter is not valid."""
    settings = load_settings()
    folders = {name: Path(one.folder) for name, one in load_adapters(settings.adapters).items()}
    now = time.time()
    with reading(opening.open_reader(settings)) as connection:
        found = conformance.certificates(connection, now, folders)
    rows = [
        (one.outcome.adapter, one.state, one.outcome.passed, one.outcome.failed, one.issued_at[:10],
         one.expires_at[:10], one.entry, "; ".join(one.reasons))
        for one in found
    ]  # fmt: skip
    headings = ("adapter", "state", "passed", "failed", "issued", "expires", "entry", "because")
    table.show(headings, rows)
    if as_json is not None:
        text = json.dumps([_plain(one) for one in found], ensure_ascii=False, indent=1)
        as_json.write_text(f"{text}\n", "utf-8")
    newest: dict[str, str] = {}
    for one in found:
        newest.setdefault(one.outcome.adapter, one.state)
    return 0 if set(newest.values()) <= {"valid"} else 1


def _plain(one: conformance.Certificate) -> dict[str, Any]:
    names = ("entry", "issued_at", "expires_at", "state", "reasons", "statement")
    return asdict(one.outcome) | {name: getattr(one, name) for name in names}


def show_channels() -> int:
    """Fields dropped per channel in the newest documents."""
    settings = load_settings()
    adapters = load_adapters(settings.adapters)
    with reading(opening.open_reader(settings)) as connection:
        found = channels.dropped(connection, adapters)
    headings = ("party", "direction", "mapping", "field", "dropped", "of")
    rows = [(one.party, one.direction, one.mapping, one.field, one.count, one.of) for one in found]
    table.show(headings, rows)
    return 0
