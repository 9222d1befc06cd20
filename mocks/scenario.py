"""Scenarios: what goes wrong at which partner and when, from mocks/scenarios/*.toml, played in time."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import httpx2

from mocks.partners.common.clock import BEIJING, Clock
from mocks.partners.common.faultform import MEANINGS, BadFault, read

FOLDER: Final = Path(__file__).parent / "scenarios"
EVERYBODY: Final = "*"
PATIENCE: Final = 5.0  # seconds a partner's admin API is given
LONGEST: Final = 86_400.0  # seconds after the start a step may lie
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_HOUR = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
TEXTS: Final = ("title", "english", "shows")
FAULT: Final = frozenset({"operation", "fault", "times", "probability", "value", "from", "until", "then"})
CLOCK: Final = frozenset({"clock_offset_s", "seals"})
HOUR: Final = frozenset({"clock_at"})
PLACE: Final = frozenset({"at", "partner"})

Action = Mapping[str, object]
"""A fault as POST /admin/fault takes it, {"clear": True}, or {"clock": {"offset_s": n, "seals": bool}}.

{"clock_at": "02:00"} becomes the last of these when it is played: a business hour, the seals right.
"""
Post = Callable[[str, Action], None]
"""Does an action at a partner, by its name; ScenarioError if it does not want it."""
Sleep = Callable[[float], object]
"""Waits so many seconds; true if the play is to end (as threading.Event.wait says it)."""


class ScenarioError(Exception):
    """A scenario that cannot be read, an action that cannot be done: `code` to act on, `detail`, `where`."""

    def __init__(self, code: str, detail: str, where: str) -> None:
        super().__init__(code, detail, where)
        self.code, self.detail, self.where = code, detail, where

    def __str__(self) -> str:
        return f"{self.code}: {self.detail} ({self.where})"


@dataclass(frozen=True)
class Step:
    """One action; `at`: seconds after the cases start, or an hour of the day (Beijing time) as text."""

    at: float | str
    partners: tuple[str, ...]  # "*" = all of the run
    action: Action


@dataclass(frozen=True)
class Scenario:
    """Title in Chinese and English, what it shows, and its steps in the order of the file."""

    name: str
    title: str
    english: str
    shows: str
    steps: tuple[Step, ...]

    @property
    def partners(self) -> tuple[str, ...]:
        """The partners its steps name."""
        named = {one for step in self.steps for one in step.partners}
        return tuple(sorted(named - {EVERYBODY}))


@dataclass(frozen=True)
class Done:
    """What became of one step at one partner: done, skipped (not part of the run), or a refusal's code."""

    step: Step
    partner: str
    outcome: str
    detail: str = ""


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Every scenario there is."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def load(name: str, folder: Path = FOLDER) -> Scenario:
    """The scenario; ScenarioError for an unknown name and for what is wrong in its file."""
    if name not in names(folder):
        raise ScenarioError("unknown_scenario", f"there are: {', '.join(names(folder))}", name)
    file = folder / f"{name}.toml"
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ScenarioError("scenario_unreadable", str(error), file.name) from error
    return parse(name, raw)


def parse(name: str, raw: Mapping[str, object]) -> Scenario:
    """A scenario of TOML that was read; ScenarioError names the step."""
    if unknown := sorted(raw.keys() - {*TEXTS, "step"}):
        raise ScenarioError("scenario_invalid", f"no key is called {', '.join(unknown)}", name)
    texts = [raw.get(key) for key in TEXTS]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ScenarioError("scenario_invalid", f"{', '.join(TEXTS)} are needed", name)
    listed = raw.get("step", [])
    if not isinstance(listed, list):
        raise ScenarioError("scenario_invalid", "step: a list of tables is needed", name)
    steps = tuple(_step(one, f"{name}: step {place}") for place, one in enumerate(listed, 1))
    title, english, shows = map(str, texts)
    return Scenario(name, title, english, shows, steps)


def _step(raw: object, where: str) -> Step:
    if not isinstance(raw, dict):
        raise ScenarioError("scenario_invalid", "a table is needed", where)
    action = {key: value for key, value in raw.items() if key not in PLACE}
    return Step(_at(raw.get("at"), where), _partners(raw.get("partner"), where), _action(action, where))


def _at(value: object, where: str) -> float | str:
    if isinstance(value, str) and _HOUR.fullmatch(value):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST:
        return float(value)
    raise ScenarioError("scenario_invalid", "at: seconds after the start, or an hour such as 02:00", where)


