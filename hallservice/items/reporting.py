"""Town and village items told to the province (S0-09, S0-10) as soon as they are in force; its answers row
by row. Where no provincial catalogue is attached they wait, and are reported by hand later."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from canonical.messages import CatalogueReported, LocalItem, ServiceItem
from exchange import items
from exchange.errors import Refused
from exchange.store.tables import catalogue_report
from exchange.store.work import Work
from hallservice import wording as said_by_codes
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.items import categories
from hallservice.items.published import Kept
from hallservice.items.tables import hall_item
from hallservice.items.wording import EDIT, IMPLEMENTATION
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import under_any
from hallservice.refusals import HallRefused

SYSTEM = "SYS-01"
BATCH = 200
_R, _T = catalogue_report, hall_item
STATES = {
    "": "未上报", "sent": "已发送，待答复", "done": "已接收", "refused": "被退回", "abnormal": "审计异常",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reported:
    """One item and what the province said of its version last reported."""

    code: str
    version: int
    name: str
    region: str
    state: str
    batch: str
    told: str
    message: str
    changed_at: float | None


def attached(hall: Hall) -> bool:
    """Whether a provincial catalogue is there to report to."""
    return any(hall.hub.parties.of_adapter(name) for name in hall.hub.adapters_of(SYSTEM))


def report(hall: Hall, work: Work, clerk: Clerk, batch: str, told: Sequence[tuple[Kept, ServiceItem]]) -> int:
    """Tell these versions upward; how many."""
    if not told or not attached(hall):
        return 0
    for first in range(0, len(told), BATCH):
        rows = [_row(work.connection, kept, said) for kept, said in told[first : first + BATCH]]
        payload = CatalogueReported(batch_id=f"{batch}-{first // BATCH}", items=tuple(rows))
        try:
            hall.tell(work, clerk, payload)
        except Refused as fault:
            raise said_by_codes.in_chinese(fault) from fault
    return len(told)


def _row(connection: Connection, kept: Kept, said: ServiceItem) -> LocalItem:
    base = categories.of(connection, kept.region).base(kept.category) or "other"
    number = kept.content.get("local_code") or f"{kept.code[-12:]}-{kept.region}"
    return LocalItem(local_code=number, category=base, item=said)


def again(hall: Hall, clerk: Clerk, codes: Sequence[str]) -> int:
    """Report items by hand: those that waited, were refused or found abnormal; how many."""
    if not attached(hall):
        raise HallRefused("no_receiver", "没有接入省统一目录系统，不能上报")

    def act(work: Work) -> int:
        mine = {one.code: one for one in listed(work.connection, clerk)}
        told = []
        for code in codes:
            if code not in mine or mine[code].state == "sent":
                raise HallRefused("not_due", "该事项不需要上报或正在等待答复", code)
            told.append(_now(work.connection, code))
        batch = new_id(work.now)
        hall.record(work, clerk, "hall.items_reported", f"items/report/{batch}", {"codes": list(codes)})
        return report(hall, work, clerk, batch, told)

    return hall.write(act)


def _now(connection: Connection, code: str) -> tuple[Kept, ServiceItem]:
    row = connection.execute(
        select(_T).where(_T.c.list == IMPLEMENTATION, _T.c.code == code, _T.c.current)
    ).one()
    kept = Kept(**row._mapping)
    return kept, ServiceItem.model_validate(items.content_of(connection, code, kept.version))


def listed(connection: Connection, clerk: Clerk, most: int = 500) -> list[Reported]:
    """The town and village items where the clerk edits, with the province's last answer to each."""
    local = func.substr(_T.c.code, 19, 1).in_(("5", "6"))
    mine = under_any(_T.c.org_path, clerk.scopes.get(EDIT, ()))
    newest = select(_R.c.code, func.max(_R.c.changed_at).label("at")).group_by(_R.c.code).subquery("newest")
    ask = (
        select(_T.c.code, _T.c.version, _T.c.name, _T.c.region, _R.c.state, _R.c.batch_id, _R.c.told,
               _R.c.message, _R.c.changed_at)
        .join(newest, newest.c.code == _T.c.code, isouter=True)
        .join(_R, and_(_R.c.code == newest.c.code, _R.c.changed_at == newest.c.at), isouter=True)
        .where(_T.c.list == IMPLEMENTATION, _T.c.current, local, mine)
        .order_by(_R.c.changed_at.desc(), _T.c.code)
        .limit(most)
    )  # fmt: skip
    found: dict[str, Reported] = {}
    for code, version, name, region, *said in connection.execute(ask):
        state, batch, told, message, at = said
        found.setdefault(
            code,
            Reported(code, version, name, region, state or "", batch or "", told or "", message or "", at),
        )
    return list(found.values())
