"""Archives: a package offered, and the verdict on it (GB/T 42727, DA/T 70)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from canonical.codes import coded
from canonical.messages.parts import Model, Payload, Reason, Reference, Text, Title
from canonical.values import CaseNumber, Digest


class ArchiveSubmitted(Payload):
    """A package offered to the archives by expiring URL."""

    TYPE: ClassVar[str] = "archive.submitted.v1"
    request_id: Reference
    case_no: CaseNumber
    library: Reference
    fonds: Reference
    title: Title
    retention: Annotated[str, coded("retention")]
    year: Annotated[int, Field(ge=2000, le=2999)]
    url: Annotated[str, Text(500)]
    size: Annotated[int, Field(ge=1)]
    digest: Digest


class DetectionItem(Model):
    """One failed check, by its number in DA/T 70."""

    item: Reference
    message: Annotated[str, Text(500, 0)]


class ArchiveResult(Payload):
    """The archives' verdict on a package."""

    TYPE: ClassVar[str] = "archive.result.v1"
    request_id: Reference
    fonds: Reference
    case_no: CaseNumber
    code: Reference
    description: Reason | None = None
    archive_no: Annotated[str, Text(100)] | None = None
    authenticity: tuple[DetectionItem, ...] = ()
    integrity: tuple[DetectionItem, ...] = ()
    usability: tuple[DetectionItem, ...] = ()
    security: tuple[DetectionItem, ...] = ()
