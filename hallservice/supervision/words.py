"""What supervision says in Chinese: clocks, signals, colours, dates, and its short messages."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import escape

from canonical.signals import ClockName, Signal
from canonical.timelimit import Limit, Unit

COLOURS: Mapping[str, str] = {"red": "红牌", "yellow": "黄牌", "due": "到期提示", "warning": "预警"}
"""Cards from the gravest; always shown with the word, never by colour alone."""
FINDING = "none"  # told, and kept as a finding: no card
COLOUR_OF: Mapping[Signal, str] = {
    Signal.RED: "red", Signal.YELLOW: "yellow", Signal.DUE_TODAY: "due", Signal.WARNING: "warning",
}  # fmt: skip
"""Of a clock that raises cards."""
SIGNALS: Mapping[str, str] = {
    "warning": "预警", "due_today": "到期提示", "yellow": "黄牌", "red": "红牌",
    "near_limit": "临近时限", "breach": "超过时限",
}  # fmt: skip
CLOCKS: Mapping[ClockName, str] = {
    ClockName.STATUTORY: "法定办理时限",
    ClockName.PROMISED: "承诺办理时限",
    ClockName.SUPPLEMENT_NOTICE: "补正告知时限",
    ClockName.SPECIAL_PROCEDURE: "特别程序时限",
    ClockName.SERVICE: "颁证送达时限",
    ClockName.STEP: "环节时限",
}
STARTS: Mapping[ClockName, str] = {
    ClockName.STATUTORY: "受理",
    ClockName.PROMISED: "受理",
    ClockName.SUPPLEMENT_NOTICE: "收到申请材料",
    ClockName.SPECIAL_PROCEDURE: "特别程序开始",
    ClockName.SERVICE: "作出决定",
    ClockName.STEP: "上一环节办结",
}
STATES: Mapping[str, str] = {
    "waiting": "待发送", "sent": "已发送", "delivered": "已送达", "failed": "未送达，待重发",
    "given_up": "多次未送达", "acknowledged": "已签收", "missing": "无此人员", "moot": "不再发送",
    "listed": "列表提示",
}  # fmt: skip
UNITS: Mapping[Unit, str] = {
    Unit.WORKING_DAY: "个工作日", Unit.CALENDAR_DAY: "个自然日", Unit.MONTH: "个月", Unit.YEAR: "年",
}  # fmt: skip
WEEK = "一二三四五六日"


def clock_name(clock: str) -> str:
    """法定办理时限; with the number of a special procedure behind it."""
    name, _, part = clock.partition("/")
    label = CLOCKS[ClockName(name)]
    return f"{label}（第 {part} 次）" if name == ClockName.SPECIAL_PROCEDURE and part else label


def day_name(day: date) -> str:
    """3月2日（周一）; with the year where it is wanted, use `full_day`."""
    return f"{day.month}月{day.day}日（周{WEEK[day.weekday()]}）"


def full_day(day: date) -> str:
    return f"{day.year}年{day_name(day)}"


def limit_name(limit: Limit) -> str:
    """20 个工作日; 即办 for none."""
    return f"{limit.count} {UNITS[limit.unit]}" if limit.count else "即办"


def texts() -> Mapping[str, str]:
    """Short messages to staff; no personal data of applicants in them."""
    found = _sms()
    return {name: found["signature"] + text for name, text in found["texts"].items()}


def several(colour: str) -> str:
    """What is the matter with several cases at once."""
    said: str = _sms()["what"][colour]
    return said


@cache
def _sms() -> Mapping[str, Any]:
    return tomllib.loads((files("hallservice.supervision") / "sms.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Mark:
    """A card's colour on a screen: a shape and the word beside the colour, for print and the colour-blind."""

    colour: str
    words: str = ""

    def __html__(self) -> str:
        if self.colour not in COLOURS:
            return f'<span class="badge plain">{escape(self.words)}</span>'
        return f'<span class="card {self.colour}">{escape(str(self))}</span>'

    def __str__(self) -> str:
        return self.words or COLOURS.get(self.colour, "")
