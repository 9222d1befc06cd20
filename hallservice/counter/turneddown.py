"""What a partner refused for good of what a window asked of it: the clerk reads why, and may ask again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Row, Table, update

from exchange.delivery import Sent
from exchange.store.work import Work
from hallservice.counter.tables import hall_certificate, hall_fee, hall_parcel

if TYPE_CHECKING:
    from exchange.hub import Hub

REFUSED = "refused"
LONGEST = 200  # characters of the partner's words
# Type of the request -> its table and the column that says how far it is.
REQUESTS: Mapping[str, tuple[Table, Column[str]]] = {
    "certificate.requested.v1": (hall_certificate, hall_certificate.c.state),
    "fee.requested.v1": (hall_fee, hall_fee.c.state),
    "parcel.requested.v1": (hall_parcel, hall_parcel.c.status),
}


def note(hub: "Hub", work: Work, row: Row[Any], sent: Sent, entry: int) -> None:
    """One delivery that will not be made again; of another party's request the hall has no row."""
    if row.type not in REQUESTS:
        return
    table, state = REQUESTS[row.type]
    words = "".join(sign for sign in sent.detail or "" if sign.isprintable())
    said = {state.name: REFUSED, "reason": (words or sent.code)[:LONGEST]}
    mine = table.c.request_id == row.payload["request_id"]
    work.connection.execute(update(table).where(mine).values(said))
