"""The report as one self-contained HTML file: for a screen, for A4 paper, to be handed to a vendor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from html import escape

from mocks.conformance.model import Finding, Report, Result
from mocks.conformance.words import GROUPS, RESULTS, outcome_said

STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.5rem 4rem; color: #1c2430; background: #fff;
  font: 15px/1.6 "Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", SimSun,
    sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.3; margin: 0; } h2 { font-size: 1.15rem; margin: 1.8rem 0 .5rem;
  border-bottom: 2px solid #d8dce2; padding-bottom: .25rem; }
.en, small, .section { color: #5a6675; font-weight: normal; }
.name { font-size: 1.1rem; margin: .2rem 0 0; }
.verdict { display: inline-block; margin: .8rem 0 .3rem; padding: .4rem 1rem; border-radius: 4px; color: #fff;
  font-size: 1.15rem; font-weight: bold; background: #b3261e; } .verdict.ok { background: #1b6e3c; }
.count { margin: .2rem 0 .8rem; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .25rem .6rem; text-align: left;
  border-bottom: 1px solid #d8dce2; vertical-align: top; } thead th, tr.total th { background: #f5f7fa; }
table.facts { width: auto; margin: .4rem 0; }
.facts th, .facts td { border: 0; padding: .05rem 1.2rem .05rem 0; }
.facts th { color: #5a6675; font-weight: normal; white-space: nowrap; } .facts td { word-break: break-all; }
td.n, th.n { text-align: right; white-space: nowrap; width: 6.5rem; } td.zero { color: #9aa3ad; }
a { color: #174ea6; text-decoration: none; }
.passed { color: #1b6e3c; } .failed { color: #b3261e; font-weight: bold; } .not_offered { color: #7a5600; }
code { font: .86rem/1.5 Consolas, "DejaVu Sans Mono", monospace; word-break: break-all; }
details { border-bottom: 1px solid #e3e7ec; } summary { cursor: pointer; padding: .25rem .4rem; }
details.bad { border: 1px solid #b3261e; border-radius: 4px; margin: .4rem 0; background: #fffafa; }
summary .reason { color: #7a5600; font-size: .9em; }
.body { padding: 0 .9rem .5rem 1.4rem; } .body p { margin: .1rem 0 .3rem; }
pre { margin: .1rem 0 .5rem; padding: .4rem .7rem; background: #f5f7fa; border-radius: 3px;
  white-space: pre-wrap; word-break: break-all; font: .8rem/1.45 Consolas, "DejaVu Sans Mono", monospace;
  max-height: 24rem; overflow: auto; }
.legend { color: #5a6675; font-size: .92em; } .sign { display: none; }
@page { size: A4; margin: 15mm 14mm 16mm; @bottom-center { content: counter(page) " / " counter(pages); } }
@media print {
  body { max-width: none; padding: 0; font-size: 9.5pt; line-height: 1.45; } a { color: inherit; }
  .verdict { background: none; color: #b3261e; border: 2px solid; }
  .verdict.ok { background: none; color: #1b6e3c; }
  pre { max-height: none; background: none; border: 1px solid #ccc; font-size: 8pt; }
  details.bad { background: none; } details.plain { break-inside: avoid; }
  h2, summary, .body div { break-after: avoid; }
  summary { list-style: none; } summary::-webkit-details-marker { display: none; }
  tr { break-inside: avoid; } h2 { margin-top: 1.1rem; } .sign { display: block; margin-top: 2.5rem; } }
"""
LEGEND = (
    "“未提供”：对方、契约或本次测试没有提供判断所需的条件，不算不符合。",
    "Not offered: partner, contract or this run lacks what the check needs, which speaks against nobody.",
)


def write(report: Report) -> str:
    """The whole page."""
    title = f"契约符合性测试报告 {report.title}"
    parts = [
        '<!DOCTYPE html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        *_head(report), *_summary(report), *_groups(report), *_end(), "</body>\n</html>\n",
    ]  # fmt: skip
    return "\n".join(parts)


