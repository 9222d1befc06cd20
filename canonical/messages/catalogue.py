"""The provincial catalogue of service items: what comes down, what towns and villages report up."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from canonical.codes import coded
from canonical.messages.parts import (
    Count,
    LimitSpan,
    Model,
    Payload,
    Reference,
    Summary,
    Text,
    Title,
)
from canonical.values import CreditCode, Digest, ImplementationCode, Money, RegionCode, Timestamp


class ItemMaterial(Model):
    """材料 of an implementation item; `review_point` is what the window checks."""

    name: Title
    necessity: Annotated[str, coded("material_necessity")]
    kind: Annotated[str, coded("material_type")]
    format: Annotated[str, coded("material_format")]
    copies: Count
    source: Annotated[str, coded("material_source")]
    review_point: Annotated[str, Text(2000)] | None = None
    order: Count


class ItemFee(Model):
    """收费项目."""

    code: Reference
    name: Title
    standard: Summary
    amount: Money
    legal_basis: Annotated[str, Text(2000)]
    reducible: bool


class ServiceItem(Model):
    """实施清单项, one version of one implementation item."""

    row_id: Reference
    catalog_code: Annotated[str, Text(12)]
    code: ImplementationCode
    name: Summary
    kind: Annotated[str, coded("item_type")]
    version: Annotated[int, Field(ge=1)]
    state: Annotated[str, coded("item_state")]
    legal_basis: Annotated[str, Text(4000)]
    level: Annotated[str, coded("service_level")]
    region: RegionCode
    organisation: Title
    organisation_code: CreditCode
    organisation_nature: Annotated[str, coded("subject_nature")]
    case_kind: Annotated[str, coded("case_kind")]
    statutory_limit: LimitSpan
    promised_limit: LimitSpan
    served: tuple[Annotated[str, coded("service_object")], ...]
    conditions: Annotated[str, Text(4000)] | None = None
    flow: Annotated[str, Text(4000)] | None = None
    handling_forms: tuple[Annotated[str, coded("handling_form")], ...] = ()
    visits: Count | None = None
    has_fee: bool
    fee_basis: Annotated[str, Text(4000)] | None = None
    address: Summary | None = None
    opening_hours: Summary | None = None
    contact: Summary | None = None
    supervision: Summary | None = None
    online: bool
    by_appointment: bool | None = None
    result_kind: Annotated[str, coded("result_type")]
    result_name: Title | None = None
    certificate_type: Annotated[str, Text(21)] | None = None
    town: RegionCode | None = None
    village: RegionCode | None = None
    effective_on: date | None = None
    cancelled_on: date | None = None
    changed_at: Timestamp
    materials: tuple[ItemMaterial, ...] = ()
    fees: tuple[ItemFee, ...] = ()


class ItemWithdrawn(Model):
    """A deleted row of the catalogue."""

    row_id: Reference
    code: ImplementationCode
    version: Annotated[int, Field(ge=1)]


class CatalogueIncrement(Payload):
    """One page of changes of the provincial catalogue."""

    TYPE: ClassVar[str] = "catalogue.increment.v1"
    since: Annotated[int, Field(ge=0)]
    to_version: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]
    next_cursor: Annotated[str, Text(200)] | None = None
    changed: tuple[ServiceItem, ...] = ()
    withdrawn: tuple[ItemWithdrawn, ...] = ()


class LocalItem(Model):
    """A town or village item to report upward, with its category of the eleven (S0-07)."""

    local_code: Reference
    category: Annotated[str, coded("directory_category")]
    item: ServiceItem


class CatalogueReported(Payload):
    """A batch of town and village items for the province, at most 200."""

    TYPE: ClassVar[str] = "catalogue.reported.v1"
    batch_id: Reference
    items: Annotated[tuple[LocalItem, ...], Field(min_length=1, max_length=200)]


class ReportedRow(Model):
    """The province's answer to one row; `code` 0 is taken."""

    row_id: Reference
    code: Reference
    message: Annotated[str, Text(500)] | None = None


class CatalogueReportAnswered(Payload):
    """The answer to a batch, row by row: a part may be taken and a part refused."""

    TYPE: ClassVar[str] = "catalogue.report_answered.v1"
    batch_id: Reference
    rows: tuple[ReportedRow, ...] = ()


class AuditedRow(Model):
    """One row the overnight audit finds abnormal (dn_audit_abnormal)."""

    row_id: Reference
    error_type: Reference
    table: Reference | None = None
    field: Annotated[str, Text(100)] | None = None
    message: Annotated[str, Text(500, 0)]


class CatalogueAudited(Payload):
    """What the overnight audit says of a reported batch; no row means nothing abnormal."""

    TYPE: ClassVar[str] = "catalogue.audited.v1"
    batch_id: Reference
    rows: tuple[AuditedRow, ...] = ()


class CatalogueChanged(Payload):
    """One numbered change of the items in force, linked to the one before by its hash: a gap shows."""

    TYPE: ClassVar[str] = "catalogue.changed.v1"
    number: Annotated[int, Field(ge=1)]
    previous: Digest
    hash: Digest
    operation: Annotated[str, coded("sync_operation")]
    code: ImplementationCode
    version: Annotated[int, Field(ge=1)]
    item: ServiceItem | None = None
    changed_at: Timestamp
