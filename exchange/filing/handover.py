"""Packages on a data carrier when the network is down (adapters/archives/contract §5): a folder of zips, the
sheet that names them, its seal; and the results that come back the same way."""

import csv
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from canonical.messages import PAYLOADS, ArchiveSubmitted, Message
from exchange import acts
from exchange.adapterfolder import Adapter
from exchange.envelope import Envelope, Heard, Sealed, heard
from exchange.errors import Misconfigured, Refused, Tampered
from exchange.hub import Hub
from exchange.parties import Party
from exchange.pipeline import receive
from exchange.receipts import BEIJING, moment
from exchange.seals import jws
from exchange.store.tables import outbox, package
from exchange.store.work import Work

SHEET, RESULTS, FLAG = "交接单.csv", "result.jsonl", ".ok"
COLUMNS = (
    "reqid", "fileno", "unitcode", "libcode", "title", "retention", "year", "file", "size", "aipdigest",
)  # fmt: skip
TOTAL = "#合计"
OPEN = ("pending", "dead")  # deliveries that did not arrive
LARGEST = 64 << 20  # bytes of a file of results
OLDEST = 366 * 86_400.0  # seconds a seal on a carrier may be old: the contract sets no end


@dataclass(frozen=True)
class HandedOver:
    """What was written: its folder, how many packages of how many bytes."""

    folder: Path
    packages: int
    size: int


@dataclass(frozen=True)
class Carried:
    """One package of the carrier: its delivery, its line of the sheet, its bytes."""

    row: int
    values: Mapping[str, Any]
    body: bytes


def hand_over(hub: Hub, directory: Path) -> HandedOver:
    """Everything that did not reach the archives, in a new folder below `directory`; Refused when there is
    nothing. Written again after a kill, it is the same requests: the archives take each once."""
    party, adapter = _archives(hub)
    with hub.store.read() as connection:
        carried = _carried(connection, party, adapter)
    if not carried:
        raise Refused("nothing_waits", "every package was delivered, or is on its way")
    now = datetime.fromtimestamp(hub.store.clock(), UTC)
    folder = _new_folder(directory, str(carried[0].values["unitcode"]), now)
    for one in carried:
        _write(folder / one.values["file"], one.body)
    sheet = sheet_of(carried)
    seal = jws.sign_file(sheet, hub.ec_key, file=SHEET, now=now, nonce=secrets.token_urlsafe(24))
    _write(folder / SHEET, sheet)
    _write(folder / f"{SHEET}{FLAG}", f"{seal}\n".encode())
    hub.store.write(lambda work: _settled(hub, work, carried, folder.name, sheet, seal))
    return HandedOver(folder, len(carried), sum(len(one.body) for one in carried))


def sheet_of(carried: Iterable[Carried]) -> bytes:
    """交接单.csv: texts in double quotes, numbers plain, the totals last."""
    stream = io.StringIO()
    lines, size = 0, 0
    stream.write(",".join(COLUMNS) + "\n")
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    for one in carried:
        writer.writerow([one.values[name] for name in COLUMNS])
        lines, size = lines + 1, size + len(one.body)
    stream.write(f"{TOTAL},{lines},{size}\n")
    return stream.getvalue().encode()


def take_results(hub: Hub, directory: Path) -> dict[str, int]:
    """The archives' results from a carrier, each on the path of every message: how many by answer code.
    Refused when the seal does not hold; a file taken again changes nothing."""
    party, adapter = _archives(hub)
    data = _read(directory / RESULTS)
    seal = _read(directory / f"{RESULTS}{FLAG}").decode("ascii", "replace").strip()
    now = hub.store.clock()
    at = datetime.fromtimestamp(now, UTC)
    signed = jws.verify_file(seal, data, hub.parties.certificate, file=RESULTS, now=at, oldest=OLDEST)
    held = hub.parties.holding(signed.party_key_id)
    if held is None or held.party.name != party.name:
        raise Tampered("not_allowed", "the results are sealed by another party", RESULTS)
    counted: dict[str, int] = {}
    for line in filter(None, data.split(b"\n")):
        envelope = Envelope("file", line, "application/json", now, seal, {"file": RESULTS})
        receipt = receive(hub, envelope, _opener(party, signed.party_key_id, seal), _reader(adapter))
        counted[receipt.code] = counted.get(receipt.code, 0) + 1
    return counted


