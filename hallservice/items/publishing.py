"""A reviewed change comes into force: a new version of every item it is about, all of them in one commit with
its line in the ledger; the implementation list at once in the exchange, towns' and villages' items upward."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date

from sqlalchemy import insert, update

from canonical.messages import ServiceItem
from canonical.values import RegionCode
from exchange import items
from exchange.catalogue import local
from exchange.clocks import today
from exchange.errors import Refused
from exchange.receipts import moment
from exchange.store.work import Work
from hallservice import wording as said_by_codes
from hallservice.hall import Hall
from hallservice.items import building, checking, codes, following, overlays, published, reporting
from hallservice.items.drafts import Change, Line, lines_of
from hallservice.items.elements import Content
from hallservice.items.following import Followed
from hallservice.items.published import Kept
from hallservice.items.tables import hall_item
from hallservice.items.wording import DIRECTORY, IMPLEMENTATION, LEVELS, LOCAL_LEVELS, OVERLAY
from hallservice.people.clerk import Clerk
from hallservice.people.organisations import Org, get
from hallservice.refusals import FieldFault, HallRefused

ORIGIN = "hall"
_T = hall_item
STATES = {"cancel": "cancelled", "suspend": "suspended", "resume": "in_use"}
MOST_AHEAD = 366  # days a cancellation may be planned


@dataclass
class _Publishing:
    """What one change puts in force."""

    hall: Hall
    work: Work
    clerk: Clerk
    change: Change
    org: Org
    day: str
    numbers: codes.Numbers
    kept: list[Kept] = field(default_factory=list)
    told: list[ServiceItem] = field(default_factory=list)
    followed: list[list[str]] = field(default_factory=list)  # list and code of what followed, and its entry


def faults_of(work: Work, org: Org, line: Line) -> list[FieldFault]:
    """What is wrong with a line now: its elements, or what has become of its item meanwhile."""
    if line.op == "put":
        found = checking.check(work.connection, line.list, org, line.code, dict(line.content)).faults
        if line.code and line.content.get("effective_on", "") > today(work.now).isoformat():
            said = "变更自发布之日起生效，不能填写以后的日期"
            found.append(FieldFault("effective_on", "later", said))
        return found + _moved(work, line)
    return _moved(work, line) + _end_faults(work, line)


def _moved(work: Work, line: Line) -> list[FieldFault]:
    if not line.code:
        return []
    held = published.current(work.connection, line.list, line.code)
    if (held.version if held else 0) == line.base:
        return []
    return [FieldFault("", "overtaken", "事项已有更新的版本，请作废本次变更后重新办理")]


def _end_faults(work: Work, line: Line) -> list[FieldFault]:
    faults = []
    if line.op == "cancel" and line.list == DIRECTORY:
        below = published.sub_items(work.connection, DIRECTORY, line.code)
        if below:
            faults.append(
                FieldFault("", "has_sub_items", f"主项下还有在用的子项 {below[0].code}，请先取消子项")
            )
    held = published.expect(work.connection, line.list, line.code)
    if line.op == "resume" and (above := following.stopped_above(work.connection, held)):
        said = f"目录事项“{above.name}”（{above.code}）已暂停，须先恢复该目录事项"
        faults.append(FieldFault("", "held", said))
    on = line.content.get("on", "")
    if on and held.state == "suspended" and on > today(work.now).isoformat():
        said = "已暂停的事项只能自发布之日起取消，不能填写以后的日期"
        faults.append(FieldFault("on", "suspended", said))
    elif on and not _plannable(on, today(work.now)):
        faults.append(FieldFault("on", "bad_day", f"取消日期应为今后 {MOST_AHEAD} 天内的日期"))
    return faults


def _plannable(on: str, day: date) -> bool:
    try:
        found = date.fromisoformat(on)
        return found.isoformat() == on and (found - day).days <= MOST_AHEAD
    except ValueError:
        return False


def publish(hall: Hall, work: Work, clerk: Clerk, change: Change) -> list[Kept]:
    """Everything the change says, and what follows from it; the versions made. HallRefused where the exchange
    holds another item of the code."""

    doing = _Publishing(
        hall,
        work,
        clerk,
        change,
        get(work.connection, change.org),
        today(work.now).isoformat(),
        codes.Numbers(work.connection),
    )
    lines = lines_of(work.connection, change.id)
    put = _lay if change.list == OVERLAY else _put
    new = [put(doing, line) for line in lines if line.op == "put"]
    successors = [one.code for one in new if change.act in ("split", "merge")]
    for line in lines:
        if line.op != "put":
            _end(doing, line, successors)
    versions = [[one.list, one.code, one.version, one.state] for one in doing.kept]
    said = {"act": change.act, "items": versions, "followed": doing.followed}
    entry = hall.record(work, clerk, "hall.items_published", change.about, said)
    try:
        local.put(work, ORIGIN, doing.told, entry.seq)
    except Refused as fault:
        raise _refused(fault) from fault
    reporting.report(hall, work, clerk, change.id, _reportable(doing))
    return doing.kept


def _refused(fault: Refused) -> HallRefused:
    if fault.code == "conflict":
        return HallRefused("known_elsewhere", "省统一目录中已有相同的实施编码，不能在本地发布")
    return said_by_codes.in_chinese(fault)


def _put(doing: _Publishing, line: Line) -> Kept:
    content = dict(line.content)
    code, region, above = _code(doing, line, content)
    held = published.current(doing.work.connection, line.list, code)
    if held is not None and not line.code:
        held = _reusable(doing, held)
    known = held is not None and bool(line.code)
    content["effective_on"] = doing.day if known else max(content["effective_on"], doing.day)
    version, state = (held.version + 1 if held else 1), (held.state if held and known else "in_use")
    setup = building.setup(content) if line.list == IMPLEMENTATION else {}
    kept = Kept(
        line.list, code, version, state, True, content["name"], content["kind"], doing.org.code,
        doing.org.path, region, content["category"], above, content, setup, content["effective_on"], None, [],
        held.held_by if held and known else "", doing.change.id, doing.work.now,
    )  # fmt: skip
    _keep(doing, kept)
    if line.list == IMPLEMENTATION:
        at, org = doing.work.now, doing.org
        doing.told.append(building.service_item(content, org, code, kept.version, at, kept.state))
    return kept


def _lay(doing: _Publishing, line: Line) -> Kept:
    """Local situations over an item of the province, which itself stays as it is."""
    held = published.current(doing.work.connection, OVERLAY, line.code)
    content, org = dict(line.content), doing.org
    setup = overlays.setup_over(doing.work.connection, content)
    kept = Kept(
        OVERLAY, line.code, held.version + 1 if held else 1, "in_use", True, content["name"], content["kind"],
        org.code, org.path, org.region, "", "", content, setup, doing.day, None, [], "", doing.change.id,
        doing.work.now,
    )  # fmt: skip
    _keep(doing, kept)
    return kept


def _code(doing: _Publishing, line: Line, content: Content) -> tuple[str, str, str]:
    """The item's code, its region and what it stands under."""
    if line.list == DIRECTORY:
        above = content["above"]
        made = line.code or doing.numbers.basic_code(content["kind"], content["department"], above)
        return str(made), doing.org.region, above
    region, above = content["region"], content["directory"]
    level = LEVELS[RegionCode(region).level]
    code = str(codes.implementation_code(str(doing.org.uscc), level, above))
    if line.code and code != line.code:
        raise HallRefused("other_item", "目录编码或行使层级变了就是另一个事项，请用“新增”并取消原事项")
    return code, region, above


