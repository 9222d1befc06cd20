"""Prints every requirement of docs/requirements.csv with the tests that show it, as pytest collects them."""

import csv
import sys
from collections import defaultdict
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


class Collector:
    """A pytest plugin that notes which collected test names which requirement."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = defaultdict(list)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("req"):
                for requirement in mark.args:
                    self._note(str(requirement), item.nodeid)

    def _note(self, requirement: str, nodeid: str) -> None:
        test = nodeid.split("[")[0]  # the cases of a parametrised test are one test
        if test not in self.tests[requirement]:
            self.tests[requirement].append(test)


def main() -> int:
    collector = Collector()
    with redirect_stdout(StringIO()) as said:
        code = pytest.main(["--collect-only", "-qq", str(ROOT / "tests")], plugins=[collector])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.stderr.write(said.getvalue())
        return 1
    sys.stdout.write("\n".join(report(requirements(), collector.tests)) + "\n")
    return 0


def requirements() -> list[dict[str, str]]:
    with (ROOT / "docs" / "requirements.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def report(rows: list[dict[str, str]], tests: dict[str, list[str]]) -> list[str]:
    """Shown requirements with their tests, then the others, then the totals."""
    shown = [row for row in rows if tests.get(row["id"])]
    others = [row for row in rows if not tests.get(row["id"])]
    lines = [line for row in shown for line in (_title(row), *(f"    {test}" for test in tests[row["id"]]))]
    lines += ["", "Not shown by a test:", *(f"  {_title(row)}" for row in others)]
    return [*lines, "", f"{len(rows)} requirements: {len(shown)} shown by tests, {len(others)} not"]


def _title(row: dict[str, str]) -> str:
    return f"{row['id']} {row['chinese']} [{row['folder']}]"


if __name__ == "__main__":
    sys.exit(main())
