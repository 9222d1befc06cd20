"""Signed messages as they were sent, each with the xmlsec1 or openssl command line that checks it."""

import base64
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate
from lxml import etree
from sqlalchemy import Connection, select

from exchange.app.exchanged import Found
from exchange.errors import HubError
from exchange.parties import fingerprint_id, load_certificate
from exchange.records import CALL
from exchange.seals import dsig, wssec
from exchange.seals.keys import key_id
from exchange.seals.safexml import Element, parse
from exchange.store.tables import document, party_certificate

MOST = 50
LOOKED_AT = 200  # documents of one kind among which signed ones are sought
_CERTIFICATES = (f"{{{dsig.DS}}}X509Certificate", wssec.TOKEN)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]", re.ASCII)
_KIND = (document.c.party, document.c.direction, document.c.protocol, document.c.media_type)


@dataclass(frozen=True)
class Sample:
    """Files by suffix, and the command over the name they share."""

    message_id: str
    entry: int
    files: Mapping[str, bytes]
    command: str  # {n}: the common name


def write(connection: Connection, own: Sequence[Certificate], folder: Path) -> int:
    """Up to MOST samples, spread over parties, directions and kinds of seal; how many were written."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for sample in islice(_spread(connection, own), MOST):
        _write(folder, _name(sample, taken), sample)
    return len(taken)


def _write(folder: Path, name: str, sample: Sample) -> None:
    for suffix, data in sample.files.items():
        (folder / f"{name}.{suffix}").write_bytes(data)
    (folder / f"{name}.txt").write_text(sample.command.replace("{n}", name) + "\n", "utf-8")


def _name(sample: Sample, taken: set[str]) -> str:
    """A file name that is neither hidden, an option nor a path, and unlike any other in any case."""
    name = _UNSAFE.sub("_", sample.message_id)[:100]
    name = re.sub(r"^[.-]+", "_", name) or "_"
    name = f"{name}-{sample.entry}" if name.lower() in taken else name
    taken.add(name.lower())
    return name


def _spread(connection: Connection, own: Sequence[Certificate]) -> Iterator[Sample]:
    """One of each kind in turn, the newest of each first."""
    signers = _Signers(connection, own)
    one = (document.c.direction != "own") & document.c.type.not_like(f"%{CALL}")
    kinds = select(*_KIND, document.c.seal.is_(None)).where(one).distinct()
    groups = [_signed(connection, signers, kind) for kind in connection.execute(kinds.order_by(*_KIND)).all()]
    while groups:
        for group in list(groups):
            sample = next(group, None)
            if sample is None:
                groups.remove(group)
            else:
                yield sample


def _signed(connection: Connection, signers: "_Signers", kind: Found) -> Iterator[Sample]:
    values, unsealed = kind[:-1], kind[-1]
    query = select(document.c.entry).where(document.c.type.not_like(f"%{CALL}"))
    query = query.order_by(document.c.entry.desc()).limit(LOOKED_AT)
    for column, value in zip(_KIND, values, strict=True):
        query = query.where(column.is_(None) if value is None else column == value)
    query = query.where(document.c.seal.is_(None) if unsealed else document.c.seal.is_not(None))
    for entry in list(connection.execute(query).scalars()):
        row = connection.execute(select(document).where(document.c.entry == entry)).one()
        if sample := sample_of(row, signers):
            yield sample


class _Signers:
    """Certificates by key id: the hub's for what it sent, the registered ones for what it was sent."""

    def __init__(self, connection: Connection, own: Sequence[Certificate]) -> None:
        self._own = {key_id(certificate): certificate for certificate in own}
        rows = connection.execute(select(party_certificate))
        self._parties = {(row.party, row.key_id): row.pem for row in rows}

    def find(self, row: Found, kid: str) -> Certificate | None:
        """The certificate `kid` if it is that of whoever sent the document."""
        if row.direction == "out":
            return self._own.get(kid)
        pem = self._parties.get((row.party, kid))
        return load_certificate(pem) if pem else None


def sample_of(row: Found, signers: _Signers) -> Sample | None:
    """The sample of a document; None when it is not signed, or by nobody whose certificate is known."""
    try:
        return _jws(row, signers) if row.seal else _xml(row, signers)
    except (HubError, ValueError, LookupError):  # it does not have the form of a signed document
        return None


def _jws(row: Found, signers: _Signers) -> Sample | None:
    protected, _, signature = row.seal.decode("ascii").split(".")
    header = json.loads(_decoded(protected))
    certificate = signers.find(row, header["kid"])
    if certificate is None:
        return None
    files = {
        "json": row.body, "pem": certificate.public_bytes(Encoding.PEM),
        "pub": certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "input": protected.encode() + b"." + row.body, "sig": _openssl(header["alg"], _decoded(signature)),
    }  # fmt: skip
    command = (
        "openssl dgst -sha256 -verify {n}.pub -signature {n}.sig {n}.input"
        f" && tail -c +{len(protected) + 2} {{n}}.input | cmp - {{n}}.json"
        " && openssl x509 -in {n}.pem -noout -pubkey | cmp - {n}.pub"
    )
    return Sample(row.message_id, row.entry, files, command)


def _openssl(algorithm: str, signature: bytes) -> bytes:
    """As openssl takes it: ECDSA signatures in DER, where JWS has r and s side by side (RFC 7518 §3.4)."""
    if algorithm != "ES256":
        return signature
    halves = signature[: dsig.P256], signature[dsig.P256 :]
    r, s = (int.from_bytes(half, "big") for half in halves)
    return encode_dss_signature(r, s)


def _xml(row: Found, signers: _Signers) -> Sample | None:
    if b"SignatureValue" not in row.body:
        return None
    root = parse(row.body)
    certificate = signers.find(row, _embedded(root))
    if certificate is None:
        return None
    options = [word for name in _identified(root) for word in ("--id-attr:Id", name)]
    words = ["xmlsec1", "--verify", "--pubkey-cert-pem", "NAME.pem", *options, "NAME.xml"]
    command = shlex.join(words).replace("NAME.", "{n}.")
    files = {"xml": row.body, "pem": certificate.public_bytes(Encoding.PEM)}
    return Sample(row.message_id, row.entry, files, command)


def _embedded(root: Element) -> str:
    """Key id of the certificate in the document; LookupError when there is none."""
    text = next((one.text for one in root.iter(*_CERTIFICATES) if one.text), None)
    if text is None:
        raise LookupError("no certificate")
    return fingerprint_id(sha256(base64.b64decode("".join(text.split()))).digest())


def _identified(root: Element) -> list[str]:
    """namespace:name of every element the signature refers to by its Id."""
    uris = {one.get("URI", "") for one in root.iter(f"{{{dsig.DS}}}Reference")}
    names: dict[str, None] = {}
    for element in root.iter(etree.Element):
        ids = {f"#{value}" for name, value in element.attrib.items() if etree.QName(name).localname == "Id"}
        if ids & uris:
            tag = etree.QName(element)
            names[f"{tag.namespace}:{tag.localname}" if tag.namespace else tag.localname] = None
    return list(names)


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
