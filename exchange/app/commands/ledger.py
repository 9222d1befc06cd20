"""`tongban ledger`: publish the log as static files, show its key, verify an export or the live store."""

import argparse
import base64
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from exchange.app import datakeys
from exchange.app.settings import Settings, load_settings
from exchange.errors import HubError
from exchange.ledgervalues import value_of
from ledger.errors import LedgerError
from ledger.export import export
from ledger.keys import create, load
from ledger.note import MAX_NOTE, Signer, TreeHead, Verifier
from ledger.report import WHOLE, Report
from ledger.tree import EMPTY_ROOT
from ledger.verify import verify_directory, verify_store

HELP = "publish and verify the log of every official act"

DETAILS = """\
exit codes of verify   0 whole   1 tampered   2 incomplete   3 the question was wrong (key, folder, options)

Every damage is listed with its entry number or file. A verifier key belongs to the verifier: take it from
another channel than the export, and keep the checkpoints you have seen (--saved): without an earlier
checkpoint nobody can tell a history that was rewritten and signed again from the true one.
"""

USAGE = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    publish = actions.add_parser(
        "export", help="write checkpoint, tiles and entries to a folder (C2SP tlog-tiles)"
    )
    publish.add_argument("directory", metavar="DIR", type=Path)
    publish.add_argument(
        "--rebuild", action="store_true", help="write every file again, not only what is new"
    )
    key = actions.add_parser("key", help="print the verifier key line of this hub")
    key.add_argument(
        "--create", action="store_true", help="make the key first; an existing one is never replaced"
    )
    check = actions.add_parser("verify", help="verify a folder, or the live store without one")
    check.add_argument("directory", metavar="DIR", type=Path, nargs="?")
    check.add_argument(
        "--key", metavar="FILE", type=Path, help="file with the verifier key line (default: the hub's)"
    )
    told = "a checkpoint seen earlier, which must be a beginning of this log; may be repeated"
    check.add_argument("--saved", metavar="FILE", type=Path, action="append", default=[], help=told)
    check.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    actions = {"export": _export, "key": _key, "verify": _verify}
    try:
        return actions[args.action](args)
    except (LedgerError, HubError) as refusal:
        return _usage(str(refusal))
    except SQLAlchemyError as error:
        return _usage(f"the store cannot be read: {getattr(error, 'orig', None) or type(error).__name__}")
    except OSError as error:
        return _usage(f"{error.filename or 'file'}: {error.strerror}")


def _usage(message: str) -> int:
    sys.stderr.write(f"tongban ledger: {' '.join(message.split())}\n")
    return USAGE


def _key(args: argparse.Namespace) -> int:
    settings = load_settings()
    if args.create:
        settings.ledger_key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create(settings.ledger_key, settings.ledger_origin)
    print(_own(settings).vkey)
    return 0


def _own(settings: Settings) -> Signer:
    signer = load(settings.ledger_key)
    if signer.name != settings.ledger_origin:
        raise LedgerError(
            "other_log", f"the key is of {signer.name}, the settings say {settings.ledger_origin}"
        )
    return signer


@contextmanager
def _store(settings: Settings) -> Iterator[Connection]:
    """A connection that cannot write; a store that does not exist is not made."""
    engine = create_engine(settings.database_url)
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    if file and file != ":memory:" and not Path(file).is_file():
        raise LedgerError("store_missing", f"there is no store at {file}")
    try:
        with engine.connect().execution_options(postgresql_readonly=True) as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            if not inspect(connection).has_table("ledger_entry"):
                raise LedgerError("store_missing", "the store has no ledger")
            yield connection
    finally:
        engine.dispose()


def _export(args: argparse.Namespace) -> int:
    settings = load_settings()
    signer = _own(settings)
    empty = signer.sign(TreeHead(signer.name, 0, EMPTY_ROOT).body())
    with _store(settings) as connection:
        done = export(
            connection, args.directory, verifier=signer.verifier, empty_note=empty, rebuild=args.rebuild
        )
    print(f"exported {done.size} entries to {args.directory}, root {_shown(done.root)}")
    print(f"{done.written} files written, {done.removed} removed")
    return 0


def _shown(root: bytes) -> str:
    return base64.b64encode(root).decode()


def _verifier_key(args: argparse.Namespace) -> str:
    if args.key is None:
        return _own(load_settings()).vkey
    if args.directory and args.key.resolve().is_relative_to(args.directory.resolve()):
        raise LedgerError(
            "key_untrusted", "the key lies in the folder it should check; take it from elsewhere"
        )
    try:
        return str(Verifier.parse(args.key.read_bytes()[:MAX_NOTE].decode()))
    except UnicodeDecodeError as error:
        raise LedgerError("key_malformed", f"{args.key} holds no verifier key") from error


def _verify(args: argparse.Namespace) -> int:
    vkey, saved = _verifier_key(args), [path.read_bytes()[: MAX_NOTE + 1] for path in args.saved]
    started = time.monotonic()
    if args.directory is None:
        settings = load_settings()
        with _store(settings) as connection:
            if inspect(connection).has_table("data_key") and datakeys.known(connection.engine):
                datakeys.arm(settings, connection.engine)
            report = verify_store(connection, vkey, value_of(connection), saved)
    elif args.directory.is_dir():
        report = verify_directory(args.directory, vkey, saved)
    else:
        return _usage(f"{args.directory} is no folder")
    _tell(report, time.monotonic() - started, args.json)
    return report.exit_code


def _tell(report: Report, seconds: float, as_json: bool) -> None:
    rate = report.entries / seconds if seconds else 0.0
    if as_json:
        print(json.dumps(report.as_dict() | {"seconds": round(seconds, 3)}, ensure_ascii=False))
        return
    for finding in report.findings:
        print(finding)
    if report.status == WHOLE:
        print("whole: every signature, hash, number and counter fits")
    else:
        print(f"{report.status}: {len(report.findings)} findings")
    print(f"size {report.size}, root {_shown(report.root)}")
    print(f"{report.entries} entries read in {seconds:.2f} s, {rate:,.0f} a second")
