"""A seal of the hub's own key by pyHanko: PAdES, PDF/A kept."""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.signers.pdf_signer import PdfSigningSession
from pyhanko_certvalidator.registry import SimpleCertificateStore

from hallservice.papers.refusals import refused

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


class CertificateSeal:
    """A PAdES baseline B signature with a key handed in; `chain` are the issuers up to below the root.

    Needs a thread in which no event loop runs.
    """

    def __init__(
        self, key: PrivateKey, certificate: x509.Certificate, chain: Sequence[x509.Certificate] = ()
    ) -> None:
        if key.public_key().public_numbers() != _numbers(certificate):
            raise refused("seal_refused", "certificate", "：私钥与证书不符")
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # its constructor is not annotated
        store.register_multiple([_asn1(each) for each in chain])
        self._signer = SimpleSigner(_asn1(certificate), _key(key), store, embed_roots=False)

    def seal(self, pdf: bytes, *, at: datetime, reason: str) -> bytes:
        """The PDF with an incremental update; what was there before is not touched."""
        try:
            writer = IncrementalPdfFileWriter(BytesIO(pdf))
            signer = _SignerAt(_meta(writer, reason), self._signer, at)
            sealed = BytesIO()
            signer.sign_pdf(writer, output=sealed)
        except (PdfError, SigningError, ValueError) as fault:
            raise refused("seal_refused", None, f"：{fault}") from None
        return sealed.getvalue()


class _SignerAt(PdfSigner):
    """States the time it is given; pyHanko asks the clock of the machine."""

    def __init__(self, meta: PdfSignatureMetadata, signer: SimpleSigner, at: datetime) -> None:
        super().__init__(meta, signer=signer)
        self._at = at

    def init_signing_session(self, pdf_out: Any, existing_fields_only: bool = False) -> PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self._at
        return session


def _meta(writer: IncrementalPdfFileWriter, reason: str) -> PdfSignatureMetadata:
    """With a field name nobody has yet: several seals on one paper are one field each."""
    return PdfSignatureMetadata(
        field_name=f"Seal{len(writer.prev.embedded_signatures) + 1}",
        reason=reason,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
    )


def _numbers(certificate: x509.Certificate) -> object:
    public = certificate.public_key()
    return getattr(public, "public_numbers", lambda: None)()


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))


def _key(key: PrivateKey) -> asn1_keys.PrivateKeyInfo:
    form = (
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return asn1_keys.PrivateKeyInfo.load(key.private_bytes(*form))
