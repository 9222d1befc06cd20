"""Rows the hub writes into a front-end database: lots and their order, versions in place, what is no row."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from secrets import token_hex
from typing import Any

from exchange.tabledelivery import rows_of
from mocks.conformance.bench import Bench, Shot
from mocks.conformance.checks import Maker, measured
from mocks.conformance.facts import Rows
from mocks.conformance.forgejws import Recipe
from mocks.conformance.masking import shown
from mocks.conformance.model import Verdict, failed, not_offered, passed
from mocks.conformance.recipes import JWS
from mocks.conformance.tableline import Bytes, Put, Row, TableLine, told, told_puts

ZONED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+08:00")
LONGEST_REASON = 500  # characters
HASTE = 8  # corrections written while a row may be being read
BROKEN = next(one for one in JWS if one.id == "flipped")
Run = Callable[[Bench, TableLine, Rows], Verdict]


def table_checks(make: Maker) -> None:
    """For partners whose front-end database the hub writes into."""
    bench, rule = make.bench, make.bench.facts.rows
    if rule is None or not any(call.table for call in bench.adapter.outbound):
        return
    rows: tuple[tuple[str, str, str, Run], ...] = (
        ("lot", f"积压 {rule.lot * 2 + 7} 行全部读到", "a backlog of many lots is read to its end", _lot),
        ("order", "按 written_at、row_key 次序读取", "rows are read in the agreed order", _order),
        ("columns", "读者只改读取标志各列", "the reader changes its own columns alone", _columns),
        ("mark", "标志、时间与原因的形式符合契约", "flag, time and reason follow the contract", _marks),
        ("inplace", "原行更新（版本加一）重新读取", "an update in place is read anew", _in_place),
        ("gap", "版本有间隔仍接受", "a gap in the versions is taken", _gap),
        ("replay", "拒绝：版本倒退", "refuses: a version lower than one read before", _replay),
        ("meanwhile", "读取期间改写的版本不标为已读", "what was written meanwhile is not marked", _meanwhile),
        ("unknown", "不认识的办件标 9，认识后接受", "an unknown case is told, and taken later", _unknown),
        ("late", "先到的受理等其申请，迟到后接受", "an acceptance waits for its late application", _late),
        ("empty", "空文本视为 NULL", "an empty text counts as NULL", _empty),
        ("altered", "拒绝：签名后改动一列", "refuses: a column altered after sealing", _altered),
        ("moved", "拒绝：另一行的签名", "refuses: the seal of another row", _moved),
        ("written", "拒绝：written_at 与签名时间不符", "refuses: written_at is not the seal's", _written),
        ("alive", "此后仍正常读取", "rows are read as before after all of this", _alive),
    )  # fmt: skip
    for id_, zh, en, run in (*rows[:-1], *_wrong_rows(rule), rows[-1]):
        make.add(f"TBL-{id_}", "table", zh, en, partial(_on_line, bench, rule, run), rule.section)


def line_of(bench: Bench) -> TableLine:
    """The line to the database."""
    line = bench.lines["table"]
    assert isinstance(line, TableLine)  # noqa: S101 - plan.lines made it
    return line


def _on_line(bench: Bench, rule: Rows, run: Run) -> Verdict:
    """What the reader does not take when it is right shows nothing."""
    return measured(bench, None, lambda: run(bench, line_of(bench), rule))


def _case(bench: Bench) -> str:
    """A case the department knows."""
    specimen = bench.ready()
    bench.send(Shot(specimen))
    return str(specimen.context["case_no"])


def _puts(bench: Bench, rule: Rows, case: str, count: int = 1) -> list[Put]:
    """Good rows of many keys for a case."""
    made = [rows_of(bench.specimen(rule.many, case).tree)[0] for _ in range(count)]
    return [Put(table, {**row, "dataver": 1}) for table, row in made]


def _again(put: Put, version: int, values: Mapping[str, Any] | None = None) -> Put:
    """The same row in another version."""
    return replace(put, values={**put.values, **(values or {}), "dataver": version}, over=1)


def _flag(line: TableLine, put: Put, seconds: float | None = None) -> Row:
    """The row once it was read."""
    name = [(put.table, put.key)]
    (row,) = line.settled(name, seconds or line.timeout) or [{}]
    return row


def _judged(line: TableLine, puts: Sequence[Put], rows: Sequence[Row], why: str) -> Verdict:
    names = [line.terms.key, line.terms.version, line.ours.flag, *line.ours.clear]
    sent, received = shown(told_puts(puts[:3])), told(rows[:8], names)
    return failed(why, sent, received) if why else passed(sent, received)


def _wanted(line: TableLine, row: Row, flag: int, start: str = "") -> str:
    """What is wrong with a row's flag and reason; empty when it is as it must be."""
    if row.get(line.ours.flag) != flag:
        return f"{line.ours.flag} = {row.get(line.ours.flag)}, 应为 / expected {flag}"
    if not str(row.get(line.ours.reason) or "").startswith(start):
        return f"{line.ours.reason} = {row.get(line.ours.reason)}, 应以 / must begin with {start}"
    return ""


