"""The library's own side: publishing standards, certificates that others issued, and who looked at what.

POST /admin/type {typeCode, typeName, version?, fields?, heldBy?, formats?}: a type, or its next version;
POST /admin/certificate {typeCode, holders, status?, ...}: what another body issued, the rest made up;
POST /admin/revoke {certificateIdentifier, status?}: 07 if not said otherwise;
GET /admin/usage, GET /admin/types.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from mocks.partners.certificate_data import (
    STRICT,
    CreditCode,
    Day,
    Holder,
    Issue,
    Issuer,
    Text,
    TypeCode,
    parsed,
)
from mocks.partners.certificate_shelf import BadStandard, Shelf
from mocks.partners.certificate_types import CertificateType
from mocks.partners.common import strictjson
from mocks.partners.common.clock import Clock, compact
from mocks.partners.common.record import Record

Status = Literal["01", "02", "03", "04", "06", "07", "99"]
ISSUER: CreditCode = "11441499007415073P"  # an invented body of region 441499


class Foreign(BaseModel):
    """A certificate that did not come by /cert/issue."""

    model_config = STRICT
    typeCode: TypeCode
    holders: list[Holder] = Field(min_length=1, max_length=100)
    certificateName: Text | None = None
    issuer: Issuer = Issuer(name="梅州市示范局", code=ISSUER)
    issueDate: Day | None = None
    validFrom: Day | None = None
    validTo: Day | None = None
    fields: dict[str, Any] | None = None
    status: Status = "01"


class Revoked(BaseModel):
    """Which certificate is to have which status."""

    model_config = STRICT
    certificateIdentifier: Text
    status: Status = "07"


def invented(kind: CertificateType, today: str) -> dict[str, str]:
    """The fields a standard asks for, with something in them."""
    words = {"string": "测试", "date": today, "int": "1"}
    return {rule.name: words[rule.type][: rule.len] for rule in kind.fields if rule.required}


def completed(given: Foreign, kind: CertificateType, today: str) -> Issue:
    """What was given, and the rest of a catalogue record; ValidationError if it does not fit together."""
    told = given.model_dump(exclude_none=True, exclude={"status"})
    made_up = {
        "requestId": f"admin-{secrets.token_hex(16)}", "caseNo": "-", "areaCode": "441400000000",
        "itemCode": f"{given.issuer.code}4440131011000", "certificateName": kind.typeName,
        "issueDate": today, "validFrom": given.issueDate or today, "fields": invented(kind, today),
        "seal": True,
    }  # fmt: skip
    return Issue.model_validate(made_up | told)


@dataclass(frozen=True)
class Office:
    """What the admin calls do; ValueError (ValidationError, BadJson too) is a 422."""

    record: Record
    shelf: Shelf
    clock: Clock

    def publish(self, raw: object) -> dict[str, object]:
        """A standard that follows the one in force."""
        kind = self.shelf.catalogue.general(raw)
        with self.record.work() as db:
            self.shelf.publish(db, kind)
        return kind.model_dump()

    def add(self, raw: object) -> dict[str, object]:
        """A certificate of the library's own or held elsewhere."""
        given, now = parsed(Foreign, raw), self.clock()
        with self.record.work() as db:
            kind = self.shelf.type_of(db, given.typeCode)
            if kind is None:
                raise ValueError("typeCode: unknown")
            issue = completed(given, kind, compact(now)[:8])
            if wrong := kind.fault(issue.fields):
                raise ValueError(f"fields.{wrong}")
            kept = self.shelf.put(db, issue, kind, strictjson.digest(raw), now, now)
            self.shelf.mark(db, kept.identifier, given.status)
        return dict(kept.named)

    def revoke(self, raw: object) -> dict[str, object]:
        """Another status for the newest version of a certificate."""
        given = parsed(Revoked, raw)
        with self.record.work() as db:
            if not self.shelf.mark(db, given.certificateIdentifier, given.status):
                raise ValueError("certificateIdentifier: unknown")
        return {"revoked": True}

    def usage(self) -> JSONResponse:
        """Searches, metadata and files with account, case and purpose, oldest first."""
        with self.record.work() as db:
            return JSONResponse([dict(row) for row in db.execute("SELECT * FROM usage ORDER BY seq")])

    def types(self) -> JSONResponse:
        """Every type in the newest version of its standard."""
        with self.record.work() as db:
            added = [row["code"] for row in db.execute("SELECT DISTINCT code FROM standard")]
            codes = dict.fromkeys([kind.typeCode for kind in self.shelf.catalogue.types] + added)
            kinds = [self.shelf.type_of(db, code) for code in codes]
        return JSONResponse([kind.model_dump() for kind in kinds if kind is not None])


Act = Callable[[object], dict[str, object]]


def posted(act: Act) -> Callable[[Request], Awaitable[JSONResponse]]:
    """An endpoint of one act."""

    async def call(request: Request) -> JSONResponse:
        try:
            return JSONResponse(act(strictjson.read(await request.body())))
        except (strictjson.BadJson, BadStandard, ValueError) as error:
            return JSONResponse({"detail": str(error)}, 422)

    return call


def mount(app: FastAPI, record: Record, shelf: Shelf, clock: Clock) -> None:
    """Adds the calls above."""
    office = Office(record, shelf, clock)
    acts: dict[str, Act] = {"type": office.publish, "certificate": office.add, "revoke": office.revoke}
    for name, act in acts.items():
        app.add_api_route(f"/admin/{name}", posted(act), methods=["POST"])
    app.add_api_route("/admin/usage", office.usage, methods=["GET"])
    app.add_api_route("/admin/types", office.types, methods=["GET"])
