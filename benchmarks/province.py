"""A province that costs as little as possible: answers QueryIncrement by the provincial catalogue's contract
with items made on the spot, signed, and verifies nothing it is asked.

Run by bench_catalogue.py: python benchmarks/province.py CONFIG.json

CONFIG: port, items, key, certificate. POST /admin/change adds a version in which the first 200 items changed.
GET /admin tells how many pages were asked for and when the first and the last of the newest list were.
"""

import html
import json
import re
import sys
import time
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lxml import etree

from exchange.seals import wssec
from exchange.seals.keys import load_signing_key

NAMESPACE = "http://www.example.gov.cn/xzsp/catalog/1.0"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
FIRST, CHANGED, PAGE = 1024, 200, 200
BODY = "114414020072081005"  # an invented body with a true check character
MATERIAL = (
    "<MATERIAL><MATERIAL_NAME>{name}</MATERIAL_NAME><IS_NEED>1</IS_NEED><MATERIAL_TYPE>2</MATERIAL_TYPE>"
    "<MATERIAL_FORMAT>3</MATERIAL_FORMAT><PAGE_NUM>1</PAGE_NUM><SOURCE_TYPE>10</SOURCE_TYPE>"
    "<ACCEPT_STAND>核对申请人名称、经营场所与营业执照一致，签字或者盖章齐全，在有效期内。</ACCEPT_STAND>"
    "<ORDER_NUM>{order}</ORDER_NUM></MATERIAL>"
)
MATERIALS = "".join(
    MATERIAL.format(name=name, order=order)
    for order, name in enumerate(("申请书", "营业执照副本复印件", "经营场所平面布局图", "管理制度清单"), 1)
)
ITEM = (
    '<ITEM op="{op}"><ROW_GUID>{row:032x}</ROW_GUID><CATALOG_CODE>4401{n:08d}</CATALOG_CODE><TASK_CODE>'
    "{body}44401{n:08d}</TASK_CODE><TASK_NAME>食品经营许可（第 {n} 项）</TASK_NAME><TASK_TYPE>01</TASK_TYPE>"
    "<TASK_VERSION>{version}</TASK_VERSION><TASK_STATE>1</TASK_STATE><BY_LAW>"
    "《中华人民共和国食品安全法》第三十五条；《食品经营许可和备案管理办法》第四条</BY_LAW><USE_LEVEL>4</USE_LEVEL><REGION_CODE>441402000000</REGION_CODE>"
    "<DEPT_NAME>梅江区市场监督管理局</DEPT_NAME><DEPT_CODE>{body}</DEPT_CODE><DEPT_TYPE>1</DEPT_TYPE>"
    "<PROJECT_TYPE>2</PROJECT_TYPE><ANTICIPATE_DAY>20</ANTICIPATE_DAY><ANTICIPATE_TYPE>1</ANTICIPATE_TYPE>"
    "<PROMISE_DAY>8</PROMISE_DAY><PROMISE_TYPE>1</PROMISE_TYPE><SERVER_TYPE>2^4^6</SERVER_TYPE><ACCEPT_CONDITION>"
    "具有与经营的食品品种、数量相适应的场所、设备设施、食品安全管理人员和制度。</ACCEPT_CONDITION><HANDLE_FLOW>"
    "申请→受理→审查→决定→办结</HANDLE_FLOW><HANDLE_TYPE>1^2^3</HANDLE_TYPE><LIMIT_SCENE_NUM>1</LIMIT_SCENE_NUM>"
    "<IS_FEE>0</IS_FEE><TRANSACT_ADDR>梅江区政务服务中心 7 号窗口</TRANSACT_ADDR><TRANSACT_TIME>工作日上午"
    "8:30—12:00，下午2:30—5:30</TRANSACT_TIME><LINK_WAY>0753-0000000</LINK_WAY><SUPERVISE_WAY>0753-0012345"
    "</SUPERVISE_WAY><IS_ONLINE>1</IS_ONLINE><IS_SCHEDULE>1</IS_SCHEDULE><RESULT_TYPE>10</RESULT_TYPE><RESULT_NAME>"
    "食品经营许可证</RESULT_NAME><CERT_TYPE_CODE>{body}101</CERT_TYPE_CODE><PLAN_EFFECTIVE_DATE>20260101"
    "</PLAN_EFFECTIVE_DATE><CD_TIME>2026-10-10 02:10:00</CD_TIME><MATERIALS>"
    + MATERIALS
    + "</MATERIALS></ITEM>"
)
DICTIONARY = "<RESULT><CODE>70</CODE><MSG>LIST_ID</MSG></RESULT>"


