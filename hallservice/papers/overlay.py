"""Overlay printing (套打): a layout is data; the values land on a form that is already printed.

A layout is TOML: `name`, `title`, `[page]` with `width` and `height` in mm, and one `[[field]]` each with
`name`, `label`, `x` and `y` (upper left corner of its box, in mm from the upper left corner of the sheet; `y`
is the upper edge of the letters' em square), `size` in points, `max_width` in mm, and as wished `font` (body,
title or label), `align` (left, center, right), `lines` (most lines, 1), `leading` (gap between lines in ems,
0.3), `required`.
"""

import base64
import struct
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hallservice.papers.refusals import first_complaint, misconfigured, refused
from hallservice.papers.text import Line, MaybeText

Millimetres = Annotated[float, Field(ge=0, le=1200, allow_inf_nan=False)]
Size = Annotated[float, Field(gt=0, le=1200, allow_inf_nan=False)]
LARGEST_PICTURE = 4 << 20
MOST_PIXELS = 40_000_000


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Page(_Data):
    """In millimetres."""

    width: Size
    height: Size


class FieldBox(_Data):
    """Where one value stands."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    label: Line
    x: Millimetres
    y: Millimetres
    size: Annotated[float, Field(ge=4, le=120, allow_inf_nan=False)]
    max_width: Size
    font: Literal["body", "title", "label"] = "body"
    align: Literal["left", "center", "right"] = "left"
    lines: Annotated[int, Field(ge=1, le=60)] = 1
    leading: Annotated[float, Field(ge=0, le=3, allow_inf_nan=False)] = 0.3
    required: bool = True


class Layout(_Data):
    """A form; `field` has one entry a value."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    title: Line
    page: Page
    field: Annotated[tuple[FieldBox, ...], Field(min_length=1, max_length=200)]


_TEXT: TypeAdapter[str] = TypeAdapter(MaybeText)
_POINT = 25.4 / 72  # mm


def layout_from(toml: str | bytes) -> Layout:
    """A layout that can be printed; Misconfigured(bad_layout) names the field, `field.holder.x`."""
    try:
        layout = Layout.model_validate(tomllib.loads(toml.decode() if isinstance(toml, bytes) else toml))
    except ValidationError as fault:
        wrong = first_complaint(fault)
        raise misconfigured("bad_layout", wrong.where, f"：{wrong.detail}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise misconfigured("bad_layout", None, f"：{fault}") from None
    _fits(layout)
    return layout


@cache
def shipped_layouts() -> Mapping[str, Layout]:
    """The samples, by name."""
    folder = files("hallservice.papers").joinpath("layouts")
    found = [layout_from(each.read_bytes()) for each in folder.iterdir() if each.name.endswith(".toml")]
    return {layout.name: layout for layout in sorted(found, key=lambda layout: layout.name)}


def overlay_data(
    layout: Layout,
    values: Mapping[str, Any],
    preview: bytes | None,
    shift: tuple[float, float],
    fonts: Mapping[str, list[str]],
) -> dict[str, Any]:
    """What the template takes; refuses missing, unknown_field, control_character by field."""
    for name in values:
        if name not in {box.name for box in layout.field}:
            raise refused("unknown_field", str(name))
    placed = [(box, _value(box, values.get(box.name, ""))) for box in layout.field]
    return {
        "title": layout.title,
        "page": layout.page.model_dump(),
        "background": _background(preview, layout.page) if preview else "",
        "fields": [_placed(box, value, shift, fonts) for box, value in placed if value],
    }


def _placed(
    box: FieldBox, value: str, shift: tuple[float, float], fonts: Mapping[str, list[str]]
) -> dict[str, Any]:
    moved = {"x": box.x + shift[0], "y": box.y + shift[1], "value": value, "fonts": fonts[box.font]}
    return box.model_dump(exclude={"label", "required", "font"}) | moved


def _value(box: FieldBox, value: object) -> str:
    try:
        text = _TEXT.validate_python(value)
    except ValidationError as fault:
        raise refused(first_complaint(fault).code, box.name) from None
    if box.required and not text.strip():
        raise refused("missing", box.name)
    return text


def _fits(layout: Layout) -> None:
    """Every box lies on the page, and no name stands twice."""
    seen: set[str] = set()
    for box in layout.field:
        if box.name in seen:
            raise misconfigured("bad_layout", f"field.{box.name}", "：栏位重名")
        seen.add(box.name)
        if box.x + box.max_width > layout.page.width:
            raise misconfigured("bad_layout", f"field.{box.name}.max_width", "：超出纸张右边")
        if box.y + _height(box) > layout.page.height:
            raise misconfigured("bad_layout", f"field.{box.name}.y", "：超出纸张下边")


def _height(box: FieldBox) -> float:
    return box.size * _POINT * (box.lines + (box.lines - 1) * box.leading)


def _background(picture: bytes, page: Page) -> str:
    """The picture inside an SVG, since a template takes only text; refuses bad_background."""
    kind, (width, height) = _kind_and_pixels(picture)
    if len(picture) > LARGEST_PICTURE or not 0 < width * height <= MOST_PIXELS:
        raise refused("bad_background", "preview")
    data = base64.b64encode(picture).decode()
    size = f'width="{page.width}" height="{page.height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {page.width} {page.height}">'
        f'<image {size} preserveAspectRatio="none" href="data:image/{kind};base64,{data}"/></svg>'
    )


def _kind_and_pixels(picture: bytes) -> tuple[str, tuple[int, int]]:
    """By content: PNG (ISO 15948) or JPEG (ITU T.81)."""
    try:
        if picture.startswith(b"\x89PNG\r\n\x1a\n") and picture[12:16] == b"IHDR":
            width, height = struct.unpack(">II", picture[16:24])
            return "png", (width, height)
        if picture.startswith(b"\xff\xd8\xff"):
            return "jpeg", _jpeg_pixels(picture)
    except (struct.error, IndexError):
        pass
    raise refused("bad_background", "preview")


def _jpeg_pixels(picture: bytes) -> tuple[int, int]:
    """From the frame header; IndexError or struct.error where the segments lead nowhere."""
    at = 2
    while True:
        marker, length = picture[at + 1], struct.unpack(">H", picture[at + 2 : at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", picture[at + 5 : at + 9])
            return width, height
        at += 2 + max(length, 2)
