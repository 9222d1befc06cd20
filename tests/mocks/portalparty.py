"""The hub's side of the portal: answers its requests by the contract's schemas, tells it events; by hand."""

import base64
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
from jsonschema import Draft202012Validator

from tests.mocks.amqpparty import uuid
from tests.mocks.jsonparty import ROOT, Identity, Program, checked_header, until

CONTRACT = json.loads((ROOT / "adapters/portal/contract/openapi.json").read_text("utf-8"))
NOTHING = {"code": "0000", "message": "", "data": {}}


def schema(name: str) -> Draft202012Validator:
    """A schema of the contract by name."""
    inner = json.loads(json.dumps(CONTRACT["components"]["schemas"]))
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": inner}})


class Asked:
    """One request of the portal."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body, self.at = path, headers, body, time.time()
        self.kind = "ask" if path.startswith("/api/v1/cases/") else path.removeprefix("/portal/")
        self.nonce = ""
        if self.kind == "ask":
            return
        head = headers["X-Gov-Signature"].split(".")[0]
        self.nonce = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["nonce"]

    @property
    def question(self) -> tuple[str, str]:
        """Case and password of a progress question."""
        case, _, password = self.path.removeprefix("/api/v1/cases/").partition("?password=")
        return case, password

    @property
    def value(self) -> Any:
        return json.loads(self.body)


Reply = tuple[int, Any] | None
"""HTTP status and JSON value, sealed; None: the connection is closed unanswered."""


class PortalHub:
    """POST /portal/*: keeps what comes and answers by `answer`."""

    def __init__(self) -> None:
        self.identity = Identity("hub")
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Reply] = lambda asked: (200, NOTHING)
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = Asked(self.path, dict(self.headers.items()), b"")
                hub.asked.append(asked)
                status, value = hub.answer(asked) or (500, {})
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked = Asked(self.path, dict(self.headers.items()), body)
                reply = hub.answer(asked)
                hub.asked.append(asked)
                if reply is None:
                    self.close_connection = True
                    return
                data = json.dumps(reply[1]).encode()
                self.send_response(reply[0])
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                seal = hub.identity.seal(data, status=reply[0], req=asked.nonce)
                self.send_header("X-Gov-Signature", seal)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def of(self, kind: str) -> list[Asked]:
        """The requests of a kind, repeats included."""
        return [one for one in list(self.asked) if one.kind == kind]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class PortalProgram(Program):
    """A portal process; `desk` answers what it sends."""

    def __init__(self, folder: Path, items: list[dict[str, Any]], **own: Any) -> None:
        self.desk = PortalHub()
        (folder / "items.json").write_text(json.dumps(items), "utf-8")
        settings = {
            "hub_url": self.desk.url, "items_file": "items.json", "repeat_seconds": [0.05, 0.1, 0.2],
            "attach_every": 0, "evaluate_every": 0, "complain_every": 0, "ask_every": 0,
            "evaluate_delay_ms": 50,
        }  # fmt: skip
        super().__init__("portal", folder, b"{}", **(settings | own))

    def start(self) -> None:
        (self.folder / "hub-ec.pem").write_bytes(self.desk.identity.pem())
        self.hub = self.desk.identity
        super().start()

    def close(self) -> None:
        super().close()
        self.desk.close()

    def run(self, cases: int) -> Any:
        return self.client.post(f"{self.url}/admin/run", json={"cases": cases})

    def case(self, number: int = 1) -> str:
        """The n-th application the hub was asked to take."""
        found = until(lambda: self.desk.of("apply")[number - 1 :])
        return str(found[0].value["applyNo"])

    def tell(self, path: str, value: Any, **more: Any) -> tuple[int, str, str]:
        """One push; status, custom and message of its sealed answer."""
        answer = self.post(f"/openapi/v1/{path}", value, **more)
        said = self.checked(answer)
        assert schema("portal_answer").is_valid(said)
        return answer.status_code, said["custom"], said["message"]

    def event(self, case: str, event: str, detail: Any, **more: Any) -> tuple[int, str, str]:
        return self.tell("progress", event_of(case, event, detail, **more))

    def ok(self, case: str, event: str, detail: Any, **more: Any) -> None:
        assert self.event(case, event, detail, **more) == (200, "success", "")

    def sealed_by_portal(self, asked: Asked) -> bool:
        """Whether the body of a request, whose seal holds (joserfc), follows the contract's schema."""
        header = checked_header(asked.headers["X-Gov-Signature"], asked.body, self.certificate)
        assert (header["method"], header["path"]) == ("POST", asked.path)
        return schema(asked.kind).is_valid(asked.value)


def event_of(case: str, event: str, detail: Any, **more: Any) -> dict[str, Any]:
    return {
        "eventId": uuid(), "applyNo": case, "itemCode": "11441400XX0031309Q3440131008000",
        "areaCode": case[:9], "seq": 1, "event": event, "time": 1_795_000_000_000, "detail": detail,
    } | more  # fmt: skip


ACCEPTED = {
    "orgName": "示范局", "handler": "窗口甲", "result": "OK", "queryCode": "004711",
    "promised": {"num": 5, "unit": "WD"},
}  # fmt: skip
CONCLUDED = {"orgName": "示范局", "result": "CERT", "certNo": "Z1", "certValidTo": "2031/11/22", "fee": 105}
DELIVERED = {"mode": "POST", "collector": "测试甲"}


def refused(response: httpx2.Response) -> str:
    return str(response.json()["custom"])
