"""`tongban init`: a site of one's own, with its first administrator and nobody else."""

import argparse

from exchange.app import opening
from exchange.app.halls import open_hall
from exchange.app.serving import build_hub
from exchange.app.settings import load_settings
from exchange.errors import Refused
from hallservice.people import passwords
from hallservice.people.bootstrap import LOGIN, bootstrap
from hallservice.refusals import HallRefused

HELP = "make keys and store, and the first administrator with a one-time password"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--login", default=LOGIN, help="of the administrator (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """0 when the site can be signed in to; again only as long as nobody ever has."""
    settings = load_settings()
    hall = open_hall(settings, build_hub(settings, opening.open_store(settings)))
    password = passwords.one_time()
    try:
        hall.write(lambda work: bootstrap(hall, work, password, args.login))
    except HallRefused as refusal:
        raise Refused(refusal.code, refusal.said, refusal.where) from refusal
    print(f"login     {args.login}\npassword  {password}  (once; it is changed at the first sign-in)")
    print(f"address   {hall.settings.public_url}  (after `tongban serve`)")
    return 0
