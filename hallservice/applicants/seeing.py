"""Whom a clerk sees: persons and bodies named by cases that lie where the function is held, and no others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, false, func, or_, select, tuple_

from canonical.codes import code_list
from hallservice.applicants.keeping import APPLICANT, PERSON, identity
from hallservice.applicants.tables import hall_applicant, hall_applicant_case
from hallservice.counter.tables import hall_case
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.refusals import HallRefused

VIEW, EDIT, EXPORT, UNMASK = "applicants.view", "applicants.edit", "applicants.export", "case.unmask"
MOST = 100  # rows a page
UNKNOWN = "没有这个服务对象，或者不在您的管辖范围内"
SAME_NUMBER, SAME_NAME = "names", "namesakes"
A, L, C = hall_applicant.c, hall_applicant_case.c, hall_case.c
_OTHERS = hall_applicant_case.alias("others")
_THEIRS = hall_case.alias("theirs")
_NAMESAKES = hall_applicant_case.alias("namesakes")
_ITS = hall_case.alias("its")
_WHOSE = hall_applicant.alias("whose")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters: `who` is keeping.known_by of a whole name or number, `doubt` one of the two kinds of doubt."""

    who: str = ""
    kind: str = ""
    role: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """One person or body, masked, by the newest case the clerk sees."""

    id: str
    kind: str
    name: str
    document_type: str
    document: str
    role: str
    at: float  # of that case
    case_no: str
    cases: int = 0
    names: int = 1  # different ones for this document
    namesakes: int = 0  # other documents of bodies with this name

    @property
    def key(self) -> str:
        """Where the next page begins."""
        return f"{self.at!r}~{self.case_no}~{self.role}"


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the key to ask for the rows after these; '' when there are none."""

    rows: tuple[Listed, ...]
    next: str


def seen(cases: Any, clerk: Clerk, *functions: str) -> ColumnElement[bool]:
    """Cases (columns of hall_case or of an alias) that lie where every one of the functions is held."""
    return and_(
        *(or_(within(cases.org_path, clerk, one), within(cases.site_path, clerk, one)) for one in functions)
    )


def found(
    connection: Connection,
    key: bytes,
    clerk: Clerk,
    wanted: Wanted = Wanted(),
    after: str = "",
    size: int = 20,
    functions: Sequence[str] = (VIEW,),
) -> Page:
    """The register as this clerk sees it, whoever came last first; each stands there once."""
    most = min(max(size, 1), MOST)
    order = (L.opened_at, L.case_no, L.role)
    query = _named(key, clerk, wanted, functions).order_by(*(one.desc() for one in order)).limit(most + 1)
    if after:
        query = query.where(tuple_(*order) < tuple_(*_key(after)))
    rows = connection.execute(query).all()
    page = [
        Listed(
            row.applicant, row.kind, row.name_masked, row.document_type, row.document_masked, row.role,
            row.opened_at, row.case_no, *_counted(connection, clerk, row, functions),
        )
        for row in rows[:most]
    ]  # fmt: skip
    return Page(tuple(page), page[-1].key if len(rows) > most else "")


def _named(key: bytes, clerk: Clerk, wanted: Wanted, functions: Sequence[str]) -> Select[Any]:
    """The newest link of everybody the clerk sees."""
    o, t = _OTHERS.c, _THEIRS.c
    newer = exists().where(
        o.applicant == L.applicant,
        tuple_(o.opened_at, o.case_no, o.role) > tuple_(L.opened_at, L.case_no, L.role),
        t.case_no == o.case_no,
        seen(t, clerk, *functions),
        *([o.role == wanted.role] if wanted.role else []),
    )
    ask = (
        select(hall_applicant_case, A.kind, A.document_type, A.document_masked)
        .join(hall_applicant, A.id == L.applicant)
        .join(hall_case, C.case_no == L.case_no)
        .where(seen(C, clerk, *functions), ~newer)
    )
    same = {A.kind: wanted.kind, L.role: wanted.role}
    ask = ask.where(*(column == value for column, value in same.items() if value))
    if wanted.who:
        ask = ask.where(or_(L.name_hash == wanted.who, L.applicant.in_(_identities(key, wanted.who))))
    return ask.where(_doubted(clerk, wanted.doubt, functions)) if wanted.doubt else ask


def _identities(key: bytes, number_hash: str) -> list[str]:
    """Whoever has this number, on whichever document."""
    return [identity(key, one.name, number_hash) for one in code_list("document_type").entries]


def _doubted(clerk: Clerk, doubt: str, functions: Sequence[str]) -> ColumnElement[bool]:
    """Among what the clerk sees: one number with several names, or one body's name with several numbers."""
    o, t = _OTHERS.c, _THEIRS.c
    mine = and_(t.case_no == o.case_no, seen(t, clerk, *functions))
    if doubt == SAME_NUMBER:
        other = exists().where(o.applicant == L.applicant, o.name_hash != L.name_hash, mine)
        return and_(L.applicant.in_(_SEVERAL_NAMES), other)
    if doubt != SAME_NAME:
        return false()
    own = exists().where(o.applicant == L.applicant, mine, _namesake(clerk, functions, o))
    return and_(A.kind != PERSON, L.applicant.in_(_SHARED_NAMES), own)


