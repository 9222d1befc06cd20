"""A whole hub in one process on a temporary store, with a clock the test moves and parties the test plays."""

import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine, text

from canonical.messages import CatalogueIncrement
from canonical.values import RegionCode, complete_id_number, make_case_number
from exchange import faces
from exchange.adapterfolder import load_adapters
from exchange.app.opening import open_store
from exchange.app.serving import build_hub
from exchange.app.settings import Settings, load_settings
from exchange.delivery import Sent
from exchange.dispatch import Dispatcher
from exchange.envelope import Envelope
from exchange.hub import Hub
from exchange.ledgervalues import value_of
from exchange.pipeline import receive
from exchange.receipts import Receipt
from exchange.registry import PartyFacts, add_party
from exchange.replies import take_pulled
from exchange.seals import jws
from exchange.seals.keys import SigningKey, load_signing_key
from exchange.store.sealed import ring_of
from hallservice.tables import metadata
from ledger.verify_store import verify_store
from tests.exchange.core.opened import opened

BEIJING = timezone(timedelta(hours=8))
ITEM = "1144140200720810054440125105000"  # with a fee and a certificate
PLAIN_ITEM = "1144140200720810054442025105000"
ORG = "114414020072081005"
REGION = "441402000000"
NAME, MOBILE = "测试梅甲", "13800138017"
ID_NUMBER = str(complete_id_number("44149919900307001"))
PATH = "/api/v1/messages"
START = datetime(2026, 3, 2, 9, 30, tzinfo=BEIJING)


