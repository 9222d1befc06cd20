"""The import contracts hold, and each can fail: a planted violation breaks the contract that forbids it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("adapters", "canonical", "devices", "exchange", "hallservice", "ledger", "mocks")

# (file, line planted in it, name of the contract that must break)
VIOLATIONS = [
    ("exchange/planted.py", "import hallservice", "Rings"),
    ("hallservice/planted.py", "import adapters", "Rings"),
    ("devices/planted.py", "import exchange", "Rings"),
    ("exchange/planted.py", "import exchange.app.settings", "Nobody imports exchange.app"),
    ("mocks/planted.py", "import exchange.app.settings", "Nobody imports exchange.app"),
    ("ledger/planted.py", "import canonical", "The ledger imports none of our folders"),
    ("canonical/planted.py", "import sqlalchemy", "The canonical model knows no framework"),
    ("devices/planted.py", "import ledger", "Devices know the values of canonical"),
    ("mocks/partners/planted.py", "import canonical", "Mock partners share no code"),
    ("exchange/planted.py", "import zeep", "zeep and spyne live in"),
    ("hallservice/planted.py", "from spyne import Unicode", "zeep and spyne live in"),
    ("exchange/transports/planted.py", "import pika", "pika lives in"),
    ("exchange/planted.py", "import signxml", "signxml lives in"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in OURS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.xml"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(folder: Path) -> list[str]:
    """The names of the contracts that do not hold in `folder`."""
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts:" in run.stdout, run.stdout + run.stderr
    return re.findall(r"^(.+) BROKEN(?: \(\d+ ignored imports?\))?$", run.stdout, re.MULTILINE)


def plant(folder: Path, file: str, line: str) -> None:
    (folder / file).write_text(line + "\n", "utf-8")


def test_the_contracts_hold(copy: Path) -> None:
    assert broken(copy) == []


@pytest.mark.parametrize(("file", "line", "contract"), VIOLATIONS)
def test_a_planted_violation_breaks_its_contract(copy: Path, file: str, line: str, contract: str) -> None:
    plant(copy, file, line)
    assert any(name.startswith(contract) for name in broken(copy))


def test_adapters_do_not_know_each_other(copy: Path) -> None:
    for name in ("planted_a", "planted_b"):
        (copy / "adapters" / name).mkdir()
        (copy / "adapters" / name / "__init__.py").touch()
    plant(copy, "adapters/planted_a/hooks.py", "import adapters.planted_b")
    assert broken(copy) == ["Adapters do not know each other"]


def test_a_wire_library_is_welcome_in_its_home(copy: Path) -> None:
    homes = {"soap_server": "import spyne", "soap_client": "import zeep", "amqp": "import pika"}
    for home, line in homes.items():
        plant(copy, f"exchange/transports/{home}.py", line)
    plant(copy, "exchange/seals/planted.py", "import signxml")
    assert broken(copy) == []
