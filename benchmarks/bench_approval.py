"""What a step of an approval costs in the hall, against the same commits without the process.

Run: python benchmarks/bench_approval.py [--cases 300] [--quick] [--output FILE]
SQLite, WAL, synchronous=FULL. Two kinds of act, each against its floor, the two alternating act by act:

- quiet: the step is given to a colleague (转办). Floor: one commit with a ledger line over the same bytes and
  rows of the same sizes, by prepared statements: what no durable step with a ledger can leave out.
- told: the step is passed and the case is told (case.step.v1: case moved, message kept, province planned).
  Floor: the same, and the same message told by the same path, without a process.

Bytes are those of the process tables with their indexes (dbstat) over finished instances, the ledger apart.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import documents
import rig
from sqlalchemy import Connection, text

from canonical.messages import CaseAccepted, CaseApplied, CaseStep
from exchange.app import opening
from exchange.app.serving import build_hub
from exchange.app.settings import load_settings
from exchange.reactions import Reactions
from exchange.store.work import Work
from hallservice.approval.engine import apply
from hallservice.approval.events import Actor, Passed
from hallservice.approval.state import restored, stored
from hallservice.flows import instances, keeping, plans, telling
from hallservice.flows.starting import REACTIONS
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.people.organisations import upsert
from hallservice.people.orgforms import OrgRow
from hallservice.people.system import SYSTEM

AIM_MS, AIM_BYTES = 1.0, 2048
ORG, PATH = "bench", "/bench/"
POSTS = ("undertake", "review", "approve")
STEPS = ("undertake", "review", "approve")
FLOOR = (
    "CREATE TABLE floor_event (entry INTEGER PRIMARY KEY, instance INTEGER, number INTEGER)",
    "CREATE UNIQUE INDEX floor_event_instance ON floor_event (instance, number)",
    "CREATE TABLE floor_instance (id INTEGER PRIMARY KEY, case_no TEXT UNIQUE, plan TEXT, status TEXT,"
    " number INTEGER, state BLOB, told TEXT)",
    "CREATE TABLE floor_task (id INTEGER PRIMARY KEY, case_no TEXT, name TEXT, row TEXT)",
    "CREATE INDEX floor_task_case ON floor_task (case_no)",
)
OURS = ("hall_flow_instance", "hall_flow_event", "hall_task")
SAID = b'{"by":"S-1","org":"bench","what":' + b"x" * 420 + b"}"


def clerk(number: int) -> Clerk:
    """Somebody with every post of the department; two of them take turns, for duties are kept apart."""
    scopes = {"approval.handle": (PATH,), "case.view": (PATH,), "approval.supervise": (PATH,)}
    return Clerk(f"user-{number}", f"S-{number}", f"测试{number}", ORG, PATH, str(documents.REGION), "测试局",
                 ORG, POSTS, scopes)  # fmt: skip


@dataclass
class Bench:
    """A hall with a department whose cases it works on, and the same hub without processes for the floor."""

    hall: Hall
    bare: Hall
    people: tuple[Clerk, ...]
    serial: int = 0

    def case(self, hall: Hall) -> str:
        """A case accepted just now; with a process in `hall`, without in `bare`."""
        self.serial += 1
        no = documents.case_number(self.serial)
        applied = CaseApplied.model_validate(documents.application(no)["payload"])
        accepted = CaseAccepted.model_validate(documents.acceptance(no)["payload"])
        hall.write(lambda work: hall.tell(work, self.people[0], applied))
        hall.write(lambda work: hall.tell(work, self.people[0], accepted))
        return no


def prepared(root: Path) -> Bench:
    """The hub of the benchmark with a department that has no system of its own."""
    site = rig.Site(root)
    site.prepare([rig.Party(documents.SENDER)])
    settings = load_settings(environ={"TONGBAN_STATE": str(site.state)})
    hub = build_hub(settings, opening.open_store(settings))
    hall = Hall(hub)
    plain = build_hub(settings, hub.store)
    table = {
        kind: tuple(one for one in all_ if one not in REACTIONS.get(kind, ()))
        for kind, all_ in plain.reactions.table.items()
    }
    object.__setattr__(plain, "reactions", Reactions(table))
    people = tuple(clerk(number) for number in range(1, 5))
    hall.write(lambda work: _staffed(hall, work, people))
    return Bench(hall, Hall(plain), people)


def _staffed(hall: Hall, work: Work, people: tuple[Clerk, ...]) -> None:
    row = OrgRow(ORG, "测试局", "organ", str(documents.REGION), "", uscc=documents.ORG)
    upsert(hall, work, SYSTEM, [row])
    for one in people:
        values = {
            "id": one.user, "staff_no": one.staff_no, "name": one.name, "org": ORG, "region": one.region,
            "login": one.staff_no, "status": "active", "level": "unverified", "must_change": False,
            "source": "", "source_id": one.staff_no, "changed_at": work.now,
        }  # fmt: skip
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join(f":{name}" for name in values)
        work.connection.execute(text(f"INSERT INTO hall_user ({names}) VALUES ({marks})"), values)  # noqa: S608
    for statement in FLOOR:
        work.connection.execute(text(statement))


Took = tuple[float, float]  # wall and CPU milliseconds


def timed(act: Callable[[], object]) -> Took:
    begun, used = time.perf_counter(), time.thread_time()
    act()
    return (time.perf_counter() - begun) * 1e3, (time.thread_time() - used) * 1e3


def floor_rows(work: Work, entry: int, number: int, case_no: str, state: bytes) -> None:
    """What a step leaves in tables, at once and by the driver's own cursor."""
    driver: Any = work.connection.connection.driver_connection
    run = driver.execute
    told = '{"no_review":false,"phase":1,"steps":1,"specials":0,"open":null,"decided":false}'
    run("INSERT INTO floor_event VALUES (?, ?, ?)", (entry, number, entry))
    change = "UPDATE floor_instance SET plan=?, status=?, number=?, state=?, told=? WHERE case_no=?"
    run(change, ("p" * 64, "running", number, state, told, case_no))
    run("DELETE FROM floor_task WHERE case_no = ?", (case_no,))
    run("INSERT INTO floor_task (case_no, name, row) VALUES (?, ?, ?)", (case_no, "审核", "t" * 160))


