"""Errors say code, detail and place, and their class says what to do next."""

import pickle

import pytest

from exchange.errors import Conflict, HubError, Misconfigured, Refused, Tampered, TryLater


def test_the_text_has_code_detail_and_place() -> None:
    assert (
        str(HubError("bad_code", "not in the list", "/case/kind")) == "bad_code: not in the list (/case/kind)"
    )
    assert str(HubError("bad_code", "not in the list")) == "bad_code: not in the list"


@pytest.mark.parametrize("kind", [Tampered, Conflict])
def test_what_the_sender_must_change_is_refused(kind: type[HubError]) -> None:
    assert issubclass(kind, Refused)


@pytest.mark.parametrize("kind", [TryLater, Misconfigured])
def test_what_the_sender_need_not_change_is_not_refused(kind: type[HubError]) -> None:
    assert not issubclass(kind, Refused)


def test_an_error_crosses_a_process_boundary_whole() -> None:
    sent = pickle.loads(pickle.dumps(Conflict("conflict", "other body", "message_id")))  # noqa: S301 - our own bytes
    assert (type(sent), sent.code, sent.detail, sent.where) == (
        Conflict,
        "conflict",
        "other body",
        "message_id",
    )
