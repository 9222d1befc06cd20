"""`tongban demo`: hub, partners and a counter on this machine, cases driven through, all of it proven."""

import argparse
from pathlib import Path

HELP = "show everything at work on this machine and prove it (hub, seven partner systems, a counter)"
MOST = 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--once", action="store_true", help="end after the summary; exit 1 unless everything agrees"
    )
    parser.add_argument("--cases", type=_cases, default=100, metavar="N", help="cases to drive (default 100)")
    hall = "cases of the embedded hall that go to their end; six more are left waiting (default: a fifth)"
    parser.add_argument("--hall", type=_hall, metavar="N", help=hall)
    parser.add_argument("--json", type=_new_file, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--export", type=Path, metavar="DIR", help="publish the ledger to DIR and verify it")
    scene = "every partner takes part, and what goes wrong is played from mocks/scenarios (all: nothing does)"
    parser.add_argument("--scenario", metavar="NAME", help=scene)
    told = "use the database queue even where RabbitMQ is installed"
    parser.add_argument("--no-rabbitmq", dest="rabbit", action="store_false", help=told)


def run(args: argparse.Namespace) -> int:
    from exchange.app.demo.run import Options, demonstrate  # a wrong command line need not wait for all of it

    hall = max(1, args.cases // 5) if args.hall is None else args.hall
    told = (args.once, args.cases, args.json, args.export, args.rabbit, args.scenario, hall)
    return demonstrate(Options(*told))


def _cases(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {MOST}")
    return int(text)


def _hall(text: str) -> int:
    return 0 if text == "0" else _cases(text)


def _new_file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError("must be a file in a folder that exists")
    return path
