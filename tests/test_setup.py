"""The set-up scripts on machines that lack something: one clear line, exit 1, nothing left behind."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("bash", "cat", "chmod", "dirname", "env", "id", "mktemp", "printf", "rm", "tee", "touch", "true")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH with the ordinary tools and nothing else; a test adds what it pretends to have."""
    for name in TOOLS:
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    return tmp_path


def pretend(machine: Path, name: str, script: str) -> None:
    path = machine / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def run(script: Path, machine: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": str(machine), "HOME": str(machine)} | environ
    return subprocess.run(
        ["bash", str(script), *arguments], env=env, capture_output=True, text=True, check=False
    )


NEEDED = ("golang-go", "golang-golang-x-mod-dev", "openssl", "postgresql", "rabbitmq-server", "xmlsec1")


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    (folder / ".ci" / "debian-packages").write_text("\n".join(NEEDED) + "\n")
    return folder


def test_an_old_python_is_named_in_one_line(machine: Path, project: Path) -> None:
    for name in ("python3.11", "python3"):
        pretend(machine, name, "exit 1")
    script = project / ".ci" / "make-venv"
    script.write_text(script.read_text().replace("/usr/bin/python3.11", "python3"))
    seen = run(script, machine, ".")
    assert seen.returncode == 1
    assert seen.stderr == "tongban needs Python 3.11 with venv (Debian 12: apt-get install python3-venv)\n"


def test_a_python_without_venv_is_named_in_one_line(machine: Path, project: Path) -> None:
    pretend(machine, "python3.11", 'case "$*" in *ensurepip*) exit 1;; esac')
    seen = run(project / ".ci" / "make-venv", machine, ".")
    assert seen.returncode == 1
    assert seen.stderr == "python3.11 has no venv module (Debian 12: apt-get install python3-venv)\n"
    assert not (project / ".venv").exists()


HAS = 'for p in {has}; do [ "$p" = "${{@: -1}}" ] && printf installed; done; true'


def packages(machine: Path, project: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    return run(
        project / ".ci" / "install-packages", machine, POLICY_FILE=str(machine / "policy-rc.d"), **environ
    )


def test_nothing_is_done_where_all_packages_are_there(machine: Path, project: Path) -> None:
    pretend(machine, "dpkg-query", "printf installed")
    seen = packages(machine, project)
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "", "")


def test_an_ordinary_user_is_told_what_to_install(machine: Path, project: Path) -> None:
    pretend(machine, "dpkg-query", HAS.format(has="openssl golang-go golang-golang-x-mod-dev postgresql"))
    pretend(machine, "id", "echo 1000")
    pretend(machine, "sudo", "exit 1")
    seen = packages(machine, project)
    assert seen.returncode == 1
    assert seen.stderr == "the tests need these Debian packages: apt-get install rabbitmq-server xmlsec1\n"


@pytest.mark.parametrize("user", ["0", "1000"])
def test_missing_packages_are_installed_and_no_service_starts(
    machine: Path, project: Path, user: str
) -> None:
    pretend(
        machine, "dpkg-query", HAS.format(has="openssl xmlsec1 golang-go golang-golang-x-mod-dev postgresql")
    )
    pretend(machine, "id", f"echo {user}")
    pretend(machine, "sudo", 'shift; echo "as root: $1" >>"$HOME/sudo.log"; exec "$@"')
    pretend(machine, "apt-get", 'echo "$*" >>"$HOME/apt.log"; "$HOME/policy-rc.d"; echo $? >>"$HOME/apt.log"')
    seen = packages(machine, project)
    assert seen.returncode == 0, seen.stderr
    calls = (machine / "apt.log").read_text().splitlines()
    assert calls == ["install -qq -y --no-install-recommends rabbitmq-server", "101"]
    assert not (machine / "policy-rc.d").exists()
    assert (machine / "sudo.log").exists() is (user != "0")


def test_a_policy_of_the_machine_stays(machine: Path, project: Path) -> None:
    pretend(machine, "dpkg-query", "true")
    pretend(machine, "id", "echo 0")
    pretend(machine, "apt-get", "true")
    pretend(machine, "policy-rc.d", "exit 0")
    before = (machine / "policy-rc.d").read_text()
    assert packages(machine, project).returncode == 0
    assert (machine / "policy-rc.d").read_text() == before


def test_a_failed_install_names_the_packages(machine: Path, project: Path) -> None:
    pretend(machine, "dpkg-query", "true")
    pretend(machine, "id", "echo 0")
    pretend(machine, "apt-get", "exit 100")
    seen = packages(machine, project)
    assert seen.returncode == 1
    assert seen.stderr.splitlines()[-1].endswith(
        "apt-get install golang-go golang-golang-x-mod-dev openssl postgresql rabbitmq-server xmlsec1"
    )


def assets(machine: Path, project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    for name in ("package.json", "package-lock.json", "constraints.txt"):
        shutil.copy(ROOT / name, project / name)
    command = [sys.executable, str(project / ".ci" / "make_assets.py"), *arguments]
    return subprocess.run(command, env={"PATH": str(machine)}, capture_output=True, text=True, check=False)


def test_what_pages_take_from_npm_is_built_once(machine: Path, project: Path) -> None:
    pretend(machine, "npm", f'echo "$1" >>{machine}/asked')
    pretend(
        machine,
        "node",
        'for a; do :; done; [ "$a" = --version ] && echo v20.1.0 || echo x >"${a#--outfile=}"',
    )
    built = project / "hallservice" / "web" / "static" / "built"
    for _ in range(2):
        seen = assets(machine, project, "--must")
        assert (seen.returncode, seen.stdout, seen.stderr) == (0, "", "")
    assert sorted(path.name for path in built.iterdir()) == ["htmx.js", "sse.js", "stamp"]
    assert (machine / "asked").read_text() == "ci\n"
    (built / "htmx.js").unlink()
    assert assets(machine, project).returncode == 0
    assert (machine / "asked").read_text() == "ci\nci\n"


def test_without_a_way_to_npm_one_goes_on_without(machine: Path, project: Path) -> None:
    pretend(machine, "npm", "echo no network >&2; exit 1")
    pretend(machine, "node", "echo v20.1.0")
    seen = assets(machine, project)
    assert (seen.returncode, seen.stdout) == (0, "")
    said = "no assets for the hall's pages, they work without: npm ci --ignore-scripts: no network\n"
    assert seen.stderr == said
    assert assets(machine, project, "--must").returncode == 1


def test_packages_of_npm_are_locked_by_hashes_without_addresses() -> None:
    text = (ROOT / "package-lock.json").read_text()
    assert "http" not in text and "resolved" not in text
    packages = json.loads(text)["packages"]
    assert [
        name for name, one in packages.items() if name and not one["integrity"].startswith("sha512-")
    ] == []


def test_the_versions_are_pinned_without_addresses() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 50
    assert [line for line in pins if "==" not in line or "/" in line or "@" in line] == []


def test_continuous_integration_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
