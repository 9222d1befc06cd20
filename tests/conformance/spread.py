"""Runs that mostly wait, several at once: each takes one of a few partners and gives it back."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from queue import Queue
from typing import Any

import pytest

WORKERS = 3
Found = Callable[[Any], Any]
"""What a run found, by the defect that was planted for it."""


@contextmanager
def spread(
    request: pytest.FixtureRequest, start: Callable[[], AbstractContextManager[Any]],
    work: Callable[[Any, Any], Any], clean: Any, defects: Sequence[Any], workers: int = WORKERS,
) -> Iterator[Found]:  # fmt: skip
    """The clean run and those of the defects whose tests were chosen, begun in this order. More than one of
    `workers` serves runs that wait: each costs the start of a partner."""
    chosen = {id(value) for item in request.session.items for value in _params(item)}
    runs = [clean, *(one for one in defects if id(one) in chosen)]
    free: Queue[Any] = Queue()

    def run(defect: Any) -> Any:
        partner = free.get()
        try:
            return work(partner, defect)
        finally:
            free.put(partner)

    with ExitStack() as stack, ThreadPoolExecutor(workers) as pool:
        for partner in pool.map(lambda _: stack.enter_context(start()), range(min(workers, len(runs)))):
            free.put(partner)
        found = {id(one): pool.submit(run, one) for one in runs}
        yield lambda defect: found[id(defect)].result(300)
        pool.shutdown(cancel_futures=True)


def _params(item: pytest.Item) -> list[Any]:
    called = getattr(item, "callspec", None)
    return list(called.params.values()) if called is not None else []


def verdicts(report: Any, finds: Sequence[str]) -> dict[str, str]:
    """The results of these checks."""
    return {one.check.id: one.verdict.result for one in report.findings if one.check.id in finds}
