"""Seals as poppler's pdfsig (NSS) sees them."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from exchange.errors import Refused
from hallservice.papers.kinds import paper_from
from hallservice.papers.pades import CertificateSeal, PrivateKey
from hallservice.papers.sealing import SealService
from hallservice.papers.service import Papers
from tests.hallservice.papers import witnesses
from tests.hallservice.papers.paper_samples import sample

AT = datetime(2026, 11, 22, 2, 5, 7, tzinfo=UTC)
KEYS = [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())]


def certificate(key: PrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "示例区市场监督管理局")])
    usage = x509.KeyUsage(True, True, False, False, False, False, False, False, False)
    return (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(AT - timedelta(days=1)).not_valid_after(AT + timedelta(days=300))
        .add_extension(usage, critical=True).sign(key, SHA256())
    )  # fmt: skip


def seen(pdf: bytes, where: Path) -> str:
    """The report of pdfsig; without a look at the chain, which is a self-signed certificate."""
    where.write_bytes(pdf)
    command = ["pdfsig", "-nocert", str(where)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"TZ": "UTC"}
    ).stdout


@pytest.mark.parametrize("key", KEYS, ids=["rsa", "ecdsa"])
def test_a_sealed_paper(papers: Papers, key: PrivateKey, tmp_path: Path) -> None:
    rendered = papers.render(paper_from(sample("acceptance")))
    seal: SealService = CertificateSeal(key, certificate(key))
    sealed = seal.seal(rendered.pdf, at=AT, reason="受理")
    assert sealed.startswith(rendered.pdf)  # an incremental update
    report = seen(sealed, tmp_path / "sealed.pdf")
    for line in (
        "Signature is Valid.",
        "ETSI.CAdES.detached",
        "Signing Time: Nov 22 2026 02:05:07",
        "Signing Hash Algorithm: SHA-256",
        "示例区市场监督管理局",
        "Total document signed",
    ):
        assert line in report
    assert witnesses.claims_of(sealed) == {"a-part": "2", "a-conformance": "A", "ua-part": "1"}
    spot = sealed.index(b"stream") + 40
    broken = sealed[:spot] + bytes([sealed[spot] ^ 1]) + sealed[spot + 1 :]
    assert "Signature is Valid." not in seen(broken, tmp_path / "broken.pdf")


def test_a_second_seal_leaves_the_first_standing(papers: Papers, tmp_path: Path) -> None:
    pdf = papers.render(paper_from(sample("acceptance"))).pdf
    for key in KEYS:
        pdf = CertificateSeal(key, certificate(key)).seal(pdf, at=AT, reason="联合审批")
    assert seen(pdf, tmp_path / "twice.pdf").count("Signature is Valid.") == 2


def test_what_cannot_be_sealed_is_refused() -> None:
    with pytest.raises(Refused, match="seal_refused"):
        CertificateSeal(KEYS[0], certificate(KEYS[1]))
    seal = CertificateSeal(KEYS[1], certificate(KEYS[1]))
    for wrong in (b"", b"%PDF-1.7\n", b"no pdf at all" * 100):
        with pytest.raises(Refused, match="seal_refused"):
            seal.seal(wrong, at=AT, reason="受理")
