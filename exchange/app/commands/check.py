"""`tongban check`: an adapter's folder, or the partner's running system, against its contract."""

import argparse
import os
import tomllib
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificate
from rich.console import Console
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from exchange.app import certified, opening
from exchange.app.settings import load_settings
from exchange.errors import Misconfigured
from exchange.seals.keys import key_id
from mocks.conformance import ashtml, asjson, asjunit, terminal
from mocks.conformance.bench import Bench, Partner
from mocks.conformance.clocks import by_day
from mocks.conformance.identity import FILES, prepare
from mocks.conformance.listener import Listener
from mocks.conformance.model import Check, Report
from mocks.conformance.offline import offline_checks
from mocks.conformance.plan import lines, open_bench, plan
from mocks.conformance.run import BUDGET, chosen
from mocks.conformance.run import run as run_checks

USAGE = 2
SECRET_VARIABLE = "TONGBAN_CHECK_SECRET"  # noqa: S105 - the name of a variable

HELP = "check an adapter's folder, or a partner's running system, against its contract"

DETAILS = f"""\
tongban check adapters/NAME                 the folder: contract, mappings, samples, generated documents
tongban check adapters/NAME --against URL   the partner's system, as the hub, as an attacker and as its hub
tongban check adapters/NAME --prepare       only makes the hub's keys of a test in --work DIR
tongban check adapters/NAME --against sqlite:///FILE   a front-end database: its rows, as writer and reader
tongban check --certificates                verdicts in the ledger of this hub: valid, expired, drifted
tongban check --channels                    fields with a value that did not get through, per channel

Before a test the vendor registers DIR/hub-ec.pem (JSON, queues) and DIR/hub-rsa.pem (XML) as the hub's
certificates and the address shown by --listen as the hub's address. The shared secret may also stand in
{SECRET_VARIABLE}. Exit code 0 conforming (with --only: none of these failed), 1 not conforming or
incomplete (checks left out because the time of --budget was used up), 2 asked wrongly. Only a whole run is a
verdict and can be recorded.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    parser.add_argument("adapter", metavar="ADAPTER", nargs="?", help="a folder, or the name of an adapter")
    parser.add_argument("--against", metavar="URL", help="the partner's address, or that of its database")
    _partner(parser.add_argument_group("the partner"))
    _run(parser.add_argument_group("the run"))
    out = parser.add_argument_group("reports")
    for name in ("json", "html", "junit"):
        out.add_argument(f"--{name}", metavar="FILE", type=Path, help=f"the report as {name.upper()}")
    out.add_argument(
        "--record", action="store_true", help="sign the verdict, enter it in the ledger (90 days)"
    )
    kept = parser.add_argument_group("the hub's own records")
    kept.add_argument(
        "--certificates", action="store_true", help="list the recorded verdicts and their state"
    )
    kept.add_argument("--channels", action="store_true", help="count the fields dropped in live documents")
    out.add_argument("--all", action="store_true", help="every check on the screen, not only failures")


def _partner(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--partner-certificate", metavar="FILE", type=Path, help="its certificate (PEM)")
    group.add_argument("--secret", metavar="TEXT", help="the shared secret, where the contract has one")
    group.add_argument("--account", metavar="NAME", default="tongban", help="the hub's account there")
    group.add_argument("--org", metavar="CODE", help="credit code of the body (queue partners)")
    group.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="further account values"
    )
    group.add_argument("--queue", metavar="FILE", type=Path, help="the database queue it reads")
    group.add_argument("--cipher", metavar="HEX", help="the key agreed for encrypted bodies")
    group.add_argument("--amqp", metavar="URL", help="the broker it reads")
    group.add_argument("--clock", metavar="URL", help="where its clock can be set (a mock: URL/admin/clock)")
    group.add_argument("--time-scale", metavar="X", type=_scale, default=1.0, help="its repeat times × X")


def _run(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--work", metavar="DIR", type=Path, default=Path("var/check"), help="keys of the test")
    group.add_argument("--prepare", action="store_true", help="make the keys, and nothing else")
    group.add_argument("--listen", metavar="PORT", type=int, default=0, help="port of the test's hub (any)")
    group.add_argument(
        "--only", metavar="ID", nargs="+", action="extend", help="these checks; ABC* begins so"
    )
    group.add_argument("--list", action="store_true", help="list the checks, run none")
    group.add_argument("--seed", metavar="N", type=int, help="of the ids and generated documents")
    group.add_argument("--documents", metavar="N", type=int, default=100, help="generated per mapping (100)")
    group.add_argument(
        "--budget", metavar="SECONDS", type=float, default=BUDGET, help=f"at most ({BUDGET:g})"
    )


def _scale(text: str) -> float:
    number = float(text)
    if not 0 < number <= 10:
        raise argparse.ArgumentTypeError("above 0, at most 10")
    return number


def run(args: argparse.Namespace) -> int:
    with opening.coded():
        if args.prepare:
            return _prepared(args.work)
        if args.certificates:
            return certified.show_certificates(args.json)
        if args.channels:
            return certified.show_channels()
        if args.record and args.only:
            return _wrong("--record needs a whole run, --only makes a part of it")
        folder = folder_of(args.adapter)
        if folder is None:
            return _wrong("no such adapter; give a folder or a name")
        return _online(args, folder) if args.against else _offline(args, folder)


def _wrong(why: str) -> int:
    """Asked wrongly: one line, exit code 2."""
    Console(stderr=True, soft_wrap=True).print(f"tongban check: {why}", markup=False)
    return USAGE


def folder_of(name: str | None) -> Path | None:
    """The folder of a path or of an adapter's name; None when there is none."""
    if name is None:
        return None
    site = load_settings().adapters
    places = [Path(name), *([site / name] if site else []), Path(__file__).parents[3] / "adapters" / name]
    return next((one.resolve() for one in places if (one / "adapter.toml").is_file()), None)


