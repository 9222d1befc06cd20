"""The report as one self-contained HTML file: to be read on a screen, printed, and handed to a vendor."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from mocks.conformance.model import Finding, Report, Result
from mocks.conformance.words import GROUPS, RESULTS, outcome_said

STYLE = """
:root { color-scheme: light; --ok: #1b6e3c; --bad: #b3261e; --skip: #8a6100; --line: #d8dce2;
  --soft: #f5f7fa; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 4rem; color: #1c2430; background: #fff;
  font: 15px/1.6 "Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", system-ui,
  sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem;
  border-bottom: 2px solid var(--line); padding-bottom: .25rem; }
.en { color: #5a6675; font-weight: normal; } small, .section { color: #5a6675; }
.verdict { display: inline-block; margin: 1rem 0; padding: .5rem 1rem; border-radius: .3rem; color: #fff;
  font-size: 1.1rem; font-weight: 600; background: var(--bad); } .verdict.ok { background: var(--ok); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: .8rem 0; }
dt { color: #5a6675; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .35rem .6rem; text-align: left;
  border-bottom: 1px solid var(--line); vertical-align: top; } th { background: var(--soft); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.passed { color: var(--ok); } .failed { color: var(--bad); font-weight: 600; }
.not_offered { color: var(--skip); }
code { font: .86rem/1.5 ui-monospace, "DejaVu Sans Mono", Consolas, monospace;
  overflow-wrap: anywhere; }
details { border: 1px solid var(--line); border-radius: .3rem; margin: .35rem 0; break-inside: avoid; }
details.bad { border-color: var(--bad); }
summary { cursor: pointer; padding: .4rem .7rem; list-style-position: inside; }
.body { padding: 0 .9rem .7rem; }
pre { margin: .2rem 0 .7rem; padding: .6rem .8rem; background: var(--soft);
  border-radius: .25rem; white-space: pre-wrap; overflow-wrap: anywhere;
  font: .8rem/1.5 ui-monospace, monospace;
  max-height: 24rem; overflow: auto; } p.why { margin: .2rem 0 .6rem; }
nav a { margin-right: 1rem; color: inherit; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  pre { max-height: none; } details { border-color: #999; } h2 { break-after: avoid; }
  tr { break-inside: avoid; } }
"""


def write(report: Report) -> str:
    """The whole page."""
    title = f"契约符合性测试报告 {report.title}"
    parts = [
        '<!DOCTYPE html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        *_head(report), *_summary(report), *_groups(report), "</body>\n</html>\n",
    ]  # fmt: skip
    return "\n".join(parts)


def _head(report: Report) -> Iterator[str]:
    ok = report.conforming
    said = " · ".join(outcome_said(report.outcome, report.left_out))
    yield '<header><h1>契约符合性测试报告 <span class="en">Conformance report</span></h1>'
    yield f"<p>{escape(report.title)}</p>"
    yield f'<p class="verdict{" ok" if ok else ""}">{said}</p>'
    rows = (
        ("对接清单 Adapter", f"{report.adapter}，契约版本 {report.contract_version}"),
        ("被测系统 System", report.against or "离线（仅契约、映射与样例） offline"),
        ("开始时间 Began", report.began),
        ("用时 Took", f"{report.seconds:.1f} s"),
        *((f"说明 Note {at}", note) for at, note in enumerate(report.notes, 1)),
    )
    yield (
        "<dl>"
        + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
        + "</dl></header>"
    )


def _summary(report: Report) -> Iterator[str]:
    yield '<h2>汇总 <span class="en">Summary</span></h2><table><thead><tr><th>检查 Checks</th>'
    yield (
        "".join(f'<th class="n">{zh}<br><small>{en}</small></th>' for zh, en in RESULTS.values())
        + "</tr></thead><tbody>"
    )
    for group, found in _by_group(report):
        zh, en = GROUPS.get(group, (group, group))
        yield f'<tr><td><a href="#{group}">{zh}</a> <span class="en">{en}</span></td>{_counts(found)}</tr>'
    total = _counts(report.findings, "th")
    yield f'<tr><th>合计 <span class="en">Total</span></th>{total}</tr></tbody></table>'


def _counts(found: tuple[Finding, ...], cell: str = "td") -> str:
    counts = {name: sum(1 for one in found if one.verdict.result == name) for name in RESULTS}
    return "".join(
        f'<{cell} class="n {name if count else ""}">{count}</{cell}>' for name, count in counts.items()
    )


def _by_group(report: Report) -> Iterator[tuple[str, tuple[Finding, ...]]]:
    for group in dict.fromkeys(one.check.group for one in report.findings):
        yield group, tuple(one for one in report.findings if one.check.group == group)


def _groups(report: Report) -> Iterator[str]:
    for group, found in _by_group(report):
        zh, en = GROUPS.get(group, (group, group))
        yield f'<section id="{group}"><h2>{zh} <span class="en">{en}</span></h2>'
        for one in sorted(found, key=lambda one: _rank(one.verdict.result)):
            yield _check(one)
        yield "</section>"


def _rank(result: Result) -> int:
    return {"failed": 0, "not_offered": 1, "passed": 2}[result]


def _check(found: Finding) -> str:
    check, verdict = found.check, found.verdict
    bad = verdict.result == "failed"
    zh, en = RESULTS[verdict.result]
    head = f'<span class="{verdict.result}">{zh}</span> <code>{escape(check.id)}</code> {escape(check.zh)}'
    parts = [
        f'<details class="{"bad" if bad else "plain"}"{" open" if bad else ""}><summary>{head}</summary>'
    ]
    parts.append(f'<div class="body"><p class="en">{escape(check.en)} — {en}</p>')
    parts.append(f'<p class="section">依据 Contract: {escape(check.section)}</p>')
    if verdict.why:
        parts.append(f'<p class="why {verdict.result}">{escape(_clean(verdict.why))}</p>')
    for label, text in (("发出 Sent", verdict.sent), ("收到 Received", verdict.received)):
        if text:
            parts.append(f"<div>{label}</div><pre>{escape(_clean(text))}</pre>")
    return "".join(parts) + "</div></details>"


def _clean(text: str) -> str:
    return "".join(one if one in "\n\t" or one.isprintable() else "\ufffd" for one in text)
