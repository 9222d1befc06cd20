"""One exchange with the partner as it was seen on the wire, and how the contract reads the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from exchange.manifest import Outcome
from exchange.mapping.run import value_at
from mocks.conformance import trees
from mocks.conformance.facts import Expect
from mocks.conformance.masking import shown
from mocks.conformance.model import Verdict, failed, passed


@dataclass(frozen=True)
class Reply:
    """What went out and what came back; `problem` when there was no readable answer, `seal` what is wrong
    with its seal ("" when it holds)."""

    sent: bytes
    how: str = ""  # request line, headers and what was done to the seal
    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    tree: Any = None
    problem: str = ""
    seal: str = ""
    fault: str = ""
    seconds: float = 0.0
    outcome: Outcome = field(default_factory=Outcome)
    nonce: str = ""
    iat: float | None = None
    turned_down: Expect = field(default_factory=dict)

    @property
    def code(self) -> str | None:
        """The contract's own code in the answer."""
        return value_at(self.tree, self.outcome.path or "code") if self.tree is not None else None

    @property
    def accepted(self) -> bool:
        """A readable answer that says yes."""
        good = self.status is None or self.status < 400
        if self.turned_down and self.meets(self.turned_down):
            return False
        agreed = self.outcome.differing(partial(value_at, self.tree)) is None
        return not self.problem and not self.fault and good and agreed and self._verdict() == "ok"

    @property
    def refused(self) -> bool:
        """The partner answered, and its answer is no; a crash (a bare 5xx) or silence is neither."""
        if self.problem or self.accepted:
            return False
        if self.fault:
            return self.fault == "Client"
        return self.tree is not None or (self.status is not None and 400 <= self.status < 500)

    def _verdict(self) -> str:
        if self.tree is None:
            return "none"
        if self.outcome.path is None and self.code is None:
            return "ok"
        return self.outcome.judge(self.code) if self.code is not None else "none"

    def value(self, path: str) -> str | None:
        """The answer's value at a wire path, `@status` or `@fault`."""
        if path == "@status":
            return None if self.status is None else str(self.status)
        if path == "@fault":
            return self.fault or None
        found = trees.reach(self.tree, trees.place_of(path))
        return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None

    def meets(self, expect: Expect) -> bool:
        """Whether every named place of the answer holds one of the values the contract allows."""
        return not self.problem and all(self.value(path) in values for path, values in expect.items())

    @property
    def status_given(self) -> bool:
        """Whether there is an answer document to look into (a dead letter or a bare 4xx has none)."""
        return self.tree is not None or bool(self.fault)

    def verdict(self, good: bool, why: str) -> Verdict:
        """The check's verdict over this exchange."""
        sent, received = f"{self.how}\n{shown(self.sent)}".strip(), self.seen
        return passed(sent, received) if good else failed(why + self._because(), sent, received)

    def _because(self) -> str:
        return f" ({self.problem})" if self.problem else ""

    @property
    def seen(self) -> str:
        """The answer for a person."""
        if self.problem:
            return self.problem
        head = f"HTTP {self.status}" if self.status is not None else ""
        seal = f" 签名无效 seal: {self.seal}" if self.seal else ""
        return f"{head}{seal}\n{shown(self.body)}".strip()
