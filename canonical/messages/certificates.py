"""Certificates of the library: schema, search, issue, file, change; their content is opaque (S3-98)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from canonical.codes import coded
from canonical.messages.parts import (
    Count,
    Holder,
    Model,
    Name,
    Payload,
    Reason,
    Reference,
    Summary,
    Text,
    Title,
)
from canonical.values import (
    CaseNumber,
    CertificateIdentifier,
    CreditCode,
    Digest,
    ImplementationCode,
    RegionCode,
    Timestamp,
)

TypeCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{21}$")]
Purpose = Annotated[str, Text(200)]


class CertificateField(Model):
    """One content field by the schema of the certificate type (opaque to the hub: S3-98)."""

    name: Reference
    value: Summary


class CertificateRequested(Payload):
    """Ask the certificate library to issue."""

    TYPE: ClassVar[str] = "certificate.requested.v1"
    request_id: Reference
    case_no: CaseNumber
    item_code: ImplementationCode
    type_code: TypeCode
    name: Title
    issuer: Title
    issuer_code: CreditCode
    region: RegionCode
    holders: Annotated[tuple[Holder, ...], Field(min_length=1)]
    issued_on: date
    valid_from: date
    valid_to: date | None = None
    fields: tuple[CertificateField, ...] = ()


class CertificateIssued(Payload):
    """The library's answer; `pending_seal` is followed by `issued`."""

    TYPE: ClassVar[str] = "certificate.issued.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    identifier: CertificateIdentifier
    number: Annotated[str, Text(128)]
    state: Annotated[str, coded("issue_state")]


class CertificateSchemaRequested(Payload):
    """Ask for the field standard of a certificate type."""

    TYPE: ClassVar[str] = "certificate.schema_requested.v1"
    request_id: Reference
    type_code: TypeCode


class SchemaField(Model):
    """One content field a certificate type publishes; `length` in characters."""

    name: Reference
    label: Title
    kind: Annotated[str, coded("field_kind")]
    length: Count
    required: bool


class CertificateSchema(Payload):
    """The field standard of a type: a new one is served without a change of code (S3-99)."""

    TYPE: ClassVar[str] = "certificate.schema.v1"
    request_id: Reference
    type_code: TypeCode
    type_name: Title
    version: Annotated[str, Text(20)]
    fields: tuple[SchemaField, ...]


class CertificateSearched(Payload):
    """Search a holder's certificates; the purpose is mandatory and is recorded (use of certificates)."""

    TYPE: ClassVar[str] = "certificate.searched.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    item_code: ImplementationCode | None = None
    holder: Holder
    type_code: TypeCode | None = None
    number: Annotated[str, Text(128)] | None = None
    purpose: Purpose


class FoundCertificate(Model):
    """One certificate of a holder; expired ones are found too. `held_by` names a foreign system (S3-100)."""

    identifier: CertificateIdentifier
    name: Title
    number: Annotated[str, Text(128)]
    holder_name: Name | None = None
    valid_from: date
    valid_to: date | None = None
    state: Annotated[str, coded("certificate_state")]
    held_by: Title | None = None


class CertificateFound(Payload):
    """The answer to a search."""

    TYPE: ClassVar[str] = "certificate.found.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    certificates: tuple[FoundCertificate, ...] = ()


class CertificateFileRequested(Payload):
    """Ask for the file of a certificate, watermarked with the purpose."""

    TYPE: ClassVar[str] = "certificate.file_requested.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    identifier: CertificateIdentifier
    format: Annotated[str, coded("file_format")]
    purpose: Purpose


class CertificateFile(Payload):
    """Where the file can be fetched, until when, and its digest."""

    TYPE: ClassVar[str] = "certificate.file.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    identifier: CertificateIdentifier
    format: Annotated[str, coded("file_format")]
    url: Annotated[str, Text(500)]
    expires_at: Timestamp
    digest: Digest
    watermark: Annotated[str, Text(200, 0)] | None = None


class CertificateChangeRequested(Payload):
    """证照变更、年检、暂扣、恢复、注销: every change keeps a version and the case that caused it."""

    TYPE: ClassVar[str] = "certificate.change_requested.v1"
    request_id: Reference
    case_no: CaseNumber
    identifier: CertificateIdentifier
    kind: Annotated[str, coded("certificate_change")]
    reason: Reason
    valid_to: date | None = None
    fields: tuple[CertificateField, ...] = ()


class CertificateChanged(Payload):
    """The library's answer to a change."""

    TYPE: ClassVar[str] = "certificate.changed.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    identifier: CertificateIdentifier
    version: Annotated[str, Text(32)]
    state: Annotated[str, coded("certificate_state")]
