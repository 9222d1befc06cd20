"""Organisations and staff of the city, as the identity system knows them (SYS-08)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from canonical.codes import coded
from canonical.messages.parts import Count, Model, Name, Payload, Reference, Text, Title
from canonical.values import CreditCode, RegionCode, Timestamp


class DirectoryOrganisation(Model):
    """One organisation or section."""

    id: Reference
    name: Title
    credit_code: CreditCode | None = None
    parent: Reference | None = None
    region: RegionCode
    active: bool
    changed_at: Timestamp


class DirectoryStaff(Model):
    """One member of staff; the login is what single sign-on will present."""

    id: Reference
    name: Name
    login: Reference
    organisation: Reference
    duty: Annotated[str, Text(50)] | None = None
    level: Annotated[str, coded("real_name")]
    active: bool
    changed_at: Timestamp


class DirectoryIncrement(Payload):
    """One page of changes since a version; `next_cursor` is absent on the last."""

    TYPE: ClassVar[str] = "directory.increment.v1"
    since: Annotated[int, Field(ge=0)]
    to_version: Annotated[int, Field(ge=0)]
    total: Count
    next_cursor: Annotated[str, Text(200)] | None = None
    organisations: tuple[DirectoryOrganisation, ...] = ()
    staff: tuple[DirectoryStaff, ...] = ()
