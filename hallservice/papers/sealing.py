"""The port of whoever seals papers: the hub's own key (pades.py), or the city's seal service.

SM2 seals (GB/T 38540) are what a city's seal service makes: it gets the PDF and gives it back sealed.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Protocol


class SealService(Protocol):
    """Gives a PDF back with one seal more; HubError where it cannot."""

    def seal(self, pdf: bytes, *, at: datetime, reason: str) -> bytes:
        """`at` is the signing time the seal states, `reason` why (受理)."""
        ...


class SealWhenAsked:
    """Made with the first paper: loading pyHanko takes as long as everything else a hub starts with."""

    def __init__(self, make: Callable[[], SealService]) -> None:
        self._make = make

    @cached_property
    def _service(self) -> SealService:
        return self._make()

    def seal(self, pdf: bytes, *, at: datetime, reason: str) -> bytes:
        """As the service that is behind it."""
        return self._service.seal(pdf, at=at, reason=reason)
