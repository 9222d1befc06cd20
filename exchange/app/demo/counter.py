"""Talking to the hall's counter: which items it applies for, how many cases it drives, how far they are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from exchange.app.demo.asking import Asking
from exchange.app.demo.layout import DEPARTMENT_ORG, Layout, write_file
from exchange.app.demo.watching import items_in_force
from exchange.errors import Misconfigured
from exchange.store.engine import reading

NAME = "counter"


@dataclass(frozen=True)
class Standing:
    """How far the counter's cases are."""

    done: int = 0
    unfinished: Sequence[str] = ()


class Counter:
    """The counter's admin interface."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def begin(self, cases: int) -> None:
        """Open so many cases."""
        self._asking.post(NAME, "/admin/run", {"cases": cases})

    def standing(self) -> Standing:
        """How far they are."""
        raise NotImplementedError
