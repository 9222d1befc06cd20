"""Answers with the headers every one of them carries."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from hallservice.web.forms import deflate

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "geolocation=(), microphone=(), payment=()",
}
ADDRESS = ":/?#[]@!$&'()*+,;=%~"  # stand in an address as they are (RFC 3986)
SMALL = 1000  # bytes not worth packing


@dataclass(frozen=True, slots=True)
class Said:
    """How a failure is told: status, heading and what to do."""

    status: int
    heading: str
    advice: str


FAILURES: Mapping[str, Said] = {
    "not_allowed": Said(403, "没有权限", "您没有此项权限。如工作需要，请联系本单位管理员授权。"),
    "not_ours": Said(403, "请求来源不明", "为了安全，本次提交没有执行。请从系统页面重新进入。"),
    "not_found": Said(404, "没有找到", "地址有误，或者内容已经不存在。请从左侧菜单重新进入。"),
    "no_method": Said(405, "不支持的操作", "请从系统页面重新进入。"),
    "gone": Said(410, "内容已失效", "该内容已经失效，请重新办理。"),
    "too_large": Said(413, "内容太大", "提交的内容超过限制，请减小附件后重试。"),
    "bad_request": Said(400, "无法识别的请求", "请返回上一页重试。"),
    "too_slow": Said(408, "网络太慢", "内容没有收全，本次提交没有执行，请重试。"),
    "refused": Said(422, "不能办理", "请按提示改正后重试。"),
    "conflict": Said(409, "不能办理", "请刷新后按最新情况办理。"),
    "busy": Said(503, "系统繁忙", "本次提交没有执行，请稍候再试。"),
    "defect": Said(500, "系统出错", "本次操作没有完成。请记下追踪号，联系系统管理员。"),
}


def failure(code: str) -> Said:
    """How a refusal's code is told; any that is no code of the frame's is a rule of a service."""
    return FAILURES.get(code, FAILURES["refused"])


def status_told(code: str) -> int:
    """The status for another system: of the frame's own refusals theirs, else 400."""
    return FAILURES[code].status if code in FAILURES else 400


def trace_id() -> str:
    """12 characters that name one request in the log and on the page."""
    return secrets.token_hex(6)


def redirect(url: str) -> Response:
    """POST-redirect-GET; what no address may hold (line ends, Chinese) is quoted."""
    return Response(status_code=303, headers={"location": quote(url, safe=ADDRESS)})


def attachment(body: bytes, name: str, media_type: str, *, inline: bool = False) -> Response:
    """A file under a Chinese name (RFC 6266)."""
    how = "inline" if inline else "attachment"
    shown = f"{how}; filename*=UTF-8''{quote(name, safe='')}"
    return Response(body, media_type=media_type, headers={"content-disposition": shown})


def finish(response: Response, accepts: str, *, secure: bool) -> Response:
    """Security headers, no caching of what may be personal, gzip where it pays."""
    raw = response.raw_headers
    said = {name for name, _ in raw}
    html = any(header[0] == b"content-type" and header[1].startswith(b"text/html") for header in raw)
    raw += [header for header in _USUAL[html, secure] if header[0] not in said]
    if html and "gzip" in accepts and len(response.body) > SMALL:
        response.body = deflate(bytes(response.body))
        raw += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        response.headers["content-length"] = str(len(response.body))
    return response


def _usual(html: bool, secure: bool) -> list[tuple[bytes, bytes]]:
    """The headers of a page or of something else, as they are sent."""
    said = {**HEADERS, "content-security-policy": CSP if html else NO_PAGE, "cache-control": "no-store"}
    if secure:
        said["strict-transport-security"] = "max-age=31536000"
    return [(name.encode(), value.encode()) for name, value in said.items()]


_USUAL = {(html, secure): _usual(html, secure) for html in (False, True) for secure in (False, True)}