def _head(report: Report) -> Iterator[str]:
    ok = report.conforming
    said = " · ".join(outcome_said(report.outcome, report.left_out))
    yield '<header><h1>契约符合性测试报告 <span class="en">Conformance report</span></h1>'
    yield f'<p class="name">{escape(report.title)}</p>'
    yield f'<p class="verdict{" ok" if ok else ""}">{said}</p>'
    counts = "，".join(f"{RESULTS[name][0]} {report.count(name)} 项" for name in _results())
    yield f'<p class="count">共 {len(report.findings)} 项检查：{counts}</p>'
    rows = (
        ("对接清单 Adapter", f"{report.adapter}，契约版本 {report.contract_version}"),
        ("被测系统 System", report.against or "离线（仅契约、映射与样例） offline"),
        ("开始时间 Began", _when(report.began)),
        ("用时 Took", f"{report.seconds:.1f} 秒"),
        *((f"说明 {at} Note", note) for at, note in enumerate(report.notes, 1)),
    )
    told = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    yield f'<table class="facts"><tbody>{told}</tbody></table></header>'


def _results() -> tuple[Result, ...]:
    return ("passed", "failed", "not_offered")


def _when(text: str) -> str:
    """As a Chinese reader writes it; a text that is no time as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    if at.utcoffset() != timedelta(hours=8):
        return text
    return f"{at:%Y年%m月%d日 %H:%M:%S}（北京时间）"


def _summary(report: Report) -> Iterator[str]:
    yield '<h2>汇总 <span class="en">Summary</span></h2><table><thead><tr><th>检查 Checks</th>'
    yield (
        "".join(f'<th class="n">{zh} <small>{en}</small></th>' for zh, en in RESULTS.values())
        + "</tr></thead><tbody>"
    )
    for group, found in _by_group(report):
        zh, en = _called(group)
        yield f'<tr><td><a href="#{group}">{zh}</a>{en}</td>{_counts(found)}</tr>'
    total = _counts(report.findings, "th")
    yield f'<tr class="total"><th>合计 <span class="en">Total</span></th>{total}</tr></tbody></table>'
    yield f'<p class="legend">{LEGEND[0]}<br>{LEGEND[1]}</p>'


def _called(group: str) -> tuple[str, str]:
    """The Chinese name, and behind it the English one where that is another."""
    zh, en = GROUPS.get(group, (group, group))
    return zh, f' <span class="en">{en}</span>' if en != zh else ""


def _counts(found: tuple[Finding, ...], cell: str = "td") -> str:
    counts = {name: sum(1 for one in found if one.verdict.result == name) for name in RESULTS}
    return "".join(
        f'<{cell} class="n {name if count else "zero"}">{count}</{cell}>' for name, count in counts.items()
    )


def _by_group(report: Report) -> Iterator[tuple[str, tuple[Finding, ...]]]:
    """In the order of words.GROUPS, whatever was run first."""
    there = dict.fromkeys(one.check.group for one in report.findings)
    for group in [*(one for one in GROUPS if one in there), *(one for one in there if one not in GROUPS)]:
        yield group, tuple(one for one in report.findings if one.check.group == group)


def _groups(report: Report) -> Iterator[str]:
    for group, found in _by_group(report):
        zh, en = _called(group)
        yield f'<section id="{group}"><h2>{zh}{en}</h2>'
        for one in sorted(found, key=lambda one: _rank(one.verdict.result)):
            yield _check(one)
        yield "</section>"


def _rank(result: Result) -> int:
    return {"failed": 0, "not_offered": 1, "passed": 2}[result]


def _check(found: Finding) -> str:
    check, verdict = found.check, found.verdict
    bad, why = verdict.result == "failed", escape(_clean(verdict.why))
    head = (
        f'<span class="{verdict.result}">{RESULTS[verdict.result][0]}</span> <code>{escape(check.id)}</code>'
    )
    short = why.partition(" / ")[0] if verdict.result == "not_offered" else ""
    reason = f' <span class="reason">（{short}）</span>' if short else ""
    kind = 'class="bad" open' if bad else 'class="plain"'
    parts = [f"<details {kind}><summary>{head} {escape(check.zh)}{reason}</summary>"]
    clause = f'<span class="section">依据 Contract：{escape(check.section)}</span>'
    parts.append(f'<div class="body"><p class="en">{escape(check.en)}　{clause}</p>')
    if why:
        parts.append(f'<p class="{verdict.result}">{why}</p>')
    for label, text in (("发出 Sent", verdict.sent), ("收到 Received", verdict.received)):
        if text:
            parts.append(f"<div>{label}</div><pre>{escape(_clean(text))}</pre>")
    return "".join(parts) + "</div></details>"


def _end() -> Iterator[str]:
    """For the printed report."""
    line = "＿" * 8
    yield f'<p class="sign">测试人：{line}　　厂商确认：{line}　　日期：{line}</p>'


def _clean(text: str) -> str:
    return "".join(one if one in "\n\t" or one.isprintable() else "\ufffd" for one in text)
