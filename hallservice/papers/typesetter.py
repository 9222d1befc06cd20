"""The typst process: run as a script of its own, in isolated mode, with nothing of the hub imported.

It reads and writes frames (4-byte length, body) on the socket that is its standard input: first a JSON object
with its limits and fonts, then one JSON job after another. The answer to a job is `P` and the PDF, or `E` and
typst's message. It ends with its parent, when the socket closes.
"""

import json
import os
import resource
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import typst

TEMPLATES = Path(__file__).resolve().parent / "templates"
HEAD = struct.Struct(">I")
MOST_FILES = 64


def receive(connection: socket.socket) -> bytes | None:
    """One frame; None when the other side has closed."""
    head = _exactly(connection, HEAD.size)
    return None if head is None else _exactly(connection, HEAD.unpack(head)[0])


def send(connection: socket.socket, body: bytes) -> None:
    connection.sendall(HEAD.pack(len(body)))
    connection.sendall(body)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = connection.recv(min(size, 1 << 16))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def limit(memory: int) -> None:
    """No more address space than `memory` bytes, no file written, no core left."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES))


def allow_cpu(seconds: int) -> None:
    """The kernel ends this process by SIGXCPU when the coming job takes more (rounded up to a second)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def compilers(folders: list[str]) -> dict[str, typst.Compiler]:
    """One for each template, so that what it has parsed and laid out before is found again."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
    return {
        path.stem: typst.Compiler(str(path), root=str(TEMPLATES), font_paths=fonts, ignore_system_fonts=True)
        for path in sorted(TEMPLATES.glob("*.typ"))
        if path.stem != "common"
    }


def typeset(known: dict[str, typst.Compiler], job: dict[str, Any]) -> bytes:
    """`P` and the PDF, or `E` and what typst says is wrong."""
    try:
        pdf = known[job["template"]].compile(
            format="pdf",
            sys_inputs={"data": json.dumps(job["data"], ensure_ascii=False)},
            pdf_standards=job["standards"],
            timestamp=job["timestamp"],
        )
    except typst.TypstError as fault:
        return b"E" + fault.message.encode()
    return b"P" + pdf if isinstance(pdf, bytes) else b"E"


def main() -> None:
    """Jobs until the parent closes."""
    connection = socket.socket(fileno=sys.stdin.fileno())
    first = receive(connection)
    if first is None:
        return
    settings = json.loads(first)
    limit(settings["memory"])
    allow_cpu(settings["cpu"])
    known = compilers(settings["folders"])
    send(connection, b"R")
    while (job := receive(connection)) is not None:
        allow_cpu(settings["cpu"])
        send(connection, typeset(known, json.loads(job)))


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        os.abort()  # as typst itself ends when memory is refused