def _prepared(work: Path) -> int:
    prepare(work)
    for name in FILES.values():
        print(work / f"{name}.pem")
    return 0


def _offline(args: argparse.Namespace, folder: Path) -> int:
    checks = offline_checks(folder, args.documents, args.seed or 1)
    if args.list:
        return _listed(checks)
    title, version = _named(folder)
    about = (folder.name, title, version)
    report = run_checks(chosen(checks, args.only or ()), about, "", budget=600, part=bool(args.only))
    return _told(args, report)


def _named(folder: Path) -> tuple[str, str]:
    """Title and contract version as far as the manifest says them."""
    try:
        found = tomllib.loads((folder / "adapter.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return folder.name, "?"
    return str(found.get("title", folder.name)), str(found.get("contract_version", "?"))


def _online(args: argparse.Namespace, folder: Path) -> int:
    keys, partner = prepare(args.work), _asked(args)
    if partner is None:
        return _wrong("--against needs --partner-certificate FILE")
    listener = Listener(keys.ec, args.listen)
    try:
        bench = open_bench(folder, keys, partner, listener, args.seed or _seed(), connect=False)
        if args.list:
            return _listed(plan(bench))
        if lacking := _lacking(bench):
            return _wrong(f"{bench.adapter.name} needs {lacking}")
        bench.lines = lines(bench)
        return _tried(args, bench, listener)
    finally:
        listener.close()


def _lacking(bench: Bench) -> str:
    """The options this adapter cannot be tried without and that were not given."""
    adapter, partner = bench.adapter, bench.partner
    wraps = [one.rest.wrap for one in adapter.outbound if one.rest]
    wraps += [one.rest.wrap for one in adapter.inbound if one.rest]
    encrypted = any(one is not None and one.cipher for one in wraps)
    given = {"account": partner.account, **partner.values}
    if any(one.table for one in adapter.outbound) and not partner.url.startswith(("sqlite", "postgresql")):
        return "--against sqlite:///FILE or postgresql://…"
    needed = [name for name in adapter.required_parameters if not given.get(name)]
    options = ["--cipher HEX"] if encrypted and partner.cipher is None else []
    options += ["--account NAME" if name == "account" else f"--set {name}=VALUE" for name in needed]
    return ", ".join(options)


def _tried(args: argparse.Namespace, bench: Bench, listener: Listener) -> int:
    about = (bench.adapter.name, bench.adapter.title, bench.adapter.contract_version)
    notes = (f"测试方回调地址 the test's hub listened at {listener.url}",)
    try:
        checks = chosen(plan(bench), args.only or ())
        with by_day(bench):
            report = run_checks(
                checks,
                about,
                _without_password(args.against),
                budget=args.budget,
                notes=notes,
                part=bool(args.only),
            )
    finally:
        bench.close()
    code = _told(args, report)
    if args.record:
        print(certified.record(report, Path(bench.adapter.folder), key_id(bench.partner.certificate)))
    return code


def _without_password(address: str) -> str:
    """As it may stand in a report."""
    try:
        return make_url(address).render_as_string(hide_password=True)
    except ArgumentError:
        return address


def _asked(args: argparse.Namespace) -> Partner | None:
    if args.partner_certificate is None:
        return None
    try:
        certificate = load_pem_x509_certificate(args.partner_certificate.read_bytes())
    except ValueError as fault:
        raise Misconfigured("certificate_unreadable", str(fault), str(args.partner_certificate)) from fault
    secret = args.secret or os.environ.get(SECRET_VARIABLE, "")
    values = dict(one.partition("=")[::2] for one in args.set)
    return Partner(
        args.against,
        certificate,
        secret,
        args.account,
        args.org,
        values,
        args.queue,
        args.amqp,
        _cipher(args.cipher),
        args.time_scale,
        clock=args.clock,
    )


def _cipher(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text) if text else None
    except ValueError as fault:
        raise Misconfigured("cipher_unreadable", "hex digits are needed", "--cipher") from fault


def _seed() -> int:
    return int.from_bytes(os.urandom(6), "big")


def _listed(checks: list[Check]) -> int:
    for one in checks:
        print(f"{one.id}\t{one.group}\t{one.zh} / {one.en}\t{one.section}")
    print(f"{len(checks)} checks")
    return 0


def _told(args: argparse.Namespace, report: Report) -> int:
    terminal.show(report, Console(), everything=args.all)
    if args.json:
        args.json.write_text(asjson.write(report), "utf-8")
    if args.html:
        args.html.write_text(ashtml.write(report), "utf-8")
    if args.junit:
        args.junit.write_bytes(asjunit.write(report))
    return 0 if report.outcome in ("conforming", "part") else 1
