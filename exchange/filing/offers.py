"""The package of a finished case, built from what the hub recorded of it, and offered to the archives by an
expiring address (S3-51); after a failed download it is offered again."""

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select

from canonical.codes import code_list
from canonical.messages import ArchiveSubmitted
from exchange.filing.eep import MODIFIED, ORIGINAL, Act, Agent, Package, Paper, format_of, zipped
from exchange.mapping import house
from exchange.receipts import moment
from exchange.records import add_finding
from exchange.store.tables import attachment, document, package
from exchange.store.work import Work

if TYPE_CHECKING:
    from exchange.hub import Hub

LIFE = 7 * 24 * 3600.0  # seconds a package can be fetched
FONDS, LIBRARY, CREATOR = "J441400", "ZWFW", "梅州市政务服务数据管理机构"
KEPT = {"granted": "thirty_years", "refused": "ten_years"}
TEN_YEARS = frozenset({"returned", "voided", "deleted", "supplement_missing"})
TIMES = ("decided_at", "applied_at", "reviewed_at", "noticed_at", "received_at", "started_at", "finished_at",
         "concluded_at", "collected_at")  # fmt: skip
TITLES = {
    "case.applied.v1": "申请表", "case.pre_reviewed.v1": "预审意见", "case.accepted.v1": "受理决定",
    "case.step.v1": "审批意见", "case.concluded.v1": "办结登记", "case.special_started.v1": "特别程序申请",
    "case.special_finished.v1": "特别程序结果", "case.supplement_noticed.v1": "补正告知",
    "case.supplemented.v1": "补正受理", "case.delivered.v1": "领取登记", "case.attached.v1": "申请材料",
    "case.evaluated.v1": "评价",
}  # fmt: skip
STEPS = {"undertake": "承办", "review": "审核", "approve": "批准"}
_PAPERS = (
    select(
        document.c.entry, document.c.message_id, document.c.type, document.c.party, document.c.canonical,
        document.c.at, attachment.c.body.label("file"),
    )
    .join(attachment, attachment.c.entry == document.c.entry, isouter=True)
    .where(
        document.c.case_no == bindparam("of"), document.c.direction == "in", document.c.state == "accepted",
        document.c.type.in_(TITLES),
    )
    .order_by(document.c.entry)
)  # fmt: skip


@dataclass
class Collected:
    """What the records of a case give for its package."""

    papers: list[Paper]
    acts: list[Act]
    people: list[Agent]

    def person(self, agent: Agent) -> int:
        """The number of an agent, the same for the same one."""
        if agent not in self.people:
            self.people.append(agent)
        return self.people.index(agent) + 1


def offer(hub: "Hub", work: Work, case: Mapping[str, Any]) -> ArchiveSubmitted:
    """Build and keep the package of a case; the message that offers it. Offered before: 修改型."""
    case_no, last = str(case["case_no"]), _last_offer(work, str(case["case_no"]))
    made = package_of(hub, work, case)
    changed = made if last is None else replace(made, kind=MODIFIED)
    body = zipped(changed, hub.rsa_key, datetime.fromtimestamp(work.now, UTC))
    token = secrets.token_urlsafe(32)
    at = work.now if last is None else max(work.now, int(last) + 1)  # a request id is a second, used once
    row = {"token": token, "case_no": case_no, "body": body, "expires": at + LIFE}
    work.connection.execute(insert(package), row)
    when = moment(at)
    return ArchiveSubmitted(
        request_id=f"{case_no}@{when[:19].translate(str.maketrans('', '', '-T:'))}",
        case_no=case_no,
        library=made.library,
        fonds=made.fonds,
        title=made.title,
        retention=_retention(case),
        year=made.year,
        url=f"{hub.public_url}/packages/{token}",
        size=len(body),
        digest=hashlib.sha256(body).hexdigest(),
    )


def _last_offer(work: Work, case_no: str) -> float | None:
    """Unix seconds of the newest package of a case."""
    query = select(func.max(package.c.expires)).where(package.c.case_no == case_no)
    expires: float | None = work.connection.execute(query).scalar_one()
    return None if expires is None else expires - LIFE


