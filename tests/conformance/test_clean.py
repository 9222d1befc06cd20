"""Partners that are right, of every protocol, run at once: none raises an alarm."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from mocks.conformance.model import Report
from tests.conformance.partners import alarms, running

PASSED = {  # at least so many
    "department_b": 150, "department_c": 200, "certificates": 150, "logistics": 140, "performance": 140,
    "sharing": 115, "revenue": 105, "department_d": 150, "sms": 120, "fees": 120, "catalogue": 80,
}  # fmt: skip
Reports = dict[str, Future[Report]]


def _report(module: str) -> Report:
    with running(module) as mock:
        return mock.report()


@pytest.fixture(scope="module")
def reports() -> Iterator[Reports]:
    with ThreadPoolExecutor(6) as pool:  # they wait far more than they work
        yield {module: pool.submit(_report, module) for module in PASSED}


LIBRARY = pytest.param("certificates", marks=pytest.mark.req("S3-94"))


@pytest.mark.parametrize("module", [LIBRARY if one == "certificates" else one for one in PASSED])
def test_clean_partner_raises_no_alarm(reports: Reports, module: str) -> None:
    report = reports[module].result()
    assert alarms(report) == []
    assert report.conforming
    assert report.count("passed") >= PASSED[module]


def test_windows_and_clocks_are_tried_where_the_partner_offers_a_clock(reports: Reports) -> None:
    tried = {
        (module, one.check.id)
        for module, report in reports.items()
        for one in report.result().findings
        if one.check.group == "clock" or one.check.id.endswith("-clock") or one.check.id == "LIM-pace"
    }
    wanted = {("revenue", "WIN-closing"), ("sharing", "WIN-night"), ("sharing", "LIM-pace")}
    assert wanted | {("logistics", "CBK-track-clock"), ("department_c", "CLK-beyond")} <= tried
