"""`tongban archive`: packages to the archives on a data carrier, and their results from one."""

import argparse
from pathlib import Path

from exchange.app import opening
from exchange.app.serving import build_hub
from exchange.app.settings import load_settings
from exchange.filing import handover
from exchange.hub import Hub

HELP = "hand packages over to the archives without a network, take their results"

DETAILS = """\
handover DIR   writes DIR/<unit>_<day>_<nn>/: every package whose delivery waits or was given up, 交接单.csv
               and its seal 交接单.csv.ok (written last). What was handed over is not sent any more.
results DIR    takes DIR/result.jsonl, sealed by the archives in result.jsonl.ok; again: no second effect.
"""


HELP_OF = {"handover": "write packages and sheet below DIR", "results": "take results from DIR"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, told in HELP_OF.items():
        action = actions.add_parser(name, help=told)
        action.add_argument("directory", metavar="DIR", type=Path)


def run(args: argparse.Namespace) -> int:
    with opening.coded():
        settings = load_settings()
        hub = build_hub(settings, opening.open_store(settings))
        return _handover(hub, args.directory) if args.action == "handover" else _results(hub, args.directory)


def _handover(hub: Hub, directory: Path) -> int:
    done = handover.hand_over(hub, directory)
    print(f"{done.packages} packages, {done.size} bytes in {done.folder}")
    return 0


def _results(hub: Hub, directory: Path) -> int:
    counted = handover.take_results(hub, directory)
    print(", ".join(f"{code} {count}" for code, count in sorted(counted.items())) or "no result")
    return 0 if counted.keys() <= {"ok", "held"} else 1
