"""The report as one JSON object, for programs."""

from __future__ import annotations

import json
from typing import Any

from mocks.conformance.model import Finding, Report


def as_dict(report: Report) -> dict[str, Any]:
    """adapter, against, counts, and every check with what was sent and what came back."""
    return {
        "adapter": report.adapter, "title": report.title, "contract_version": report.contract_version,
        "against": report.against, "began": report.began, "seconds": round(report.seconds, 2),
        "passed": report.count("passed"), "failed": report.count("failed"),
        "not_offered": report.count("not_offered"), "conforming": report.conforming,
        "outcome": report.outcome, "left_out": report.left_out,
        "notes": list(report.notes), "checks": [_check(one) for one in report.findings],
    }  # fmt: skip


def _check(found: Finding) -> dict[str, Any]:
    check, verdict = found.check, found.verdict
    return {
        "id": check.id, "group": check.group, "expectation": f"{check.zh} / {check.en}",
        "section": check.section, "result": verdict.result, "why": verdict.why,
        "sent": verdict.sent, "received": verdict.received,
        "seconds": round(found.seconds, 3),
    }  # fmt: skip


def write(report: Report) -> str:
    """Indented, Chinese as it is."""
    return json.dumps(as_dict(report), ensure_ascii=False, indent=1) + "\n"
