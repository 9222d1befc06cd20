"""How far the cases are, when the hall's window and the portal both open some."""

from typing import Any

import pytest

from exchange.adapterfolder import load_adapters
from exchange.app.demo.counter import Counter
from exchange.app.demo.layout import partners


class Partners:
    """GET and POST of the two, answered by hand."""

    def __init__(self, **progress: Any) -> None:
        self.progress, self.asked = progress, list[tuple[str, str, Any]]()

    def get(self, name: str, path: str, *, seconds: float = 0) -> Any:
        assert path == "/admin/progress"
        return self.progress[name]

    def post(self, name: str, path: str, value: Any) -> None:
        self.asked.append((name, path, value))


def hall(cases: int, finished: int, adopted: tuple[int, int, int] = (0, 0, 0), *failed: str) -> Any:
    named = dict(zip(("cases", "finished", "failed"), adopted, strict=True))
    lines = [{"case": case, "code": "x", "path": None} for case in failed]
    return {"cases": cases, "finished": finished, "by_state": {}, "failed": lines, "adopted": named}


def portal(cases: int, finished: int) -> Any:
    return {"cases": cases, "finished": finished, "by_state": {}, "failed": []}


def test_one_case_in_five_is_opened_at_the_portal() -> None:
    asking: Any = Partners(counter=hall(0, 0), portal=portal(0, 0))
    Counter(asking, portal=True).begin(23)
    run = "/admin/run"
    assert asking.asked == [("counter", run, {"cases": 19}), ("portal", run, {"cases": 4})]
    asking = Partners(counter=hall(0, 0), portal=portal(0, 0))
    Counter(asking, portal=True).begin(4)
    Counter(asking).begin(23)
    assert asking.asked == [("counter", run, {"cases": 4}), ("counter", run, {"cases": 23})]


@pytest.mark.parametrize(
    ("counter", "online", "total", "done"),
    [
        (hall(19, 0), portal(4, 0), 23, 0),
        (hall(23, 21, (4, 3, 0)), portal(4, 1), 23, 19),
        (hall(22, 22, (3, 3, 0)), portal(4, 4), 23, 22),
        (hall(23, 23, (4, 4, 0)), portal(4, 4), 23, 23),
    ],
)
def test_an_online_case_is_done_when_both_are_done(counter: Any, online: Any, total: int, done: int) -> None:
    asking: Any = Partners(counter=hall(0, 0), portal=portal(0, 0))
    both = Counter(asking, portal=True)
    both.begin(23)
    asking.progress = {"counter": counter, "portal": online}
    standing = both.standing()
    assert (standing.total, standing.done, standing.over) == (total, done, total == done)


def test_what_an_earlier_run_ended_is_not_of_this_one() -> None:
    asking: Any = Partners(counter=hall(25, 23, (5, 4, 1), "a", "b"), portal=portal(5, 5))
    both = Counter(asking, portal=True)
    both.begin(10)
    asking.progress = {"counter": hall(35, 30, (7, 6, 1), "a", "b", "c"), "portal": portal(7, 7)}
    standing = both.standing()
    assert (standing.total, standing.done, list(standing.failed)) == (10, 7, ["c x"])


def test_the_window_does_more_where_everybody_takes_part() -> None:
    few = {one.name: one for one in partners(load_adapters())}
    all_of_them = {one.name: one for one in partners(load_adapters(), everybody=True)}
    assert "acts" not in few["counter"].own and "case.applied.v1" not in few["counter"].takes
    assert "adopt" in all_of_them["counter"].own["acts"]  # type: ignore[operator]
    assert set(few["counter"].takes) < set(all_of_them["counter"].takes)
    assert few["sms"] == all_of_them["sms"]
