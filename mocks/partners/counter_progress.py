"""How far a counter's cases are, for GET /admin/progress."""

from __future__ import annotations

import sqlite3

from mocks.partners.counter_store import Cases


def named(row: sqlite3.Row) -> str:
    """The state a case is shown in; `closing`: finished, but something beside its course is to be sent."""
    if row["state"] == "finished":
        return "closing" if row["waiting"] else "finished"
    return "failed" if row["code"] else str(row["state"])


def progress(cases: Cases, *, acting: bool, reporting: bool) -> dict[str, object]:
    """`acting`: adopted cases are told apart; `reporting`: a report of the run is still to be written."""
    rows = cases.standing()
    names = [named(row) for row in rows]
    over = bool(names) and set(names) <= {"finished", "failed"}
    if over and "finished" in names and (reporting or cases.reports_wait()):
        names[len(names) - 1 - names[::-1].index("finished")] = "closing"
    failed = [
        {"case": row["case_no"], "code": row["code"], "path": row["path"]}
        for row, name in zip(rows, names, strict=True)
        if name == "failed"
    ]
    by_state = {name: names.count(name) for name in sorted(set(names))}
    done, adopted = by_state.get("finished", 0), sum(row["n"] < 0 for row in rows)
    found: dict[str, object] = {
        "cases": cases.target() + adopted, "finished": done, "by_state": by_state, "failed": failed
    }  # fmt: skip
    if acting:
        taken = [name for row, name in zip(rows, names, strict=True) if row["n"] < 0]
        ended = {name: taken.count(name) for name in ("finished", "failed")}
        found["adopted"] = {"cases": adopted, **ended}
    return found


def run_over(cases: Cases) -> bool:
    """Whether every case there is to be is finished or cannot go on."""
    if cases.count() < cases.target():
        return False
    return all(row["state"] == "finished" or row["code"] for row in cases.standing())
