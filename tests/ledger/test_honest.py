"""No false alarm: random honest histories are whole in the store and in the export, at every step."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.erasure import KIND, erasure_note
from ledger.log import Draft, Log, forget

PARTIES = st.sampled_from(["city/hall", "city/警务", "county 3", "province"])
CASES = st.none() | st.sampled_from(["p:1", "p:2", "案件三"])
STEP = st.tuples(
    PARTIES, PARTIES, CASES, st.sampled_from(["", "commit", "export", "restart", "erase", "backwards"])
)


class Clerk:
    """Does what a hub does, in any order, and remembers the states of the cases."""

    def __init__(self, city: Any) -> None:
        self.city, self.states, self.pending, self.notes = city, {}, [], []

    def act(self, sender: str, receiver: str, case: str | None) -> None:
        number = len(self.pending)
        state = None
        if case is not None and number % 3:
            before, after = self.states.get(case), f"state {number}"
            state, self.states[case] = (before, after), after
        values = {"payload": b"%d" % number} if number % 2 else {}
        self.pending.append(
            Draft("k", "x", sender, receiver, "s/1", case, state, values=values, note={"n": number})
        )

    def commit(self) -> None:
        with self.city.engine.begin() as connection:
            batch = self.city.log.begin(connection, self.city.now)
            for draft in self.pending:
                self.city.add(batch, draft)
            self.notes.append(batch.close().text.encode())
        self.pending = []
        self.city.now += 40

    def after(self, event: str) -> None:
        if event:
            self.commit()
        if event == "restart":
            self.city.log = Log(self.city.signer.name, self.city.signer)
        if event == "export" and self.city.leaves():
            self.city.export()
        if event == "erase":
            self.erase()
        if event == "backwards":
            self.city.now -= 3_600_000

    def erase(self) -> None:
        if not self.city.values:
            return
        seq = min(seq for seq, _ in self.city.values)
        with self.city.engine.begin() as connection:
            forget(connection, [seq])
            batch = self.city.log.begin(connection, self.city.now)
            batch.append(Draft(KIND, "e", "archive", "archive", "e/1", note=erasure_note([seq], order="7")))
            self.notes.append(batch.close().text.encode())
        for key in [key for key in self.city.values if key[0] == seq]:
            del self.city.values[key]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=40), run=st.integers(0, 2**60))
def test_honest_histories_are_whole(tmp_path_factory: Any, make: Any, steps: list[Any], run: int) -> None:
    city = make(seed=5)
    for table in ("entry", "head", "checkpoint", "counter", "disclosure"):
        city.sql(f"DELETE FROM ledger_{table}")  # noqa: S608 (the names above)
    city.folder = tmp_path_factory.mktemp("run")
    clerk = Clerk(city)
    for sender, receiver, case, event in steps:
        clerk.act(sender, receiver, case)
        clerk.after(event)
    clerk.commit()
    saved = tuple(clerk.notes)
    assert city.verify(saved).findings == ()
    if city.leaves():
        assert city.check(city.export(), saved).findings == ()
