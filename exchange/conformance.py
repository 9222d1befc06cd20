"""Conformance certificates: a verdict on a partner, signed by the hub, in the ledger, valid 90 days."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, select

from exchange.acts import record_value
from exchange.receipts import moment
from exchange.seals import statement
from exchange.seals.keys import SigningKey
from exchange.store.tables import act
from exchange.store.work import Work
from ledger.log import Entry

LIFE = timedelta(days=90)
TYPE = "conformance+jws"
CERTIFIED, FAILED, DRIFTED = "conformance.certified", "conformance.failed", "conformance.drifted"
_ACTS = select(act).where(act.c.kind.in_((CERTIFIED, FAILED, DRIFTED))).order_by(act.c.entry)
State = Literal["valid", "expired", "drifted", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was tried and how it ended; `partner_key` is the key id of the partner's certificate."""

    adapter: str
    adapter_digest: str
    contract_version: str
    against: str
    partner_key: str
    passed: int
    failed: int
    not_offered: int
    report_digest: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """One recorded verdict; `entry` is its position in the ledger, `reasons` why it no longer holds."""

    entry: int
    outcome: Outcome
    issued_at: str
    expires_at: str
    statement: str
    state: State
    reasons: tuple[str, ...] = ()


def adapter_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of an adapter's folder; notes are not part of it."""
    whole = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and "__pycache__" not in name and name != "notes.md":
            whole.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def certify(work: Work, hub: str, key: SigningKey, outcome: Outcome) -> Entry:
    """Signs the verdict and enters it in the ledger; one with failures is entered as failed."""
    dates = {"issued_at": moment(work.now), "expires_at": moment(work.now + LIFE.total_seconds())}
    value = asdict(outcome) | dates
    kind = FAILED if outcome.failed else CERTIFIED
    body = {"conformance": {"kind": kind, **value, "statement": statement.sign(value, key, TYPE)}}
    note: dict[str, str | int] = {
        "adapter": outcome.adapter,
        "passed": outcome.passed,
        "failed": outcome.failed,
    }
    kid = outcome.partner_key or None
    return record_value(work, hub, kind, outcome.report_digest, "conformance", body, kid=kid, note=note)


def drifted(work: Work, hub: str, certificate: Certificate, reasons: Mapping[str, int]) -> Entry:
    """Enters that live traffic contradicts a certificate: code -> how often."""
    body = {"conformance": {"kind": DRIFTED, "of": certificate.entry, "reasons": dict(reasons)}}
    adapter, codes = certificate.outcome.adapter, " ".join(sorted(reasons))
    note: dict[str, str | int] = {"adapter": adapter, "of": certificate.entry, "codes": codes}
    return record_value(work, hub, DRIFTED, f"drift-{certificate.entry}", "conformance", body, note=note)


def certificates(connection: Connection, now: float, folders: Mapping[str, Path]) -> list[Certificate]:
    """Every recorded verdict, newest first; a folder that changed since is drift too."""
    rows = [(row.entry, json.loads(row.body)["conformance"]) for row in connection.execute(_ACTS)]
    drifts: dict[int, tuple[str, ...]] = {
        said["of"]: tuple(f"{code} × {count}" for code, count in said["reasons"].items())
        for _, said in rows
        if said["kind"] == DRIFTED
    }
    digests: dict[str, str] = {}
    found = [
        _certificate(entry, said, now, drifts.get(entry, ()), _changed(said, folders, digests))
        for entry, said in rows
        if said["kind"] != DRIFTED
    ]
    return sorted(found, key=lambda one: -one.entry)


def _changed(said: Mapping[str, Any], folders: Mapping[str, Path], digests: dict[str, str]) -> bool:
    folder = folders.get(said["adapter"])
    if folder is None:
        return False
    if said["adapter"] not in digests:
        digests[said["adapter"]] = adapter_digest(folder)
    return digests[said["adapter"]] != str(said["adapter_digest"])


def _certificate(
    entry: int, said: Mapping[str, Any], now: float, drifts: tuple[str, ...], changed: bool
) -> Certificate:  # fmt: skip
    names = Outcome.__dataclass_fields__
    outcome = Outcome(**{name: said[name] for name in names})
    reasons = drifts + (("adapter_changed",) if changed else ())
    state: State = "valid"
    if said["kind"] == FAILED:
        state = "failed"
    elif drifts or changed:
        state = "drifted"
    elif moment(now) >= said["expires_at"]:
        state = "expired"
    return Certificate(
        entry, outcome, said["issued_at"], said["expires_at"], said["statement"], state, reasons
    )  # fmt: skip
