"""The worker of supervision: scans at start, each day at 00:00:05 and when something is due, sends messages.

It may die at any moment and be started again, and several may run: each look is one commit that reads what it
changes, so nothing is told twice.
"""

import threading
from datetime import UTC, date, datetime, time, timedelta

import structlog

from canonical.instants import SHANGHAI
from hallservice.hall import Hall
from hallservice.supervision import scanning, sending, steps, urging
from hallservice.supervision.scanning import scan

log = structlog.get_logger()

TICK = 15.0  # seconds between looks
BEGINS = time(0, 0, 5)  # of the day's scan, Beijing time: the day before is over for certain


def keeper(hall: Hall, stop: threading.Event, tick: float = TICK) -> None:
    """Until `stop` is set. Time is the store's clock; `tick` is real time."""
    done: date | None = None
    while not stop.is_set():
        try:
            done = look(hall, done)
        except Exception as fault:  # noqa: BLE001 - the thread's end: what failed is tried again at the next tick
            log.error("supervision_failed", error=type(fault).__name__, detail=str(fault)[:300])
        stop.wait(tick)


def look(hall: Hall, done: date | None) -> date | None:
    """One round: a scan where the day is new or something is due, then messages; the day scanned last."""
    today = working_date(hall.hub.store.clock())
    steps.follow(hall, today, every=False)
    if done != today or hall.read(lambda connection: scanning.is_due(connection, today)):
        report = scan(hall, today)
        log.info("supervised", day=today.isoformat(), looked=report.looked, raised=dict(report.raised))
    while hall.read(lambda connection: sending.waits(connection, hall.hub.store.clock())):
        sending.round_(hall)
    while hall.read(lambda connection: urging.waits(connection, hall.hub.store.clock())):
        urging.round_(hall)
    return today


def working_date(now: float) -> date:
    """Today in Beijing, from 00:00:05 on."""
    here = datetime.fromtimestamp(now, UTC).astimezone(SHANGHAI)
    return here.date() if here.time() >= BEGINS else here.date() - timedelta(days=1)
