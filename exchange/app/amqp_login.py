"""Whether a broker lets us in: the opening of AMQP 0-9-1 and no more, bytes written by hand."""

import socket
import struct


def login_works(port: int, user: str, password: str, seconds: float = 5.0) -> bool:
    """A whole AMQP 0-9-1 opening (section 2.2.4): an open port alone does not mean a broker that knows us."""
    try:
        with socket.create_connection(("127.0.0.1", port), seconds) as wire:
            return _open_connection(wire, user, password)
    except OSError:
        return False


def _open_connection(wire: socket.socket, user: str, password: str) -> bool:
    wire.sendall(b"AMQP\x00\x00\x09\x01")
    _receive_method(wire)  # connection.start
    answer = _long(f"\0{user}\0{password}".encode())
    _send_method(wire, 11, _long(b"") + _short(b"PLAIN") + answer + _short(b"en_US"))
    if _receive_method(wire) != (10, 30):  # connection.tune, else the login was refused
        return False
    _send_method(wire, 31, struct.pack(">HIH", 1, 131072, 0))
    _send_method(wire, 40, _short(b"/") + _short(b"") + b"\0")
    opened = _receive_method(wire) == (10, 41)  # connection.open-ok
    _send_method(wire, 50, struct.pack(">H", 200) + _short(b"") + struct.pack(">HH", 0, 0))
    return opened and _receive_method(wire) == (10, 51)  # connection.close-ok


def _send_method(wire: socket.socket, method: int, arguments: bytes) -> None:
    payload = struct.pack(">HH", 10, method) + arguments
    wire.sendall(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")


def _receive_method(wire: socket.socket) -> tuple[int, int]:
    """Class and method of the next frame; ConnectionError at end of file."""
    (size,) = struct.unpack(">3xI", _receive(wire, 7))
    frame = _receive(wire, min(size, 131072) + 1)
    return struct.unpack(">HH", frame[:4]) if len(frame) > 4 else (0, 0)


def _receive(wire: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        if not (part := wire.recv(size - len(received))):
            raise ConnectionResetError("the broker closed the connection")
        received += part
    return received


def _long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _short(data: bytes) -> bytes:
    return struct.pack(">B", len(data)) + data