def _backlog(bench: Bench, line: TableLine, rule: Rows) -> tuple[list[Put], list[list[Row]]]:
    """Rows of one second in many lots, and what was seen of their flags until all were set; done once."""
    if "backlog" not in bench.memory:
        puts = sorted(
            _puts(bench, rule, _case(bench), rule.lot * 2 + 7), key=lambda one: one.key, reverse=True
        )
        at = float(int(time.time()))
        line.write([replace(one, at=at) for one in puts])
        table, case, seen = puts[0].table, str(puts[0].values[line.ours.case]), list[list[Row]]()

        def look() -> list[Row]:
            seen.append(line.rows(table, case))
            return seen[-1]

        line.wait(look, lambda rows: all(one[line.ours.flag] for one in rows), rule.wait)
        bench.memory["backlog"] = (puts, seen)
    found: tuple[list[Put], list[list[Row]]] = bench.memory["backlog"]
    return found


def _lot(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    puts, seen = _backlog(bench, line, rule)
    left = [one for one in seen[-1] if one[line.ours.flag] != line.ours.taken]
    why = f"{len(left)} / {len(puts)} 行没有标为已读 / rows not taken" if left else ""
    return _judged(line, puts, left or seen[-1], why)


def _order(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    """Whenever one looks, what was read is the beginning of what waited."""
    puts, seen = _backlog(bench, line, rule)
    for rows in seen:
        flags = [bool(one[line.ours.flag]) for one in rows]
        if any(not before and after for before, after in pairwise(flags)):
            return _judged(line, puts, rows, "后面的行先被读取 / a later row was read before an earlier one")
    if len(seen) < 3:
        return not_offered("读得太快，看不出次序 / read too quickly for an order to show")
    return _judged(line, puts, seen[-1], "")


def _columns(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    (put,) = puts = _puts(bench, rule, _case(bench))
    line.write(puts)
    after = _flag(line, put)
    signed = [one.name for one in line.layout(put.table).signed]
    changed = [name for name in signed if after.get(name) != put.values.get(name)]
    return _judged(line, puts, [after], f"改动了 / changed: {', '.join(changed)}" if changed else "")


def _marks(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    good, bad = puts = _puts(bench, rule, _case(bench), 2)
    line.write([good, replace(bad, recipe=BROKEN)])
    rows = [_flag(line, good), _flag(line, bad)]
    why = _wanted(line, rows[0], line.ours.taken) or _wanted(line, rows[1], line.ours.refused)
    reason = str(rows[1].get(line.ours.reason) or "")
    if not why and (not re.match(r"\w+: .", reason) or len(reason) > LONGEST_REASON):
        why = f"原因不是“列名: 说明” / the reason is not `column: text`: {reason[:80] or '-'}"
    if not why and rows[0].get(line.ours.reason) is not None:
        why = "已读的行仍有原因 / a row that was taken has a reason"
    late = [one for one in rows if (at := one.get("sync_at")) is not None and not ZONED.fullmatch(str(at))]
    return _judged(line, puts, rows, why or ("sync_at 形式不符 / form of sync_at" if late else ""))


def _in_place(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    (put,) = _puts(bench, rule, _case(bench))
    line.write([put])
    first = _flag(line, put)
    why = _wanted(line, first, line.ours.taken)
    line.write([second := _again(put, 2, rule.change)])
    return _judged(
        line, [put, second], [row := _flag(line, second)], why or _wanted(line, row, line.ours.taken)
    )


def _gap(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    (put,) = _puts(bench, rule, _case(bench))
    line.write([put])
    _flag(line, put)
    line.write([later := _again(put, 5, rule.change)])
    return _judged(line, [later], [row := _flag(line, later)], _wanted(line, row, line.ours.taken))


def _replay(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    (put,) = _puts(bench, rule, _case(bench))
    for one in (put, _again(put, 3, rule.change)):
        line.write([one])
        _flag(line, one)
    line.write([old := _again(put, 2)])
    why = _wanted(line, row := _flag(line, old), line.ours.refused, line.terms.version)
    return _judged(line, [old], [row], why)


def _meanwhile(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    """Good rows, each overwritten at another moment by a version nobody may take: none may end as taken."""
    puts = _puts(bench, rule, _case(bench), HASTE)
    bad = [replace(_again(one, 2, rule.change), recipe=BROKEN) for one in puts]
    for at, (first, second) in enumerate(zip(puts, bad, strict=True)):
        line.write([first])
        time.sleep(at * rule.poll * bench.partner.scale / HASTE)
        line.write([second])
    rows = [_flag(line, one) for one in bad]
    why = next((text for one in rows if (text := _wanted(line, one, line.ours.refused))), "")
    return _judged(line, bad, rows, why)


def _unknown(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    specimen = bench.specimen()
    (put,) = puts = _puts(bench, rule, str(specimen.context["case_no"]))
    line.write(puts)
    first = _flag(line, put)
    if why := _wanted(line, first, line.ours.unknown_case):
        return _judged(line, puts, [first], why)
    bench.send(Shot(specimen))
    reset = {line.ours.flag: line.ours.waiting, **dict.fromkeys(line.ours.clear)}
    line.change(put.table, put.key, 1, reset)
    return _judged(line, puts, [first, row := _flag(line, put)], _wanted(line, row, line.ours.taken))


def _late(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    """It keeps waiting without its application, and is taken once that comes."""
    if rule.waits is None:
        return not_offered("契约资料未说明哪一种行会等待 / the facts name no row that waits")
    specimen = bench.specimen()
    tree = bench.specimen(rule.waits, str(specimen.context["case_no"])).tree
    ((table, row),) = rows_of(tree)
    line.write([put := Put(table, {**row, "dataver": 1})])
    early = _flag(line, put, rule.poll * 3 * bench.partner.scale + 0.3)
    if early.get(line.ours.flag) != line.ours.waiting:
        return _judged(line, [put], [early], "没有等其申请 / it did not wait for its application")
    bench.send(Shot(specimen))
    return _judged(line, [put], [early, found := _flag(line, put)], _wanted(line, found, line.ours.taken))


def _one(
    bench: Bench,
    line: TableLine,
    rule: Rows,
    change: Callable[[Put, TableLine], Put],
    flag: int | None = None,
) -> Verdict:
    """One row that departs from the good way; what the database itself refuses is refused too."""
    put = change(_puts(bench, rule, _case(bench))[0], line)
    if said := line.write([put]):
        if flag == line.ours.taken:
            return failed(said, shown(told_puts([put])))
        return passed(shown(told_puts([put])), said)
    row = _flag(line, put)
    return _judged(line, [put], [row], _wanted(line, row, line.ours.refused if flag is None else flag))


def _with(name: str, value: Any, put: Put, line: TableLine) -> Put:
    return replace(put, values={**put.values, name: value() if callable(value) else value})


def _free(rule: Rows) -> str:
    return next(iter(rule.change))


def _empty(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    return _one(bench, line, rule, partial(_with, _free(rule), ""), line.ours.taken)


def _altered(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    def change(put: Put, line: TableLine) -> Put:
        return replace(put, text=line.text(put), values={**put.values, **rule.change})

    return _one(bench, line, rule, change)


def _moved(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    bound = Recipe("moved", "另一行的签名", "the seal of another row", bound={"row": "another-row:1"})
    return _one(bench, line, rule, lambda put, line: replace(put, recipe=bound))


def _written(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    return _one(bench, line, rule, lambda put, line: replace(put, off=60))


def _wrong_rows(rule: Rows) -> list[tuple[str, str, str, Run]]:
    """What a column may not hold, in the column the facts change and in the others."""
    name = _free(rule)
    rows: list[tuple[str, str, str, str, Any]] = [
        ("null-text", "文本 null", "the literal text null", name, "null"),
        ("charset", "GBK 字节冒充 UTF-8", "GBK bytes in place of UTF-8", name, Bytes("梅州市".encode("gbk"))),
        ("blob", "任意字节", "bytes that are no text", name, Bytes(b"\xff\xfe\x00x")),
        ("number", "整数列给文本", "a text in an integer column", "dataver", "一"),
        ("negative", "版本为 0", "a version below 1", "dataver", 0),
        ("key-short", "row_key 过短", "a key that is too short", "row_key", lambda: token_hex(2)),
        ("key-signs", "row_key 含非法字符", "a key of other characters", "row_key", _odd_key),
        *((f"long-{one}", f"{one} 超过契约长度", f"a {one} that is too long", one, "长" * (most + 1))
          for one, most in rule.longest.items()),
        *((f"null-{one}", f"必填列 {one} 为 NULL", f"{one} NULL", one, None) for one in rule.required),
    ]  # fmt: skip
    return [
        (id_, f"拒绝：{zh}", f"refuses: {en}", partial(_one, change=partial(_with, column, value)))
        for id_, zh, en, column, value in rows
    ]


def _odd_key() -> str:
    return f"kit {token_hex(4)} '--"


def _alive(bench: Bench, line: TableLine, rule: Rows) -> Verdict:
    puts = _puts(bench, rule, _case(bench))
    line.write(puts)
    row = _flag(line, puts[0])
    return _judged(line, puts, [row], _wanted(line, row, line.ours.taken))
