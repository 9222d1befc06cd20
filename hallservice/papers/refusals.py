"""Why a paper is not made: stable codes, the field concerned, and what the person who asked is told."""

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from canonical.errors import ValueRefused
from exchange.errors import Misconfigured, Refused, TryLater

MESSAGES = {
    "missing": "缺少内容",
    "unknown_field": "没有这一项",
    "empty": "不能为空",
    "too_long": "内容过长",
    "too_many": "行数过多",
    "bad_value": "内容不符合要求",
    "control_character": "含有不可打印的控制字符",
    "line_break": "此项只能有一行",
    "too_many_marks": "附加符号过多",
    "wrong_total": "合计与各项金额不符",
    "bad_copy": "份次应为 1 至 999",
    "not_json": "数据不是有效的 JSON",
    "paper_too_large": "文书内容过多，无法打印",
    "paper_too_costly": "文书排版超出处理器时间或内存上限",
    "overlay_overflow": "内容超出套打栏位",
    "bad_background": "底图不是可用的 PNG 或 JPEG 图片",
    "paper_busy": "打印服务繁忙，请稍后再试",
    "paper_timeout": "文书排版超时",
    "paper_worker_died": "文书排版进程中断，请重试",
    "papers_closed": "打印服务已停止",
    "font_missing": "没有找到字体",
    "bad_template": "文书模板有误",
    "bad_layout": "套打版式有误",
    "worker_not_started": "文书排版进程无法启动",
    "seal_refused": "签章服务不能在文书上签章",
}

_OF_PYDANTIC = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "string_too_short": "empty",
    "string_too_long": "too_long",
    "too_short": "empty",
    "too_long": "too_many",
    "json_invalid": "not_json",
}


def refused(code: str, where: str | None = None, more: str = "") -> Refused:
    """The data must be changed: the same data are refused again."""
    return Refused(code, MESSAGES[code] + more, where)


def later(code: str) -> TryLater:
    """Nothing is known to be wrong with the data."""
    return TryLater(code, MESSAGES[code])


def misconfigured(code: str, where: str | None = None, more: str = "") -> Misconfigured:
    """An administrator must act."""
    return Misconfigured(code, MESSAGES[code] + more, where)


def first_complaint(fault: ValidationError, below: int = 0) -> Refused:
    """The first complaint, its field as a path such as `materials.3.name`, `below` so many outer names."""
    complaint = fault.errors(include_url=False)[0]
    code = _code_of(complaint)
    where = path_of(complaint["loc"][below:]) or None
    return Refused(code, MESSAGES.get(code, MESSAGES["bad_value"]), where)


def path_of(location: Iterable[int | str]) -> str:
    return ".".join(map(str, location))


def _code_of(complaint: ErrorDetails) -> str:
    error = complaint.get("ctx", {}).get("error")
    if isinstance(error, ValueRefused):
        return error.code
    return _OF_PYDANTIC.get(complaint["type"], "bad_value")