class Catalogue:
    """So many items; version FIRST holds all of them, each later one the first CHANGED."""

    def __init__(self, items: int) -> None:
        self.items, self.version = items, FIRST
        self.pages, self.first, self.last = 0, 0.0, 0.0

    def answer(self, operation: str, request: str) -> str:
        """The result string of one operation."""
        if operation == "GetToken":
            return "<RESULT><CODE>0</CODE><TOKEN>T-1</TOKEN><EXPIRES>20991231000000</EXPIRES></RESULT>"
        if operation != "QueryIncrement":
            return DICTIONARY
        asked = {name: _text(request, name) for name in ("SINCE_VERSION", "CURSOR")}
        return self._page(int(asked["SINCE_VERSION"] or 0), int(asked["CURSOR"] or 0))

    def _page(self, since: int, offset: int) -> str:
        total = self.items if since == 0 else CHANGED if since < self.version else 0
        if total and not offset:
            self.pages, self.first = 0, time.time()
        ids = range(offset, min(offset + PAGE, total))
        self.pages, self.last = self.pages + 1, time.time()
        more = str(offset + PAGE) if offset + PAGE < total else ""
        rows = "".join(self._item(n, since) for n in ids)
        return (
            f'<RESULT><CODE>0</CODE><LIST total="{total}" next="{more}" to_version="{self.version}">{rows}'
            "</LIST></RESULT>"
        )

    def _item(self, n: int, since: int) -> str:
        version = 1 + (self.version - FIRST if n < CHANGED else 0)
        return ITEM.format(op="U" if since else "I", row=n + 1, n=n, body=BODY, version=version)


class Handler(BaseHTTPRequestHandler):
    """SOAP in, sealed SOAP out; one connection stays open."""

    protocol_version = "HTTP/1.1"
    catalogue: Catalogue
    key: Any

    def do_GET(self) -> None:
        """What was asked for."""
        one = self.catalogue
        said = {"pages": one.pages, "first": one.first, "last": one.last, "version": one.version}
        self._send(json.dumps(said).encode(), "application/json")

    def do_POST(self) -> None:
        """A call, or a new version."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path.startswith("/admin"):
            self.catalogue.version += 1
            self.do_GET()
            return
        operation = self.headers["SOAPAction"].strip('"').rpartition("/")[2]
        result = self.catalogue.answer(operation, html.unescape(_text(body, "requestXml")))
        self._send(sealed(operation, result, _text(body, "callId"), self.key), "text/xml; charset=utf-8")

    def _send(self, body: bytes, media: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def sealed(operation: str, result: str, call_id: str, key: Any) -> bytes:
    """The answer, signed."""
    text = html.escape(f'<?xml version="1.0" encoding="GBK"?>{result}', quote=False)
    envelope = etree.fromstring(
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:c="{NAMESPACE}"><s:Header><c:CallHeader><c:callId>{call_id}'
        f"</c:callId></c:CallHeader></s:Header><s:Body><c:{operation}Response><c:resultXml>{text}</c:resultXml>"
        f"</c:{operation}Response></s:Body></s:Envelope>"
    )
    header = f"{{{NAMESPACE}}}CallHeader"
    return bytes(
        etree.tostring(wssec.sign(envelope, key, header=header, now=datetime.now(UTC)), encoding="UTF-8")
    )


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"<(?:\w+:)?{name}[^>]*>(.*?)</(?:\w+:)?{name}>", re.DOTALL)


def _text(document: str, name: str) -> str:
    found = _pattern(name).search(document)
    return found.group(1) if found else ""


def main() -> None:
    """Serve until SIGTERM."""
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    Handler.catalogue = Catalogue(config["items"])
    Handler.key = load_signing_key(Path(config["key"]).read_bytes(), Path(config["certificate"]).read_bytes())
    ThreadingHTTPServer(("127.0.0.1", config["port"]), Handler).serve_forever()


if __name__ == "__main__":
    main()
