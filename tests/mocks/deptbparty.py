"""The hub's side of department B: seals by signxml, a SOAP service of its own that hears pushes, xmlsec1."""

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
from lxml import etree

from tests.mocks.amqpparty import CODE, USCC
from tests.mocks.jsonparty import ACCOUNT, Program, compact_now
from tests.mocks.soapparty import DS, SOAP, Key, escaped, sealed_inner, xmlsec1

DEPT, HUB = "http://www.example.gov.cn/dept_b/case/1.0", "http://www.example.gov.cn/dept_b/hub/1.0"
GBK = "text/xml; charset=GBK"
DECLARATION = '<?xml version="1.0" encoding="GBK"?>'
WHEN = "2026-11-22 09:30:00"
OPERATION = {
    "SQ": "ReceiveApply", "SL": "ReceiveApply", "FJ": "ReceiveAttachment", "CX": "QueryProcess",
    "FEE": "ReceiveNotice", "CERT": "ReceiveNotice",
}  # fmt: skip


def members(values: dict[str, Any]) -> str:
    """Elements of a mapping; None leaves one out, a mapping nests, a text beginning with < stays."""
    out = ""
    for name, value in values.items():
        if value is None:
            continue
        inner = members(value) if isinstance(value, dict) else str(value)
        ready = isinstance(value, dict) or inner.startswith("<")
        out += f"<{name}>{inner if ready else escaped(inner)}</{name}>"
    return out


def request(kind: str, data: str, msg_id: str = "", app: str = ACCOUNT, when: str = "") -> str:
    head = {
        "MSGID": msg_id or secrets.token_hex(16),
        "KIND": kind,
        "APPID": app,
        "TIME": when or compact_now(),
    }
    return f"<REQUEST><HEAD>{members(head)}</HEAD><DATA>{data}</DATA></REQUEST>"


def common(case: str, item: str = CODE) -> dict[str, Any]:
    return {"CASENO": case, "SXBM": item, "SXJBBM": item[-12:], "XZQHDM": "441403", "VERSION": 1}


MATERIALS = "<CAILIAO><CLMC>申请书</CLMC><CLSL>1</CLSL><SQFS>2</SQFS></CAILIAO>"
FORM = (
    "<FORM><BJMC>新办㐀</BJMC><LXR><XM>测试甲</XM><SJ>13800138000</SJ><ZJLX>111</ZJLX>"
    "<ZJHM>441499199001011234</ZJHM></LXR></FORM>"
)


def applied(case: str, item: str = CODE) -> dict[str, Any]:
    person = {
        "SQRLX": "10", "SQRMC": "陈㙓𠮷", "ZJLX": "111", "ZJHM": "441499199001011234", "SQSJ": WHEN,
        "SBWD": "441403001001", "XML_DATA": f"<![CDATA[{DECLARATION}{FORM}]]>",
    }  # fmt: skip
    return common(case, item) | {
        "SXMC": "建设用地审批", "YWLY": "10", "SPSHENQIN": person, "SPCAILIAOSHENHE": MATERIALS
    }  # fmt: skip


def accepted(case: str, fee: str = "0", ends: str = "0", item: str = CODE) -> dict[str, Any]:
    return common(case, item) | {
        "SPSHOULI": {
            "BLBM": "示范局", "TYSHXYDM": USCC, "D_ZZJGDM": USCC[8:17], "BLR": "窗口", "BLRGH": "W-1",
            "SLJG": "1", "SLSJ": WHEN, "CXMM": "012345", "CNSX": "5", "CNSXDW": "1",
            "SFSF": fee, "SFCZ": ends,
        }
    }  # fmt: skip


def paid(case: str, amount: str = "105.00") -> dict[str, Any]:
    return {"CASENO": case, "SPJIAOFEI": {"JKTZSH": "12345678901234567890", "JE": amount, "JFSJ": WHEN}}


def issued(case: str) -> dict[str, Any]:
    return {
        "CASENO": case,
        "SPZHENGZHAO": {"ZZBS": "1.2.156.x", "ZZBH": "粤梅1", "ZZMC": "许可证", "YXQZ": "2031-11-21"},
    }


def attached(case: str, file: bytes, **more: Any) -> dict[str, Any]:
    return common(case) | {
        "MATERIALID": "申请书", "FILENAME": "申请书.pdf", "WJLX": "application/pdf",
        "SHA256": hashlib.sha256(file).hexdigest(), "SCSJ": WHEN,
    } | more  # fmt: skip


@dataclass
class Push:
    """One call of the department: its operation, inner document, arguments and raw bytes."""

    operation: str
    document: Any
    text: str
    arguments: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def kind(self) -> str:
        return str(self.document.findtext("HEAD/KIND"))

    @property
    def msg_id(self) -> str:
        return str(self.document.findtext("HEAD/MSGID"))

    def data(self) -> dict[str, str]:
        """The leaves of DATA by name."""
        return {node.tag: node.text for node in self.document.find("DATA").iter() if not len(node)}


def answer_of(operation: str, key: Key, status: str = "200", code: str = "0") -> bytes:
    result = sealed_inner(f"<RESULT><STATUS>{status}</STATUS><DESC>{code}:</DESC></RESULT>", key)
    return (
        f'{DECLARATION}<s:Envelope xmlns:s="{SOAP}"><s:Body><h:{operation}Response xmlns:h="{HUB}">'
        f"<h:result>{escaped(result)}</h:result></h:{operation}Response></s:Body></s:Envelope>"
    ).encode("gb18030")


def fault(code: str) -> bytes:
    return (
        f'{DECLARATION}<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault><faultcode>s:{code}</faultcode>'
        "<faultstring>x</faultstring></s:Fault></s:Body></s:Envelope>"
    ).encode("gb18030")


