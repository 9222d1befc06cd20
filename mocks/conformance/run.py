"""Running checks one after the other, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from canonical.amounts import BEIJING
from exchange.errors import HubError
from mocks.conformance.model import Check, Finding, Report, Verdict, failed, not_offered

BUDGET = 55.0  # seconds after which what is left is not begun


def chosen(checks: Sequence[Check], only: Collection[str]) -> list[Check]:
    """The checks of these ids; an id ending in * is a beginning."""
    if not only:
        return list(checks)
    return [one for one in checks if any(_named(one.id, name) for name in only)]


def _named(id_: str, name: str) -> bool:
    return id_ == name or (name.endswith("*") and id_.startswith(name[:-1]))


def run(
    checks: Sequence[Check], about: tuple[str, str, str], against: str, *, budget: float = BUDGET,
    tell: Callable[[Finding], None] = lambda found: None, notes: tuple[str, ...] = (),
    part: bool = False,
) -> Report:  # fmt: skip
    """Every check, each finding told as it is there; `about` is name, title and contract version; of a `part`
    not all checks are given."""
    began, start = datetime.now(BEIJING).isoformat(timespec="seconds"), time.monotonic()
    findings: list[Finding] = []
    for check in checks:
        at = time.monotonic()
        over = at - start > budget
        verdict = not_offered(f"{budget:g} 秒的时间已用完 / the time is used up") if over else _run(check)
        findings.append(Finding(check, verdict, time.monotonic() - at, over))
        tell(findings[-1])
    took = time.monotonic() - start
    return Report(*about, against, began, took, tuple(findings), notes, part)


def _run(check: Check) -> Verdict:
    """A check that could not be made is a failure with its reason, never the end of the run."""
    try:
        return check.run()
    except HubError as fault:
        return failed(f"无法检查 / could not be checked: {fault}")
    except (OSError, ValueError, LookupError, TypeError) as fault:
        return failed(f"无法检查 / could not be checked: {type(fault).__name__}: {fault}")
