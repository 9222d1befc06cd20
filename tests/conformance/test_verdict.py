"""Certificates of conformance: signed, in the ledger, expiring; live traffic and changed folders end them."""

import json
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jws as jose
from joserfc.jwk import ECKey
from sqlalchemy import insert

from exchange import channels, conformance, drift, faces
from exchange.app.opening import ensure_keys
from exchange.app.settings import load_settings
from exchange.envelope import Envelope
from exchange.errors import Tampered
from exchange.pipeline import receive
from exchange.receipts import Receipt
from exchange.records import Record, keep
from exchange.seals import jws, statement
from exchange.seals.keys import key_id
from exchange.store.tables import outbox
from tests.exchange.core.rig import Core, make_core, new_key

REPORT = {
    "msgGroup": "G1", "mobile": "13800138000", "clientMsgId": "sms-17", "reportStatus": "DELIVRD",
    "submitDate": "20260302093000", "receiveDate": "20260302093005",
}  # fmt: skip
DAY = 86400.0


@pytest.fixture
def core(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    state = tmp_path_factory.mktemp("keys")
    ensure_keys(load_settings(environ={"TONGBAN_STATE": str(state)}))
    made = make_core(tmp_path, state / "keys")
    made.party("gateway", adapter="sms", account={"account": "tongban"})
    yield made
    made.hub.store.engine.dispose()


def outcome(core: Core, failed: int = 0) -> conformance.Outcome:
    folder = Path(core.hub.adapters["sms"].folder)
    kid = key_id(core.keys["gateway"].certificate)
    digest = conformance.adapter_digest(folder)
    return conformance.Outcome("sms", digest, "1.0", "http://gateway", kid, 127, failed, 1, "ab" * 32)


def certify(core: Core, failed: int = 0) -> int:
    said = outcome(core, failed)
    entry = core.hub.store.write(lambda work: conformance.certify(work, core.hub.name, core.hub.ec_key, said))
    return int(entry.seq)


def listed(core: Core, folder: Path | None = None) -> list[conformance.Certificate]:
    folders = {"sms": folder or Path(core.hub.adapters["sms"].folder)}
    with core.hub.store.read() as connection:
        return conformance.certificates(connection, core.clock(), folders)


def states(core: Core) -> list[str]:
    return [one.state for one in listed(core)]


def reported(core: Core, report: dict[str, Any], key: Any = None) -> Receipt:
    """A delivery report as it comes over the wire."""
    body = json.dumps([report], ensure_ascii=False).encode()
    now = datetime.fromtimestamp(core.clock(), UTC)
    seal = jws.sign_request(
        body, key or core.keys["gateway"], method="POST", path="/sms/report", now=now,
        nonce=secrets.token_urlsafe(24),
    )  # fmt: skip
    bound = {"method": "POST", "path": "/sms/report"}
    envelope = Envelope("rest", body, "application/json", core.clock(), seal, bound)
    adapter = core.hub.adapters["sms"]
    door = faces.Door(adapter, adapter.heard("report"))
    return receive(
        core.hub, envelope, lambda e: door.open(core.hub, e), lambda s, e: door.read(core.hub, s, e)
    )


def watch(core: Core) -> int:
    return drift.watch(core.hub.store, core.hub.name, core.hub.adapters)


def test_certificate_is_a_standard_jws_in_the_ledger(core: Core) -> None:
    entry = certify(core)
    (found,) = listed(core)
    assert (found.entry, found.state, found.outcome) == (entry, "valid", outcome(core))
    pem = core.hub.ec_key.certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    read = jose.deserialize_compact(found.statement, ECKey.import_key(pem), algorithms=["ES256"])
    said = json.loads(read.payload)
    assert (said["adapter"], said["passed"], said["failed"], said["not_offered"]) == ("sms", 127, 0, 1)
    assert said["partner_key"] == key_id(core.keys["gateway"].certificate)
    lasts = datetime.fromisoformat(said["expires_at"]) - datetime.fromisoformat(said["issued_at"])
    assert lasts.days == 90
    assert core.value("SELECT json_extract(leaf, '$.kind') FROM ledger_entry WHERE seq = :s", s=entry) == (
        "conformance.certified"
    )
    core.verified()


def test_statement_of_another_key_or_altered_is_refused(core: Core) -> None:
    certify(core)
    token, now = listed(core)[0].statement, datetime.now(UTC)
    certificate = core.hub.ec_key.certificate
    assert statement.read(token, certificate, conformance.TYPE, now)["adapter"] == "sms"
    head, payload, signature = token.split(".")
    other = "A" if payload[20] != "A" else "B"
    for wrong in (
        f"{head}.{payload[:20]}{other}{payload[21:]}.{signature}",
        f"{head}.{payload}",
        "x.y.z",
        "",
    ):
        with pytest.raises(Tampered):
            statement.read(wrong, certificate, conformance.TYPE, now)
    with pytest.raises(Tampered):
        statement.read(token, new_key("another").certificate, conformance.TYPE, now)
    with pytest.raises(Tampered):
        statement.read(token, certificate, "receipt+jws", now)


def test_certificate_expires_after_ninety_days(core: Core) -> None:
    certify(core)
    core.clock.on(89.9 * DAY)
    assert states(core) == ["valid"]
    core.clock.on(0.2 * DAY)
    assert states(core) == ["expired"]


def test_failed_run_gives_no_certificate(core: Core) -> None:
    certify(core, failed=3)
    assert states(core) == ["failed"]
    assert watch(core) == 0


def test_conforming_traffic_is_no_drift(core: Core) -> None:
    certify(core)
    for _ in range(3):
        reported(core, REPORT)
    assert watch(core) == 0
    assert states(core) == ["valid"]


@pytest.mark.parametrize(
    ("report", "code"),
    [
        ({**REPORT, "newField": "新增字段"}, "unknown_field"),
        ({**REPORT, "reportStatus": "OK"}, "unknown_code"),
        ({**REPORT, "receiveDate": "2026-03-02 09:30:05"}, "bad_value"),
        ({name: value for name, value in REPORT.items() if name != "mobile"}, "missing_field"),
    ],
)
def test_contradicting_traffic_is_drift(core: Core, report: dict[str, Any], code: str) -> None:
    reported(core, report)
    entry = certify(core)
    assert watch(core) == 0  # what came before the certificate says nothing against it
    reported(core, report)
    assert watch(core) == 1
    (found,) = listed(core)
    assert (found.state, found.reasons) == ("drifted", (f"{code} × 1",))
    (row,) = core.rows("SELECT category, code, detail, entry FROM finding WHERE category = 'drift'")
    assert (row["code"], row["detail"]) == (code, f"{code} × 1")
    assert row["entry"] > entry
    assert watch(core) == 0  # told once
    certify(core)
    assert states(core) == ["valid", "drifted"]
    core.verified()


def test_forged_seal_speaks_against_nobody(core: Core) -> None:
    """Else whoever can reach the hub could end a partner's certificate by naming its key."""
    certify(core)
    key = core.keys["gateway"]
    reported(core, REPORT, key=type(key)(new_key("gateway").private, key.certificate))
    assert watch(core) == 0


@pytest.mark.parametrize("code", ["answer_seal_invalid", "answer_seal_missing", "answer_unreadable"])
def test_broken_answers_are_drift(core: Core, code: str) -> None:
    """An answer whose seal does not hold leaves its message waiting: the outbox says so."""
    certify(core)
    row = {
        "party": "gateway", "message_id": "m-1", "document": "submit", "type": "sms.requested.v1",
        "payload": {}, "context": {}, "state": "pending", "attempts": 1, "next_at": 0.0,
        "code": code, "created_at": 0.0,
    }  # fmt: skip

    def act(work: Any) -> None:
        entry = keep(core.hub, work, Record("hub.act", "m-1", "hub", "hub", "hub", "own", "hub", "?", b"{}"))
        work.connection.execute(insert(outbox), row | {"entry": entry.seq})

    core.hub.store.write(act)
    assert watch(core) == 1
    assert states(core) == ["drifted"]


def test_changed_folder_is_drift(core: Core, tmp_path: Path) -> None:
    certify(core)
    copy = tmp_path / "sms"
    shutil.copytree(core.hub.adapters["sms"].folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert [one.state for one in listed(core, copy)] == ["valid"]
    (copy / "notes.md").write_text("# other notes\n", "utf-8")
    assert [one.state for one in listed(core, copy)] == ["valid"]
    with (copy / "submit.mapping.toml").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    (found,) = listed(core, copy)
    assert (found.state, found.reasons) == ("drifted", ("adapter_changed",))


def test_dropped_fields_are_counted_per_channel(core: Core) -> None:
    content = {
        "request_id": "s-1",
        "case_no": "c-1",
        "template": "accepted",
        "mobile": "13800138000",
        "content": "x",
    }
    less = {name: value for name, value in content.items() if name != "case_no"}

    def act(work: Any) -> None:
        for at, one in enumerate((content, content, less)):
            keep(core.hub, work, Record(
                "exchange.sent", f"s-{at}", core.hub.name, "gateway", "gateway", "out", "rest",
                "sms.requested.v1", b"{}", state="sent", canonical=one,
            ))  # fmt: skip

    core.hub.store.write(act)
    with core.hub.store.read() as connection:
        found = {(one.party, one.direction, one.field): (one.count, one.of) for one in channels.dropped(
            connection, core.hub.adapters
        )}  # fmt: skip
    assert found == {("gateway", "out", "template"): (3, 3), ("gateway", "out", "case_no"): (2, 3)}


def test_ignored_wire_fields_are_those_nothing_reads(core: Core) -> None:
    folder = Path(core.hub.adapters["provincial_catalogue"].folder)
    names = channels.ignored_paths(folder, "increment", frozenset())
    assert names
    assert channels.ignored_paths(folder, "increment", frozenset(names)) == ()
