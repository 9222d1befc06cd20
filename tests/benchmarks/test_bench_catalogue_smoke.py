"""The benchmark of the catalogue runs to its end: two thousand items and increments come into force.

How fast is asked only against the aims' order of magnitude: a hundredth of the items in a tenth of the time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a quick run wrote."""
    output = tmp_path_factory.mktemp("bench") / "results.json"
    program = str(ROOT / "benchmarks" / "bench_catalogue.py")
    command = [sys.executable, program, "--quick", "--increments", "2", "--output", str(output)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False, env=environ)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(output.read_text("utf-8"))["catalogue"]
    return found


def test_every_item_is_in_force_afterwards(figures: dict[str, Any]) -> None:
    assert (figures["items"], figures["in_force"], figures["quick"]) == (2_000, 2_000, True)


def test_both_sides_took_time_and_the_hub_not_too_much(figures: dict[str, Any]) -> None:
    assert figures["floor_full_seconds"] > 0 and figures["floor_increment_seconds"] > 0
    assert figures["full_seconds"] < 60
    assert figures["memory_mib"] < 300
