"""One fault switch as JSON: its members checked, its span of time and its daily window read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mocks.partners.common.clock import BEIJING, iso

MEANINGS: Final[Mapping[str, str]] = {
    "delay_ms": "acts VALUE milliseconds late (1000)",
    "drop_before_reply": "the work is done, no answer comes; a message of its own is lost, so unanswered",
    "half_open": "takes the message and never answers",
    "http500": "HTTP 500, no work done (over a queue: the receipt's code for a system error)",
    "http200_error_body": "HTTP 200 with a body that is no answer of the contract's, no work done",
    "gbk_body": "the bytes are GBK where the contract says UTF-8, labelled UTF-8",
    "bom": "a byte order mark before the first byte",
    "wrong_charset_label": "the Content-Type names another character set than that of the bytes",
    "cdata_in_cdata": "the XML text arrives wrapped in CDATA once more",
    "null_text": "texts say null",
    "bad_date_pattern": "dates in another pattern than the contract's",
    "clock_skew_s": "seals and judges seals with a clock VALUE seconds wrong (400)",
    "duplicate_push": "sends VALUE copies more (1)",
    "reorder": "held back about VALUE seconds (1), so that later ones overtake it",
    "missing_attachment": "the attachment, or what names it, is left out",
    "truncate_800b": "cut after 800 bytes",
    "sig_bad": "the signature value is wrong",
    "sig_expired": "sealed an hour ago",
    "maintenance": "down: no work, nothing sent; VALUE 02:00-04:00 = daily, Beijing time",
    "batch_limit": "takes at most VALUE entries a call (1)",
    "rate_limit": "too many calls: HTTP 429 or the contract's code for busy",
    "partial_accept": "a part of the entries is refused",
    "version_gap": "a version that does not follow the last one",
    "pagination_shift": "a following page begins VALUE entries too early (1; negative: too late)",
    "schema_new_field": "a field that no schema knows yet",
    "callback_before_reply": "the callback is sent before the answer it belongs to",
    "token_expired": "the access token counts as expired",
    "freeze": "the monthly freeze of settlements",
    "busy": "the contract's code for busy",
    "name_width": "names of holders in another width and with another middle dot",
    "header_differs": "the header of the answer says the opposite of its body",
    "second_rating": "a service already rated is rated once more, under another number",
    "unknown_service": "a rating names a service that was never recorded",
    "not_granted": "the contract's code for a service that is not granted",
    "interrupted": "the connection of a download drops after VALUE bytes (1000); it is resumed",
    "gone": "a download counts as gone (410)",
    "not_finished": "a download counts as not finished in time (408)",
    "check_fails": "a package fails the check VALUE (3-1-1)",
    "missing_line": "the last line is left out; count and sum agree with what is there",
    "extra_line": "a payment nobody was told of",
    "wrong_amount": "the first line's amount is one fen higher; count and sum agree with it",
    "duplicate_line": "the last line comes twice; count and sum agree with it",
    "wrong_count": "the first line counts one line more than there are",
    "wrong_sum": "the first line's sum is one fen higher than that of the lines",
    "truncated": "the last ten bytes of the file are missing, the seal is over what is left",
    "no_flag": "the flag file with the seal is not written",
    "same_name": "a further file of a day under the name of the first",
    "stale": "sealed eight days ago",
    "early_evaluation": "a rating before the case is concluded",
    "rush_rating": "the best rating, at once",
    "double_complaint": "the same complaint under two request ids",
    "wrong_password": "a question with a wrong query password",
    "unknown_case": "a question about a case that does not exist",
    "cursor_lost": "the cursor of a round counts as unknown",
    "nine_characters": "organisation codes of nine characters where credit codes belong",
    "internal_error": "the contract's code for an internal error",
    "withdrawn": "the object asked for was withdrawn; a corrected one follows under another name",
}
"""Every fault there is; the upper part is common, the lower one is of single contracts."""

MEMBERS: Final = frozenset({"operation", "fault", "times", "probability", "value", "from", "until", "then"})
LONGEST: Final = 366 * 86400.0  # seconds ahead a fault may begin or end
DAY: Final = 86400.0
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
Value = int | float | str | None


class BadFault(Exception):
    """The switch asked for does not exist here, or cannot be read; the text says what is needed."""


@dataclass(frozen=True)
class Window:
    """A daily span in seconds after midnight, Beijing time; it may go over midnight."""

    first: int
    last: int

    @staticmethod
    def read(text: str) -> Window:
        """Of a text such as 02:00-04:00."""
        match = _WINDOW.fullmatch(text.strip())
        if match is None:
            raise BadFault("value: a daily window such as 02:00-04:00 is needed")
        hours = [int(part) for part in match.groups()]
        window = Window(hours[0] * 3600 + hours[1] * 60, hours[2] * 3600 + hours[3] * 60)
        if window.first == window.last:
            raise BadFault("value: the window is empty")
        return window

    def holds(self, now: float) -> bool:
        """Whether a second lies in it; its last minute does not."""
        at = now - _midnight(now)
        if self.first < self.last:
            return self.first <= at < self.last
        return at >= self.first or at < self.last

    def ended(self, since: float, now: float) -> bool:
        """Whether it ended after `since` and not after `now`."""
        end = _midnight(now) + self.last
        return since < (end if end <= now else end - DAY) <= now


def _midnight(now: float) -> float:
    return datetime.fromtimestamp(now, BEIJING).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


@dataclass
class Fault:
    """One armed switch; `times` counts down. `then`: what is armed when it ends by itself."""

    operation: str
    fault: str
    times: int | None
    probability: float | None
    value: Value
    begins: float | None = None
    ends: float | None = None
    then: tuple[Mapping[str, object], ...] = ()
    window: Window | None = None

    def number(self, default: float) -> float:
        """The value as a number, for delays (ms) and counts."""
        return float(self.value) if isinstance(self.value, int | float) else default

    def text(self, default: str) -> str:
        """The value as a text, for names."""
        return self.value if isinstance(self.value, str) else default

    def holds(self, now: float) -> bool:
        """Whether its time has come and its window is open."""
        begun = self.begins is None or self.begins <= now
        return begun and (self.window is None or self.window.holds(now))

    def shown(self) -> dict[str, object]:
        """As GET /admin/faults lists it."""
        spans = {"from": self.begins, "until": self.ends}
        said: dict[str, object] = {name: iso(at) for name, at in spans.items() if at is not None}
        then = {"then": [dict(one) for one in self.then]} if self.then else {}
        plain: dict[str, object] = {
            "operation": self.operation, "fault": self.fault, "times": self.times,
            "probability": self.probability, "value": self.value,
        }  # fmt: skip
        return plain | said | then


def read(raw: object, now: float, *, inner: bool = False) -> Fault:
    """A switch of JSON, its relative times counted from `now`; `inner`: it is itself inside a `then`."""
    if not isinstance(raw, dict) or not raw.keys() <= MEMBERS - ({"then"} if inner else set()):
        raise BadFault(f"members: {', '.join(sorted(MEMBERS))}" + (", no then in a then" if inner else ""))
    operation, name = raw.get("operation", "*"), raw.get("fault")
    if not isinstance(operation, str) or not isinstance(name, str):
        raise BadFault("operation and fault are texts")
    begins, ends = _moment(raw, "from", now), _moment(raw, "until", now)
    if ends is not None and ends <= (begins or now):
        raise BadFault("until: lies before its beginning")
    value = _value(raw, name)
    window = Window.read(value) if name == "maintenance" and isinstance(value, str) else None
    times, probability = _how_often(raw, lasting=bool(window or begins or ends))
    return Fault(operation, name, times, probability, value, begins, ends, _then(raw, operation, now), window)


def _number(raw: Mapping[str, object], name: str, least: float, most: float) -> float | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadFault(f"{name}: a number from {least:g} to {most:g} is needed")
    return value


def _how_often(raw: Mapping[str, object], *, lasting: bool) -> tuple[int | None, float | None]:
    """Times and probability; once if neither is given, always if the switch has a span or window."""
    times, probability = _number(raw, "times", 1, 1_000_000), _number(raw, "probability", 0, 1)
    if times is not None and (probability is not None or times != int(times)):
        raise BadFault("times is a whole number, and not together with probability")
    if times is None and probability is None:
        return (None, 1.0) if lasting else (1, None)
    return None if times is None else int(times), probability


def _whole(least: int, most: int) -> Callable[[object], str]:
    def wrong(value: object) -> str:
        good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if good else f"a whole number from {least} to {most}"

    return wrong


def _seconds(least: float, most: float) -> Callable[[object], str]:
    def wrong(value: object) -> str:
        good = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
        return "" if good else f"a number from {least:g} to {most:g}"

    return wrong


VALUES: Final[Mapping[str, Callable[[object], str]]] = {
    "delay_ms": _seconds(0, 600_000),
    "clock_skew_s": _seconds(-DAY, DAY),
    "duplicate_push": _whole(1, 100),
    "reorder": _seconds(0, 3600),
    "pagination_shift": _whole(-100, 100),
    "batch_limit": _whole(1, 1_000_000),
    "maintenance": lambda value: "" if isinstance(value, str) else "a daily window such as 02:00-04:00",
}


def _value(raw: Mapping[str, object], name: str) -> Value:
    value = raw.get("value")
    if value is None:
        return None
    if (check := VALUES.get(name)) and (wrong := check(value)):
        raise BadFault(f"value: {wrong} is needed")
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    raise BadFault("value: a number or a text is needed")


def _moment(raw: Mapping[str, object], name: str, now: float) -> float | None:
    """Seconds from now, or an ISO time with its zone."""
    value = raw.get(name)
    if not isinstance(value, str):
        seconds = _number(raw, name, 0, LONGEST)
        return None if seconds is None else now + seconds
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadFault(f"{name}: an ISO time, or seconds from now") from error
    if at.tzinfo is None or abs(at.timestamp() - now) > LONGEST:
        raise BadFault(f"{name}: an ISO time with its zone, within {timedelta(seconds=LONGEST).days} days")
    return at.timestamp()


def _then(raw: Mapping[str, object], operation: str, now: float) -> tuple[Mapping[str, object], ...]:
    """The switches armed at the end, each readable now; without an operation, that of the outer one."""
    given = raw.get("then", [])
    listed = given if isinstance(given, list) else [given]
    filled = []
    for one in listed:
        if not isinstance(one, dict):
            raise BadFault("then: a switch, or a list of them")
        filled.append({"operation": operation, **one})
    for one in filled:
        read(one, now, inner=True)
    return tuple(filled)
