"""`tongban keys`: the data keys, and their rotation."""

import argparse
from datetime import UTC, datetime

from exchange.app import datakeys, opening
from exchange.app.secretfiles import held
from exchange.app.settings import Settings, load_settings
from exchange.receipts import BEIJING
from exchange.store.resealing import Done, reseal, reseal_files
from exchange.store.sealed import ring_of
from hallservice.tables import metadata

HELP = "the keys personal data is sealed with: list them, or rotate to a new one"

DETAILS = """\
rotate   stop the hub first. Makes the next key and seals every value of the database and every kept file with
         it. Broken off, it is simply called again. It deletes no key: back-ups made before need the old one.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="which keys values of this database may need, newest first")
    actions.add_parser("rotate", help="make a new key and seal everything with it")


def run(args: argparse.Namespace) -> int:
    """0 when done, 1 when there is something no key opens; a hub that runs is refused."""
    settings = load_settings()
    return {"list": _list, "rotate": _rotate}[args.action](settings)


def _list(settings: Settings) -> int:
    for row in datakeys.known(opening.open_reader(settings)):
        since = datetime.fromtimestamp(row.since, UTC).astimezone(BEIJING).isoformat(timespec="seconds")
        print(f"{row.number}  since {since}  {datakeys.path_of(settings, row.number)}")
    return 0


def _rotate(settings: Settings) -> int:
    opening.open_reader(settings).dispose()  # no store is made for this
    with opening.coded(), held(datakeys.running(settings), alone=True):
        engine = opening.open_store(settings).engine
        newest = datakeys.turn(settings, engine)
        damaged = sum(map(_told, reseal(engine, metadata)))
        damaged += _told(reseal_files(settings.state / "files", ring_of(engine.dialect)))
        datakeys.retire(engine)
        engine.dispose()  # the last connection takes the write-ahead log into the file
    print(f"sealed by key {newest}; keep the older keys with the back-ups made before")
    return 1 if damaged else 0


def _told(done: Done) -> int:
    """How many were damaged, said with the rest."""
    left = f", {done.damaged} damaged and left as they are" if done.damaged else ""
    print(f"{done.what}: {done.written}{left}")
    return done.damaged