def _opener(party: Party, key: str, seal: str) -> Callable[[Envelope], Sealed]:
    """The seal of the file vouches for each of its lines; a line and it stand for a nonce."""

    def opened(envelope: Envelope) -> Sealed:
        nonce = hashlib.sha256(seal.encode() + b"\n" + envelope.body).hexdigest()
        return Sealed(party, key, envelope.body, nonce, hashlib.sha256(seal.encode()).hexdigest(), "jws")

    return opened


def _reader(adapter: Adapter) -> Callable[[Sealed, Envelope], Heard]:
    """A line as the message the queue would have brought."""
    document = adapter.heard("result").documents[0]
    mapping = adapter.mapping(document)

    def read(sealed: Sealed, envelope: Envelope) -> Heard:
        payload = mapping.hear(mapping.read(sealed.body), {**adapter.parameters, **sealed.party.account})
        ident = f"carried-{hashlib.sha256(sealed.body).hexdigest()[:48]}"
        return heard(
            Message(
                message_id=ident, type=payload.TYPE, sender=sealed.party.name,
                sent_at=moment(envelope.received_at), payload=payload,
            )
        )  # fmt: skip

    return read


def _archives(hub: Hub) -> tuple[Party, Adapter]:
    for name in hub.adapters_of("SYS-06"):
        if (party := hub.parties.of_adapter(name)) is not None:
            return party, hub.adapters[name]
    raise Misconfigured("no_party", "no archives are registered")


def _carried(connection: Connection, party: Party, adapter: Adapter) -> list[Carried]:
    """The newest undelivered offer of each case whose package is still kept."""
    query = (
        select(outbox)
        .where(outbox.c.party == party.name, outbox.c.type == ArchiveSubmitted.TYPE)
        .order_by(outbox.c.id)
    )
    newest = {row.case_no: row for row in connection.execute(query)}
    found = (_one(connection, party, adapter, row) for row in newest.values() if row.state in OPEN)
    return [one for one in found if one is not None]


def _one(connection: Connection, party: Party, adapter: Adapter, row: Row[Any]) -> Carried | None:
    token = str(row.payload["url"]).rpartition("/")[2]
    body = connection.execute(select(package.c.body).where(package.c.token == token)).scalar()
    if body is None:
        return None
    payload = PAYLOADS[row.type].model_validate(row.payload)
    document = adapter.call("addFile").document_for(row.type, payload)
    if document is None:
        raise Misconfigured("no_document", "addFile sends no offer", adapter.name)
    said = dict(adapter.mapping(document).say(payload, {**adapter.parameters, **party.account}))
    return Carried(row.id, said | {"file": f"{said['fileno']}.zip"}, body)


def _new_folder(directory: Path, unit: str, now: datetime) -> Path:
    """`<unitcode>_yyyyMMdd_<nn>`, the first number not used yet."""
    day = now.astimezone(BEIJING).strftime("%Y%m%d")
    for number in range(1, 100):
        folder = directory / f"{unit}_{day}_{number:02}"
        try:
            folder.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise Refused("too_many", "99 folders were handed over today", str(directory))


def _write(path: Path, body: bytes) -> None:
    """Whole and on the disk before anything that names it."""
    with path.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as fault:
        raise Refused("bad_request", f"it cannot be read: {fault.strerror}", path.name) from fault
    if len(data) > LARGEST:
        raise Refused("too_large", f"it exceeds {LARGEST} bytes", path.name)
    return data


def _settled(hub: Hub, work: Work, carried: Iterable[Carried], folder: str, sheet: bytes, seal: str) -> None:
    """Nothing more is sent over the network of what went by hand; the ledger has the sheet and its seal."""
    done = {"state": "sent", "code": "handed_over", "sent_at": work.now, "claimed_until": None}
    for one in carried:
        open_ = (outbox.c.id == one.row) & outbox.c.state.in_(OPEN)
        work.connection.execute(update(outbox).where(open_).values(done))
    value = {"folder": folder, "sheet": sheet.decode(), "seal": seal}
    acts.record_value(work, hub.name, "archive.handed_over", folder, "archives", value)
