"""The certificate as the library's own file, printed at the window (R-07): asked for, fetched while its
address holds, checked against the digest the library sealed, kept by that digest, each copy an act in the
ledger."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Connection, bindparam, insert, select, update

from canonical.messages import CertificateFile, CertificateFileRequested, Payload
from exchange.errors import TryLater
from exchange.reacting.occasion import Occasion
from exchange.store.sealed import Ring, ring_of
from exchange.store.work import Work
from exchange.transports.rest import RestClient
from hallservice.counter import files
from hallservice.counter.certificate import FUNCTION, Certificate, to_hand_out
from hallservice.counter.receive import LIBRARY
from hallservice.counter.standing import look, tell
from hallservice.counter.tables import hall_certificate_file
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

PURPOSE = "窗口打印证照交申请人"  # stands on the file as its watermark and in the library's record of use
SECONDS = 10.0
REQUESTED, OFFERED, KEPT, REFUSED = "requested", "offered", "kept", "refused"
_OF = (
    select(hall_certificate_file)
    .where(hall_certificate_file.c.case_no == bindparam("of"))
    .order_by(hall_certificate_file.c.request_id.desc())
)
Get = Callable[[str], bytes]
"""The file behind an address; TryLater."""


@dataclass(frozen=True, slots=True)
class Paper:
    """One request for the file as it stands; state requested, offered, kept or refused; times in Unix
    seconds."""

    request_id: str
    identifier: str
    state: str
    reason: str
    asked_at: float
    url: str
    expires_at: float
    digest: str
    copies: int

    def printable(self, now: float) -> bool:
        """It is kept, or can still be fetched."""
        return self.state == KEPT or (self.state == OFFERED and now < self.expires_at)

    def askable(self, now: float) -> bool:
        """It was refused, its address has expired, or no answer came in the time an address holds."""
        late = self.state == REQUESTED and now >= self.asked_at + 600
        return self.state == REFUSED or late or (self.state == OFFERED and now >= self.expires_at)


def latest(connection: Connection, case_no: str) -> Paper | None:
    """The file asked for last."""
    row = run(connection, _OF, {"of": case_no}).first()
    if row is None:
        return None
    told = (row.reason or "", row.asked_at, row.url or "", row.expires_at or 0.0, row.digest or "")
    return Paper(row.request_id, row.identifier, row.state, *told, row.copies)


def ask(hall: Hall, clerk: Clerk, case_no: str) -> str:
    """Ask the library for the file of the case's certificate; the id of the request. HallRefused
    no_certificate, no_library, already_requested."""

    def act(work: Work) -> str:
        look(work.connection, clerk, case_no, FUNCTION)
        made = _made(work.connection, case_no)
        if not any(hall.hub.parties.of_adapter(name) for name in hall.hub.adapters_of(LIBRARY)):
            raise HallRefused("no_library", "本站现在没有接入电子证照系统，只能套打")
        before = latest(work.connection, case_no)
        if before and before.identifier == made.identifier and not before.askable(work.now):
            raise HallRefused("already_requested", "已经向电子证照系统调取证照文件")
        ident = new_id(work.now)
        said = {"request_id": ident, "case_no": case_no, "identifier": made.identifier, "format": "pdf"}
        tell(hall, work, clerk, CertificateFileRequested.model_validate({**said, "purpose": PURPOSE}))
        row = {"request_id": ident, "case_no": case_no, "identifier": made.identifier}
        fresh = {"state": REQUESTED, "asked_at": work.now, "copies": 0}
        work.connection.execute(insert(hall_certificate_file), {**row, **fresh})
        return ident

    return hall.write(act)


def printed(hall: Hall, clerk: Clerk, case_no: str, folder: Path, get: Get) -> bytes:
    """One copy more of the file, the same bytes each time. HallRefused no_certificate, no_file, file_away,
    file_damaged."""

    def read(connection: Connection) -> Paper | None:
        look(connection, clerk, case_no, FUNCTION)
        _made(connection, case_no)
        return latest(connection, case_no)

    paper = hall.read(read)
    if paper is None or not paper.printable(hall.hub.store.clock()):
        raise HallRefused("no_file", "证照文件还没有取到，或者取件地址已经失效，请重新调取")
    ring = ring_of(hall.hub.store.engine.dialect)
    kept = paper.state == KEPT
    body = files.taken(folder, paper.digest, ring) if kept else _fetched(paper, folder, ring, get)

    def count(work: Work) -> None:
        mine = hall_certificate_file.c.request_id == paper.request_id
        copies = {"state": KEPT, "copies": hall_certificate_file.c.copies + 1}
        work.connection.execute(update(hall_certificate_file).where(mine).values(copies))
        what = {"certificate": paper.identifier, "pdf": paper.digest}
        hall.record(work, clerk, "hall.certificate_printed", case_no, what, case_no)

    hall.write(count)
    return body


def _made(connection: Connection, case_no: str) -> Certificate:
    made = to_hand_out(connection, case_no)
    if made is None:
        raise HallRefused("no_certificate", "这个办件还没有已签发的电子证照")
    return made


def _fetched(paper: Paper, folder: Path, ring: Ring, get: Get) -> bytes:
    """What lies at the address, if it is what the library sealed; kept before it is shown."""
    try:
        body = get(paper.url)
    except TryLater as fault:
        raise HallRefused("file_away", f"证照文件暂时取不到（{fault.code}），请稍后再打印") from fault
    if hashlib.sha256(body).hexdigest() != paper.digest or not body.startswith(b"%PDF-"):
        raise HallRefused("file_damaged", "取到的文件与电子证照系统给出的摘要不符，没有打印；请重新调取")
    files.put(folder, body, ring)
    return body


def from_library(hall: Hall) -> Get:
    """Fetches from the library's own host alone, at most 4 MB in ten seconds."""
    parties = (hall.hub.parties.of_adapter(name) for name in hall.hub.adapters_of(LIBRARY))
    hosts = {urlsplit(party.address).hostname for party in parties if party and party.address}

    def get(url: str) -> bytes:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname not in hosts:
            raise TryLater("bad_address", "the file lies with another system")
        client = RestClient(SECONDS)
        try:
            answer = client.send("GET", url, None, {})
        finally:
            client.close()
        if answer.status != 200:
            raise TryLater(str(answer.status), "the library does not give the file")
        return answer.body

    return get


# -- with the messages


def keep_offer(occasion: Occasion) -> Iterator[Payload]:
    """Where the file can be fetched, until when, and what it has to be."""
    said = occasion.message.payload
    if isinstance(said, CertificateFile):
        offer = {"url": said.url, "expires_at": said.expires_at.timestamp(), "digest": said.digest}
        mine = hall_certificate_file.c.request_id == said.request_id
        waiting = mine & (hall_certificate_file.c.state != KEPT)
        values = {"state": OFFERED, **offer}
        occasion.work.connection.execute(update(hall_certificate_file).where(waiting).values(**values))
    yield from ()
