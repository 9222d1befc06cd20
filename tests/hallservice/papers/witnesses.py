"""What other programs read in a PDF: poppler for text, fonts, metadata and pixels; zbar for QR codes."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lxml import etree


def run(*command: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=60).stdout


def text_of(pdf: bytes, *options: str) -> str:
    """By pdftotext, pages ended by form feeds."""
    return run("pdftotext", *options, "-", "-", stdin=pdf).decode()


def solid(text: str) -> str:
    """Without blanks, breaks and the zero-width spaces at which long runs may break."""
    return re.sub("[\\s\u200b]", "", text)


def claims_of(pdf: bytes) -> dict[str, str]:
    """What its XMP packet claims, by the names of ISO 19005-2 and ISO 14289-1: PDF/A and PDF/UA."""
    packet = etree.fromstring(run("pdfinfo", "-meta", "-", stdin=pdf))
    found = {}
    for element in packet.iter(etree.Element):
        for name, value in [(element.tag, element.text), *element.attrib.items()]:
            space, _, local = name.removeprefix("{").rpartition("}")
            if space.startswith(("http://www.aiim.org/pdfa/ns/id", "http://www.aiim.org/pdfua/ns/id")):
                found[f"{'a' if 'pdfa/' in space else 'ua'}-{local}"] = str(value).strip()
    return found


def info_of(pdf: bytes) -> dict[str, str]:
    lines = run("pdfinfo", "-", stdin=pdf).decode().splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def fonts_of(pdf: bytes, where: Path) -> dict[str, bool]:
    """Font by its name without the subset's prefix; true where it is embedded."""
    where.write_bytes(pdf)
    lines = run("pdffonts", str(where)).decode().splitlines()[2:]
    return {line.split()[0].partition("+")[2]: line.split()[-5] == "yes" for line in lines}


@dataclass(frozen=True)
class Picture:
    """A page in grey, one byte a pixel."""

    width: int
    height: int
    pixels: bytes
    pgm: bytes

    def ink(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of what is darker than half."""
        rows = [self.pixels[i : i + self.width] for i in range(0, len(self.pixels), self.width)]
        dark = [number for number, row in enumerate(rows) if min(row) < 128]
        columns = [i for i in range(self.width) if min(self.pixels[i :: self.width]) < 128]
        return columns[0], dark[0], columns[-1] + 1, dark[-1] + 1


def picture_of(pdf: bytes, dpi: int, *options: str) -> Picture:
    pgm = run("pdftoppm", "-gray", "-r", str(dpi), "-singlefile", *options, "-", stdin=pdf)
    kind, size, _, pixels = pgm.split(b"\n", 3)
    assert kind == b"P5"
    width, height = map(int, size.split())
    return Picture(width, height, pixels, pgm)


def qr_of(pdf: bytes, where: Path, dpi: int = 120) -> str:
    """What zbar reads on the first page as it would be scanned at that resolution."""
    where.write_bytes(picture_of(pdf, dpi).pgm)
    return run("zbarimg", "--quiet", "--raw", str(where)).decode().strip()
