"""Writing checks: numbering, and the few ways most of them judge an exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mocks.conformance.bench import Bench
from mocks.conformance.facts import Expect
from mocks.conformance.model import Check, Verdict, not_offered
from mocks.conformance.reply import Reply


@dataclass
class Maker:
    """Makes the checks of one group under ids that stay the same while the contract does."""

    bench: Bench
    checks: list[Check] = field(default_factory=list)

    def add(
        self, id_: str, group: str, zh: str, en: str, run: Callable[[], Verdict], section: str = ""
    ) -> None:
        """One more check; one the facts call not offered says why instead of running."""
        facts = self.bench.facts
        clause = (
            section or facts.sections.get(group) or facts.sections.get(id_.partition("-")[0]) or "contract"
        )
        reason = facts.not_offered.get(id_)
        self.checks.append(Check(id_, group, zh, en, clause, _excused(reason) if reason else run))

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)


def _excused(reason: str) -> Callable[[], Verdict]:
    return lambda: not_offered(reason)


def measured(bench: Bench, name: str | None, run: Callable[[], Verdict]) -> Verdict:
    """A refusal says something only where the correct document is taken."""
    baseline = bench.baseline(name)
    if not baseline.accepted:
        why = "正确的也被拒绝，无从判断 / the correct one is refused too, so nothing is shown"
        return not_offered(why, baseline.how, baseline.seen)
    return run()


def judged_refusal(reply: Reply, expect: Expect | None) -> Verdict:
    """It must be refused, with the contract's code where the facts name one, under a good seal."""
    if reply.accepted:
        return reply.verdict(False, "被接受，应拒绝 / accepted, must be refused")
    if not reply.refused:
        return reply.verdict(False, "没有可读的拒绝 / no readable refusal")
    if expect is not None and reply.status_given and not reply.meets(expect):
        wanted = ", ".join(f"{path}={'|'.join(values)}" for path, values in expect.items())
        return reply.verdict(False, f"拒绝码不是契约的 / not the contract's code: {wanted}")
    return reply.verdict(True, "")


def judged_acceptance(reply: Reply) -> Verdict:
    """It must be taken, under a good seal."""
    if not reply.accepted:
        return reply.verdict(False, "被拒绝，应接受 / refused, must be accepted")
    return reply.verdict(not reply.seal, f"回答的签名无效 / the answer's seal does not hold: {reply.seal}")
