"""The command line: one line per refusal, the exit codes that scripts rely on, and every command's help."""

import argparse
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

import pytest

from canonical.errors import ValueRefused
from exchange.app import cli
from exchange.errors import Refused

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = any(found.name == "tongban" for found in distributions())
COMMANDS = ROOT / "exchange" / "app" / "commands"


def _run(args: argparse.Namespace) -> int:
    failures = {
        "refused": Refused("unknown_party", "no such\nparty", "sender"),
        "value": ValueRefused("bad_date", "no such day"),
        "interrupt": KeyboardInterrupt(),
        "pipe": BrokenPipeError(),
    }
    if args.how in failures:
        raise failures[args.how]
    sys.stdout.write("办结\n")
    return 7


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("how")
    parser.add_subparsers(dest="deeper").add_parser("below").add_argument("--number", type=int)


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command `probe` whose usage errors exit with 3, as those of `ledger` do."""
    module = ModuleType("probe_command")
    module.HELP, module.configure, module.run = "a probe", _configure, _run  # type: ignore[attr-defined]  # a module
    monkeypatch.setitem(sys.modules, "probe_command", module)
    monkeypatch.setitem(cli.COMMANDS, "probe", ("probe_command", 3))
    yield


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    assert f"usage: tongban {name}" in capsys.readouterr().out


def test_every_command_module_is_in_the_table() -> None:
    written = {path.stem for path in COMMANDS.glob("*.py") if not path.stem.startswith("_")}
    assert written == {module.rpartition(".")[2] for module, _ in cli.COMMANDS.values()}


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in cli.COMMANDS)


@pytest.mark.skipif(not INSTALLED, reason="run from the source folder, not installed")
def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert capsys.readouterr().out == f"tongban {project['version']}\n"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["--nonsense"], ["", "x"]])
def test_a_wrong_call_is_one_line_and_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("tongban: ") and seen.err.count("\n") == 1


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("arguments", [[], ["x", "nowhere"], ["x", "below", "--number", "ten"]])
def test_a_command_may_choose_its_usage_exit(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["probe", *arguments]) == 3
    seen = capsys.readouterr()
    assert seen.err.startswith("tongban probe") and seen.err.count("\n") == 1


@pytest.mark.usefixtures("probe")
def test_the_exit_code_is_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "well"]) == 7
    assert capsys.readouterr().out == "办结\n"


@pytest.mark.usefixtures("probe")
def test_our_own_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "refused"]) == 1
    assert capsys.readouterr().err == "tongban: unknown_party: no such party (sender)\n"
    assert cli.main(["probe", "value"]) == 1
    assert capsys.readouterr().err == "tongban: bad_date: no such day\n"


@pytest.mark.usefixtures("probe")
def test_an_interrupt_is_130() -> None:
    assert cli.main(["probe", "interrupt"]) == 130


def in_a_shell(script: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PY": sys.executable} | environ
    return subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=False
    )


def test_a_closed_pipe_is_quiet() -> None:
    run = in_a_shell('"$PY" -m exchange.app.cli --help | true; echo "${PIPESTATUS[0]}"')
    assert run.stderr == ""
    assert run.stdout.strip() in {"0", "1"}  # 0 where the reader lived long enough


def test_chinese_survives_the_c_locale() -> None:
    code = "from exchange.app import cli; cli.main(['--version']); print(chr(0x529e))"
    run = in_a_shell('"$PY" -c "$CODE"', CODE=code, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert run.stdout.endswith("办\n"), run.stderr
