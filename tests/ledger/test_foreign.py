"""Programs that share no code with ours read our exports and refuse the damaged ones.

Go's x/mod/sumdb (Debian: golang-go, golang-golang-x-mod-dev) must be there; aics-tlog is used where it is.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "foreign" / "goverify" / "main.go"
AICS = ROOT / "var" / "aics" / "bin" / "aics-tlog"
SIZES = [1, 2, 3, 255, 256, 257, 600]


@pytest.fixture(scope="session")
def goverify(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go verifier, built from Debian's sources without a network."""
    assert shutil.which("go"), "install golang-go and golang-golang-x-mod-dev (make packages)"
    folder = tmp_path_factory.mktemp("go")
    settings = {
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "",
    }
    command = ["go", "build", "-o", str(folder / "goverify"), str(SOURCE)]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "goverify"


def go(program: Path, city: Any, folder: Path) -> subprocess.CompletedProcess[str]:
    key = city.folder / "log.vkey"
    key.write_text(city.signer.vkey + "\n")
    return subprocess.run([program, folder, key], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("size", SIZES)
def test_go_accepts_our_exports(goverify: Path, city: Any, size: int) -> None:
    closed = city.append(size)
    done = go(goverify, city, city.export())
    assert done.stdout.split() == ["ok", str(size), closed.text.split("\n")[2]], done.stderr


def test_go_accepts_an_export_that_grew(goverify: Path, city: Any) -> None:
    for step in (100, 156, 1, 400):
        city.append(step)
        assert go(goverify, city, city.export()).returncode == 0


@pytest.mark.parametrize(
    "path",
    [
        "checkpoint",
        "tile/0/000",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ],
)
def test_go_and_we_refuse_the_same_flipped_bits(goverify: Path, city: Any, path: str) -> None:
    city.append(600)
    folder = city.export()
    data = bytearray((folder / path).read_bytes())
    data[40] ^= 1
    (folder / path).write_bytes(data)
    assert go(goverify, city, folder).returncode == 1
    assert city.check(folder).exit_code == 1


@pytest.mark.parametrize("path", ["tile/0/001", "tile/entries/001", "checkpoint"])
def test_go_and_we_miss_the_same_files(goverify: Path, city: Any, path: str) -> None:
    city.append(600)
    folder = city.export()
    (folder / path).unlink()
    assert go(goverify, city, folder).returncode == 1
    assert city.check(folder).exit_code == 2


def test_go_refuses_another_key(goverify: Path, city: Any, make: Any) -> None:
    city.append(3)
    assert go(goverify, make(seed=7), city.export()).returncode == 1


def aics(city: Any, folder: Path, command: str, *arguments: object) -> dict[str, Any]:
    key = city.folder / "log.vkey"
    key.write_text(city.signer.vkey + "\n")
    line = [AICS, command, "--tiles", folder, "--vkey-file", key, *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    return {**json.loads(done.stdout or "{}"), "code": done.returncode}


@pytest.mark.skipif(not AICS.exists(), reason="aics-tlog is not installed under var/aics (docs/ledger.md)")
def test_aics_accepts_our_exports(city: Any) -> None:
    saved = city.folder / "saved.note"
    saved.write_text(city.append(300).text)
    city.append(500)
    folder = city.export()
    assert aics(city, folder, "verify-checkpoint")["size"] == 800
    assert [aics(city, folder, "verify-inclusion", "--index", at)["ok"] for at in (0, 299, 799)] == [True] * 3
    assert aics(city, folder, "verify-consistency", "--old-checkpoint", saved)["code"] == 0
    forged = city.forge([*city.leaves()[:10], *city.leaves()[11:]])
    assert aics(city, forged, "verify-consistency", "--old-checkpoint", saved)["code"] != 0
