"""The flow picture: the three colours with sign and word, safe and wide as a page; golden files as looked at.

A golden file is renewed by TONGBAN_GOLDEN=1 and has to be looked at again before it is committed.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

import hallservice.approval
from hallservice.approval.conditions import Compare
from hallservice.approval.definition import Branch, Choice, Parallel
from hallservice.approval.events import Refused
from hallservice.approval.picture import picture, wrapped
from hallservice.approval.plan import linked
from tests.hallservice.approval.builders import Builder, Run, actor, definition, four_levels, serial, step

GOLDEN = Path(__file__).parent / "golden"
CSS = (Path(hallservice.approval.__file__).parent / "picture.css").read_text("utf-8")
SVG = {"s": "http://www.w3.org/2000/svg"}


def joint() -> Run:
    run = Run(four_levels())
    run.passes("accept", "undertake", "housing.a", "water.a")
    return run


def looks(svg: str) -> dict[str, tuple[str, str]]:
    """For each step its class and the words in its box, by its name."""
    root = etree.fromstring(svg)
    boxes = root.xpath("//s:g[starts-with(@class, 'step ')]", namespaces=SVG)
    return {
        box.findtext("s:title", namespaces=SVG): (
            box.get("class").removeprefix("step "),
            " ".join(box.xpath("s:text/text()", namespaces=SVG)),
        )
        for box in boxes
    }


@pytest.mark.req("S0-64", "S0-65")
def test_blue_is_done_yellow_is_current_green_is_not_yet() -> None:
    run = Run(definition(serial(step("a"), step("b"), step("c"))))
    run.passes("a")
    seen = looks(picture(run.plan, run.state))
    assert [seen[f"环节{key}"][0] for key in "abc"] == ["done", "current", "future"]
    for key, words in (("a", "✓ 已办"), ("b", "▶ 在办"), ("c", "○ 未办")):
        assert words in seen[f"环节{key}"][1]
    assert "review1 2026-03-02 09:01" in seen["环节a"][1]  # who handled it, and when
    fills = dict(re.findall(r"\.flow \.(done|current|future) > \.box \{ fill: #(\w{6})", CSS))
    hue = {look: max(zip(rgb(fill), "rgb", strict=True))[1] for look, fill in fills.items()}
    assert (hue["done"], hue["future"]) == ("b", "g")
    red, green, blue = rgb(fills["current"])
    assert min(red, green) > blue + 50  # yellow


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour))


def test_what_was_not_chosen_or_not_needed_says_so() -> None:
    big = Branch(name="大", when=Compare(field="area", op="ge", value=9), then=step("big"))
    pair = Parallel(key="p", branches=(step("left"), step("right")), join="any")
    choice = Choice(key="c", branches=(big,), otherwise=step("small"))
    run = Run(definition(serial(choice, pair, step("end"))))
    assert looks(picture(run.plan, run.state))["环节big"][0] == "unneeded"
    run.passes("small", "left")
    assert looks(picture(run.plan, run.state))["环节right"][0] == "unneeded"
    run.act(Refused, actor("review"), step="end", opinion="不")
    assert "不予同意" in picture(run.plan, run.state)


@pytest.mark.req("S3-13")
@pytest.mark.parametrize("seed", range(60))
def test_it_is_well_formed_and_needs_nothing_the_page_forbids(seed: int) -> None:
    root = etree.fromstring(picture(linked(Builder(seed).definition())))
    for element in root.iter():
        assert etree.QName(element).localname in {"svg", "g", "rect", "text", "path", "title", "desc"}
        assert not [
            name for name in element.attrib if name == "style" or name.startswith("on") or "href" in name
        ]
        for name in (element.get("class") or "").split():
            assert f".{name}" in CSS or name in ("step", "branch")
    assert root.get("role") == "img" and root.findtext("s:desc", namespaces=SVG)


def test_text_is_escaped() -> None:
    nasty = replace(step("a"), name="</text><script>alert(1)</script>&\"'")
    root = etree.fromstring(picture(linked(definition(nasty))))
    assert root.xpath("//s:title/text()", namespaces=SVG)[1] == nasty.name
    assert not root.xpath("//s:script", namespaces=SVG)


def test_many_branches_stay_within_the_screen() -> None:
    wide = Parallel(key="p", branches=tuple(step(f"s{n}") for n in range(12)))
    root = etree.fromstring(picture(linked(definition(wide))))
    assert int(root.get("width")) <= 1280
    assert int(etree.fromstring(picture(linked(four_levels()))).get("width")) <= 1280


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("受理", ["受理"]),
        ("一二三四五六", ["一二三", "四五六"]),
        ("abcdefg", ["abcdef", "g"]),
        ("一二三四五六七", ["一二三", "四五…"]),
        ("", [""]),
        ("一二（三）", ["一二", "（三）"]),
        ("（（（（", ["（（", "（（"]),
    ],
)
def test_lines_are_broken_by_width(text: str, lines: list[str]) -> None:
    assert wrapped(text, 6, 2) == lines


@pytest.mark.parametrize("name", ["plan", "joint", "finished"])
def test_golden(name: str) -> None:
    run = joint()
    if name == "finished":
        run.passes("housing.b", "fire.a", "approve", "deliver")
    svg = picture(run.plan, None if name == "plan" else run.state)
    file = GOLDEN / f"{name}.svg"
    if os.environ.get("TONGBAN_GOLDEN"):
        file.write_text(svg + "\n", "utf-8")
    assert svg == file.read_text("utf-8").rstrip("\n")