def _partners(value: object, where: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    good = [one for one in listed if isinstance(one, str) and (one == EVERYBODY or _NAME.fullmatch(one))]
    if not good or len(good) != len(listed):
        raise ScenarioError("scenario_invalid", "partner: a name, a list of names, or *", where)
    return tuple(good)


def _action(raw: dict[str, object], where: str) -> Action:
    if raw.keys() == {"clear"} and raw["clear"] is True:
        return {"clear": True}
    if "clock_offset_s" in raw and raw.keys() <= CLOCK:
        return {"clock": {"offset_s": raw["clock_offset_s"], "seals": raw.get("seals", True)}}
    if raw.keys() == HOUR and isinstance(hour := raw["clock_at"], str) and _HOUR.fullmatch(hour):
        return raw
    if "fault" not in raw or not raw.keys() <= FAULT:
        raise ScenarioError(
            "scenario_invalid", "one of fault, clear, clock_offset_s, clock_at is needed", where
        )
    try:
        fault = read(raw, 0.0)
        named = [fault.fault, *(str(one["fault"]) for one in fault.then)]
    except BadFault as error:
        raise ScenarioError("bad_fault", str(error), where) from error
    if unknown := sorted(set(named) - MEANINGS.keys()):
        raise ScenarioError("bad_fault", f"no fault is called {', '.join(unknown)}", where)
    return raw


def play(
    scenario: Scenario, post: Post, *, partners: Collection[str] | None = None, scale: float = 1.0,
    clock: Clock = time.time, sleep: Sleep = time.sleep, tell: Callable[[Done], None] = lambda done: None,
) -> tuple[Done, ...]:  # fmt: skip
    """Does every step in its time and returns what became of each; a refusal ends nothing.

    `partners`: those of the run (None: whoever is named); `scale`: 0.5 plays it twice as fast.
    """
    start, found = clock(), list[Done]()
    timed = sorted(((_due(step.at, start, scale), step) for step in scenario.steps), key=lambda one: one[0])
    for due, step in timed:
        if (wait := due - clock()) > 0 and sleep(wait):
            break
        for done in _do(step, _resolved(scaled(step.action, scale), clock()), post, partners):
            found.append(done)
            tell(done)
    return tuple(found)


def _due(at: float | str, start: float, scale: float) -> float:
    """Unix seconds; of an hour of the day the next time it strikes."""
    if not isinstance(at, str):
        return start + at * scale
    hour, minute, *second = (int(part) for part in at.split(":"))
    now = datetime.fromtimestamp(start, BEIJING)
    strikes = now.replace(hour=hour, minute=minute, second=second[0] if second else 0, microsecond=0)
    return (strikes if strikes >= now else strikes + timedelta(days=1)).timestamp()


def _resolved(action: Action, now: float) -> Action:
    if "clock_at" not in action:
        return action
    return {"clock": {"offset_s": _due(str(action["clock_at"]), now, 1.0) - now, "seals": False}}


def _do(step: Step, action: Action, post: Post, partners: Collection[str] | None) -> Iterator[Done]:
    for name in _expanded(step.partners, partners):
        if partners is not None and name not in partners:
            yield Done(step, name, "skipped", "not part of this run")
            continue
        try:
            post(name, action)
        except ScenarioError as error:
            yield Done(step, name, error.code, error.detail)
        else:
            yield Done(step, name, "done")


def _expanded(named: Sequence[str], partners: Collection[str] | None) -> list[str]:
    everybody = sorted(partners or ())
    return list(dict.fromkeys(one for name in named for one in (everybody if name == EVERYBODY else [name])))


def scaled(action: Action, scale: float) -> Action:
    """With its relative times scaled; an hour of the day and an ISO time stay."""
    times = {
        key: value * scale for key in ("from", "until") if isinstance(value := action.get(key), int | float)
    }
    then = action.get("then")
    if isinstance(then, dict):
        times["then"] = scaled(then, scale)  # type: ignore[assignment]  # a switch beside numbers
    elif isinstance(then, list):
        times["then"] = [scaled(one, scale) for one in then]  # type: ignore[assignment]  # as above
    return {**action, **times}


def calm(post: Post, partners: Collection[str]) -> None:
    """Disarms every fault and puts every clock right; a partner that is gone is left alone."""
    for name in sorted(partners):
        for action in ({"clear": True}, {"clock": {"offset_s": 0}}):
            try:
                post(name, action)
            except ScenarioError:
                break


def sender(urls: Mapping[str, str], timeout: float = PATIENCE) -> Post:
    """Actions by the admin API of partners at these addresses."""

    def post(partner: str, action: Action) -> None:
        if partner not in urls:
            raise ScenarioError("unknown_partner", f"there are: {', '.join(sorted(urls))}", partner)
        try:
            answer = _call(urls[partner].rstrip("/"), action, timeout)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ScenarioError("unreachable", type(error).__name__, partner) from error
        if answer.status_code != 200:
            raise ScenarioError(
                "refused" if answer.status_code == 422 else "unreachable", _detail(answer), partner
            )

    return post


def _call(url: str, action: Action, timeout: float) -> httpx2.Response:
    with httpx2.Client(timeout=timeout, trust_env=False, follow_redirects=False) as client:
        if action.get("clear") is True:
            return client.delete(f"{url}/admin/faults")
        if "clock" in action:
            return client.post(f"{url}/admin/clock", json=action["clock"])
        return client.post(f"{url}/admin/fault", json=dict(action))


def _detail(answer: httpx2.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return str(answer.status_code)
    return str(said.get("detail", answer.status_code)) if isinstance(said, dict) else str(answer.status_code)
