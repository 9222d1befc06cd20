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
    "limits": ("限额", "limits"),
    "charset": ("字符集", "character sets"),
    "http": ("HTTP", "HTTP"),
    "hostile": ("畸形与恶意报文", "malformed and hostile documents"),
}
RESULTS: Final = {
    "passed": ("通过", "passed"),
    "failed": ("未通过", "failed"),
    "not_offered": ("未提供", "not offered"),
}