def certificate_for(private: Any, name: str) -> x509.Certificate:
    """Self-signed, valid in every year the tests play in."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    first, last = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
    return builder.not_valid_before(first).not_valid_after(last).sign(private, SHA256())


def new_key(name: str) -> SigningKey:
    private = ec.generate_private_key(ec.SECP256R1())
    return SigningKey(private, certificate_for(private, name))


class Clock:
    """Unix seconds that only the test moves."""

    def __init__(self, at: datetime) -> None:
        self.now = at.timestamp()

    def __call__(self) -> float:
        return self.now

    def to(self, at: datetime) -> None:
        self.now = at.timestamp()

    def on(self, seconds: float) -> None:
        self.now += seconds


def iso(at: datetime) -> str:
    return at.astimezone(BEIJING).isoformat(timespec="seconds")


def day(text_: str) -> datetime:
    """Mid-morning of a local date."""
    return datetime.combine(date.fromisoformat(text_), datetime.min.time(), BEIJING).replace(hour=10)


def case_number(serial: int) -> str:
    return str(make_case_number(RegionCode(REGION), START.date(), "2", serial))


def service_item(code: str = ITEM, version: int = 1, state: str = "in_use", **over: Any) -> dict[str, Any]:
    """One implementation item as the catalogue tells it."""
    return {
        "row_id": f"row-{code[-6:]}-{version}",
        "catalog_code": code[19:],
        "code": code,
        "name": "食品经营许可",
        "kind": "licence",
        "version": version,
        "state": state,
        "legal_basis": "《食品安全法》第三十五条",
        "level": "county",
        "region": REGION,
        "organisation": "梅江区市场监督管理局",
        "organisation_code": ORG,
        "organisation_nature": "statutory_organ",
        "case_kind": "promised",
        "statutory_limit": {"count": 20, "unit": "working_day"},
        "promised_limit": {"count": 10, "unit": "working_day"},
        "served": ["enterprise"],
        "has_fee": code == ITEM,
        "online": True,
        "result_kind": "certificate",
        "changed_at": "2026-01-05T12:00:00+08:00",
        **over,
    }


def increment(
    since: int,
    to: int,
    items: Sequence[Any] = (),
    gone: Sequence[Any] = (),
    cursor: str | None = None,
    total: int | None = None,
) -> Any:
    return CatalogueIncrement.model_validate(
        {
            "since": since,
            "to_version": to,
            "total": len(items) + len(gone) if total is None else total,
            "next_cursor": cursor,
            "changed": list(items),
            "withdrawn": list(gone),
        }
    )


OFFICER = {
    "organisation": "梅江区市场监督管理局",
    "organisation_code": ORG,
    "name": "测试戊",
    "staff_no": "S009",
}


@dataclass(frozen=True)
class Story:
    """The payloads of one case."""

    no: str
    item: str = ITEM

    @property
    def head(self) -> dict[str, Any]:
        return {"case_no": self.no, "item_code": self.item, "region": REGION}

    def applied(self, **over: Any) -> dict[str, Any]:
        person = {
            "kind": "natural_person",
            "name": NAME,
            "document_type": "resident_id_card",
            "document_no": ID_NUMBER,
        }
        contact = {"name": NAME, "mobile": MOBILE}
        return {
            **self.head,
            "item_name": "食品经营许可",
            "applicant": person,
            "contact": contact,
            "summary": "申请食品经营许可",
            "materials": [{"name": "申请书", "count": 1, "received_as": "paper"}],
            "channel": "window",
            "applied_at": iso(START),
            **over,
        }

    def pre_reviewed(self, result: str = "passed") -> dict[str, Any]:
        why = {"refused": {"reason": "不属本部门"}, "supplement": {"supplement_note": "缺图"}}.get(result, {})
        return {**self.head, "officer": OFFICER, "result": result, "reviewed_at": iso(START), **why}

    def accepted(
        self, at: datetime = START, statutory: int = 20, promised: int | None = None, **over: Any
    ) -> dict[str, Any]:
        return {
            **self.head,
            "officer": OFFICER,
            "result": "accepted",
            "decided_at": iso(at),
            "query_password": "402817",
            "statutory_limit": {"count": statutory, "unit": "working_day"},
            "promised_limit": {"count": statutory if promised is None else promised, "unit": "working_day"},
            **over,
        }

    def refused(self) -> dict[str, Any]:
        return {
            **self.head,
            "officer": OFFICER,
            "result": "refused",
            "reason": "材料不符",
            "decided_at": iso(START),
        }

    def step(self, number: int, action: str = "pass", at: datetime = START) -> dict[str, Any]:
        name = ("undertake", "review", "approve")[number - 1]
        return {
            **self.head,
            "step": name,
            "step_name": name,
            "step_no": number,
            "officer": OFFICER,
            "opinion": "同意",
            "action": action,
            "decided_at": iso(at),
        }

    def concluded(self, result: str = "certificate_issued", at: datetime = START) -> dict[str, Any]:
        number = {"certificate_no": "粤梅2026000017"} if result == "certificate_issued" else {}
        why = {} if result in ("certificate_issued", "concluded") else {"reason": "申请人撤回"}
        return {**self.head, "officer": OFFICER, "result": result, "concluded_at": iso(at), **number, **why}

    def special(
        self, number: int, kind: str = "other", at: datetime = START, days: int = 5
    ) -> dict[str, Any]:
        return {
            **self.head,
            "number": number,
            "kind": kind,
            "name": "现场核查",
            "started_at": iso(at),
            "approver": "测试己",
            "reason": "需现场核查",
            "limit": {"count": days, "unit": "working_day"},
        }

    def special_over(self, number: int, result: str = "finished", at: datetime = START) -> dict[str, Any]:
        return {**self.head, "number": number, "result": result, "finished_at": iso(at)}

    def supplement_noticed(self) -> dict[str, Any]:
        what = [{"name": "平面图", "count": 1, "received_as": "attachment"}]
        return {
            **self.head,
            "sent_by": "测试丙",
            "reason": "缺少平面图",
            "materials": what,
            "noticed_at": iso(START),
        }

    def supplemented(self) -> dict[str, Any]:
        what = [{"name": "平面图", "count": 1, "received_as": "attachment"}]
        return {**self.head, "received_by": "测试丁", "materials": what, "received_at": iso(START)}

    def delivered(self) -> dict[str, Any]:
        return {
            **self.head,
            "collector": NAME,
            "document_type": "resident_id_card",
            "document_no": ID_NUMBER,
            "mode": "window",
            "collected_at": iso(START),
        }

    def fee_requested(self) -> dict[str, Any]:
        line = {
            "code": "103044",
            "name": "证照工本费",
            "standard": "每证 5 元",
            "quantity": 1,
            "amount": "5.00",
        }
        return {
            "request_id": f"fee-{self.no}",
            "case_no": self.no,
            "unit_no": "441402001",
            "unit_name": "市场监督管理局",
            "lines": [line],
            "payer": NAME,
            "total": "5.00",
            "due_on": "2026-12-04",
            "verified_by": "测试庚",
        }

    def fee_noticed(self, notice: str) -> dict[str, Any]:
        numbers = {"notice_no": notice, "check_no": "4821", "book_check_no": "90210773"}
        return {"request_id": f"fee-{self.no}", "case_no": self.no, **numbers}

    def fee_paid(self, notice: str) -> dict[str, Any]:
        return {
            "notice_no": notice,
            "serial": f"BK{notice}",
            "amount": "5.00",
            "overdue_amount": "0.00",
            "paid_at": iso(START),
            "bank": "103",
            "voucher_no": "V-17",
        }

    def fee_confirmed(self, notice: str) -> dict[str, Any]:
        return {
            "request_id": f"conf-{self.no}",
            "case_no": self.no,
            "notice_no": notice,
            "window": "W05",
            "clerk": "测试丁",
            "confirmed_at": iso(START),
        }

    def certificate_requested(self) -> dict[str, Any]:
        holder = {"name": NAME, "document_type": "resident_id_card", "document_no": ID_NUMBER}
        return {
            "request_id": f"cert-{self.no}",
            "case_no": self.no,
            "item_code": self.item,
            "type_code": "114414020072081005001",
            "name": "食品经营许可证",
            "issuer": "市场监督管理局",
            "issuer_code": ORG,
            "region": REGION,
            "holders": [holder],
            "issued_on": "2026-03-24",
            "valid_from": "2026-03-25",
        }

    def certificate_issued(self, state: str = "issued", named: bool = True) -> dict[str, Any]:
        who = {"case_no": self.no} if named else {}
        identifier = "1.2.156.3005.2.114414020072081005001.114414020072081005.0000000017.001.S"
        return {
            "request_id": f"cert-{self.no}",
            "identifier": identifier,
            "number": "粤梅17",
            "state": state,
            **who,
        }


@dataclass
class Core:
    """One hub and those who speak to it."""

    settings: Settings
    hub: Hub
    clock: Clock
    keys: dict[str, SigningKey] = field(default_factory=dict)

    def party(self, name: str, **facts: Any) -> SigningKey:
        """Register a party by an act of the hub."""
        key = self.keys[name] = new_key(name)
        pem = key.certificate.public_bytes(Encoding.PEM).decode()
        said = PartyFacts(name, **facts)
        self.hub.store.write(lambda work: add_party(work, self.hub.name, said, pem, self.hub.adapters))
        self.hub.parties.forget()
        return key

    def catalogue(self, *items: dict[str, Any], to: int = 1, gone: Sequence[Any] = ()) -> None:
        """An increment of the province, taken on the path every pull takes."""
        page = increment(to - 1, to, items, gone)  # the first is the whole list
        take_pulled(
            self.hub,
            "province",
            Sent("soap", b"<REQ/>", "0", "ok"),
            (page.TYPE, page),
            secrets.token_hex(8),
        )

    def envelope(
        self,
        sender: str,
        type_: str,
        payload: Mapping[str, Any],
        *,
        message_id: str | None = None,
        nonce: str | None = None,
        at: float | None = None,
        says: str | None = None,
        key: SigningKey | None = None,
    ) -> Envelope:
        """A house document in JSON, sealed by its sender for the REST face."""
        document = {
            "message_id": message_id or secrets.token_hex(12),
            "type": type_,
            "sender": says or sender,
            "sent_at": iso(datetime.fromtimestamp(self.clock.now, UTC)),
            "payload": payload,
        }
        return self.sealed(
            sender, json.dumps(document, ensure_ascii=False).encode(), nonce=nonce, at=at, key=key
        )

    def sealed(
        self,
        sender: str,
        body: bytes,
        *,
        nonce: str | None = None,
        at: float | None = None,
        key: SigningKey | None = None,
    ) -> Envelope:
        when = datetime.fromtimestamp(self.clock.now if at is None else at, UTC)
        seal = jws.sign_request(
            body,
            key or self.keys[sender],
            method="POST",
            path=PATH,
            now=when,
            nonce=nonce or secrets.token_urlsafe(24),
        )
        return Envelope(
            "rest", body, "application/json", self.clock.now, seal, {"method": "POST", "path": PATH}
        )

    def take(self, envelope: Envelope) -> Receipt:
        """The envelope by the hub's REST face, as it arrives now."""
        now = Envelope(
            envelope.protocol,
            envelope.body,
            envelope.media_type,
            self.clock.now,
            envelope.seal,
            envelope.bound,
        )
        return receive(
            self.hub,
            now,
            lambda e: faces.house_only(self.hub, faces.open_request(self.hub, e)),
            lambda s, e: faces.read_json(self.hub, s, e),
        )

    def send(self, sender: str, type_: str, payload: Mapping[str, Any], **over: Any) -> Receipt:
        return self.take(self.envelope(sender, type_, payload, **over))

    def ok(self, sender: str, type_: str, payload: Mapping[str, Any], **over: Any) -> Receipt:
        """Send what has to be accepted."""
        receipt = self.send(sender, type_, payload, **over)
        assert (receipt.status, receipt.code) == ("accepted", "ok"), receipt.body.decode()
        return receipt

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        ring = ring_of(self.hub.store.engine.dialect)
        with self.hub.store.read() as connection:
            found = connection.execute(text(sql), values).mappings()
            return [{name: opened(ring, name, value) for name, value in row.items()} for row in found]

    def value(self, sql: str, **values: Any) -> Any:
        rows = self.rows(sql, **values)
        return next(iter(rows[0].values())) if rows else None

    def state(self, case_no: str) -> str | None:
        found: str | None = self.value("SELECT state FROM case_record WHERE case_no = :no", no=case_no)
        return found

    def due(self, case_no: str) -> dict[str, Any]:
        sql = "SELECT statutory_due, promised_due, provisional FROM case_record WHERE case_no = :no"
        return self.rows(sql, no=case_no)[0]

    def outbox(self, where: str = "1 = 1", **values: Any) -> list[dict[str, Any]]:
        return self.rows(f"SELECT * FROM outbox WHERE {where} ORDER BY id", **values)  # noqa: S608 - a test's own text

    def leaves(self) -> list[bytes]:
        return [row["leaf"] for row in self.rows("SELECT leaf FROM ledger_entry ORDER BY seq")]

    def findings(self, case_no: str | None = None) -> list[tuple[str, str]]:
        rows = self.rows("SELECT * FROM finding ORDER BY id")
        return [(r["category"], r["code"]) for r in rows if case_no in (None, r["case_no"])]

    def verified(self, *, values: bool = True) -> None:
        """Store, ledger and foreign keys agree, and (with values) commitments open to the bytes kept."""
        with self.hub.store.read() as connection:
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
            find = value_of(connection) if values else None
            report = verify_store(connection, str(self.hub.store.log.signer.verifier), find)
        assert report.findings == (), report.findings

    def dispatcher(self, party: str, attempt: Callable[[Any], Sent], queues: Any = None) -> Dispatcher:
        return Dispatcher(self.hub, party, attempt, queues)

    def delivered(self, party: str, answer: Callable[[Any], Sent] | None = None) -> list[Any]:
        """Everything ready for a party, taken by it."""
        seen: list[Any] = []

        def attempt(row: Any) -> Sent:
            seen.append(row)
            return answer(row) if answer else took(row)

        while self.dispatcher(party, attempt).round():
            pass
        return seen


