"""操作日志: right contents, seen where one audits and nowhere else, masked, checked, provable elsewhere."""

import ast
import io
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select, text, update

from canonical.amounts import BEIJING
from canonical.messages import PAYLOADS
from canonical.values import complete_id_number
from exchange.store.tables import act, document
from hallservice.auditing import checking, finding
from hallservice.auditing.checking import DIFFERS, MATCHES
from hallservice.auditing.finding import Found, Wanted
from hallservice.auditing.words import KINDS, MESSAGES
from hallservice.counter import accept, apply, standing, unmask
from hallservice.hall import Hall
from hallservice.people import grants
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.functions import AUDIT
from hallservice.people.grants import Wish
from hallservice.people.signin import sign_in
from hallservice.refusals import HallRefused
from hallservice.web.pages import audit, entrance, home
from ledger.export import export
from ledger.tiles import place_of
from tests.hallservice.counter.counter import PLAIN
from tests.hallservice.web.webrig import Place, mounted, served
from tests.hallservice.world import LOGINS, PASSWORD

ROOT = Path(__file__).resolve().parents[3]
ClerkAs = Callable[[str], Clerk]
EVERYTHING = Wanted()


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    """The pages, served."""
    with served(mounted(hall, [one.pages for one in (audit, entrance, home)])) as found:
        yield found


@pytest.fixture
def case(hall: Hall, clerk_as: ClerkAs) -> str:
    """Somebody signs in, applies for an applicant, looks at who it is, and accepts."""
    sign_in(hall, LOGINS["clerk"], PASSWORD, "127.0.0.1")
    clerk = clerk_as("clerk")
    no = apply.apply(hall, clerk, PLAIN).case_no
    unmask.unmask(hall, clerk, no, "核对证件")
    seen = hall.read(lambda connection: standing.look(connection, clerk, no, "case.view").row["version"])
    accept.accept(hall, clerk, no, seen, ())
    return no


def only_below(clerk: Clerk, path: str) -> Clerk:
    """The same auditor of another unit."""
    return replace(clerk, scopes={**clerk.scopes, AUDIT: (path,)})


def rows(hall: Hall, auditor: Clerk, **wanted: str) -> list[Found]:
    return list(finding.found(hall, auditor, Wanted(**wanted)).rows)


def entry_of(hall: Hall, auditor: Clerk, kind: str) -> int:
    return rows(hall, auditor, kind=kind)[0].entry


def test_what_was_done_is_listed_with_who_and_what_about(hall: Hall, clerk_as: ClerkAs, case: str) -> None:
    """Newest first: accepting, looking at the applicant, applying, signing in; and a grant by the root."""
    auditor, root = clerk_as("auditor"), clerk_as("root")
    did = rows(hall, auditor, staff_no="S-clerk")
    kinds = [one.kind for one in did]
    wanted = ["case.accepted.v1", "hall.unmasked", "case.applied.v1", "hall.signed_in"]
    assert [kind for kind in kinds if kind in wanted] == wanted
    assert [one.entry for one in did] == sorted((one.entry for one in did), reverse=True)
    accepted = did[kinds.index("case.accepted.v1")]
    assert (accepted.about, accepted.name, accepted.org_name) == (case, "窗口甲", "梅江区政务服务大厅")
    assert abs(accepted.at - hall.hub.store.clock()) < 60
    people = dict(hall.read(lambda c: c.execute(select(t.user.c.staff_no, t.user.c.id)).all()))
    roles = dict(hall.read(lambda c: c.execute(select(t.role.c.name, t.role.c.id)).all()))
    grants.grant(hall, root, Wish(roles["效能监察"], "user", people["S-town"], "441402"))
    granted = rows(hall, auditor, kind="hall.granted")[0]
    assert granted.staff_no == root.staff_no
    shown = checking.look(hall, auditor, granted.entry)
    assert shown.state == MATCHES
    assert people["S-town"] in dict(shown.content.lines).values()
    reason = checking.look(hall, auditor, entry_of(hall, auditor, "hall.unmasked"))
    assert ("reason", "核对证件") in reason.content.lines


def test_another_units_auditor_sees_nothing_of_it(hall: Hall, clerk_as: ClerkAs, case: str) -> None:
    auditor = clerk_as("auditor")
    near, far = only_below(auditor, "/4414/441402/"), only_below(auditor, "/4414/441403/")
    mine = [one.entry for one in rows(hall, auditor, staff_no="S-clerk")]
    assert [one.entry for one in rows(hall, near, staff_no="S-clerk")] == mine != []
    assert [one.entry for one in rows(hall, near, body="政务服务大厅")] == mine
    assert rows(hall, far) == rows(hall, far, staff_no="S-clerk") == rows(hall, far, body="441402-dt") == []
    for ask in (checking.look, checking.proof):
        with pytest.raises(HallRefused, match="not_found"):
            ask(hall, far, mine[0])
    with pytest.raises(HallRefused, match="not_allowed"):
        finding.found(hall, clerk_as("clerk"), EVERYTHING)


