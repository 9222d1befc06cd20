"""What a partner refused for good of what a window asked of it: the clerk reads why, and may ask again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Row, Table, update

from exchange.delivery import Sent
from exchange.store.work import Work
from hallservice.counter.tables import hall_certificate, hall_certificate_file, hall_fee, hall_parcel

if TYPE_CHECKING:
    from exchange.hub import Hub

REQUESTED, REFUSED = "requested", "refused"
LONGEST = 200  # characters of the partner's words
# Type of the request -> its table and the column that says how far it is.
REQUESTS: Mapping[str, tuple[Table, Column[str]]] = {
    "certificate.requested.v1": (hall_certificate, hall_certificate.c.state),
    "certificate.file_requested.v1": (hall_certificate_file, hall_certificate_file.c.state),
    "fee.requested.v1": (hall_fee, hall_fee.c.state),
    "parcel.requested.v1": (hall_parcel, hall_parcel.c.status),
}


def note(hub: "Hub", work: Work, row: Row[Any], sent: Sent, entry: int) -> None:
    """One delivery that will not be made again; of another party's request the hall has no row. What the
    partner has answered already stays as it is."""
    if row.type not in REQUESTS:
        return
    table, state = REQUESTS[row.type]
    open_ = (table.c.request_id == row.payload["request_id"]) & (state == REQUESTED)
    said = {state.name: REFUSED, "reason": _reason(sent)[:LONGEST]}
    work.connection.execute(update(table).where(open_).values(said))


def _reason(sent: Sent) -> str:
    """The partner's words; where it gave none of its own, what the clerk has to find out first."""
    if sent.verdict != REFUSED:
        return f"多次发送没有结果（{sent.code}），请先与对方核实是否已经办理，再重新提出"
    return "".join(sign for sign in sent.detail or "" if sign.isprintable()) or sent.code
