"""The hub's side of a hall counter: receipts its documents, pushes into its inbox; sealed by hand."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from tests.mocks.amqpparty import CODE, USCC, uuid
from tests.mocks.jsonparty import Identity, Program, until

TYPE_CODE = USCC + "001"
REGION = "441403000000"


def item(code: str, **more: Any) -> dict[str, Any]:
    limit = {"count": 5, "unit": "working_day"}
    return {
        "code": code, "name": "食品经营许可", "region": REGION, "organisation": "示范局",
        "organisation_code": USCC,
        "case_kind": "promised", "promised_limit": limit, "statutory_limit": limit | {"count": 20},
        "has_fee": False, "fees": [], "result_kind": "none", "result_name": None, "certificate_type": None,
        "materials": [{"name": "申请书"}, {"name": "图纸"}],
    } | more  # fmt: skip


FEES = [
    {"code": "F1", "name": "工本费", "standard": "100元/证", "amount": "100.00"},
    {"code": "F2", "name": "手续费", "standard": "5元", "amount": "5.00"},
]
PLAIN = item(CODE)
FULL = item(
    CODE[:-1] + "1", has_fee=True, fees=FEES, result_kind="certificate", result_name="许可证",
    certificate_type=TYPE_CODE,
)  # fmt: skip
CERTIFIED = FULL | {"code": CODE[:-1] + "2", "has_fee": False}
BROKEN = FULL | {"code": CODE[:-1] + "3", "certificate_type": None}


class Seen:
    """One document that came, and how."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers, self.body, self.at = headers, body, time.time()
        self.document = json.loads(body)
        head = headers["X-Gov-Signature"].split(".")[0]
        self.nonce = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["nonce"]

    @property
    def case(self) -> str:
        return str(self.document["payload"]["case_no"])

    @property
    def type(self) -> str:
        return str(self.document["type"])


Answer = tuple[int, dict[str, str], bytes] | None
"""None: the connection is closed unanswered."""