def read_push(headers: dict[str, str], body: bytes) -> Push:
    """By the WSDL alone; what cannot be read has no document."""
    try:
        root = etree.fromstring(body.decode("gb18030").partition("?>")[2])
        call = root.find(f"{{{SOAP}}}Body")[0]
        given = {etree.QName(node).localname: node.text or "" for node in call}
        document = etree.fromstring(given["xml"].partition("?>")[2])
    except (etree.XMLSyntaxError, UnicodeDecodeError, ValueError):
        return Push("", None, "", {}, headers, body, time.time())
    return Push(etree.QName(call).localname, document, given["xml"], given, headers, body, time.time())


class HubService:
    """Hears pushes; `answers` (status, body) are taken first, by the case `only` where one is named, then 200
    sealed by `key`."""

    def __init__(self, key: Key) -> None:
        self.heard: list[Push] = []
        self.answers: list[Callable[[str], tuple[int, str, bytes]]] = []
        self.only = ""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                push = read_push({name.lower(): value for name, value in self.headers.items()}, body)
                status, kind, said = hub.answer(push)
                hub.heard.append(push)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.key = key
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        run = {"poll_interval": 0.05}
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs=run, daemon=True)
        self.thread.start()

    def answer(self, push: Push) -> tuple[int, str, bytes]:
        operation = push.operation or "PushProcess"
        case = push.data().get("CASENO") if push.document is not None else None
        if self.answers and self.only in ("", case):
            return self.answers.pop(0)(operation)
        return 200, GBK, answer_of(operation, self.key)

    def say(self, status: str, code: str = "x") -> None:
        self.answers.append(lambda operation: (200, GBK, answer_of(operation, self.key, status, code)))

    def raw(self, status: int, body: bytes, kind: str = GBK) -> None:
        self.answers.append(lambda operation: (status, kind, body))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class DeptB(Program):
    """Department B as a process, with the hub's service beside it."""

    def __init__(self, folder: Path, **own: Any) -> None:
        self.service: HubService | None = None
        super().__init__("department_b", folder, b"{}", **own)

    def config(self, **own: Any) -> None:
        self.service = HubService((self.rsa, self.rsa_certificate))
        defaults = {
            "uscc": USCC, "department_name": "梅州市示范局", "staff": ["何一", "罗二", "曾三"], "seed": 0,
            "hub_url": self.service.url, "step_seconds": 0.02, "repeat_seconds": [0.2, 0.4],
        }  # fmt: skip
        super().config(**defaults | own)

    def close(self) -> None:
        super().close()
        if self.service is not None:
            self.service.close()

    @property
    def heard(self) -> list[Push]:
        assert self.service is not None
        return self.service.heard

    def of(self, case: str) -> list[Push]:
        """What was pushed on a case, so far as it could be read."""
        return [
            push
            for push in list(self.heard)
            if push.document is not None and push.data().get("CASENO") == case
        ]

    def seal(self, document: str) -> str:
        return sealed_inner(document, (self.rsa, self.rsa_certificate))

    def enveloped(self, operation: str, inner: str, *, cdata: bool = False, **arguments: str) -> bytes:
        text = f"<![CDATA[{inner}]]>" if cdata else escaped(inner)
        more = "".join(f"<d:{name}>{escaped(value)}</d:{name}>" for name, value in arguments.items())
        return (
            f'{DECLARATION}<s:Envelope xmlns:s="{SOAP}" xmlns:d="{DEPT}"><s:Body><d:{operation}>{more}'
            f"<d:xml>{text}</d:xml></d:{operation}></s:Body></s:Envelope>"
        ).encode("gb18030")

    def call(self, data: bytes, operation: str, kind: str = GBK, action: str | None = "") -> httpx2.Response:
        headers = {"Content-Type": kind}
        if action is not None:
            headers["SOAPAction"] = action or f'"{DEPT}/{operation}"'
        return self.client.post(f"{self.url}/DeptBService", content=data, headers=headers)

    def ask(self, kind: str, data: dict[str, Any] | str, msg_id: str = "", **more: Any) -> dict[str, str]:
        """The leaves of RESULT to a document in its proper form."""
        body = data if isinstance(data, str) else members(data)
        inner = self.seal(request(kind, body, msg_id))
        operation = OPERATION[kind]
        return self.said(self.call(self.enveloped(operation, inner, **more), operation))

    def desc(self, kind: str, data: dict[str, Any] | str, msg_id: str = "", **more: Any) -> str:
        """STATUS and the code of DESC."""
        said = self.ask(kind, data, msg_id, **more)
        return f"{said['STATUS']} {said['DESC'].partition(':')[0]}"

    def said(self, answer: httpx2.Response) -> dict[str, str]:
        ret = self.result(answer).partition("?>")[2]
        assert xmlsec1(ret.encode(), self.certificate, self.folder) == "OK 1/1"
        root = etree.fromstring(ret)
        assert (root.tag, root[-1].tag) == ("RESULT", f"{{{DS}}}Signature")
        assert root[-1].find(f".//{{{DS}}}Reference").get("URI") == ""
        found = {node.tag: node.text or "" for part in root[:-1] for node in part.iter() if not len(node)}
        assert re.match(r"\d+:", found["DESC"])
        return found

    def result(self, answer: httpx2.Response) -> str:
        """The string `result` of an answer that is GBK in every respect."""
        assert (answer.status_code, answer.headers["content-type"]) == (200, GBK)
        text = answer.content.decode("gb18030")
        assert text.startswith(DECLARATION)
        root = etree.fromstring(text.partition("?>")[2])
        inner = str(root.find(f"{{{SOAP}}}Body")[0].findtext(f"{{{DEPT}}}result"))
        assert inner.startswith(DECLARATION)
        return inner
