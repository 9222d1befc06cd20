"""Field standards of certificate types: asked of the library with the first acceptance of a day, kept, and
filled in when a certificate is asked for (S3-99)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from canonical.messages import CertificateSchema, CertificateSchemaRequested, Payload, SchemaField
from exchange import items
from exchange.reacting.occasion import Occasion
from hallservice.counter.form import Check
from hallservice.counter.tables import hall_certificate_type
from hallservice.ids import new_id
from hallservice.people import organisations
from ledger.prepared import run

LIBRARY = "SYS-04"
FRESH = 86_400.0  # seconds; a standard may get a new version
Standard = tuple[SchemaField, ...]
_KEPT = select(hall_certificate_type).where(hall_certificate_type.c.type_code == bindparam("of"))


def field_name(name: str) -> str:
    """In a form."""
    return f"field-{name}"


def known(connection: Connection, type_code: str) -> Standard | None:
    """The fields of a type; None while the library has not told them."""
    row = run(connection, _KEPT, {"of": type_code}).first()
    if row is None or row.fields is None:
        return None
    return tuple(SchemaField.model_validate(one) for one in row.fields)


def own(case: Mapping[str, Any]) -> Mapping[str, str]:
    """What the case itself says, by the names the library's standards use."""
    application = case["application"]
    return {"holderName": application["applicant"]["name"], "scope": application["item_name"]}


def filled(
    check: Check, standard: Standard | None, given: Mapping[str, str], case: Mapping[str, Any]
) -> list[dict[str, str]]:
    """The content as the library takes it: names of the standard alone, what was left blank from the case. As
    given where the standard is not known."""
    if standard is None:
        return [
            {"name": name, "value": check.text(field_name(name), value, name, 1000)}
            for name, value in given.items()
        ]
    for name in given.keys() - {one.name for one in standard}:
        check.fault(field_name(name), "unknown_field", f"这类证照没有“{name}”这一项")
    said = own(case)
    values = {one.name: _value(check, one, given.get(one.name, ""), said) for one in standard}
    return [{"name": name, "value": value} for name, value in values.items() if value]


def _value(check: Check, one: SchemaField, given: str, said: Mapping[str, str]) -> str:
    """One value as the library writes it: dates yyyyMMdd, integers in digits."""
    name = field_name(one.name)
    text = given.strip() or said.get(one.name, "")[: one.length]
    if one.kind == "date":
        day = check.day(name, text, one.label, required=one.required)
        return day.strftime("%Y%m%d") if day else ""
    value = check.text(name, text, one.label, one.length, required=one.required)
    if value and one.kind == "integer" and not re.fullmatch("[0-9]+", value, re.ASCII):
        check.fault(name, "bad_form", f"{one.label}只能填数字")
    return value


# -- with the messages


def ask(occasion: Occasion) -> Iterator[Payload]:
    """With the acceptance of a case that leads to a certificate, so that the standard is here at its end."""
    case, work = occasion.moved.case, occasion.work
    if case is None or not case["gives_certificate"] or occasion.attached(LIBRARY) is None:
        return
    department = organisations.by_uscc(work.connection, case["org"])
    code = items.content_of(work.connection, case["item_code"], case["item_version"]).get("certificate_type")
    if department is None or department.has_own_system or not code:
        return
    if _due(work.connection, code, work.now):
        yield CertificateSchemaRequested(request_id=new_id(work.now), type_code=code)


def _due(connection: Connection, code: str, now: float) -> bool:
    """Whether to ask; notes that it was asked."""
    row = run(connection, _KEPT, {"of": code}).first()
    if row is None:
        fresh = {"type_code": code, "version": "", "fields": None, "asked_at": now}
        connection.execute(insert(hall_certificate_type), fresh)
        return True
    if row.asked_at + FRESH > now:
        return False
    mine = hall_certificate_type.c.type_code == code
    connection.execute(update(hall_certificate_type).where(mine).values(asked_at=now))
    return True


def keep(occasion: Occasion) -> Iterator[Payload]:
    """What the library answers."""
    said = occasion.message.payload
    if isinstance(said, CertificateSchema):
        values = {"version": said.version, "fields": [one.model_dump(mode="json") for one in said.fields]}
        mine = hall_certificate_type.c.type_code == said.type_code
        occasion.work.connection.execute(update(hall_certificate_type).where(mine).values(**values))
    yield from ()
