"""The report as JUnit XML, for build servers."""

from __future__ import annotations

from lxml import etree

from mocks.conformance.model import Finding, Report
from mocks.conformance.words import GROUPS


def write(report: Report) -> bytes:
    """One suite per group of checks; not offered is skipped."""
    root = etree.Element("testsuites", name=f"tongban check {report.adapter}", **_counts(report.findings))
    for group in dict.fromkeys(one.check.group for one in report.findings):
        mine = tuple(one for one in report.findings if one.check.group == group)
        name = f"{report.adapter} {GROUPS.get(group, (group, group))[1]}"
        suite = etree.SubElement(root, "testsuite", name=name, timestamp=report.began[:19], **_counts(mine))
        for one in mine:
            _case(suite, report, one)
    data: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return data


def _counts(findings: tuple[Finding, ...]) -> dict[str, str]:
    results = [one.verdict.result for one in findings]
    return {
        "tests": str(len(results)), "failures": str(results.count("failed")), "errors": "0",
        "skipped": str(results.count("not_offered")), "time": f"{sum(one.seconds for one in findings):.3f}",
    }  # fmt: skip


def _case(suite: etree._Element, report: Report, found: Finding) -> None:
    check, verdict = found.check, found.verdict
    name = f"{check.id} {check.zh} / {check.en}"
    case = etree.SubElement(
        suite, "testcase", classname=f"{report.adapter}.{check.group}", name=name, time=f"{found.seconds:.3f}"
    )  # fmt: skip
    if verdict.result == "failed":
        node = etree.SubElement(case, "failure", message=_clean(verdict.why), type=check.group)
        node.text = _clean(f"{check.section}\nsent:\n{verdict.sent}\nreceived:\n{verdict.received}")
    elif verdict.result == "not_offered":
        etree.SubElement(case, "skipped", message=_clean(verdict.why))


def _clean(text: str) -> str:
    """Only characters XML may hold."""
    return "".join(one if one in "\n\t" or one.isprintable() else "\ufffd" for one in text)
