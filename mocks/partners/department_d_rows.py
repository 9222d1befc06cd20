"""A row of department D's database under its signature: the signed text, and the seal that binds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mocks.partners.common import jws, strictjson
from mocks.partners.common.clock import BEIJING
from mocks.partners.common.faults import Flaws
from mocks.partners.common.keys import Certificates
from mocks.partners.common.processobjects import form
from mocks.partners.department_d_schema import Table

Row = Mapping[str, object]
"""A row by column; absent is None or left out."""

_written: Final = form(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+08:00")
_key: Final = form(r"[A-Za-z0-9._-]{8,64}")


class BadRow(Exception):
    """Error 3; the text is `column: why`."""


@dataclass(frozen=True)
class Trust:
    """Whose rows are read, and the second it is."""

    certificates: Certificates
    now: float


def zoned(seconds: float) -> str:
    """yyyy-MM-ddTHH:mm:ss+08:00."""
    return datetime.fromtimestamp(int(seconds), BEIJING).isoformat()


def name_of(row: Row) -> str:
    """What the signature binds: key and version."""
    return f"{row['row_key']}:{row['dataver']}"


def signed_text(table: Table, row: Row) -> bytes:
    """The business columns as one JSON object in the order of the schema; an empty text is NULL."""
    values = {one.name: row.get(one.name) for one in table.business}
    return strictjson.write({name: value for name, value in values.items() if value not in (None, "")})


def sealed(table: Table, row: Row, signer: jws.Signer, flaws: Flaws) -> Row:
    """The row with a fresh signature, as it is written."""
    at = int(signer.clock()) - flaws.age
    bound = {"table": table.name.lower(), "row": name_of(row)}
    held = jws.Signer(signer.key, signer.certificate, lambda: float(at))
    sign = held.sign(signed_text(table, row), bound, spoil=flaws.spoil)
    return {**row, "row_sign": sign, "written_at": zoned(at), table.flag: 0, "err": None, "sync_at": None}


def check_seal(table: Table, row: Row, trust: Trust) -> None:
    """BadRow unless key, types, signature and time of the row hold."""
    if not _key(row["row_key"]):
        raise BadRow("row_key: form")
    for one in table.columns:
        value = row[one.name]
        if value is not None and (
            not isinstance(value, int if one.integer else str) or isinstance(value, bool)
        ):
            raise BadRow(f"{one.name}: type")
    iat = _verified(table, row, trust)
    if not _written(row["written_at"]) or zoned(iat) != row["written_at"]:
        raise BadRow("written_at: not the second of the signature")


def _verified(table: Table, row: Row, trust: Trust) -> int:
    """The second of the signature. It may be any time ago: what is old is verified as of then."""
    sign = str(row["row_sign"])
    bound = {"table": table.name.lower(), "row": name_of(row)}
    try:
        said = jws.protected(sign).get("iat")
        now = min(trust.now, said + jws.WINDOW) if isinstance(said, int) else trust.now
        return jws.verify(sign, signed_text(table, row), trust.certificates, now=now, bound=bound).iat
    except (jws.BadSeal, UnicodeEncodeError) as error:
        raise BadRow(f"row_sign: {error}") from error
