"""Our seven top-level names are ours alone: another distribution with one of them would shadow the hub."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("adapters", "canonical", "devices", "exchange", "hallservice", "ledger", "mocks")
FOREIGN = """
import sys
sys.path.insert(0, sys.argv[1])
from importlib.metadata import packages_distributions
print(sorted(set(packages_distributions().get("adapters", [])) - {"tongban"}))
"""


def test_the_list_is_what_the_wheel_ships() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(shipped) == sorted(OURS)
    assert sorted(project["tool"]["importlinter"]["root_packages"]) == sorted(OURS)
    assert sorted(project["tool"]["mypy"]["packages"]) == sorted(OURS)


@pytest.mark.parametrize("name", OURS)
def test_the_name_is_ours_alone(name: str) -> None:
    assert set(packages_distributions().get(name, [])) <= {"tongban"}
    assert name not in sys.stdlib_module_names
    spec = find_spec(name)
    assert spec is not None and spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


def test_a_clash_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "__init__.py").touch()
    info = tmp_path / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("adapters\n")
    seen = subprocess.run(
        [sys.executable, "-c", FOREIGN, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout.strip() == "['foreign']"
