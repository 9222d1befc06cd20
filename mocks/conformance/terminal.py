"""The report on a terminal: each group, its counts, and all that failed with what was sent and received."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mocks.conformance.model import Finding, Report
from mocks.conformance.words import GROUPS, RESULTS, outcome_said

COLOURS = {"passed": "green", "failed": "bold red", "not_offered": "yellow"}
MARKS = {"passed": "✓", "failed": "✗", "not_offered": "–"}


def show(report: Report, console: Console, *, everything: bool = False) -> None:
    """Failures in full, the rest by group; `everything` lists each check."""
    where = f" ↔ {report.against}" if report.against else " （离线 / offline）"
    console.print(Text(f"{report.title}  {report.adapter} {report.contract_version}{where}", style="bold"))
    for note in report.notes:
        console.print(Text(note, style="dim"))
    console.print(_groups(report))
    for found in report.findings:
        if everything or found.verdict.result == "failed":
            _one(found, console)
    for found in report.findings:
        if found.verdict.result == "not_offered" and not everything:
            console.print(Text(f"– {found.check.id} {found.check.zh}: {found.verdict.why}", style="yellow"))
    console.print(_verdict(report))


def _groups(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("检查 / checks", "通过", "未通过", "未提供"):
        table.add_column(heading, justify="left" if heading.startswith("检查") else "right")
    for group in dict.fromkeys(one.check.group for one in report.findings):
        results: list[str] = [one.verdict.result for one in report.findings if one.check.group == group]
        zh, en = GROUPS.get(group, (group, group))
        counts = [Text(str(results.count(name) or ""), style=COLOURS[name]) for name in COLOURS]
        table.add_row(f"{zh} {en}", *counts)
    return table


def _one(found: Finding, console: Console) -> None:
    check, verdict = found.check, found.verdict
    colour = COLOURS[verdict.result]
    console.print(Text(f"{MARKS[verdict.result]} {check.id}  {check.zh} / {check.en}", style=colour))
    console.print(Text(f"    依据 section: {check.section}", style="dim"))
    if verdict.why:
        console.print(Text(f"    {verdict.why}", style=colour))
    for label, text in (("发出 sent", verdict.sent), ("收到 received", verdict.received)):
        if text and verdict.result == "failed":
            console.print(Text(f"    {label}:"))
            console.print(Text("\n".join(f"      {line[:500]}" for line in text.splitlines()[:20])))


def _verdict(report: Report) -> Text:
    counts = "  ".join(f"{zh} {en} {report.count(name)}" for name, (zh, en) in RESULTS.items())  # type: ignore[arg-type]  # RESULTS has the three results as keys
    said = " ".join(outcome_said(report.outcome, report.left_out))
    style = {"conforming": "bold green", "part": "bold yellow"}.get(report.outcome, "bold red")
    return Text(f"{said}：{len(report.findings)} 项 checks，{counts}，{report.seconds:.1f} s", style=style)