def floor_line(bench: Bench, work: Work, case_no: str) -> int:
    """A ledger line over as many bytes as an event has, with its act row."""
    value = {"x": SAID.decode()}
    return bench.bare.record(work, bench.people[0], "hall.approval", f"{case_no}/1", value, case_no).seq


def told_payload(case_no: str, number: int) -> CaseStep:
    """The message of the step of that number, as a process would tell it."""
    said = {**documents.step(case_no, 1)["payload"], "step": STEPS[number], "step_no": number + 1}
    return CaseStep.model_validate({**said, "step_name": "环节", "action": "pass", "opinion": "同意"})


def floor_quiet(bench: Bench, case_no: str, state: bytes) -> None:
    def act(work: Work) -> None:
        floor_rows(work, floor_line(bench, work, case_no), 1, case_no, state)

    bench.bare.write(act)


def floor_told(bench: Bench, case_no: str, number: int, state: bytes) -> None:
    payload = told_payload(case_no, number)

    def act(work: Work) -> None:
        floor_rows(work, floor_line(bench, work, case_no), number, case_no, state)
        bench.bare.tell(work, bench.people[number], payload)

    bench.bare.write(act)


def measured(bench: Bench, cases: int) -> dict[str, list[Took]]:
    """Of each act; what is compared alternates, and takes turns in being first."""
    found: dict[str, list[Took]] = {"quiet": [], "floor_quiet": [], "told": [], "floor_told": []}
    for round_ in range(cases):
        ours, other = bench.case(bench.hall), bench.case(bench.bare)
        state = bench.hall.read(partial(_state, case_no=ours))
        bench.bare.write(partial(_opened, case_no=other, state=state))
        turned = round_ % 2 == 1
        pair = {
            "quiet": partial(given, bench, ours),
            "floor_quiet": partial(floor_quiet, bench, other, state),
        }
        both(found, pair, turned)
        for number in range(len(STEPS)):
            floor = partial(floor_told, bench, other, number, state)
            both(found, {"told": partial(passed, bench, ours, number), "floor_told": floor}, turned)
    return found


