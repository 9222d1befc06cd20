"""A delivery by rows: the partner's own table is where it arrives, and every row carries the hub's seal."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from exchange.errors import Misconfigured
from exchange.manifest import TableCall
from exchange.receipts import moment
from exchange.seals import jws
from exchange.seals.keys import SigningKey
from exchange.transports.tables import FrontDatabase, Written


def write_rows(front: FrontDatabase, call: TableCall, key: SigningKey, tree: Any) -> list[Written]:
    """All rows of a document in one transaction of the partner's database."""
    always = {**call.set, **dict.fromkeys(call.clear)}

    def seal(table: str, row: str, text: bytes) -> tuple[str, str]:
        now, nonce = datetime.now(UTC), secrets.token_urlsafe(24)
        return jws.sign_row(text, key, table=table, row=row, now=now, nonce=nonce), moment(
            int(now.timestamp())
        )

    return front.write(rows_of(tree), always, seal)


def rows_of(tree: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """(table, row) of a document whose members are tables."""
    if not isinstance(tree, dict):
        raise Misconfigured("no_rows", "the document's members must be tables")
    return [(table, row) for table, value in tree.items() for row in _listed(table, value)]


def _listed(table: str, value: Any) -> Iterator[Mapping[str, Any]]:
    for row in value if isinstance(value, list) else [value]:
        if not isinstance(row, dict):
            raise Misconfigured("no_rows", "a row is an object of columns", table)
        yield row


def evidence(written: list[Written]) -> tuple[bytes, bytes, dict[str, Any]]:
    """What is recorded: the signed texts and their seals, line for line, and what each seal is bound to (of a
    single row as of any other seal)."""
    bound = [{"table": one.table, "row": one.row} for one in written]
    body, seals = b"\n".join(one.text for one in written), "\n".join(one.seal for one in written)
    return body, seals.encode(), bound[0] if len(bound) == 1 else {"rows": bound}
