"""Rows a partner writes into its database: their order, seals, versions, and what follows each flag."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from canonical.amounts import BEIJING
from exchange.errors import HubError
from exchange.manifest import Inbound, TableDoor
from exchange.mapping.refusal import DocumentRefused
from mocks.conformance.bench import Bench
from mocks.conformance.checks import Maker
from mocks.conformance.facts import Rows
from mocks.conformance.model import Verdict, failed, not_offered, passed
from mocks.conformance.tablechecks import line_of
from mocks.conformance.tableline import LOOK, Row, TableLine, told

KEY = re.compile(r"[A-Za-z0-9._-]{8,64}")
HELD = 0.4  # seconds a row is left unread, in which no other may come
WINDOW = 300  # seconds a row may be ahead of the clock


@dataclass(frozen=True)
class Came:
    """One version of a row as it was first seen, and how many waited for the hub then."""

    door: Inbound
    table: TableDoor
    row: Row
    beside: int


@dataclass
class RowCourse:
    """Everything that was written for one case."""

    case: str
    came: list[Came] = field(default_factory=list)

    def told(self, line: TableLine) -> tuple[str, str]:
        """For the report."""
        lines = [f"{one.table.table}: {told([one.row], [*one.row])}" for one in self.came]
        return f"case {self.case}", "\n".join(lines)[:4000] or "-"

    def first(self) -> list[Came]:
        """Each row once, as it first came."""
        return list({one.row["row_key"]: one for one in reversed(self.came)}.values())[::-1]


Looking = Callable[[Bench, TableLine, Rows, RowCourse], str]
"""What is wrong with a course; empty when nothing is."""


def row_checks(make: Maker) -> None:
    """For the tables the hub polls, when the facts say what causes rows there."""
    bench, rule = make.bench, make.bench.facts.rows
    if rule is None or not rule.objects or not any(one.table for one in bench.adapter.inbound):
        return
    rows: tuple[tuple[str, str, str, Looking], ...] = (
        ("comes", "按约定次序写出各行", "the rows come, in their order", _comes),
        ("schema", "每一行符合契约", "every row follows the contract", _schema),
        (
            "seal",
            "每一行带有效签名（绑定表、行与版本）",
            "every row is sealed for table, key and version",
            _seals,
        ),
        ("key", "row_key 与 dataver 的形式符合契约", "row_key and dataver follow the contract", _keys),
        ("time", "written_at 不早于、不晚于约定", "written_at is a time of now", _times),
        ("step", "步骤号从 1 连续递增", "step numbers go up from 1 without a gap", _steps),
        ("waits", "前一行未读之前不写下一行", "the next row waits for the flag of the one before", _waits),
        ("once", "一步只写一行，更正在原行", "one row for each step; corrections are in place", _once),
        ("kept", "已读的行原样留存", "rows that were read stay as they are", _kept),
    )
    for id_, zh, en, look in rows:
        make.add(f"ROW-{id_}", "rows", zh, en, partial(_looked, bench, rule, look), rule.section)
    for id_, zh, en, name in (
        (
            "refused",
            "标 3 的行只以新版本更正",
            "a row marked 3 is corrected by a new version alone",
            "refused",
        ),
        ("unknown", "标 9 的行可复位，不改内容", "a row marked 9 may be offered again, as it was", "unknown"),
    ):
        make.add(f"ROW-{id_}", "rows", zh, en, partial(_flagged, bench, rule, name), rule.section)


def doors(bench: Bench) -> Iterator[tuple[Inbound, TableDoor]]:
    """The tables the hub polls, in their order."""
    return ((one, one.table) for one in bench.adapter.inbound if one.table is not None)


def _looked(bench: Bench, rule: Rows, look: Looking) -> Verdict:
    line = line_of(bench)
    if "rows" not in bench.memory:
        bench.memory["rows"] = _walked(bench, line, rule)
    course: RowCourse = bench.memory["rows"]
    sent, received = course.told(line)
    if not course.came:
        return failed("没有写出任何行 / no row was written", sent, received)
    problem = look(bench, line, rule, course)
    return failed(problem, sent, received) if problem else passed(sent, received)


def _opened(bench: Bench, rule: Rows) -> RowCourse:
    case = str(bench.specimen(rule.after[0]).context["case_no"])
    for name in rule.after:
        bench.good(name, case_no=case)
    return RowCourse(case)


def _walked(bench: Bench, line: TableLine, rule: Rows) -> RowCourse:
    """A case whose every row is read and taken; the first is left waiting for a moment."""
    course = _opened(bench, rule)
    end = time.monotonic() + rule.each
    while time.monotonic() < end and len(course.first()) < len(rule.objects):
        if not (new := _unread(bench, line, course)):
            time.sleep(LOOK)
            continue
        if not course.came:
            time.sleep(HELD)
            new = _unread(bench, line, course)
        for one in new:
            course.came.append(one)
            _mark(bench, line, one, one.table.ok)
        end = time.monotonic() + rule.each
    return course


def _unread(bench: Bench, line: TableLine, course: RowCourse) -> list[Came]:
    """Rows of the case that wait, as the hub asks for them."""
    found = [
        (door, table, row)
        for door, table in doors(bench)
        for row in line.rows(table.table, course.case)
        if all(row[name] == value for name, value in table.where.items())
    ]
    return [Came(door, table, row, len(found)) for door, table, row in found]


def _mark(bench: Bench, line: TableLine, came: Came, values: Any) -> None:
    now = datetime.now(BEIJING).isoformat(timespec="seconds")
    said = {
        name: one.format_map({"now": now}) if isinstance(one, str) else one for name, one in values.items()
    }
    line.change(came.table.table, came.row[line.terms.key], came.row[line.terms.version], said)


def _comes(bench: Bench, line: TableLine, rule: Rows, course: RowCourse) -> str:
    names = [one.door.name for one in course.first()]
    return "" if names == list(rule.objects) else f"应为 / expected {list(rule.objects)}, 实为 / came {names}"


def _schema(bench: Bench, line: TableLine, rule: Rows, course: RowCourse) -> str:
    return next(
        (f"{one.table.table}: {said}" for one in course.came if (said := _heard(bench, line, one))), ""
    )


def _heard(bench: Bench, line: TableLine, came: Came) -> str:
    """What our own reading of the contract says against a row."""
    layout = line.layout(came.table.table)
    tree = {one.name: came.row[one.name] for one in layout.signed if came.row[one.name] is not None}
    path = came.door.object_path
    document = came.door.document_for(str(tree.get(path)) if path else None)
    if document is None:
        return "未约定的对象 / no such object is agreed"
    try:
        bench.adapter.mapping(document).hear(tree, bench.context())
    except DocumentRefused as fault:
        return "; ".join(f"{error.path}: {error.code}" for error in fault.errors[:5])
    except HubError as fault:
        return f"{fault.code} {fault.detail}"
    return ""


def _seals(bench: Bench, line: TableLine, rule: Rows, course: RowCourse) -> str:
    problems = ((one.table.table, line.problem(one.table.table, one.row)) for one in course.came)
    return next((f"{table}: {said}" for table, said in problems if said), "")


def _keys(bench: Bench, line: TableLine, rule: Rows, course: RowCourse) -> str:
    for one in course.came:
        key, version = one.row[line.terms.key], one.row[line.terms.version]
        if not isinstance(key, str) or not KEY.fullmatch(key) or type(version) is not int or version < 1:
            return f"{one.table.table}: {line.terms.key} = {key}, {line.terms.version} = {version}"
    return ""


def _times(bench: Bench, line: TableLine, rule: Rows, course: RowCourse) -> str:
    for one in course.came:
        written = str(one.row[line.terms.written])
        try:
            off = datetime.fromisoformat(written).timestamp() - time.time()
        except (ValueError, TypeError):
            return f"{one.table.table}: written_at = {written}"
        if abs(off) > WINDOW:
            return f"{one.table.table}: written_at = {written}, 相差 / off by {off:.0f} s"
    return ""


def _steps(bench: Bench, line: TableLine, rule: Rows, course: RowCourse) -> str:
    steps = [one.row["sn"] for one in course.first() if one.door.name == rule.objects[0] and "sn" in one.row]
    return "" if steps == list(range(1, len(steps) + 1)) else f"步骤号 / step numbers {steps}"


def _waits(bench: Bench, line: TableLine, rule: Rows, course: RowCourse) -> str:
    most = max(one.beside for one in course.came)
    return "" if most == 1 else f"同时有 {most} 行未读 / rows waited at once"


def _once(bench: Bench, line: TableLine, rule: Rows, course: RowCourse) -> str:
    """A step said again under another key would be a second step."""
    said: dict[tuple[Any, ...], set[str]] = {}
    for door, table in doors(bench):
        for row in line.rows(table.table, course.case):
            step = (door.name, row.get("sn"), row.get("nodetype"), row.get("specialnodetype"))
            said.setdefault(step, set()).add(str(row[line.terms.key]))
    return next((f"{step}: {sorted(keys)}" for step, keys in said.items() if len(keys) > 1), "")


def _kept(bench: Bench, line: TableLine, rule: Rows, course: RowCourse) -> str:
    """Neither taken away nor set back by their writer; a higher version may have taken their place."""
    for one in course.first():
        now = line.row(one.table.table, one.row[line.terms.key])
        if now is None:
            return f"{one.table.table} {one.row[line.terms.key]}: 已被删除 / was deleted"
        marked = all(now[name] == value for name, value in one.table.ok.items() if isinstance(value, int))
        if now[line.terms.version] == one.row[line.terms.version] and not marked:
            return f"{one.table.table} {one.row[line.terms.key]}: 标志被改回 / its flag was set back"
    return ""


def _flagged(bench: Bench, rule: Rows, name: str) -> Verdict:
    """The first row of a case is turned down; what stands there a while later."""
    line, course = line_of(bench), _opened(bench, rule)
    found = _awaited(lambda: _unread(bench, line, course), rule.each)
    if not found:
        return failed("没有写出任何行 / no row was written", *course.told(line))
    course.came = found
    one = found[0]
    refused = one.table.refused if name == "refused" else one.table.unknown_case
    if not refused:
        return not_offered("契约没有这一标志 / the contract has no such flag")
    reason = {one.table.reason: "projid: unknown_case"} if one.table.reason else {}
    _mark(bench, line, one, {**refused, **reason})
    wait = rule.poll * bench.partner.scale * 3 + 1.0
    why = _awaited(lambda: _after(line, one, name), wait)
    return failed(why, *course.told(line)) if why else passed(*course.told(line))


def _awaited(look: Callable[[], Any], seconds: float) -> Any:
    """The first true value, or the last one when time is up."""
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(LOOK)
    return found


def _after(line: TableLine, came: Came, name: str) -> str:
    """What is wrong with what became of a row that was turned down."""
    now = line.row(came.table.table, came.row[line.terms.key])
    if now is None:
        return "该行被删除 / the row was deleted"
    if now[line.terms.version] > came.row[line.terms.version]:
        return ""
    layout = line.layout(came.table.table)
    changed = [one.name for one in layout.signed if now[one.name] != came.row[one.name]]
    if changed or now[line.terms.sign] != came.row[line.terms.sign]:
        return f"同一版本改了内容 / changed under the same version: {', '.join(changed) or line.terms.sign}"
    waits = all(now[one] == value for one, value in came.table.where.items())
    return "标 3 后原样重来 / offered again as it was" if waits and name == "refused" else ""
