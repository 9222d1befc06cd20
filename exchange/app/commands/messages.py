"""`tongban messages`: what was exchanged, newest first, and signed samples to be checked by anybody."""

import argparse
import json
from pathlib import Path

from exchange.app import exchanged, opening, samples, table
from exchange.app.settings import load_settings
from exchange.store.engine import reading

SHOWN = 50  # lines on a screen

HELP = "list what was exchanged; write signed samples with the commands that check them"

DETAILS = """\
The list holds no personal data; `tongban message ID` shows one message.

--samples writes up to 50 messages exactly as they were sent, of every party, direction and kind of seal:
ID.xml or ID.json (the bytes), ID.pem (the signer's certificate) and ID.txt, one xmlsec1 or openssl command
line to be run in that folder (`sh ID.txt`). ID.input, ID.sig and ID.pub spell out a detached JWS for openssl.
"""

COLUMNS = ("time", "party", "direction", "protocol", "type", "case", "state", "code", "id")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    parser.add_argument("--json", action="store_true", help="a JSON list")
    parser.add_argument("--party", metavar="NAME")
    parser.add_argument("--case", metavar="NUMBER")
    parser.add_argument("--type", metavar="TYPE")
    parser.add_argument("--state", metavar="STATE", help="accepted, held, refused, sent or dead")
    parser.add_argument("--limit", metavar="N", type=_count, help="at most so many (50; with --json all)")
    parser.add_argument("--samples", metavar="DIR", type=Path, help="write signed messages to a folder")


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError("1 to 1000000")
    return number


def run(args: argparse.Namespace) -> int:
    with opening.coded():
        return _samples(args.samples) if args.samples else _list(args)


def _list(args: argparse.Namespace) -> int:
    wanted = exchanged.Filter(args.party, args.case, args.type, args.state)
    with reading(opening.open_reader(load_settings())) as connection:
        found = exchanged.listing(connection, wanted, args.limit or (None if args.json else SHOWN))
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        table.show(COLUMNS, [[one[name] for name in COLUMNS] for one in found])
    return 0


def _samples(folder: Path) -> int:
    settings = load_settings()
    with reading(opening.open_reader(settings)) as connection:
        own = (opening.ec_key(settings).certificate, opening.rsa_key(settings).certificate)
        written = samples.write(connection, own, folder)
    print(f"{written} signed messages written to {folder}; each .txt is the command that checks one")
    return 0
