"""The requirement list and its trace: ids are unique, unknown ids end the run, tests come from collection."""

import csv
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST = """
import pytest
@pytest.mark.req(IDS)
@pytest.mark.parametrize("n", [1, 2])
def test_it(n): pass
# pytest.mark.req("S3-02") in a comment shows nothing
"""
HEADER = "id,chinese,english,folder\n"


def test_every_id_is_there_once() -> None:
    with (ROOT / "docs" / "requirements.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = {f"SYS-{n:02}" for n in range(1, 18)} | {f"DEV-{n}" for n in range(1, 8)}
    expected |= {f"S0-{n:02}" for n in range(1, 70)} | {f"S3-{n:02}" for n in range(1, 102)}
    expected |= {f"R-{n:02}" for n in range(1, 8)}
    assert sorted(row["id"] for row in rows) == sorted(expected)
    assert all(row["chinese"] and row["english"] for row in rows)
    assert all(set(row["folder"].split(",")) <= set("AXCLHDM") for row in rows)


def small_project(folder: Path, ids: str) -> Path:
    (folder / "tests").mkdir()
    (folder / "docs").mkdir()
    (folder / "docs" / "requirements.csv").write_text(HEADER + "S3-01,甲,a,H\nS3-02,乙,b,C\n", "utf-8")
    for name in ("conftest.py", "trace.py"):
        (folder / "tests" / name).write_text((ROOT / "tests" / name).read_text("utf-8"), "utf-8")
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"), "utf-8")
    (folder / "tests" / "test_it.py").write_text(TEST.replace("IDS", ids), "utf-8")
    return folder


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, encoding="utf-8", check=False
    )


def test_the_trace_is_what_pytest_collects(tmp_path: Path) -> None:
    seen = run(small_project(tmp_path, "'S3-01'"), "tests/trace.py")
    assert seen.stdout.splitlines() == [
        "S3-01 甲 [H]",
        "    tests/test_it.py::test_it",
        "",
        "Not shown by a test:",
        "  S3-02 乙 [C]",
        "",
        "2 requirements: 1 shown by tests, 1 not",
    ]


def test_an_unknown_id_ends_the_trace_and_the_run(tmp_path: Path) -> None:
    folder = small_project(tmp_path, "'S3-01', 'S9-99'")
    assert run(folder, "tests/trace.py").returncode == 1
    tests = run(folder, "-m", "pytest", "-q")
    assert tests.returncode == 4
    assert "names 'S9-99'" in tests.stderr