def both(found: dict[str, list[Took]], acts: Mapping[str, Callable[[], object]], turned: bool) -> None:
    """The one and its floor; which comes first takes turns, for the second finds a warmer machine."""
    for name in reversed(acts) if turned else acts:
        found[name].append(timed(acts[name]))


def given(bench: Bench, case_no: str) -> None:
    said = {"step": "undertake", "to": "S-1", "opinion": "分办"}
    instances.act(bench.hall, bench.people[3], case_no, "transferred", **said)


def passed(bench: Bench, case_no: str, number: int) -> None:
    step = STEPS[number]
    instances.act(bench.hall, bench.people[number], case_no, "passed", step=step, opinion="同意")


def _state(connection: Connection, *, case_no: str) -> bytes:
    return stored(keeping.get(connection, case_no).state)


def _opened(work: Work, *, case_no: str, state: bytes) -> None:
    driver: Any = work.connection.connection.driver_connection
    row = (case_no, "p" * 64, "running", 1, state, "{}")
    driver.execute(
        "INSERT INTO floor_instance (case_no, plan, status, number, state, told) VALUES (?,?,?,?,?,?)", row
    )


def sizes(bench: Bench) -> tuple[float, float]:
    """Bytes an instance: the tables of processes with their indexes, and the acts in the ledger."""

    def read(connection: Connection) -> tuple[float, float]:
        count = connection.execute(text("SELECT count(*) FROM hall_flow_instance")).scalar() or 1
        tables = ", ".join(f"'{name}'" for name in OURS)
        named = f"SELECT name FROM sqlite_master WHERE tbl_name IN ({tables})"  # noqa: S608 - constants above
        used = f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({named})"  # noqa: S608
        held = connection.execute(text(used)).scalar() or 0
        acts = connection.execute(
            text(
                "SELECT sum(length(body)) FROM act JOIN hall_flow_event ON hall_flow_event.entry = act.entry"
            )
        ).scalar()
        return held / count, (acts or 0) / count

    return bench.hall.read(read)


def in_memory(bench: Bench, rounds: int) -> float:
    """Microseconds of a step without a database: state read, event applied, case told, state packed."""
    case_no = bench.case(bench.hall)
    found = bench.hall.read(lambda connection: keeping.get(connection, case_no))
    event = Passed(at=found.state.latest, by=Actor("S-1", "测试1", ORG, POSTS), step="undertake")
    kept, known = stored(found.state), plans.by_digest(found.plan)
    begun = time.perf_counter()
    for _ in range(rounds):
        before = restored(kept)
        after = apply(known, before, event)
        telling.say(found.plan, before, event, after, found.told)
        stored(after)
    return (time.perf_counter() - begun) / rounds * 1e6


def figures(bench: Bench, cases: int) -> dict[str, Any]:
    """Medians, and ratios of medians."""
    measured(bench, 3)
    found = measured(bench, cases)
    wall, cpu = (
        {name: statistics.median(one[at] for one in taken) for name, taken in found.items()} for at in (0, 1)
    )
    held, acts = sizes(bench)
    return {
        **{f"{name}_ms": round(value, 3) for name, value in wall.items()},
        **{f"{name}_cpu_ms": round(value, 3) for name, value in cpu.items()},
        **{f"{kind}_ratio": round(wall[kind] / wall[f"floor_{kind}"], 2) for kind in ("quiet", "told")},
        **{f"{kind}_cpu_added_ms": round(cpu[kind] - cpu[f"floor_{kind}"], 3) for kind in ("quiet", "told")},
        "told_p99_ms": round(rig.percentile([one[0] for one in found["told"]], 0.99), 2),
        "engine_us": round(in_memory(bench, 300), 1),
        "instance_bytes": round(held),
        "ledger_act_bytes": round(acts),
        "cases": cases,
        "aim_ms": AIM_MS,
        "aim_bytes": AIM_BYTES,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="five cases: shows that it works")
    parser.add_argument("--output", type=Path, default=rig.RESULTS)
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    with rig.folder("approval") as root:
        bench = prepared(root)
        found = figures(bench, 5 if asked.quick else asked.cases)
        bench.hall.hub.store.engine.dispose()
    rig.keep(asked.output, "approval", {"quick": asked.quick, **found})
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
