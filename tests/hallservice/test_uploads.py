"""Files by their content, archives and pictures within bounds, and a scanner that speaks clamd's protocol."""

import io
import socket
import struct
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hallservice.refusals import FormRefused
from hallservice.scanning import Clamd, Scan, Verdict, expect_clean
from hallservice.uploads import KINDS, check

# EICAR's test string, in two halves so that no scanner takes this file for one.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD" + b"-ANTIVIRUS-TEST-FILE!$H+H*"


def png(width: int, height: int) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0" + bytes(40)
    )


def jpeg(width: int, height: int) -> bytes:
    """SOI, an APP0 of 16 bytes, and a baseline frame header (T.81 B.2.2)."""
    app0 = b"\xff\xe0\0\x10JFIF\0" + bytes(9)
    return b"\xff\xd8" + app0 + b"\xff\xc0\0\x11\x08" + struct.pack(">HH", height, width) + bytes(40)


def archive(*parts: str, body: bytes = b"x") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for part in parts:
            file.writestr(part, body)
    return made.getvalue()


def refused(name: str, body: bytes, *kinds: str, largest: int = 20 << 20) -> str:
    with pytest.raises(FormRefused) as caught:
        check("paper", name, body, kinds or tuple(KINDS), largest)
    (fault,) = caught.value.faults
    assert fault.field == "paper" and fault.said
    return fault.code


@pytest.mark.parametrize(
    ("name", "body", "code", "kept"),
    [
        ("身份证.JPG", jpeg(600, 400), "jpeg", "身份证.jpg"),
        ("扫描件", png(600, 400), "png", "扫描件.png"),
        ("a.b.pdf", b"%PDF-1.7\n", "pdf", "a.b.pdf"),
        ("证.ofd", archive("OFD.xml", "Doc_0/Document.xml"), "ofd", "证.ofd"),
        ("表.xlsx", archive("xl/workbook.xml"), "xlsx", "表.xlsx"),
        ("文.docx", archive("word/document.xml"), "docx", "文.docx"),
        ("C:\\temp\\..\\con\u202egpj.pdf", b"%PDF-1.4", "pdf", "congpj.pdf"),
        ("...", b"%PDF-1.4", "pdf", "file.pdf"),
        ("长" * 300 + ".pdf", b"%PDF-1.4", "pdf", "长" * 95 + ".pdf"),
    ],
)
def test_what_a_file_is(name: str, body: bytes, code: str, kept: str) -> None:
    found = check("paper", name, body, tuple(KINDS))
    assert (found.kind.code, found.name) == (code, kept)


def test_what_is_turned_away() -> None:
    assert refused("a.pdf", b"") == "empty"
    assert refused("a.pdf", b"%PDF-" + bytes(11), largest=15) == "too_large"
    assert refused("a.pdf", b"MZ\x90\0") == "unknown_type"
    assert refused("a.pdf", b"<html><script>") == "unknown_type"
    assert refused("a.zip", archive("a"), "pdf", "png") == "unknown_type"
    assert refused("a.png", b"%PDF-1.4") == "other_type"
    assert refused("a.jpg", jpeg(600, 400)[:20]) == "broken"
    assert refused("a.jpg", b"\xff\xd8\xff\xd9" + bytes(50)) == "broken"
    assert refused("a.png", png(600, 400)[:20]) == "broken"
    assert refused("a.zip", b"PK\x03\x04" + bytes(50)) == "broken"


def test_bombs() -> None:
    assert refused("a.png", png(20_000, 20_000)) == "bomb"
    assert refused("a.png", png(0, 5)) == "bomb"
    assert refused("a.jpg", jpeg(65_000, 10)) == "bomb"
    assert refused("a.zip", archive("a", body=bytes(9_000_000))) == "bomb"
    assert refused("a.xlsx", archive(*(f"{n}" for n in range(10_001)))) == "bomb"


@contextmanager
def clamd(answer: bytes | None) -> Iterator[tuple[str, list[bytes]]]:
    """A daemon that takes one stream and answers; with None it hangs up."""
    got: list[bytes] = []

    def serve() -> None:
        line, _ = listener.accept()
        with line, line.makefile("rb") as read:
            got.append(read.read(len(b"zINSTREAM\0")))
            parts = []
            while size := struct.unpack(">I", read.read(4))[0]:
                parts.append(read.read(size))
            got.append(b"".join(parts))
            if answer is not None:
                line.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}", got
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "scan"),
    [
        (b"stream: OK\0", Scan(Verdict.CLEAN)),
        (b"stream: Eicar-Test-Signature FOUND\0", Scan(Verdict.FOUND, "Eicar-Test-Signature")),
        (b"INSTREAM size limit exceeded. ERROR\0", Scan(Verdict.AWAY, "INSTREAM size limit exceeded. ERROR")),
        (None, Scan(Verdict.AWAY, "no answer")),
    ],
)
def test_clamd(answer: bytes | None, scan: Scan) -> None:
    body = EICAR + bytes(200_000)
    with clamd(answer) as (address, got):
        assert Clamd(address, 10).scan(body) == scan
    assert got == [b"zINSTREAM\0", body]


def test_a_scanner_that_is_away_lets_nothing_in_unscanned() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = Clamd(f"tcp://127.0.0.1:{listener.getsockname()[1]}", 2)
    assert nobody.scan(b"x").verdict is Verdict.AWAY
    assert Clamd("unix:///nowhere/clamd.ctl").scan(b"x").verdict is Verdict.AWAY
    with pytest.raises(FormRefused) as caught:
        expect_clean(nobody, "paper", b"x")
    assert caught.value.faults[0].code == "unscanned"
    with clamd(b"stream: Eicar-Test-Signature FOUND\0") as (address, _), pytest.raises(FormRefused) as caught:
        expect_clean(Clamd(address, 10), "paper", EICAR)
    assert caught.value.faults[0].code == "infected" and "Eicar" in caught.value.faults[0].said
    expect_clean(None, "paper", b"x")