def package_of(hub: "Hub", work: Work, case: Mapping[str, Any]) -> Package:
    """What goes into the package of a case; a file of a format the archives do not take is a finding."""
    found = _collected(work, case)
    now = datetime.fromtimestamp(work.now, UTC)
    concluded = max((act.at for act in found.acts if act.what == "办结"), default=now)
    return Package(
        file_no=str(case["case_no"]),
        kind=ORIGINAL,
        fonds=FONDS,
        library=LIBRARY,
        year=int(moment(work.now)[:4]),
        retention=code_list("retention").label_of(_retention(case)).removeprefix("定期"),
        title=case["application"]["summary"][:200],
        responsible=_responsible(found.people),
        concluded=concluded,
        creator=CREATOR,
        system=f"通办 Tongban {_version()}",
        papers=tuple(found.papers),
        acts=tuple(sorted(found.acts, key=lambda act: act.at)),
        people=tuple(found.people),
    )


def _collected(work: Work, case: Mapping[str, Any]) -> Collected:
    """The accepted documents of a case and its files, in ledger order."""
    work.flush()  # the delivery that closes the case belongs to them
    found = Collected([], [], [])
    for number, row in enumerate(work.connection.execute(_PAPERS, {"of": case["case_no"]}), 1):
        name = f"{number:03}-{row.type.removesuffix('.v1')}"
        said = dict(row.canonical)
        for extension, body in _files(row, said):
            kind = format_of(body)
            if kind is None:
                detail = f"{said.get('file_name', name)}: not PDF, OFD, TIFF or XML"
                add_finding(work, case["case_no"], ("content", "archive_format", detail), row.entry)
                continue
            title = str(said.get("material") or TITLES[row.type])
            found.papers.append(Paper(f"{name}{extension}.{kind.lower()}", title, kind, body))
        text = house.plain_xml(row.type, row.message_id, row.party, moment(row.at), _without_file(said))
        found.papers.append(Paper(f"{name}.xml", TITLES[row.type], "XML", text))
        found.acts.extend(_act(found, row.type, said))
    return found


def _files(row: Any, said: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """What came beside the document, and the file inside it; a document fetched for a notice (JSON) is filed
    as the document it is."""
    if row.file is not None and not row.file.lstrip().startswith(b"{"):
        yield "-beside", row.file
    if "content" in said:
        yield "-file", house.file_bytes(said["content"])


def _without_file(said: Mapping[str, Any]) -> dict[str, Any]:
    """A file is filed as a file, not once more as text."""
    return {name: value for name, value in said.items() if name != "content"}


def _act(found: Collected, kind: str, said: Mapping[str, Any]) -> Sequence[Act]:
    """The act a process document is: who, when, with which words."""
    at = next((said[name] for name in TIMES if name in said), None)
    officer = said.get("officer")
    if at is None or officer is None:
        return ()
    found.person(Agent("单位", officer["organisation"], officer["organisation_code"]))
    by = found.person(Agent("个人", officer["name"], post=officer.get("staff_no", "")))
    what = {
        "case.pre_reviewed.v1": "预审", "case.step.v1": STEPS.get(said.get("step", ""), "审批"),
        "case.concluded.v1": "办结",
    }  # fmt: skip
    words = said.get("opinion") or said.get("reason") or said.get("result_text") or ""
    return (Act(what.get(kind, "受理"), datetime.fromisoformat(at), by, words),)


def _responsible(people: Sequence[Agent]) -> str:
    return next((one.name for one in reversed(people) if one.kind == "单位"), CREATOR)


def _retention(case: Mapping[str, Any]) -> str:
    """Decisions for thirty years, what was refused or given back for ten."""
    facts = case["facts"]
    ten = facts.get("granted") is False or facts.get("conclusion") in TEN_YEARS
    return KEPT["refused" if ten else "granted"]


def _version() -> str:
    try:
        return version("tongban")
    except PackageNotFoundError:
        return "1"