def test_days_and_pages(hall: Hall, clerk_as: ClerkAs, case: str) -> None:
    """Pages by position without gap or repetition; a day holds its acts, the day before none."""
    auditor = clerk_as("auditor")
    for who in (auditor, only_below(auditor, "/4414/441402/")):
        every, before = [one.entry for one in finding.found(hall, who, EVERYTHING, size=500).rows], 0
        walked = []
        while page := finding.found(hall, who, EVERYTHING, before, 3):
            walked += [one.entry for one in page.rows]
            if not (before := page.next):
                break
        assert walked == every
        assert len(every) > 3
    day = datetime.fromtimestamp(hall.hub.store.clock(), BEIJING).date()
    before_it = str(day - timedelta(days=1))
    today = rows(hall, auditor, begin=str(day), end=str(day), staff_no="S-clerk")
    assert today == rows(hall, auditor, staff_no="S-clerk")
    assert rows(hall, auditor, end=before_it, staff_no="S-clerk") == []


def test_nothing_personal_stands_on_a_page(place: Place, hall: Hall, case: str, clerk_as: ClerkAs) -> None:
    visitor = place.visitor().enter(sign_in(hall, LOGINS["auditor"], PASSWORD, "127.0.0.1").token)
    listed = visitor.get("/hall/audit").text
    assert "受理" in listed
    assert case in listed
    applied = visitor.get(f"/hall/audit/{entry_of(hall, clerk_as('auditor'), 'case.applied.v1')}").text
    assert "与账本承诺一致" in applied
    said = hall.read(lambda c: c.execute(select(document.c.canonical).where(
        document.c.case_no == case, document.c.type == "case.applied.v1")).scalar_one())  # fmt: skip
    person = said["applicant"]
    assert person["document_no"][:6] + "*" in applied
    for page in (listed, applied):
        for value in (person["name"], person["document_no"], PLAIN.mobile):
            assert value
            assert value not in page
        assert not re.search(r"(?<![0-9A-Za-z-])(?:1[3-9][0-9]{9}|[0-9]{17}[0-9Xx])(?![0-9A-Za-z-])", page)


def test_who_came_for_another_is_masked_too(hall: Hall, clerk_as: ClerkAs) -> None:
    """The agent's name stands in the receipt alone, under a name of the hall's own."""
    agent = str(complete_id_number("44149919750606003"))
    form = replace(
        PLAIN, channel="agent", agent_name="代办甲", agent_relation="family", agent_document_no=agent
    )
    apply.apply(hall, clerk_as("clerk"), form)
    auditor = clerk_as("auditor")
    acts = [checking.look(hall, auditor, one.entry) for one in finding.found(hall, auditor, EVERYTHING).rows]
    said = [line for one in acts for line in one.content.lines]
    assert ("agent.name", "代**") in said
    assert not [value for _, value in said if "代办甲" in value or agent in value]
    assert {one.state for one in acts} == {MATCHES}
    assert "hall.set_up" in {one.kind for one in rows(hall, auditor, staff_no="system")}


@pytest.mark.parametrize("damage", ["body", "sealed", "row"])
def test_what_was_changed_does_not_match(hall: Hall, clerk_as: ClerkAs, case: str, damage: str) -> None:
    auditor = clerk_as("auditor")
    entry = entry_of(hall, auditor, "hall.unmasked")
    assert checking.look(hall, auditor, entry).state == MATCHES
    with hall.hub.store.engine.begin() as connection:
        if damage == "body":
            mine = act.c.entry == entry
            body = connection.execute(select(act.c.body).where(mine)).scalar_one()
            connection.execute(update(act).where(mine).values(body=body.replace(b"S-clerk", b"S-other")))
        elif damage == "sealed":
            connection.execute(text("UPDATE act SET body = zeroblob(80) WHERE entry = :at"), {"at": entry})
        else:
            said = text("UPDATE hall_act SET staff_no = 'S-clerk2' WHERE entry = :at")
            connection.execute(said, {"at": entry})
    shown = checking.look(hall, auditor, entry)
    assert shown.state == DIFFERS
    assert shown.content.lines == () or damage == "row"


