"""Duties stay apart also where a step was passed and still waits for its signers."""

from dataclasses import replace

import pytest

from hallservice.approval.definition import Parallel
from hallservice.approval.events import Actor, Passed, Signed, SignerAdded, Transferred
from hallservice.approval.state import ActRefused
from tests.hallservice.approval.builders import Run, actor, definition, serial, step


def test_who_undertook_in_one_branch_does_not_approve_in_another_before_the_signers_have_signed() -> None:
    branches = (step("undertake", "undertake"), step("approve", "approve"))
    run = Run(definition(serial(step("accept", "accept"), Parallel(key="p", branches=branches))))
    run.passes("accept")
    both = replace(actor("undertake"), posts=("undertake", "approve"))
    signer = replace(actor("review"), id="S-signer")
    run.act(SignerAdded, both, step="undertake", who=(signer.person,), where="after")
    run.act(Passed, both, step="undertake")
    assert "undertake" not in run.state.done
    for kind, by, more in (
        (Passed, both, {}),
        (Transferred, actor("approve"), {"to": both.person, "opinion": "忙"}),
    ):
        with pytest.raises(ActRefused) as refused:
            run.act(kind, by, step="approve", **more)
        assert refused.value.code == "duty_separation"
    run.act(Signed, signer, step="undertake", agree=True)
    assert run.state.done["undertake"].by.id == both.id


def test_a_function_over_one_body_is_none_over_another_and_no_other_function() -> None:
    run = Run(definition(serial(step("accept", "accept"), step("undertake", "undertake"))))
    run.passes("accept")
    moved = {"step": "undertake", "to": actor("undertake", number=2).person, "opinion": "忙"}
    for org, over in (
        ("org-other", (("administrator", "org-county"), ("supervisor", "org-fire"))),
        ("org-county", (("supervisor", "org-fire"),)),
    ):
        with pytest.raises(ActRefused) as refused:
            run.act(Transferred, Actor("x", "旁人", org, (), over), **moved)
        assert refused.value.code == "not_holder"
    run.act(Transferred, Actor("x", "督办人", "org-other", (), (("supervisor", "org-county"),)), **moved)
    assert run.state.work["undertake"].person == moved["to"]
