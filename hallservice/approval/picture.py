"""The flow picture: the block tree as nested frames in SVG, drawn on the server, alike on screen and paper.

Blue and ✓ is done, yellow and ▶ is current, green and ○ is not yet; words say it too and outlines differ, so
that a black-and-white print reads the same. Classes only: `picture.css` gives the colours, and the page
policy allows no inline style or script. Lengths are CSS pixels; the view box scales to the page.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Literal
from unicodedata import east_asian_width

from hallservice.approval.conditions import sentence
from hallservice.approval.definition import (
    KIND_NAMES,
    LEVEL_NAMES,
    Block,
    Choice,
    HandDown,
    HandUp,
    Parallel,
    Serial,
    Step,
    Sub,
)
from hallservice.approval.plan import Plan
from hallservice.approval.state import STATUS_NAMES, State

Look = Literal["done", "current", "future", "unneeded"]
SIGNS: dict[Look, str] = {"done": "✓", "current": "▶", "future": "○", "unneeded": "○"}
WORDS: dict[Look, str] = {"done": "已办", "current": "在办", "future": "未办", "unneeded": "无需办理"}

WIDTH, LINE, PAD, ARROW, GAP, WIDEST = 184, 20, 10, 24, 16, 1200
UNITS = 22  # half-widths of text in a box: 11 Chinese characters at 14 px


@dataclass(frozen=True, slots=True)
class Drawn:
    """A piece of SVG in its own coordinates, from (0, 0) to (width, height)."""

    width: int
    height: int
    svg: str

    def at(self, x: int, y: int) -> str:
        return f'<g transform="translate({x} {y})">{self.svg}</g>'


@dataclass(frozen=True, slots=True)
class _Scene:
    plan: Plan
    state: State | None

    def look(self, key: str) -> Look:
        if self.state is None:
            return "future"
        if key in self.state.done:
            return "done"
        if key in self.state.active:
            return "current"
        return "unneeded" if self.state.ended or self._passed_over(key) else "future"

    def _passed_over(self, key: str) -> bool:
        """Left out: in a branch not chosen, or dormant since another branch has won."""
        if self.state is None:
            return False
        route = self.plan.places[key].route
        for name, at in self.state.chosen.items():
            choice, above = self.plan.choices[name]
            taken = len(choice.branches) if at < 0 else at
            if route[: len(above)] == above and route[len(above)][1] != taken:
                return True
        return key in self.state.work


def picture(plan: Plan, state: State | None = None) -> str:
    """The SVG of a plan, or of where an instance of it stands."""
    scene = _Scene(plan, state)
    drawn = _stacked([_pill("开始"), *_accepted(state), _draw(scene, plan.body), _pill(_ending(state))])
    title = escape(f"{plan.definition.name}（第 {plan.definition.version} 版）流程图")
    told = escape("；".join(_told(scene)))
    width, height = drawn.width + 2, drawn.height + 2
    names = 'class="flow" role="img" aria-labelledby="flow-title flow-text"'
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = f'<title id="flow-title">{title}</title><desc id="flow-text">{told}</desc>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {names} {size}>{head}{drawn.at(1, 1)}</svg>'


def _accepted(state: State | None) -> list[Drawn]:
    """Who accepted the case at the counter, before the process began."""
    if state is None or state.accepted is None:
        return []
    lines = ["受理", "✓ 已办", *wrapped(state.accepted.name, UNITS, 1), f"{state.started:%Y-%m-%d %H:%M}"]
    return [_boxed("done", "受理", lines)]


def _boxed(look: Look, name: str, lines: list[str]) -> Drawn:
    height = LINE * len(lines) + PAD * 2
    text = "".join(_text(line, WIDTH // 2, PAD + LINE * at + 15, "mid") for at, line in enumerate(lines))
    box = f'<rect class="box" width="{WIDTH}" height="{height}" rx="4"/>'
    return Drawn(WIDTH, height, f'<g class="step {look}"><title>{escape(name)}</title>{box}{text}</g>')


def _ending(state: State | None) -> str:
    return STATUS_NAMES[state.status] if state is not None and state.ended else "结束"


def _told(scene: _Scene) -> Iterator[str]:
    """The picture in words, for a screen reader."""
    for key, place in scene.plan.places.items():
        yield f"{place.step.name}：{WORDS[scene.look(key)]}"


def _draw(scene: _Scene, block: Block) -> Drawn:
    match block:
        case Step():
            return _step(scene, block)
        case Serial():
            return _stacked([_draw(scene, part) for part in block.parts])
        case Parallel():
            return _frame("parallel", _joined(block), [_draw(scene, branch) for branch in block.branches])
        case Choice():
            return _choice(scene, block)
        case Sub() | HandUp() | HandDown():
            inside = [] if block.body is None else [_draw(scene, block.body)]
            return _frame(block.block.replace("_", "-"), _heading(block), inside)


def _joined(block: Parallel) -> str:
    count = len(block.branches)
    return {
        "all": f"并行：{count} 支全部办结",
        "any": f"并行：{count} 支中任一办结",
        "share": f"并行：{count} 支中 {block.share} 支办结",
    }[block.join]


def _heading(block: Sub | HandUp | HandDown) -> str:
    if isinstance(block, Sub):
        return f"{block.name}（牵头）" if block.lead else block.name
    return f"{'上交' if isinstance(block, HandUp) else '下放'}：{LEVEL_NAMES[block.to]}"


def _choice(scene: _Scene, block: Choice) -> Drawn:
    labels = {fact.name: fact.label for fact in scene.plan.definition.fields}
    inside = [
        _frame("branch", f"{branch.name}：{sentence(branch.when, labels)}", [_draw(scene, branch.then)])
        for branch in block.branches
    ]
    if block.otherwise is not None:
        inside.append(_frame("branch", "其他情形", [_draw(scene, block.otherwise)]))
    return _frame("choice", "按条件选一", inside)


def _step(scene: _Scene, step: Step) -> Drawn:
    look = scene.look(step.key)
    lines = [*wrapped(step.name, UNITS, 3), f"{KIND_NAMES[step.kind]}·{LEVEL_NAMES[step.level]}"]
    lines += [f"{SIGNS[look]} {WORDS[look]}", *_by(scene, step.key)]
    return _boxed(look, step.name, lines)


def _by(scene: _Scene, key: str) -> list[str]:
    """Who did it and when."""
    done = None if scene.state is None else scene.state.done.get(key)
    if done is None:
        return []
    return [*wrapped(done.by.name, UNITS, 1), f"{done.at:%Y-%m-%d %H:%M}"]


def _pill(word: str) -> Drawn:
    box = f'<rect class="box" width="120" height="{LINE + PAD}" rx="15"/>'
    return Drawn(120, LINE + PAD, f'<g class="end">{box}{_text(word, 60, 20, "mid")}</g>')


def _text(words: str, x: int, y: int, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>'


def _stacked(pieces: list[Drawn]) -> Drawn:
    """One under the other, centred, arrows between."""
    width, y, svg = max((piece.width for piece in pieces), default=0), 0, []
    for at, piece in enumerate(pieces):
        if at:
            svg.append(_arrow(width // 2, y))
            y += ARROW
        svg.append(piece.at((width - piece.width) // 2, y))
        y += piece.height
    return Drawn(width, y, "".join(svg))


def _arrow(x: int, y: int) -> str:
    end = y + ARROW
    return f'<path class="arrow" d="M{x} {y}V{end - 6}m-5 0h10l-5 6z"/>'


def _frame(kind: str, heading: str, pieces: list[Drawn]) -> Drawn:
    """A box with a heading and pieces side by side, or one under the other where the page is too narrow."""
    across = sum(piece.width for piece in pieces) + GAP * (len(pieces) + 1)
    beside = across <= WIDEST
    inner = across if beside else max(piece.width for piece in pieces) + GAP * 2
    width = max(inner, WIDTH + GAP * 2)
    lines = wrapped(heading, (width - GAP * 2) // 8, 4)
    top = LINE * len(lines) + PAD * 2
    text = "".join(_text(line, GAP, LINE * (at + 1) + 2, "head") for at, line in enumerate(lines))
    left = (width - inner) // 2 + GAP
    body, height = _row(pieces, left, top) if beside else _column(pieces, left, top)
    box = f'<rect class="frame" width="{width}" height="{height}" rx="6"/>'
    title = f"<title>{escape(heading)}</title>"
    return Drawn(width, height, f'<g class="{kind}">{title}{box}{text}{body}</g>')


def _row(pieces: list[Drawn], left: int, top: int) -> tuple[str, int]:
    svg = []
    for piece in pieces:
        svg.append(piece.at(left, top))
        left += piece.width + GAP
    return "".join(svg), top + max((piece.height for piece in pieces), default=0) + GAP


def _column(pieces: list[Drawn], left: int, top: int) -> tuple[str, int]:
    svg = []
    for piece in pieces:
        svg.append(piece.at(left, top))
        top += piece.height + GAP
    return "".join(svg), top


def wrapped(text: str, units: int, most: int) -> list[str]:
    """Lines of at most that many half-widths, the last of `most` ending in … where text is left over; none
    ends in an opening bracket."""
    lines, line = [], ""
    for character in text:
        if _wide(line + character) > units:
            kept = line[:-1] if line[-1:] in ("（", "(") and len(line) > 1 else line
            lines.append(kept)
            line = line.removeprefix(kept)
        line += character
    lines.append(line)
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][:-1] + "…"]


def _wide(text: str) -> int:
    """In half-widths."""
    return sum(2 if east_asian_width(character) in "WFA" else 1 for character in text)
