"""`tongban new`: the folder of a new adapter, drafted from what the partner gave."""

import argparse
from pathlib import Path

from exchange.app import opening
from exchange.errors import Refused
from exchange.scaffold.analyse import analyse
from exchange.scaffold.making import make
from exchange.scaffold.points import Walk
from exchange.scaffold.sources import read_sources

HELP = "draft the folder of a new adapter from a partner's contract or samples"

DETAILS = """\
FILE    a WSDL, an OpenAPI 3 document (JSON), or samples (XML, JSON) named after their document:
        applied.json, applied--second.json; with a WSDL or OpenAPI document after the call:
        create_notice.xml, create_notice_answer.xml
--message TYPE            the message every document carries (tongban schemas DIR lists them)
--message DOCUMENT=TYPE   of one document; without it the likeliest is taken

Nothing is sent and nothing is overwritten. `tongban check DIR/NAME` names what is still open, line by line.
"""
SHOWN = 12  # open points at most


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    new = kinds.add_parser(
        "adapter", help=HELP, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    new.add_argument("name", metavar="NAME", help="a-z, 0-9 and _, beginning with a letter")
    new.add_argument(
        "--from", dest="sources", metavar="FILE", nargs="+", action="extend", type=Path, required=True
    )
    new.add_argument("--message", metavar="TYPE", action="append", default=[], type=_message)
    new.add_argument("--into", metavar="DIR", type=Path, default=Path("adapters"), help="where (adapters)")
    new.add_argument("--takes", action="store_true", help="samples alone: the partner takes them, not sends")


def _message(text: str) -> tuple[str, str]:
    document, equals, kind = text.partition("=")
    return (document, kind) if equals else ("*", text)


def run(args: argparse.Namespace) -> int:
    with opening.coded():
        try:
            contract = read_sources(args.sources, args.takes)
            folder = make(args.into, args.name, contract, dict(args.message))
        except RecursionError:
            raise Refused("too_large", "nested too deep", str(args.sources[0])) from None
        walk = analyse(folder)
    print(f"{folder} written: {len(contract.operations)} calls and doors")
    _show(walk, folder)
    return 0


def _show(walk: Walk, folder: Path) -> None:
    print(walk.summary)
    for point in walk.points[:SHOWN]:
        print(f"  {folder}/{point}")
    if len(walk.points) > SHOWN:
        print(f"  … and {len(walk.points) - SHOWN} more: tongban check {folder}")