def _reusable(doing: _Publishing, held: Kept) -> Kept:
    """A cancelled item may come back as the next version of its code."""
    if not held.gone_on(doing.day):
        raise HallRefused("twice", f"该实施主体已有同一目录、同一层级的实施事项 {held.code}")
    return held


def _end(doing: _Publishing, line: Line, successors: Sequence[str]) -> None:
    held = published.expect(doing.work.connection, line.list, line.code)
    on = max(line.content.get("on", ""), doing.day) if line.op == "cancel" else None
    _ended(doing, Followed(held, STATES[line.op], on, successors))
    if line.list != DIRECTORY:
        return
    for one in following.following(doing.work.connection, line.op, held, on, doing.day, successors):
        doing.followed.append([one.item.list, one.item.code, held.code])
        _ended(doing, one)


def _ended(doing: _Publishing, what: Followed) -> None:
    """A version that says only that the item is suspended, in use again, or cancelled from a day on."""
    held = what.item
    known = {name: getattr(held, name) for name in Kept.__slots__}
    kept = Kept(**known | {
        "version": held.version + 1, "state": what.state, "cancelled_on": what.on,
        "successors": list(what.successors), "held_by": what.held_by, "change": doing.change.id,
        "published_at": doing.work.now,
    })  # fmt: skip
    _keep(doing, kept)
    if held.list == IMPLEMENTATION:
        doing.told.append(_told_again(doing.work, kept))


def _told_again(work: Work, kept: Kept) -> ServiceItem:
    content = items.content_of(work.connection, kept.code, kept.version - 1)
    said = {"version": kept.version, "state": kept.state, "row_id": f"{kept.code}-{kept.version}"}
    more = {"cancelled_on": kept.cancelled_on, "changed_at": moment(work.now)}
    return ServiceItem.model_validate(content | said | more)


def _keep(doing: _Publishing, kept: Kept) -> None:
    before = (_T.c.list == kept.list) & (_T.c.code == kept.code) & _T.c.current
    doing.work.connection.execute(update(_T).where(before).values(current=False))
    doing.work.connection.execute(insert(_T), asdict(kept))
    doing.kept.append(kept)


def _reportable(doing: _Publishing) -> list[tuple[Kept, ServiceItem]]:
    by_code = {one.code: one for one in doing.kept if one.list == IMPLEMENTATION}
    return [(by_code[one.code], one) for one in doing.told if one.level in LOCAL_LEVELS]
