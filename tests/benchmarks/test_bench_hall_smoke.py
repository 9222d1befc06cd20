"""The benchmark of work lists runs to its end and says something sane; how fast is not asked here."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_it_runs_to_its_end(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    program = str(ROOT / "benchmarks" / "bench_hall_list.py")
    command = [sys.executable, program, "--quick", "--output", str(output)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environ)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(output.read_text("utf-8"))["hall_list"]
    assert figures["quick"] is True
    assert 0 < figures["page_kb"] <= 30
    assert figures["per_second_and_core"] > 0 and figures["ratio"] > 0