class Hub:
    """POST /api/v1/messages: keeps what comes and answers by `answer`."""

    def __init__(self) -> None:
        self.identity = Identity("hub")
        self.seen: list[Seen] = []
        self.answer: Callable[[Seen], Answer] = self.receipt
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen = Seen(dict(self.headers.items()), body)
                answer: Answer = (404, {}, b"") if self.path != "/api/v1/messages" else hub.answer(seen)
                hub.seen.append(seen)
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                for name, value in answer[1].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer[2])))
                self.end_headers()
                self.wfile.write(answer[2])

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def sealed(self, seen: Seen, status: int, said: dict[str, Any], bound: Any = None) -> Answer:
        body = json.dumps(said).encode()
        seal = self.identity.seal(body, **{"status": status, "req": seen.nonce} | (bound or {}))
        return status, {"X-Gov-Signature": seal, "Content-Type": "application/json"}, body

    def said(self, seen: Seen, status: str = "accepted", code: str = "ok") -> dict[str, Any]:
        names = {name: seen.document[name] for name in ("message_id", "type", "sender")}
        return {
            "v": 1, "status": status, "code": code, **names, "receiver": "hub",
            "received_at": "2026-11-22T09:30:00+08:00",
            "case_no": seen.case, "digest": hashlib.sha256(seen.body).hexdigest(), "errors": [],
            "ledger": {"origin": "x", "entry": 1, "leaf_hash": "", "checkpoint": ""},
        }  # fmt: skip

    def receipt(self, seen: Seen) -> Answer:
        return self.sealed(seen, 200, self.said(seen))

    def of(self, case: str) -> list[Seen]:
        """The documents on a case, repeats left out."""
        found = {one.document["message_id"]: one for one in self.seen if one.case == case}
        return list(found.values())

    def types(self, case: str) -> list[str]:
        return [one.type for one in self.of(case)]

    def cases(self) -> list[str]:
        return list(dict.fromkeys(one.case for one in self.seen))

    def ids(self) -> set[str]:
        return {one.document["message_id"] for one in self.seen}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Hall(Program):
    """A counter process; `hub` answers its documents and pushes into its inbox."""

    def __init__(self, folder: Path, items: list[dict[str, Any]] | None, **own: Any) -> None:
        self.desk = Hub()
        if items is not None:
            (folder / "items.json").write_text(json.dumps(items), "utf-8")
        settings = {
            "hub_url": self.desk.url,
            "items_file": "items.json",
            "party": "hall.meijiang",
            "cases": 0,
            "first_retry_ms": 50,
            "supplement_every": 0,
            "refuse_every": 0,
            "prereview_refuse_every": 0,
        }
        super().__init__("counter", folder, b"{}", **(settings | own))

    def start(self) -> None:
        (self.folder / "hub-ec.pem").write_bytes(self.desk.identity.pem())
        super().start()

    def close(self) -> None:
        super().close()
        self.desk.close()

    def push(self, kind: str, payload: Any, *, name: str = "", **more: Any) -> httpx2.Response:
        """One house document into the inbox."""
        document = {
            "message_id": name or uuid(), "type": kind, "sender": "hub",
            "sent_at": "2026-11-22T09:30:00+08:00",
            "payload": payload,
        }  # fmt: skip
        return self.raw(json.dumps(document | more).encode())

    def raw(self, body: bytes, seal: str | None = "", **members: Any) -> httpx2.Response:
        if seal == "":
            seal = self.desk.identity.seal(body, **({"method": "POST", "path": "/inbox"} | members))
        headers = {"Content-Type": "application/json"} | ({} if seal is None else {"X-Gov-Signature": seal})
        return self.client.post(self.url + "/inbox", content=body, headers=headers)

    def ok(self, kind: str, payload: Any, **more: Any) -> None:
        answer = self.push(kind, payload, **more)
        assert (answer.status_code, self.checked(answer)) == (200, {"status": "ok"}), answer.text

    def opened(self) -> int:
        """How many cases have left the state `opening`."""
        states = self.admin("progress")["by_state"]
        return sum(number for state, number in states.items() if state != "opening")

    def run(self, cases: int) -> Any:
        return self.client.post(f"{self.url}/admin/run", json={"cases": cases})

    def case(self, number: int = 1) -> str:
        """The case so far opened as the n-th, once its decision on acceptance has come."""
        case = until(lambda: self.desk.cases()[number - 1 :])[0]
        until(lambda: "case.accepted.v1" in self.desk.types(case))
        return str(case)

    def awaited(self, case: str, kind: str) -> dict[str, Any]:
        """The payload of a document on a case, once it has come."""
        found = until(lambda: [one for one in self.desk.of(case) if one.type == kind])
        assert len(found) == 1
        payload: dict[str, Any] = found[0].document["payload"]
        return payload


def step(case: str, name: str = "approve", action: str = "pass") -> dict[str, Any]:
    return {"case_no": case, "step": name, "action": action}


class Pusher:
    """The hub's answers to a counter's documents; each is repeated until the counter has answered it."""

    def __init__(self, counter: Hall) -> None:
        self.counter, self.stopped, self.done = counter, threading.Event(), set[tuple[str, str]]()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while not self.stopped.is_set():
            for seen in list(self.counter.desk.seen):
                for kind, payload in follow(seen):
                    self.push(seen.case, kind, payload)
            time.sleep(0.02)

    def push(self, case: str, kind: str, payload: dict[str, Any]) -> None:
        while (case, kind) not in self.done and not self.stopped.is_set():
            try:
                if self.counter.push(kind, payload, name=f"{kind}-{case}").status_code == 200:
                    self.done.add((case, kind))
            except httpx2.HTTPError:
                time.sleep(0.05)

    def close(self) -> None:
        self.stopped.set()
        self.thread.join(5)


def follow(seen: Seen) -> list[tuple[str, dict[str, Any]]]:
    """What a hub and its departments make of a document in the end."""
    case, payload = seen.case, seen.document["payload"]
    concluded = ("case.concluded.v1", {"case_no": case, "result": "concluded"})
    if seen.type == "case.accepted.v1" and payload["result"] == "accepted":
        plain = payload["item_code"] == PLAIN["code"]
        return [("case.step.v1", step(case)), *([concluded] if plain else [])]
    if seen.type == "fee.requested.v1":
        notice = f"N{case}"
        return [
            ("fee.noticed.v1", {"case_no": case, "notice_no": notice}), ("fee.paid.v1", {"notice_no": notice})
        ]  # fmt: skip
    if seen.type == "certificate.requested.v1":
        return [concluded]
    if seen.type == "case.delivered.v1":
        return [("archive.result.v1", {"case_no": case, "code": "200"})]
    return []
