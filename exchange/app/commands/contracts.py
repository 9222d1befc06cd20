"""`tongban contracts`: what the hub publishes, written to a folder; the same bytes as GET /contracts."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from exchange.adapterfolder import Adapter, load_adapters
from exchange.app import opening
from exchange.app.settings import load_settings
from exchange.errors import Misconfigured
from exchange.publishing.contracts import Contract, contracts
from exchange.publishing.locking import Repository, locked
from exchange.publishing.versions import declared

HELP = "write every contract the hub publishes to a folder"
ROOT = Path(__file__).resolve().parents[3]

DETAILS = """\
index.json             every file with kind, version, SHA-256 and change notes
openapi.json           REST faces (OpenAPI 3.1)      asyncapi.json  queue faces (AsyncAPI 3.0)
hub.wsdl, hub.xsd      SOAP face                     codes/         code lists
schemas/, xsd/         every message as JSON Schema and as XSD of its house XML form
partners/              documents of the partners' doors

--lock is for developers: it records what is published in this source tree as the new state, refuses breaking
changes of the *.v1 schemas, and any change without a new version line in exchange/data/contracts.toml.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("directory", metavar="DIR", type=Path, nargs="?")
    where.add_argument("--lock", action="store_true", help="record the state of this source tree")


def run(args: argparse.Namespace) -> int:
    with opening.coded():
        return _lock() if args.lock else _write(args.directory)


def _write(directory: Path) -> int:
    settings = load_settings()
    found = contracts(load_adapters(settings.adapters), settings.public_url, declared())
    for one in found.values():
        target = directory / one.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(one.body)
    print(f"{len(found)} contracts written to {directory}")
    return 0


def _lock() -> int:
    here = Repository(ROOT)
    if not here.baseline.parent.is_dir():
        raise Misconfigured("no_source_tree", "--lock works in a source tree only", str(here.baseline.parent))
    changed = locked(here, shipped(load_adapters()), declared())
    print(f"locked: {changed} contracts changed")
    return 0


def shipped(adapters: Mapping[str, Adapter]) -> dict[str, Contract]:
    """What is locked: the shipped adapters at an address of no machine."""
    return contracts(adapters, "https://hub.invalid", declared())
