"""Files of a case: kept sealed under their digest, never changed, sent on as case.attached.v1."""

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select

from canonical.messages import CaseAttached
from exchange.cases import find
from exchange.errors import TryLater
from exchange.records import pseudonym
from exchange.store.sealed import KEPT_FILE, Ring, ring_of
from exchange.store.work import Work
from hallservice.counter.form import Check
from hallservice.counter.standing import look, moment, tell
from hallservice.counter.tables import hall_file
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from hallservice.uploads import Checked, megabytes
from ledger.prepared import run

LARGEST = 2_900_000  # bytes: base64 of it fits a message
FUNCTION = "counter.apply"
_ONE = select(hall_file).where(hall_file.c.id == bindparam("of"))
_OF = (
    select(hall_file)
    .where(hall_file.c.case_no == bindparam("of"))
    .order_by(hall_file.c.material, hall_file.c.version)
)


@dataclass(frozen=True, slots=True)
class File:
    """One version of one file."""

    id: str
    case_no: str
    material: str
    name: str
    version: int
    media_type: str
    size: int
    sha256: str
    by: str
    at: float


def attach(hall: Hall, clerk: Clerk, folder: Path, case_no: str, material: str, file: Checked) -> File:
    """Keep a file handed in for a material and send it on; the same name again is its next version.

    FormRefused too_large."""
    check = Check()
    said = check.text("material", material, "材料名称", 200)
    if len(file.body) > LARGEST:
        check.fault("file", "too_large", f"文件不能超过 {megabytes(LARGEST)} MB，请降低扫描精度后再传")
    check.done()
    digest = put(folder, file.body, ring_of(hall.hub.store.engine.dialect))

    def act(work: Work) -> File:
        look(work.connection, clerk, case_no, FUNCTION)
        row = _row(hall, work, clerk, case_no, said, file, digest)
        payload = _message(work, case_no, row, file.body)
        tell(hall, work, clerk, CaseAttached.model_validate(payload))
        work.connection.execute(insert(hall_file), row)
        return _file(row)

    return hall.write(act)


def _row(
    hall: Hall, work: Work, clerk: Clerk, case_no: str, material: str, file: Checked, digest: str
) -> dict[str, Any]:  # fmt: skip
    name_hash = pseudonym(hall.hub.pseudonym_key, f"file:{file.name}")
    same = (
        (hall_file.c.case_no == case_no)
        & (hall_file.c.material == material)
        & (hall_file.c.name_hash == name_hash)
    )
    last = work.connection.execute(select(func.max(hall_file.c.version)).where(same)).scalar() or 0
    return {
        "id": new_id(work.now),
        "case_no": case_no,
        "material": material,
        "name": file.name,
        "name_hash": name_hash,
        "version": last + 1,
        "media_type": file.kind.media_type,
        "size": len(file.body),
        "sha256": digest,
        "by": clerk.name,
        "at": work.now,
    }


def _message(work: Work, case_no: str, row: dict[str, Any], body: bytes) -> dict[str, Any]:
    case = find(work, case_no) or {}
    return {
        **{key: case[key] for key in ("case_no", "item_code", "region")},
        "material": row["material"],
        "file_name": row["name"],
        "media_type": row["media_type"],
        "digest": row["sha256"],
        "content": base64.b64encode(body).decode(),
        "attached_at": moment(work.now),
        "version": row["version"],
    }


def put(folder: Path, body: bytes, ring: Ring) -> str:
    """Sealed under its SHA-256, whole or not at all, durable before it is named anywhere; the digest."""
    digest = hashlib.sha256(body).hexdigest()
    target = folder / digest[:2] / digest
    if target.exists():
        return digest
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(f".{os.getpid()}-{os.urandom(4).hex()}")
    with draft.open("xb") as file:
        file.write(ring.seal(body, KEPT_FILE))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    _sync(target.parent)
    return digest


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def of_case(connection: Connection, case_no: str) -> tuple[File, ...]:
    """Every version, by material and name."""
    found = [_file(row._asdict()) for row in run(connection, _OF, {"of": case_no})]
    return tuple(sorted(found, key=lambda one: (one.material, one.name, one.version)))


def _file(row: Mapping[str, Any]) -> File:
    return File(**{one.name: row[one.name] for one in fields(File)})


def fetch(hall: Hall, clerk: Clerk, folder: Path, ident: str) -> tuple[File, bytes]:
    """A file to look at: an act of reading in the ledger. HallRefused unknown_file, file_damaged."""
    row = hall.read(lambda connection: run(connection, _ONE, {"of": ident}).first())
    if row is None:
        raise HallRefused("unknown_file", "没有这个文件")
    found = _file(row._asdict())
    hall.read(lambda connection: look(connection, clerk, found.case_no, "case.view"))
    body = taken(folder, found.sha256, ring_of(hall.hub.store.engine.dialect))
    what = {"file": found.id, "sha256": found.sha256}
    hall.write(lambda work: hall.record(work, clerk, "hall.file_read", found.id, what, found.case_no))
    return found, body


def taken(folder: Path, digest: str, ring: Ring) -> bytes:
    """The bytes of a digest; HallRefused file_damaged unless they are those that were kept."""
    try:
        body = ring.open((folder / digest[:2] / digest).read_bytes(), KEPT_FILE)
    except (OSError, TryLater) as fault:
        raise HallRefused("file_damaged", "文件读不出来，请联系管理员") from fault
    if hashlib.sha256(body).hexdigest() != digest:
        raise HallRefused("file_damaged", "文件与收到时的摘要不符，请联系管理员")
    return body
