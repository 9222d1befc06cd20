"""Connections that take and give nothing: cut, while others are answered."""

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from exchange.app import line
from tests.hallservice.web.webrig import until

LARGE = 32 * 1024 * 1024


async def _app(scope, receive, send):  # takes a whole body, gives what nobody can buffer
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * (LARGE if scope["path"] == "/large" else 2)})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    """With seconds made short."""
    monkeypatch.setattr(line, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(line, "ANSWER_SECONDS", 0.3)
    listener = socket.create_server(("127.0.0.1", 0))
    made = uvicorn.Server(uvicorn.Config(_app, http=line.Line, lifespan="off", log_config=None))
    thread = threading.Thread(target=made.run, args=([listener],), daemon=True)
    thread.start()
    until(lambda: made.started)
    made.address = listener.getsockname()
    yield made
    made.should_exit = True
    thread.join(20)
    listener.close()


def _connected(server: uvicorn.Server) -> socket.socket:
    line_ = socket.create_connection(server.address)
    line_.settimeout(30)
    return line_


def _all(line_: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = b""
    while part := line_.recv(65_536):
        found += part
    return found


@pytest.mark.parametrize(
    ("sent", "said"), [(b"", b""), (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"HTTP/1.1 400")]
)
def test_a_head_that_does_not_come_is_not_waited_for(
    server: uvicorn.Server, sent: bytes, said: bytes
) -> None:
    with _connected(server) as line_:
        line_.sendall(sent)
        assert _all(line_)[:12] == said


def test_a_head_is_small_and_one_in_time_is_answered(server: uvicorn.Server) -> None:
    with _connected(server) as line_:
        line_.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * (line.MOST_HEAD // 6))
        assert line_.recv(12) == b"HTTP/1.1 400"
    with _connected(server) as line_:
        for _ in range(3):  # one after the other on the same line
            line_.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok")
            assert line_.recv(12) == b"HTTP/1.1 200"
            line_.recv(1000)


def test_fields_behind_a_body_have_an_end(server: uvicorn.Server) -> None:
    with _connected(server) as line_, pytest.raises(ConnectionError):
        line_.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        while True:
            line_.sendall(b"a: b\r\n" * 1000)


def test_an_answer_nobody_reads_is_given_up(server: uvicorn.Server) -> None:
    with _connected(server) as line_:
        line_.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line_.recv(12) == b"HTTP/1.1 200"
        until(lambda: not server.server_state.connections)
