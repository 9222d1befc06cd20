"""Archive packages: the documents of a delivered case as a sealed zip behind an expiring address (S3-51)."""

import hashlib
import io
import secrets
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from lxml import etree
from sqlalchemy import insert, select

from canonical.messages import ArchiveSubmitted
from exchange.mapping import house
from exchange.receipts import moment
from exchange.seals import xmldsig
from exchange.store.tables import document, package
from exchange.store.work import Work

if TYPE_CHECKING:
    from exchange.hub import Hub

LIFE = 7 * 24 * 3600.0  # seconds a package can be fetched
FONDS, LIBRARY = "J441400", "ZWFW"
_STAMP = (2000, 1, 1, 0, 0, 0)


def offer(hub: "Hub", work: Work, case: Mapping[str, Any]) -> ArchiveSubmitted:
    """Build and keep the package of a case; the message that offers it."""
    case_no = str(case["case_no"])
    body = build(hub, case_no, _documents(work, case_no))
    token = secrets.token_urlsafe(32)
    row = {"token": token, "case_no": case_no, "body": body, "expires": work.now + LIFE}
    work.connection.execute(insert(package), row)
    when = moment(work.now)
    return ArchiveSubmitted(
        request_id=f"{case_no}@{when[:19].translate(str.maketrans('', '', '-T:'))}",
        case_no=case_no,
        library=LIBRARY,
        fonds=FONDS,
        title=case["application"]["summary"][:200],
        retention="thirty_years",
        year=int(when[:4]),
        url=f"{hub.public_url}/packages/{token}",
        size=len(body),
        digest=hashlib.sha256(body).hexdigest(),
    )


def build(hub: "Hub", case_no: str, files: Mapping[str, bytes]) -> bytes:
    """The zip: every document as XML, and package.xml that lists them with size and digest, sealed by the
    hub."""
    root = etree.Element("Package", Id=f"p-{uuid5(NAMESPACE_OID, case_no)}")
    for name, body in files.items():
        etree.SubElement(
            root, "File", name=name, size=str(len(body)), sha256=hashlib.sha256(body).hexdigest()
        )
    sealed = xmldsig.sign(root, hub.rsa_key)
    listing = etree.tostring(sealed, encoding="UTF-8", xml_declaration=True)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in {"package.xml": listing, **files}.items():
            archive.writestr(zipfile.ZipInfo(f"{case_no}/{name}", _STAMP), body)
    return stream.getvalue()


def _documents(work: Work, case_no: str) -> dict[str, bytes]:
    """The accepted process documents of a case, in ledger order."""
    work.flush()  # the delivery that closes the case belongs to them
    query = (
        select(
            document.c.entry,
            document.c.message_id,
            document.c.type,
            document.c.party,
            document.c.canonical,
            document.c.at,
        )
        .where(
            document.c.case_no == case_no,
            document.c.direction == "in",
            document.c.state == "accepted",
            document.c.type.like("case.%"),
        )
        .order_by(document.c.entry)
    )
    return {
        f"{number:03}-{row.type.removesuffix('.v1')}.xml": house.plain_xml(
            row.type, row.message_id, row.party, moment(row.at), row.canonical
        )
        for number, row in enumerate(work.connection.execute(query), 1)
    }


def fetch(connection: Any, token: str, now: float) -> bytes | None:
    """The package behind an unexpired token."""
    query = select(package.c.body).where(package.c.token == token, package.c.expires > now)
    body: bytes | None = connection.execute(query).scalar()
    return body
