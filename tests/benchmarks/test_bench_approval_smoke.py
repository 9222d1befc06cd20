"""The benchmark of approval steps runs to its end; how fast is not asked here."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_both_sides_are_measured(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    program = str(ROOT / "benchmarks" / "bench_approval.py")
    command = [sys.executable, program, "--quick", "--output", str(output)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False, env=environ)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(output.read_text("utf-8"))["approval"]
    assert (found["cases"], found["quick"]) == (5, True)
    assert all(found[f"{side}{kind}_ms"] > 0 for side in ("", "floor_") for kind in ("quiet", "told"))
    assert found["engine_us"] > 0 and found["instance_bytes"] > 0