# Who comes into question at all, each by one pass over an index; who is seen is asked of those alone.
_M = hall_applicant_case.alias("all_of_them").c
_SEVERAL_NAMES = (
    select(_M.applicant).group_by(_M.applicant).having(func.min(_M.name_hash) < func.max(_M.name_hash))
)
_SHARED = select(_M.name_hash).group_by(_M.name_hash).having(func.min(_M.applicant) < func.max(_M.applicant))
_NAMED_SO = hall_applicant_case.alias("named_so").c
_SHARED_NAMES = select(_NAMED_SO.applicant).where(_NAMED_SO.name_hash.in_(_SHARED))


def _namesake(clerk: Clerk, functions: Sequence[str], link: Any) -> ColumnElement[bool]:
    """Whether another body was named as this link names its own."""
    n, t, w = _NAMESAKES.c, _ITS.c, _WHOSE.c
    return exists().where(
        n.name_hash == link.name_hash, n.applicant != link.applicant, t.case_no == n.case_no,
        seen(t, clerk, *functions), w.id == n.applicant, w.kind != PERSON,
    )  # fmt: skip


def _counted(
    connection: Connection, clerk: Clerk, row: Any, functions: Sequence[str] = (VIEW,)
) -> tuple[int, int, int]:
    """How many cases, how many names, and how many other bodies of this name; of what the clerk sees."""
    mine = seen(C, clerk, *functions)
    ask = select(func.count(L.case_no.distinct()), func.count(L.name_hash.distinct()))
    ask = ask.join(hall_case, C.case_no == L.case_no)
    cases, names = connection.execute(ask.where(L.applicant == row.applicant, mine)).one()
    if row.kind == PERSON:
        return int(cases), int(names), 0
    return int(cases), int(names), len(namesakes(connection, clerk, row.applicant, functions))


def namesakes(
    connection: Connection, clerk: Clerk, applicant: str, functions: Sequence[str] = (VIEW,)
) -> list[tuple[str, str]]:
    """Other bodies that bear a name of this one: id and masked number."""
    o, t = _OTHERS.c, _THEIRS.c
    own = select(L.name_hash).join(hall_case, C.case_no == L.case_no)
    own = own.where(L.applicant == applicant, seen(C, clerk, *functions))
    ask = select(A.id, A.document_masked).join(_OTHERS, o.applicant == A.id)
    ask = ask.join(_THEIRS, t.case_no == o.case_no).where(
        o.name_hash.in_(own), A.id != applicant, A.kind != PERSON, seen(t, clerk, *functions)
    )
    rows = connection.execute(ask.distinct().order_by(A.id).limit(MOST))
    return [(row.id, row.document_masked) for row in rows]


def newest(connection: Connection, clerk: Clerk, applicant: str, *functions: str, role: str = "") -> Any:
    """The newest link the clerk sees, with its person; None without any."""
    ask = (
        select(hall_applicant_case, A.kind, A.document_type, A.document_masked)
        .join(hall_applicant, A.id == L.applicant)
        .join(hall_case, C.case_no == L.case_no)
        .where(L.applicant == applicant, seen(C, clerk, *functions))
        .order_by(L.opened_at.desc(), L.case_no.desc(), L.role.desc())
    )
    return connection.execute((ask.where(L.role == role) if role else ask).limit(1)).first()


def look(connection: Connection, clerk: Clerk, applicant: str, *functions: str) -> Listed:
    """HallRefused not_allowed without the functions (VIEW alone where none is named), unknown_applicant where
    no case of theirs lies within."""
    wanted = functions or (VIEW,)
    for one in wanted:
        clerk.expect(one)
    row = newest(connection, clerk, applicant, *wanted)
    if row is None:
        raise HallRefused("unknown_applicant", UNKNOWN)
    return Listed(
        row.applicant, row.kind, row.name_masked, row.document_type, row.document_masked, row.role,
        row.opened_at, row.case_no, *_counted(connection, clerk, row, wanted),
    )  # fmt: skip


def of_case(connection: Connection, clerk: Clerk, case_no: str) -> Listed | None:
    """The applicant of a case; None for whoever does not see it here."""
    ask = select(L.applicant).where(L.case_no == case_no, L.role == APPLICANT)
    applicant = connection.execute(ask).scalar()
    if applicant is None or newest(connection, clerk, applicant, VIEW) is None:
        return None
    return look(connection, clerk, applicant)


def _key(after: str) -> tuple[float, str, str]:
    at, _, rest = after.partition("~")
    case_no, _, role = rest.partition("~")
    try:
        return float(at), case_no, role
    except ValueError:
        raise HallRefused("bad_page", "页码无法识别，请从第一页开始") from None
