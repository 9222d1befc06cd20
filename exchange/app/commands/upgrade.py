"""`tongban upgrade`: raise the database to the schema of this version."""

import argparse

from exchange.app import opening
from exchange.app.settings import load_settings

HELP = "raise the database to this version's schema; stop the hub and copy the database first"


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments: the settings say which database."""
    parser.description = HELP


def run(args: argparse.Namespace) -> int:
    """0 when the database stands at this version's schema."""
    del args
    before, after = opening.upgrade_store(load_settings())
    print(f"schema {after}, nothing to do" if before == after else f"schema {before or 'none'} -> {after}")
    return 0
