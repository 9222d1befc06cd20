"""The `tongban` command: a table of subcommands, each a module of exchange.app.commands, loaded on demand."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn, Protocol

from canonical.errors import ValueRefused
from exchange.errors import HubError

# name -> (module, exit code of a usage error); auditors tell 2 (does not verify) from 3 (asked wrongly).
COMMANDS: dict[str, tuple[str, int]] = {
    "archive": ("exchange.app.commands.archive", 2),
    "calendar": ("exchange.app.commands.calendar", 2),
    "catalogue": ("exchange.app.commands.catalogue", 2),
    "check": ("exchange.app.commands.check", 2),
    "clock": ("exchange.app.commands.clock", 2),
    "contracts": ("exchange.app.commands.contracts", 2),
    "demo": ("exchange.app.commands.demo", 2),
    "init": ("exchange.app.commands.init", 2),
    "keys": ("exchange.app.commands.keys", 2),
    "ledger": ("exchange.app.commands.ledger", 3),
    "message": ("exchange.app.commands.message", 2),
    "messages": ("exchange.app.commands.messages", 2),
    "mock": ("exchange.app.commands.mock", 2),
    "new": ("exchange.app.commands.new", 2),
    "party": ("exchange.app.commands.party", 2),
    "schemas": ("exchange.app.commands.schemas", 2),
    "serve": ("exchange.app.commands.serve", 2),
    "upgrade": ("exchange.app.commands.upgrade", 2),
}

FAILED = 1
USAGE = 2
INTERRUPTED = 130


class Command(Protocol):
    """What a module of exchange.app.commands offers; `run` returns the exit code."""

    HELP: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line on standard error; nested subcommands inherit the class."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {_one_line(message)} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; only a defect of ours leaves a traceback."""
    _speak_utf8()
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()  # a closed pipe must show here, where it is handled, not while Python shuts down
        return code
    except (HubError, ValueRefused) as refusal:
        sys.stderr.write(f"tongban: {_one_line(str(refusal))}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_went_away()


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        return _front_desk(arguments)
    name, *rest = arguments
    module, usage_exit = COMMANDS[name]
    command = _load(module)
    parser = OneLineParser(prog=f"tongban {name}", description=command.HELP)
    command.configure(parser)
    args = _parse(parser, rest, usage_exit)
    return args if isinstance(args, int) else command.run(args)


def _front_desk(arguments: list[str]) -> int:
    """--help, --version and everything that names no command."""
    parser = OneLineParser(
        prog="tongban",
        description="Government data-exchange hub",
        epilog=_list_of_commands() if {"-h", "--help"} & set(arguments) else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tongban {_version()}")
    parser.add_argument("command", metavar="COMMAND", choices=list(COMMANDS), help="see the list below")
    parsed = _parse(parser, arguments, USAGE)
    return parsed if isinstance(parsed, int) else USAGE


def _parse(parser: OneLineParser, words: list[str], usage_exit: int) -> argparse.Namespace | int:
    """The parsed arguments, or the exit code where argparse has already said its line."""
    try:
        return parser.parse_args(words)
    except SystemExit as stop:
        return usage_exit if stop.code == USAGE else 0


def _list_of_commands() -> str:
    lines = [f"  {name:<10} {_load(module).HELP}" for name, (module, _) in COMMANDS.items()]
    return "\n".join(["commands (tongban COMMAND --help tells more):", *lines])


def _version() -> str:
    try:
        return version("tongban")
    except PackageNotFoundError:
        return "(not installed: run from its source folder)"


def _load(module: str) -> Command:
    command: Command = import_module(module)  # a test holds every module to Command
    return command


def _speak_utf8() -> None:
    """Chinese output survives a C or POSIX locale."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _reader_went_away() -> int:
    """Quiet end of `tongban … | head`: what is still buffered goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
