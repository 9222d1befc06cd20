"""One act as it is kept: its content masked, checked against what the ledger committed to, and its proof."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from canonical.masking import masked, name_masked, text_masked
from exchange.ledgervalues import value_of
from exchange.records import pseudonym
from hallservice.auditing.finding import SYSTEMS, Found, everywhere, told
from hallservice.auditing.tables import hall_act
from hallservice.hall import Hall
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.functions import AUDIT
from hallservice.refusals import HallRefused
from ledger import tables as ledger
from ledger.draft import commitment
from ledger.errors import LedgerError
from ledger.excerpt import excerpt
from ledger.leaf import parse
from ledger.tree import leaf_hash

PAYLOAD = "payload"
MATCHES, DIFFERS, GONE = "matches", "differs", "gone"
LINES = 300  # of the content of one act
LONGEST = 300  # characters of one value
PEOPLE = frozenset({"contact_name", "agent_name", "applicant_name", "payer_name", "recipient"})
PERSONS = frozenset({"agent", "applicant", "person", "recipient", "payer", "complainant"})
NUMBERS = frozenset({"agent_document_no", "cert_no", "address"})
CALLED = frozenset({"mobile", "phone"})


@dataclass(frozen=True, slots=True)
class Content:
    """The lines of an act's content, masked; `left`: how many more there are."""

    lines: tuple[tuple[str, str], ...] = ()
    left: int = 0


@dataclass(frozen=True, slots=True)
class Act:
    """`state`: matches, differs, or gone where body or salt is kept no more. `leaf`: the ledger line."""

    found: Found
    state: str
    content: Content
    leaf: str


def look(hall: Hall, clerk: Clerk, entry: int) -> Act:
    """HallRefused not_allowed, not_found."""
    clerk.expect(AUDIT)
    return hall.read(lambda connection: _looked(hall, connection, clerk, entry))


def proof(hall: Hall, clerk: Clerk, entry: int) -> bytes:
    """A ZIP with the files of an export that prove this one entry; HallRefused as `look`, damaged."""
    clerk.expect(AUDIT)

    def read(connection: Connection) -> dict[str, bytes]:
        _reached(connection, clerk, entry)
        return excerpt(connection, hall.hub.store.log.signer.verifier, entry)

    try:
        files = hall.read(read)
    except LedgerError as fault:
        raise HallRefused("damaged", "账本与已签名的检查点不符，请立即联系系统管理员", fault.code) from fault
    return _zipped(files)


def _zipped(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _reached(connection: Connection, clerk: Clerk, entry: int) -> Any:
    """The act's row where its body is audited by the clerk; HallRefused not_found."""
    row = connection.execute(select(hall_act).where(hall_act.c.entry == entry)).first()
    if row is None or not _audited(connection, clerk, row.org):
        raise HallRefused("not_found", "没有这条操作记录，或者不在您的审计范围内")
    return row


def _audited(connection: Connection, clerk: Clerk, org: str) -> bool:
    if org in SYSTEMS:
        return everywhere(connection, clerk)
    path = connection.execute(select(t.org.c.path).where(t.org.c.code == org)).scalar()
    return path is not None and clerk.may(AUDIT, path)


def _looked(hall: Hall, connection: Connection, clerk: Clerk, entry: int) -> Act:
    row = _reached(connection, clerk, entry)
    kept = connection.execute(
        select(ledger.entry.c.leaf, ledger.entry.c.leaf_hash).where(ledger.entry.c.seq == entry)
    ).one()
    body, leaf = value_of(connection)(entry, PAYLOAD), bytes(kept.leaf)
    state = _state(connection, entry, leaf, body)
    if leaf_hash(leaf) != kept.leaf_hash or not _same(hall, row, leaf, body if state == MATCHES else None):
        state = DIFFERS
    content = _content(body) if body is not None and state == MATCHES else Content()
    return Act(told(connection, [row])[0], state, content, text_masked(leaf.decode(errors="replace")))


def _state(connection: Connection, entry: int, leaf: bytes, body: bytes | None) -> str:
    """The commitment made again from what is kept."""
    asked = select(ledger.disclosure.c.salt).where(
        ledger.disclosure.c.seq == entry, ledger.disclosure.c.name == PAYLOAD
    )
    salt = connection.execute(asked).scalar()
    if salt is None or body is None:
        return GONE
    try:
        committed = parse(leaf).get("c", {}).get(PAYLOAD)
    except LedgerError:
        return DIFFERS
    return MATCHES if commitment(bytes(salt), body) == committed else DIFFERS


def _same(hall: Hall, row: Any, leaf: bytes, body: bytes | None) -> bool:
    """Whether the row by which the act was found names the kind, person and body the ledger does."""
    try:
        line = parse(leaf)
    except LedgerError:
        return False
    by_message = line["kind"] == "hall.act"
    if row.kind != (line["svc"] if by_message else line["kind"]):
        return False
    known = line.get("note", {}).get("by")
    if not by_message and known != pseudonym(hall.hub.pseudonym_key, f"staff:{row.staff_no}"):
        return False
    return body is None or _author(json.loads(body)) == (row.staff_no, row.org)


def _author(said: Any) -> tuple[str, str]:
    by = said["by"]
    return (by["staff_no"], by["org"]) if isinstance(by, dict) else (by, said["org"])


def _content(body: bytes) -> Content:
    said = json.loads(body)
    lines = list(_lines(masked(_hidden(said.get("what", said.get("message")))), ""))
    return Content(tuple(lines[:LINES]), max(len(lines) - LINES, 0))


def _hidden(value: Any, key: str = "", within: str = "") -> Any:
    """What forms of the hall call by names of their own, told to the masking by names it knows."""
    if isinstance(value, dict):
        return {name: _hidden(item, name, key) for name, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item, key, within) for item in value]
    if isinstance(value, str) and key in CALLED:
        return f"{value[:3]}****{value[-4:]}" if len(value) > 7 else "*" * len(value)
    if isinstance(value, str) and (key in PEOPLE | NUMBERS or (key == "name" and within in PERSONS)):
        return name_masked(value)
    return value


def _lines(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """One line a value: `applicant.name`, `materials.1.code`."""
    if isinstance(value, dict) and value:
        for key in value:
            yield from _lines(value[key], f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        for at, item in enumerate(value, 1):
            yield from _lines(item, f"{name}.{at}" if name else str(at))
    else:
        yield name, _plain(value)


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…（共 {len(text)} 字）"


__all__ = ["DIFFERS", "GONE", "MATCHES", "Act", "Content", "look", "proof"]
