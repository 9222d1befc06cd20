"""Overlay prints land where the layout says, measured in the rendered page."""

import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exchange.errors import Misconfigured, Refused
from hallservice.papers.overlay import Layout, layout_from, shipped_layouts
from hallservice.papers.service import Papers
from tests.hallservice.papers import witnesses

AT = datetime(2026, 11, 22, 2, tzinfo=UTC)
DPI = 300
PERMIT = {
    "permit_no": "JY24414990000018",
    "operator": "梅州市示例客家小吃店",
    "credit_code": "92441499MA00000000",
    "representative": "王𬬭",
    "address": "广东省梅州市示例区示例街道示例路一百零八号二楼二零三，示例综合市场内",
    "business": "热食类食品制售；冷食类食品制售",
    "valid_until": "2031年11月30日",
    "issued_on": "2026年12月1日",
}
LABEL = {
    "recipient": "李示例",
    "phone": "13800000000",
    "address": "广东省梅州市示例区示例街道1号",
    "sender": "示例区政务服务大厅",
}
SHEET = """
name = "probe"
title = "探针"
[page]
width = 100.0
height = 60.0
[[field]]
name = "square"
label = "方块"
x = 20.0
y = 30.0
size = 20
max_width = 40.0
"""


AGAIN = '[[field]]\nname = "square"\nlabel = "又"\nx = 1\ny = 1\nsize = 9\nmax_width = 9\n'


def probe(old: str = "", new: str = "") -> Layout:
    assert old in SHEET
    return layout_from(SHEET.replace(old, new))


def inked(papers: Papers, layout: Layout, value: str = "国", **options: Any) -> tuple[float, ...]:
    """The box of the ink in mm."""
    pdf = papers.overlay(layout, {"square": value}, at=AT, **options).pdf
    return tuple(edge * 25.4 / DPI for edge in witnesses.picture_of(pdf, DPI).ink())


@pytest.mark.req("S3-45")
def test_a_value_stands_where_the_layout_says(papers: Papers) -> None:
    """国 fills its em square of 20 pt (7.06 mm) but for about a tenth on every side."""
    em = 20 * 25.4 / 72
    left, top, right, bottom = inked(papers, probe())
    assert 20 <= left <= 20 + 0.15 * em and 20 + 0.85 * em <= right <= 20 + em
    assert 30 <= top <= 30 + 0.15 * em and 30 + 0.85 * em <= bottom <= 30 + em + 0.3
    moved = inked(papers, probe(), shift=(5.0, -3.0))
    assert moved == pytest.approx((left + 5, top - 3, right + 5, bottom - 3), abs=0.1)
    at_right = inked(papers, probe("max_width = 40.0", 'max_width = 40.0\nalign = "right"'))
    assert at_right[0] == pytest.approx(left + 40 - em, abs=0.1)
    centred = inked(papers, probe("max_width = 40.0", 'max_width = 40.0\nalign = "center"'))
    assert centred[0] == pytest.approx(left + (40 - em) / 2, abs=0.1)
    two = inked(papers, probe("max_width = 40.0", "max_width = 8.0\nlines = 2"), "国国")
    assert two[3] - bottom == pytest.approx(1.3 * em, abs=0.1)


@pytest.mark.req("S3-45")
def test_the_shipped_layouts_print_only_the_values(papers: Papers, tmp_path: Path) -> None:
    layouts = shipped_layouts()
    assert set(layouts) == {"courier-label", "food-permit"}
    for name, values, size in (
        ("food-permit", PERMIT, "841.89 x 595.276 pts (A4)"),
        ("courier-label", LABEL, "283.465 x 425.197 pts"),
    ):
        rendered = papers.overlay(layouts[name], values, at=AT)
        assert rendered.missing_glyphs == ()
        assert sorted(witnesses.solid(witnesses.text_of(rendered.pdf))) == sorted("".join(values.values()))
        assert witnesses.info_of(rendered.pdf)["Page size"] == size
        assert all(witnesses.fonts_of(rendered.pdf, tmp_path / "overlay.pdf").values())
        assert papers.overlay(layouts[name], values, at=AT).pdf == rendered.pdf


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"representative": "王" * 40}, "overlay_overflow", "representative"),
        ({"operator": "W" * 90}, "overlay_overflow", "operator"),
        ({"operator": ""}, "missing", "operator"),
        ({"operator": " \n "}, "missing", "operator"),
        ({"operator": 5}, "bad_value", "operator"),
        ({"operator": "a\x07"}, "control_character", "operator"),
        ({"operator": "某" * 4001}, "too_long", "operator"),
        ({"photo": "x"}, "unknown_field", "photo"),
    ],
)
def test_values_are_refused_by_field(papers: Papers, changes: dict[str, Any], code: str, where: str) -> None:
    with pytest.raises(Refused) as caught:
        papers.overlay(shipped_layouts()["food-permit"], PERMIT | changes, at=AT)
    assert (caught.value.code, caught.value.where) == (code, where)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("x = 20.0", "x = -1.0", "field.0.x"),
        ("x = 20.0", 'x = "left"', "field.0.x"),
        ("x = 20.0", "x = nan", "field.0.x"),
        ("x = 20.0", "x = 70.0", "field.square.max_width"),
        ("y = 30.0", "y = 55.0", "field.square.y"),
        ("size = 20", "size = 2", "field.0.size"),
        ("size = 20", "size = 20\nfont = 'Comic'", "field.0.font"),
        ("size = 20", "size = 20\nscript = '#eval'", "field.0.script"),
        ('name = "square"', 'name = "a b"', "field.0.name"),
        ("[[field]]", AGAIN + "[[field]]", "field.square"),
        ("width = 100.0", "", "page.width"),
        ("[page]", "[page", None),
    ],
)  # fmt: skip
def test_a_wrong_layout_names_its_field(old: str, new: str, where: str | None) -> None:
    with pytest.raises(Misconfigured) as caught:
        probe(old, new)
    assert (caught.value.code, caught.value.where) == ("bad_layout", where)


def png(width: int, height: int, shade: int) -> bytes:
    """A grey picture of one shade."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\x00" + bytes([shade]) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_a_preview_shows_the_form_behind(papers: Papers) -> None:
    plain = papers.overlay(probe(), {"square": "国"}, at=AT).pdf
    preview = papers.overlay(probe(), {"square": "国"}, at=AT, preview=png(10, 6, 200)).pdf
    assert witnesses.picture_of(plain, 50).pixels[0] == 255
    assert witnesses.picture_of(preview, 50).pixels[0] == pytest.approx(200, abs=3)
    bomb = png(10, 6, 0)[:16] + struct.pack(">II", 100_000, 100_000) + png(10, 6, 0)[24:]
    for wrong in (
        b"GIF89a",
        b"<svg/>",
        bomb,
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"\xff\xd8" + b"\xff" * 40,
    ):
        with pytest.raises(Refused, match="bad_background"):
            papers.overlay(probe(), {"square": "国"}, at=AT, preview=wrong)
