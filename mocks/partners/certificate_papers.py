"""Certificates as files: PDF and OFD (GB/T 33190) of their content, the purpose written over every page."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

LINES = 40  # on one page
WIDEST = 48  # characters of a line
OFD = 'xmlns:ofd="http://www.ofdspec.org/2016"'
DECLARED = '<?xml version="1.0" encoding="UTF-8"?>'
LONG_AGO = (2000, 1, 1, 0, 0, 0)  # of every entry, so that the same content gives the same bytes


@dataclass(frozen=True)
class Paper:
    """What stands on the pages; `watermark` may be empty."""

    lines: Sequence[str]
    watermark: str

    def pages(self) -> list[list[str]]:
        """At most so many lines a page, long ones broken."""
        rows = [line[at : at + WIDEST] for line in self.lines for at in range(0, max(1, len(line)), WIDEST)]
        return [rows[at : at + LINES] for at in range(0, max(1, len(rows)), LINES)]

    def marks(self) -> list[str]:
        """The watermark in pieces that a page is wide enough for."""
        return [self.watermark[at : at + 20] for at in range(0, len(self.watermark), 20)]


def _pdf_text(text: str, matrix: str) -> bytes:
    return f"BT /F1 12 Tf {matrix} Tm <{text.encode('utf-16-be').hex()}> Tj ET\n".encode()


def _pdf_page(rows: Sequence[str], marks: Sequence[str]) -> bytes:
    shown = [_pdf_text(row, f"1 0 0 1 60 {780 - 18 * at}") for at, row in enumerate(rows)]
    over = [
        _pdf_text(one, f"1.4 1.4 -1.4 1.4 {120 + 28 * at} {300 - 28 * at}") for at, one in enumerate(marks)
    ]
    return b"".join([b"0 g\n", *shown, b"0.8 g\n", *over])


def _pdf_objects(paper: Paper) -> list[bytes]:
    """Catalogue, page tree, font (two objects), then page and content in turn."""
    pages = paper.pages()
    kids = " ".join(f"{5 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UTF16-H"
        b" /DescendantFonts [4 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> >>",
    ]
    for at, rows in enumerate(pages):
        content = _pdf_page(rows, paper.marks())
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (6 + 2 * at),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        ]
    return objects


def pdf(paper: Paper) -> bytes:
    """The same bytes for the same paper."""
    out, places, objects = b"%PDF-1.5\n", [], _pdf_objects(paper)
    for number, value in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, value)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + tail


def _ofd_text(number: int, text: str, place: tuple[int, int], style: str = "") -> str:
    x, y = place
    return (
        f'<ofd:TextObject ID="{number}" Boundary="{x} {y} 190 6" Font="2" Size="4.2"{style}>'
        f'<ofd:TextCode X="0" Y="5">{escape(text)}</ofd:TextCode></ofd:TextObject>'
    )


def _ofd_page(rows: Sequence[str], marks: Sequence[str], first: int) -> str:
    shown = [_ofd_text(first + at, row, (20, 15 + 6 * at)) for at, row in enumerate(rows)]
    over = [
        _ofd_text(first + 60 + at, one, (20, 150 + 12 * at), ' Alpha="60" CTM="0.9 -0.4 0.4 0.9 0 0"')
        for at, one in enumerate(marks)
    ]
    body = "".join([*shown, *over])
    return (
        f'{DECLARED}<ofd:Page {OFD}><ofd:Content><ofd:Layer ID="{first + 99}">{body}</ofd:Layer>'
        "</ofd:Content></ofd:Page>"
    )


def _ofd_parts(paper: Paper) -> dict[str, str]:
    pages = paper.pages()
    listed = "".join(
        f'<ofd:Page ID="{100 * (at + 1)}" BaseLoc="Pages/Page_{at}/Content.xml"/>' for at in range(len(pages))
    )
    parts = {
        "OFD.xml": f'{DECLARED}<ofd:OFD {OFD} Version="1.0" DocType="OFD"><ofd:DocBody><ofd:DocInfo>'
        "<ofd:DocID>00000000000000000000000000000000</ofd:DocID></ofd:DocInfo>"
        "<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>",
        "Doc_0/Document.xml": f"{DECLARED}<ofd:Document {OFD}><ofd:CommonData>"
        f"<ofd:MaxUnitID>{100 * len(pages) + 200}</ofd:MaxUnitID>"
        "<ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea>"
        "<ofd:PublicRes>PublicRes.xml</ofd:PublicRes></ofd:CommonData>"
        f"<ofd:Pages>{listed}</ofd:Pages></ofd:Document>",
        "Doc_0/PublicRes.xml": f'{DECLARED}<ofd:Res {OFD} BaseLoc="Res"><ofd:Fonts>'
        '<ofd:Font ID="2" FontName="宋体"/></ofd:Fonts></ofd:Res>',
    }
    for at, rows in enumerate(pages):
        page = _ofd_page(rows, paper.marks(), 100 * (at + 1) + 1)
        parts[f"Doc_0/Pages/Page_{at}/Content.xml"] = page
    return parts


def ofd(paper: Paper) -> bytes:
    """The same bytes for the same paper."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in _ofd_parts(paper).items():
            package.writestr(zipfile.ZipInfo(name, LONG_AGO), text.encode(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


MAKERS = {"pdf": pdf, "ofd": ofd}
MEDIA = {"pdf": "application/pdf", "ofd": "application/ofd"}
