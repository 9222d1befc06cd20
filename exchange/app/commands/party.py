"""`tongban party`: who takes part, with which certificates; every change is an act in the ledger."""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, select

from exchange import registry
from exchange.adapterfolder import Adapter, load_adapters
from exchange.app import opening, table
from exchange.app.settings import load_settings
from exchange.parties import load_certificate
from exchange.registry import PartyFacts
from exchange.routing import HOUSE
from exchange.seals.keys import key_id
from exchange.store.engine import reading
from exchange.store.tables import party, party_certificate
from exchange.store.work import Work
from ledger.log import Entry

HELP = "register, change, list and remove the parties of the exchange"

DETAILS = """\
A party is known by its exact certificate (PEM; P-256, or RSA of at least 2048 bits; self-signed is fine).
All of this works while the hub runs; it sees a change within a second. NAME: 2 to 40 of a-z 0-9 . _ -
"""

LARGEST_PEM = 65_536  # bytes


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="register a party")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--certificate", metavar="FILE", type=Path, required=True, help="its certificate (PEM)")
    add.add_argument("--adapter", default=HOUSE, help="the folder of adapters/ that speaks its form")
    _facts(add)
    change = actions.add_parser("change", help="change what is given, keep the rest")
    change.add_argument("name", metavar="NAME")
    _facts(change)
    certificate = actions.add_parser("certificate", help="add a certificate beside the others, or retire one")
    certificate.add_argument("name", metavar="NAME")
    which = certificate.add_mutually_exclusive_group(required=True)
    which.add_argument("file", metavar="FILE", type=Path, nargs="?", help="the further certificate (PEM)")
    which.add_argument("--retire", metavar="KEY_ID", help="believe this certificate no more")
    listed = actions.add_parser("list", help="all parties")
    listed.add_argument("--json", action="store_true", help="a JSON list")
    remove = actions.add_parser("remove", help="hear and serve this party no more")
    remove.add_argument("name", metavar="NAME")
    hub = actions.add_parser("hub-certificates", help="write the hub's own certificates for its partners")
    hub.add_argument("directory", metavar="DIR", type=Path)


def _facts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--org", metavar="CODE", help="unified social credit code of its organisation")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--address", metavar="URL", help="base address of its service")
    where.add_argument("--inbox", metavar="URL", dest="address", help="where a house party takes messages")
    told = "how the hub names itself there; may be repeated"
    parser.add_argument("--account", metavar="KEY=VALUE", action="append", type=_pair, help=told)
    parser.add_argument("--sends", metavar="TYPE", nargs="+", action="extend", help="what it may send")
    parser.add_argument("--takes", metavar="TYPE", nargs="+", action="extend", help="what it is sent")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError("KEY=VALUE is needed")
    return key, value


def run(args: argparse.Namespace) -> int:
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "add": _add, "change": _change, "certificate": _certificate, "list": _list, "remove": _remove,
        "hub-certificates": _hub_certificates,
    }  # fmt: skip
    with opening.coded():
        return actions[args.action](args)


def _add(args: argparse.Namespace) -> int:
    facts = _given(PartyFacts(args.name, args.adapter), args)
    pem, adapters = _pem(args.certificate), _adapters(facts)
    entry = _written(lambda work, hub: registry.add_party(work, hub, facts, pem, adapters))
    print(f"{args.name} added (ledger entry {entry.seq}), key id {key_id(load_certificate(pem))}")
    return 0


def _change(args: argparse.Namespace) -> int:
    def change(work: Work, hub: str) -> Entry:
        facts = _given(registry.facts_of(registry.expect_party(work, args.name)), args)
        return registry.change_party(work, hub, facts, _adapters(facts))

    print(f"{args.name} changed (ledger entry {_written(change).seq})")
    return 0


def _certificate(args: argparse.Namespace) -> int:
    if args.retire:
        entry = _written(lambda work, hub: registry.retire_certificate(work, hub, args.name, args.retire))
        print(f"{args.retire} of {args.name} retired (ledger entry {entry.seq})")
        return 0
    pem = _pem(args.file)
    entry = _written(lambda work, hub: registry.add_certificate(work, hub, args.name, pem))
    print(f"certificate {key_id(load_certificate(pem))} of {args.name} added (ledger entry {entry.seq})")
    return 0


def _remove(args: argparse.Namespace) -> int:
    entry = _written(lambda work, hub: registry.remove_party(work, hub, args.name))
    print(f"{args.name} removed (ledger entry {entry.seq})")
    return 0


def _list(args: argparse.Namespace) -> int:
    with reading(opening.open_reader(load_settings())) as connection:
        found = listed(connection)
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 0
    rows = [
        (one["name"], one["adapter"], one["org"], one["address"], ", ".join(map(_short, one["certificates"])))
        for one in found
    ]
    table.show(("name", "adapter", "org", "address", "certificates"), rows)
    return 0


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Every active party with its active certificates."""
    certificates: dict[str, list[dict[str, str]]] = {}
    for row in connection.execute(select(party_certificate).where(party_certificate.c.active)):
        ends = load_certificate(row.pem).not_valid_after_utc.date().isoformat()
        certificates.setdefault(row.party, []).append({"key_id": row.key_id, "valid_to": ends})
    rows = connection.execute(select(party).where(party.c.active).order_by(party.c.name)).mappings()
    shown = ("name", "adapter", "org", "address", "account", "sends", "takes")
    return [
        {name: row[name] for name in shown} | {"certificates": certificates.get(row["name"], [])}
        for row in rows
    ]


def _short(certificate: Mapping[str, str]) -> str:
    return f"{certificate['key_id']} to {certificate['valid_to']}"


def _hub_certificates(args: argparse.Namespace) -> int:
    settings = load_settings()
    opening.open_store(settings)
    args.directory.mkdir(parents=True, exist_ok=True)
    for name, key in (("hub-ec.pem", opening.ec_key(settings)), ("hub-rsa.pem", opening.rsa_key(settings))):
        (args.directory / name).write_bytes(key.certificate.public_bytes(Encoding.PEM))
        print(f"{args.directory / name}  key id {key_id(key.certificate)}")
    return 0


def _written(do: Callable[[Work, str], Entry]) -> Entry:
    settings = load_settings()
    return opening.open_store(settings).write(lambda work: do(work, settings.hub))


def _given(facts: PartyFacts, args: argparse.Namespace) -> PartyFacts:
    """The facts with what the command line names."""
    return replace(
        facts,
        org=facts.org if args.org is None else args.org,
        address=facts.address if args.address is None else args.address,
        account={**facts.account, **dict(args.account or ())},
        sends=tuple(args.sends or facts.sends),
        takes=tuple(args.takes or facts.takes),
    )


def _adapters(facts: PartyFacts) -> Mapping[str, Adapter]:
    return {} if facts.adapter == HOUSE else load_adapters(load_settings().adapters)


def _pem(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(LARGEST_PEM).decode("utf-8", errors="replace")
