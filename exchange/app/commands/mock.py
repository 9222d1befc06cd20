"""`tongban mock`: what goes wrong at the partners of the running demonstration, by hand or by scenario."""

import argparse
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from exchange.app import table
from exchange.app.demo.layout import HOST, kept_ports
from exchange.app.settings import load_settings
from exchange.errors import HubError, Misconfigured, Refused, TryLater
from mocks.scenario import Done, ScenarioError, calm, load, play, sender

HELP = "make a partner of the running demonstration misbehave, and behave again"

DETAILS = """\
The partners are those of `tongban demo` on this machine (their ports are kept in the state directory), or the
one at --url. `tongban mock faults PARTNER` lists what can go wrong on which operation and what it means.

  tongban mock fault sms http500 --operation submit --times 3
  tongban mock fault fees freeze --until 60
  tongban mock fault department_a maintenance --value 02:00-04:00
  tongban mock clear sms
"""

PATIENCE = 5.0  # seconds a partner has to answer
LARGEST_ANSWER = 1 << 20
INTEGER = re.compile(r"-?[0-9]{1,9}")
NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
ARMED = ("operation", "fault", "times", "probability", "value", "from", "until")
CODES: Mapping[str, type[HubError]] = {"unreachable": TryLater}  # of scenarios; the others are refusals


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _fault(actions.add_parser("fault", help="arm a fault"))
    faults = _partner(actions.add_parser("faults", help="what can go wrong here, and what is armed"))
    clear = _partner(actions.add_parser("clear", help="disarm every fault and put the clock right"))
    clock = _partner(actions.add_parser("clock", help="set its clock wrong (0 puts it right)"))
    clock.add_argument("seconds", metavar="SECONDS", type=_number, help="ahead of the true time")
    clock.add_argument("--business", action="store_true", help="only its business hours, not its seals")
    listed = actions.add_parser("list", help="the partners of the demonstration")
    for one in (faults, listed):
        one.add_argument("--json", action="store_true", help="as JSON")
    played = actions.add_parser("play", help="play a scenario at the partners of the demonstration")
    played.add_argument("scenario", metavar="SCENARIO", help="its name; a wrong one lists those there are")
    played.add_argument("--scale", metavar="X", type=_scale, default=1.0, help="0.5 = twice as fast")
    for one, act in ((faults, _faults), (clear, _clear), (clock, _clock), (listed, _list), (played, _play)):
        one.set_defaults(act=act)


