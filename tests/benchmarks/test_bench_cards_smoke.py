"""The benchmark of the scan runs to its end and finds what is owed; how fast is not asked here."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_it_runs_to_its_end(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    program = str(ROOT / "benchmarks" / "bench_cards.py")
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, program, "--quick", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environ)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(output.read_text("utf-8"))["cards"]
    assert (figures["quick"], figures["cases"]) == (True, 600)
    assert figures["cards"] > 0 and min(figures[f"{name}_s"] for name in ("day", "idle", "whole")) > 0
