"""Scanning of uploads for malware: a port, and the protocol of ClamAV's daemon (clamd(8), INSTREAM)."""

import socket
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

import structlog

from hallservice.uploads import refused

log = structlog.get_logger()

CHUNK = 64 * 1024
ANSWER = 4096  # bytes of an answer worth reading


class Verdict(StrEnum):
    """What a scanner says of a file."""

    CLEAN = "clean"
    FOUND = "found"
    AWAY = "away"  # it could not be asked


@dataclass(frozen=True, slots=True)
class Scan:
    """A verdict, and the name of what was found or of what failed."""

    verdict: Verdict
    detail: str = ""


class Scanner(Protocol):
    """Looks at a file before it is kept."""

    def scan(self, body: bytes) -> Scan: ...


@dataclass(frozen=True, slots=True)
class Clamd:
    """clamd at `tcp://host:port` or `unix:///path`."""

    address: str
    seconds: float = 30.0

    def scan(self, body: bytes) -> Scan:
        """Whatever the network does wrong is `away`."""
        try:
            with self._connect() as line:
                line.sendall(b"zINSTREAM\0")
                for at in range(0, len(body), CHUNK):
                    part = body[at : at + CHUNK]
                    line.sendall(struct.pack(">I", len(part)) + part)
                line.sendall(struct.pack(">I", 0))
                return _verdict(_answer(line))
        except (OSError, ValueError) as fault:
            return Scan(Verdict.AWAY, type(fault).__name__)

    def _connect(self) -> socket.socket:
        address = urlsplit(self.address)
        if address.scheme == "unix":
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            line.settimeout(self.seconds)
            try:
                line.connect(address.path)
            except OSError:
                line.close()
                raise
            return line
        return socket.create_connection((address.hostname or "", address.port or 3310), self.seconds)


def _answer(line: socket.socket) -> str:
    said = b""
    while len(said) < ANSWER and not said.endswith(b"\0"):
        part = line.recv(ANSWER)
        if not part:
            break
        said += part
    return said.rstrip(b"\0\n").decode("utf-8", "replace")


def _verdict(said: str) -> Scan:
    """`stream: OK`, `stream: <name> FOUND`, anything else is an error of the daemon."""
    what = said.removeprefix("stream: ")
    if what == "OK":
        return Scan(Verdict.CLEAN)
    if what.endswith(" FOUND"):
        return Scan(Verdict.FOUND, what.removesuffix(" FOUND"))
    return Scan(Verdict.AWAY, what[:200] or "no answer")


def expect_clean(scanner: Scanner | None, field: str, body: bytes) -> None:
    """FormRefused infected; unscanned while a scanner the site has cannot be asked."""
    if scanner is None:
        return
    found = scanner.scan(body)
    if found.verdict is Verdict.FOUND:
        log.warning("upload_infected", signature=found.detail)
        raise refused(field, "infected", f"文件含有恶意代码（{found.detail}），不能上传")
    if found.verdict is Verdict.AWAY:
        log.error("scanner_away", detail=found.detail)
        raise refused(field, "unscanned", "病毒扫描暂时不可用，文件没有保存，请稍后再传")
