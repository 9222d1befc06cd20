"""The editor's moves: whatever is done in whatever order, the draft can be edited on and checked."""

import json
from random import Random

import pytest

from hallservice.approval.definition import dumped
from hallservice.approval.validation import DefinitionRefused, parsed
from hallservice.flows import editing, outline
from hallservice.flows.shipped import KEYS, shipped
from hallservice.refusals import HallRefused


def checked(draft: dict) -> tuple:
    """What is wrong with it; nothing but a list of coded problems may come back."""
    try:
        parsed(json.dumps(draft))
    except DefinitionRefused as refused:
        return refused.problems
    return ()


def one_move(random: Random, draft: dict) -> dict:
    """A random act of somebody at the editor."""
    lines = outline.lines(draft)
    line = random.choice(lines) if lines else None
    what = random.choice(["add", "add", "inside", "up", "down", "remove", "fill"]) if line else "add"
    kind = random.choice(list(editing.NEW))
    if what in ("add", "inside"):
        return editing.added(draft, line.path if line else "body", what == "inside", kind)[0]
    if what == "fill":
        values = {"name": f"环节{random.randint(1, 99)}", "org": "org-fire", "post": "review"}
        return editing.changed(draft, line.path, values if line.block in ("step", "sub") else {})
    if what == "remove":
        return editing.removed(draft, line.path)
    return editing.moved(draft, line.path, -1 if what == "up" else 1)


def test_a_draft_survives_a_thousand_moves() -> None:
    refused = 0
    for seed in range(40):
        random = Random(seed)
        draft = editing.tidied(dumped(shipped()[random.choice(KEYS)]))
        for _ in range(25):
            try:
                draft = one_move(random, draft)
            except HallRefused:
                refused += 1
            assert editing.tidied(draft) == draft
            problems = checked(draft)
            assert "duplicate_key" not in {problem.code for problem in problems}
            lines = outline.lines(draft, problems)
            placed = {word for line in lines for word in line.problems} | {*outline.unplaced(draft, problems)}
            assert {outline.said(problem) for problem in problems} == placed, "nothing wrong goes unsaid"
    assert 0 < refused < 500


@pytest.mark.parametrize("key", KEYS)
def test_tidying_changes_no_meaning(key: str) -> None:
    draft = editing.tidied(dumped(shipped()[key]))
    assert checked(draft) == ()
    one = [step.key for step in _steps(parsed(json.dumps(draft)))]
    assert one == [step.key for step in _steps(shipped()[key])]


def _steps(definition):
    from hallservice.approval.definition import steps

    return list(steps(definition.body))


def test_a_place_that_is_not_there_is_refused() -> None:
    random = Random(7)
    draft = editing.tidied(dumped(shipped()["joint"]))
    pieces = [
        "body",
        ".parts",
        "[0]",
        "[9]",
        ".branches",
        ".name",
        ".then",
        "fields",
        "]",
        "..",
        "posts",
        "[-1]",
        ".key",
        "x",
    ]
    acts = (
        lambda path: editing.moved(draft, path, 1), lambda path: editing.removed(draft, path),
        lambda path: editing.added(draft, path, False, "step"),
        lambda path: editing.added(draft, path, True, "sub"),
        lambda path: editing.changed(draft, path, {"name": "名"}),
    )  # fmt: skip
    for _ in range(4000):
        path = "".join(random.choice(pieces) for _ in range(random.randint(0, 6)))
        try:
            outline.lines(_draft(random.choice(acts)(path)))
        except HallRefused as fault:
            assert fault.said


def _draft(made):
    return made[0] if isinstance(made, tuple) else made


def test_handing_up_gives_what_is_inside_its_level() -> None:
    draft = editing.tidied(dumped(shipped()["standard"]))
    draft, path = editing.added(draft, "body.parts[0]", False, "hand_up")
    assert editing.at_path(draft, path)["to"] == "city"
    draft, inner = editing.added(draft, path, True, "step")
    assert editing.at_path(draft, inner)["level"] == "city"
    draft = editing.changed(draft, path, {"to": "town"})
    assert editing.at_path(draft, inner)["level"] == "town"
    assert {problem.code for problem in checked(draft)} >= {"not_up"} or checked(draft)[0].code == "bad_form"