def test_the_sheet_is_an_act_and_holds_no_formula(
    place: Place, hall: Hall, clerk_as: ClerkAs, case: str
) -> None:
    hall.write(lambda work: hall.record(work, clerk_as("clerk"), "hall.claimed", "=1+1", {}))
    visitor = place.visitor().enter(sign_in(hall, LOGINS["auditor"], PASSWORD, "127.0.0.1").token)
    answer = visitor.post("/hall/audit?staff_no=S-clerk", "/hall/audit/export")
    lines = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert {cell for line in lines for cell in line} >= {"=1+1", case, "受理", "工号"}
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        sheets = [packed.read(name) for name in packed.namelist() if name.startswith("xl/worksheets/")]
    assert sheets and not any(b"<f>" in sheet or b"<f " in sheet for sheet in sheets), "no cell is computed"
    done = checking.look(hall, clerk_as("auditor"), entry_of(hall, clerk_as("auditor"), "hall.exported"))
    assert ("filters.staff_no", "S-clerk") in done.content.lines
    assert done.found.staff_no == "S-auditor"
    assert finding.SHEET >= len(lines) - 1 > 0


def test_go_accepts_the_proof_and_refuses_a_changed_one(
    hall: Hall, clerk_as: ClerkAs, case: str, tmp_path: Path
) -> None:
    """Past one full tile, so that tiles of two levels are needed; every file is one of a whole export."""
    clerk, auditor = clerk_as("clerk"), clerk_as("auditor")
    for _ in range(2):
        hall.write(lambda work: [hall.record(work, clerk, "hall.claimed", "x", {}) for _ in range(200)])
    entry = entry_of(hall, auditor, "hall.unmasked")
    excerpt = tmp_path / "excerpt"
    with zipfile.ZipFile(io.BytesIO(checking.proof(hall, auditor, entry))) as archive:
        names = archive.namelist()
        archive.extractall(excerpt)
    with hall.hub.store.read() as connection:
        export(connection, tmp_path / "whole", verifier=hall.hub.store.log.signer.verifier)
    assert all(name == "checkpoint" or place_of(name) for name in names)
    assert all((excerpt / n).read_bytes() == (tmp_path / "whole" / n).read_bytes() for n in names)
    key = tmp_path / "log.vkey"
    key.write_text(hall.hub.store.log.signer.vkey)
    program = built(tmp_path)
    done = run([program, excerpt, key, str(entry)])
    assert done.returncode == 0, done.stderr
    assert '"kind":"hall.unmasked"' in done.stdout
    bundle = next(excerpt / name for name in names if "entries" in name)
    bundle.write_bytes(bundle.read_bytes().replace(b'"hall.unmasked"', b'"hall.unmasker"'))
    assert run([program, excerpt, key, str(entry)]).returncode == 1


def built(folder: Path) -> Path:
    assert shutil.which("go"), "install golang-go and golang-golang-x-mod-dev (make packages)"
    settings = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    source = ROOT / "tests" / "foreign" / "goverify" / "main.go"
    command = ["go", "build", "-o", str(folder / "goverify"), str(source)]
    done = subprocess.run(
        command, env=os.environ | settings | {"GOCACHE": str(folder / "go")}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "goverify"


def run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def kinds_in(source: str) -> set[str]:
    """Every `hall.<kind>` a source names; what is filled in later as `*`."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.JoinedStr | ast.Constant)]
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    texts = [_pattern(node) for node in nodes if id(node) not in parts]
    return {kind for kind in texts if re.fullmatch(r"hall\.[a-z_*]+", kind)}


def _pattern(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_pattern(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "*"


FILLED = {
    "hall.appointment_*": ("checked_in", "cancelled", "missed"),
    "hall.items_*": ("submit", "return", "pass", "recall", "drop"),
    "hall.user_*": ("active", "locked", "left"),
    "hall.*_saved": ("post", "group", "window"),
    "hall.*_closed": ("post", "group", "window"),
    "hall.*_given": ("post", "group"),
    "hall.*_taken": ("post", "group"),
}


def test_every_kind_has_words() -> None:
    """Those written out in the sources, and those made of parts."""
    room = ROOT / "hallservice"
    sources = [path.read_text("utf-8") for path in room.rglob("*.py") if path.parent.name != "auditing"]
    named = set().union(*map(kinds_in, sources)) - {"hall.embedded"}
    assert len(named) > 60
    assert {kind for kind in named if "*" in kind} == FILLED.keys()
    made = {kind.replace("*", part) for kind, parts in FILLED.items() for part in parts}
    assert {kind for kind in named | made if "*" not in kind} - KINDS.keys() == set()
    told = {kind for kind in PAYLOADS if kind.startswith(("case.", "complaint."))} | {"catalogue.reported.v1"}
    assert told - MESSAGES.keys() == set()
