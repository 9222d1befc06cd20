"""Names of groups and results in both languages, and what each group is about."""

from __future__ import annotations

from typing import Final

GROUPS: Final[dict[str, tuple[str, str]]] = {
    "contract": ("契约文件", "contract files"),
    "manifest": ("对接清单", "manifest"),
    "mapping": ("映射", "mapping"),
    "samples": ("样例", "samples"),
    "generated": ("生成的文档", "generated documents"),
    "scaffold": ("待办", "still open"),
    "call": ("基本调用", "calls"),
    "content": ("报文内容", "content"),
    "business": ("业务规则与错误码", "business rules and error codes"),
    "seal": ("请求签名（攻击）", "seals of requests (as an attacker)"),
    "answer": ("回答签名", "seals of answers"),
    "idempotency": ("幂等", "idempotency"),
    "callback": ("回调与退避", "callbacks and back-off"),
    "feedback": ("消息反馈", "feedback by queue"),
    "table": ("前置库各行", "rows of the front-end database"),
    "rows": ("对方写的行", "rows the partner writes"),
    "limits": ("限额", "limits"),
    "clock": ("时钟与时段", "clocks and windows"),
    "charset": ("字符集", "character sets"),
    "http": ("HTTP", "HTTP"),
    "hostile": ("畸形与恶意报文", "malformed and hostile documents"),
}
OUTCOMES: Final[dict[str, tuple[str, str]]] = {
    "conforming": ("符合契约", "conforming"),
    "not_conforming": ("不符合契约", "NOT conforming"),
    "incomplete": ("未做完，不作结论", "INCOMPLETE, no verdict"),
    "part": ("只做了部分检查，不作结论", "a part of the checks, no verdict"),
}
RESULTS: Final = {
    "passed": ("通过", "passed"),
    "failed": ("未通过", "failed"),
    "not_offered": ("未提供", "not offered"),
}


def outcome_said(outcome: str, left_out: int) -> tuple[str, str]:
    """The outcome in both languages, with how many checks were left out for time."""
    zh, en = OUTCOMES[outcome]
    if not left_out:
        return zh, en
    return f"{zh}（{left_out} 项因时间用完未做）", f"{en} ({left_out} checks left out: the time is used up)"