def took(row: Any, code: str = "ok", verdict: str = "ok", **more: Any) -> Sent:
    """The partner's side said so."""
    return Sent("rest", json.dumps(row.payload).encode(), code, verdict, answer=b'{"code":"0"}', **more)


signing_key = cache(load_signing_key)


@cache
def adapters(site: Path | None = None) -> Any:
    """The shipped adapters, compiled once: they are frozen values."""
    return load_adapters(site)


def make_core(folder: Path, keys: Path, at: datetime = START) -> Core:
    """A hub with the hall registered and two items in force."""
    shutil.copytree(keys, folder / "var" / "keys")
    core = open_core(folder, Clock(at))
    core.party("hall")
    core.catalogue(service_item(), service_item(PLAIN_ITEM))
    return core


def copy_of(core: Core, folder: Path) -> Core:
    """The same hub somewhere else; `core` must be at rest."""
    core.hub.store.engine.dispose()  # the last connection takes the write-ahead log into the file
    shutil.copytree(core.settings.state, folder / "var")
    other = open_core(folder, Clock(START))
    other.keys.update(core.keys)
    return other


def open_core(folder: Path, clock: Clock) -> Core:
    settings = load_settings(environ={"TONGBAN_STATE": str(folder / "var")})
    store = open_store(settings)
    store.clock = clock
    with (
        patch("exchange.app.serving.load_adapters", adapters),
        patch("exchange.app.opening.load_signing_key", signing_key),
    ):
        return Core(settings, build_hub(settings, store), clock)


def together(core: Core, acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """One group commit takes these calls, in this order; their results, or what they raised."""
    store, results = core.hub.store, [None] * len(acts)
    begun, go = threading.Event(), threading.Event()

    def first(_: Any) -> None:
        begun.set()
        assert go.wait(20)

    def run(at: int) -> None:
        try:
            results[at] = acts[at]()
        except BaseException as fault:  # noqa: BLE001 - it is the result
            results[at] = fault

    threads = [threading.Thread(target=store.write, args=(first,))]
    threads[0].start()
    assert begun.wait(20)
    for at in range(len(acts)):
        threads.append(threading.Thread(target=run, args=(at,)))
        threads[-1].start()
        until(lambda at=at: len(store._waiting) == at + 1)
    go.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a writer never came back"
    return results


def until(holds: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `holds` gives once it is true."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)
    return found


@contextmanager
def running(target: Callable[..., None], *args: Any) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(10)
        assert not thread.is_alive()


def differences(engine: Engine) -> list[object]:
    """What the tables as written say beyond the database, or less."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))
