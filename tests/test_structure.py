"""What every tracked file must keep to: packages are whole, and nothing points outside the project."""

import re
import subprocess
from pathlib import Path

import pytest
from stdnum.cn import ric

ROOT = Path(__file__).resolve().parent.parent
NO_PACKAGE = ("tests", "benchmarks", ".ci", "docs")
SYNTHETIC_REGION = "441499"  # no such district: nobody's number begins with it

# Places of one machine, package registries, notes that are no part of the project, secrets.
HOMES = re.compile(r"/(?:root|home|Users|tmp)/[A-Za-z0-9_.-]+|/work/(?:main|shared)|[A-Z]:\\\\Users")
REGISTRY = re.compile(r"pypi\.org/simple|pythonhosted\.org|index-url|find-links", re.IGNORECASE)
OUTSIDE = re.compile(r"\.\./shared|shared/(?:design|domain)")
SECRET = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")
IDENTITY = re.compile(r"(?<![0-9A-Za-z])[1-9][0-9]{16}[0-9Xx](?![0-9A-Za-z])")


def tracked() -> list[Path]:
    """The files git knows; in an unpacked archive without git, every file but what was built."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        names = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
        return [path for path in names if path.is_file()]
    built = {".venv", "var", "dist", "__pycache__", ".git"}
    return [
        path for path in ROOT.rglob("*") if path.is_file() and not built & set(path.relative_to(ROOT).parts)
    ]


def texts() -> list[tuple[str, str]]:
    """Every tracked file but this one, whose patterns and planted lines would be findings of their own."""
    others = [path for path in tracked() if path != Path(__file__).resolve()]
    return [(str(path.relative_to(ROOT)), path.read_text("utf-8", errors="replace")) for path in others]


def found(pattern: re.Pattern[str], text: str) -> list[str]:
    return [match.group() for match in pattern.finditer(text)]


def findings(pattern: re.Pattern[str]) -> dict[str, list[str]]:
    return {name: hits for name, text in texts() if (hits := found(pattern, text))}


def real_people(text: str) -> list[str]:
    """18-digit numbers that are valid for a real person (region, birth date and check digit all hold)."""
    numbers = found(IDENTITY, text)
    return [n for n in numbers if not n.startswith(SYNTHETIC_REGION) and ric.is_valid(n.upper())]


def test_every_folder_with_python_is_a_package() -> None:
    folders = {path.parent for path in tracked() if path.suffix == ".py"}
    ours = [folder for folder in folders if folder.relative_to(ROOT).parts[:1] and not outside(folder)]
    bare = [str(folder.relative_to(ROOT)) for folder in ours if not (folder / "__init__.py").exists()]
    assert bare == []


def outside(folder: Path) -> bool:
    return folder.relative_to(ROOT).parts[0] in NO_PACKAGE


def test_tests_are_never_a_package() -> None:
    assert [path for path in tracked() if path.name == "__init__.py" and outside(path.parent)] == []


@pytest.mark.parametrize(
    ("pattern", "planted"),
    [
        (HOMES, "/home/somebody"),
        (HOMES, "/work/main"),
        (REGISTRY, "--extra-index-url x"),
        (OUTSIDE, "see ../shared/notes"),
        (SECRET, "-----BEGIN EC PRIVATE KEY-----"),
    ],
)
def test_nothing_points_outside_the_project(pattern: re.Pattern[str], planted: str) -> None:
    assert found(pattern, planted)
    assert findings(pattern) == {}


def test_no_real_person() -> None:
    planted = "1101011980" + "0101101"  # a real district
    planted += ric.calc_check_digit(planted)
    assert real_people(f"a {planted} z") == [planted]
    assert real_people("441499198001011011") == []
    assert {name: hits for name, text in texts() if (hits := real_people(text))} == {}
