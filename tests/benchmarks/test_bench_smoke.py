"""The benchmark of round trips runs to its end and says something sane; how fast is not asked here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTOCOLS = ["jws", "xmldsig", "soap"]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a quick run wrote."""
    output = tmp_path_factory.mktemp("bench") / "results.json"
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "bench_roundtrips.py"),
        "--quick",
        "--output",
        str(output),
    ]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environ)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(output.read_text("utf-8"))["roundtrips"]
    return found


def test_every_protocol_made_round_trips(figures: dict[str, Any]) -> None:
    assert [line["protocol"] for line in figures["lines"]] == PROTOCOLS
    for line in figures["lines"]:
        for side in ("hub", "floor"):
            assert line[side]["messages"] >= 1
            assert 0 < line[side]["p50_ms"] <= line[side]["p99_ms"]
            assert line[side]["sender_cpu_ms"] > 0
        assert line["ratio"] > 0


def test_the_document_is_about_4_kb(figures: dict[str, Any]) -> None:
    assert all(3600 <= size <= 4400 for size in figures["bytes"].values())


def test_a_quick_run_says_that_it_was_quick(figures: dict[str, Any]) -> None:
    assert figures["quick"] is True
