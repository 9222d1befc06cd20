"""Sign-in, sessions, windows."""

from collections.abc import Callable

from hallservice.hall import Hall
from hallservice.people import sessions
from hallservice.people.clerk import Clerk
from hallservice.people.sessions import Session


def test_first(hall: Hall, clerk_as: Callable[[str], Clerk], session_as: Callable[[str], Session]) -> None:
    clerk = clerk_as("clerk")
    assert clerk.may("counter.accept", "/4414/441402/441402-scj/")
    assert not clerk.may("counter.accept", "/4414/441403/")
    session = session_as("clerk")
    signed = sessions.find(hall, session.token)
    assert signed is not None and signed.clerk == clerk