def _partner(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("partner", metavar="PARTNER")
    parser.add_argument("--url", metavar="URL", help="where it listens, if not as the demonstration keeps it")
    return parser


def _fault(parser: argparse.ArgumentParser) -> None:
    _partner(parser).add_argument("fault", metavar="FAULT")
    parser.add_argument(
        "--operation", metavar="OP", default="*", help="only on this operation (default: all)"
    )
    often = parser.add_mutually_exclusive_group()
    often.add_argument("--times", metavar="N", type=int, help="so often (default: once)")
    often.add_argument("--probability", metavar="P", type=_number, help="with this share, until cleared")
    parser.add_argument(
        "--value", metavar="V", type=_value, help="milliseconds, copies, a window 02:00-04:00"
    )
    parser.add_argument("--from", metavar="T", type=_value, help="seconds from now, or an ISO time")
    parser.add_argument("--until", metavar="T", type=_value, help="seconds from now, or an ISO time")
    parser.set_defaults(act=_arm)


def _value(text: str) -> int | float | str:
    return int(text) if INTEGER.fullmatch(text) else float(text) if NUMBER.fullmatch(text) else text


def _number(text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise argparse.ArgumentTypeError("must be a number")
    return float(text)


def _scale(text: str) -> float:
    scale = _number(text)
    if not 0 < scale <= 1000:
        raise argparse.ArgumentTypeError("must be above 0, at most 1000")
    return scale


def run(args: argparse.Namespace) -> int:
    act: Callable[[argparse.Namespace], int] = args.act
    try:
        return act(args)
    except ScenarioError as error:
        raise CODES.get(error.code, Refused)(error.code, error.detail, error.where) from error


def _arm(args: argparse.Namespace) -> int:
    given = {name: getattr(args, name) for name in (*ARMED[:5], "from", "until")}
    said = {name: value for name, value in given.items() if value is not None}
    sender(_one(args), PATIENCE)(args.partner, said)
    print(f"{args.partner}: {args.fault} armed")
    return 0


def _faults(args: argparse.Namespace) -> int:
    found = _asked(args.partner, _one(args)[args.partner], "/admin/faults")
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 0
    where: dict[str, list[str]] = {}
    for operation, faults in found["supported"].items():
        for fault in faults:
            where.setdefault(fault, []).append(operation)
    rows = [(name, ", ".join(where[name]), found["meanings"].get(name, "")) for name in sorted(where)]
    table.show(("fault", "operations", "what it does"), rows)
    if found["armed"]:
        print("\narmed:")
        table.show(ARMED, [[one.get(name) for name in ARMED] for one in found["armed"]])
    return 0


def _clear(args: argparse.Namespace) -> int:
    urls = _one(args)
    post = sender(urls, PATIENCE)
    post(args.partner, {"clear": True})
    calm(post, urls)
    print(f"{args.partner}: nothing armed, clock right")
    return 0


def _clock(args: argparse.Namespace) -> int:
    clock = {"offset_s": args.seconds, "seals": not args.business}
    sender(_one(args), PATIENCE)(args.partner, {"clock": clock})
    print(f"{args.partner}: clock {args.seconds:+g} s")
    return 0


def _list(args: argparse.Namespace) -> int:
    found = [_standing(name, url) for name, url in _running().items()]
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        columns = ("partner", "url", "state", "armed")
        table.show(columns, [[one[name] for name in columns] for one in found])
    return 0


def _standing(name: str, url: str) -> dict[str, Any]:
    try:
        armed = len(_asked(name, url, "/admin/faults")["armed"])
    except TryLater:
        return {"partner": name, "url": url, "state": "away", "armed": None}
    return {"partner": name, "url": url, "state": "ready", "armed": armed}


def _play(args: argparse.Namespace) -> int:
    scenario, urls = load(args.scenario), _running()
    print(f"{scenario.title} / {scenario.english}", flush=True)

    def tell(done: Done) -> None:
        action = ", ".join(f"{key} {value}" for key, value in done.step.action.items())
        print(
            f"{done.partner}: {done.outcome}  {action}{'  ' + done.detail if done.detail else ''}", flush=True
        )

    play(scenario, sender(urls, PATIENCE), partners=urls.keys(), scale=args.scale, tell=tell)
    return 0


def _running() -> dict[str, str]:
    """The addresses of the demonstration's partners; Misconfigured if there was none."""
    state = load_settings().state
    ports = kept_ports(state / "demo")
    if not ports:
        raise Misconfigured("no_demonstration", "no partners are known here; run `tongban demo`", str(state))
    return {name: f"http://{HOST}:{port}" for name, port in sorted(ports.items())}


def _one(args: argparse.Namespace) -> dict[str, str]:
    """The address of one partner."""
    if args.url:
        return {args.partner: args.url}
    running = _running()
    if args.partner not in running:
        raise Refused("unknown_partner", f"there are: {', '.join(running)}", args.partner)
    return {args.partner: running[args.partner]}


def _asked(name: str, url: str, path: str) -> dict[str, Any]:
    try:
        with httpx2.Client(timeout=PATIENCE, trust_env=False, follow_redirects=False) as client:
            answer = client.get(url.rstrip("/") + path)
        said = answer.json() if answer.status_code == 200 and len(answer.content) <= LARGEST_ANSWER else None
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise TryLater("unreachable", type(error).__name__, name) from error
    if not isinstance(said, dict) or not {"armed", "supported", "meanings"} <= said.keys():
        raise TryLater("unreachable", f"no partner answers at {url}", name)
    return said
