"""One round over a drop folder: every file goes the one path, then is put away: where it lies is the
answer."""

import hashlib
from dataclasses import dataclass, field

import structlog

from exchange.envelope import Envelope, Sealed
from exchange.errors import HubError, Refused
from exchange.hub import Hub
from exchange.pipeline import receive, turn_away
from exchange.polleddoor import PolledDoor, polled
from exchange.receipts import Receipt
from exchange.transports.drop import DropFolder, Dropped, Verdict

log = structlog.get_logger()


@dataclass
class FileRound:
    """One drop folder of one party; `run` takes the files that wait."""

    hub: Hub
    door: PolledDoor
    place: DropFolder
    _unmoved: dict[tuple[str, str], Receipt] = field(default_factory=dict)  # answered, but not put away yet

    def run(self) -> bool:
        """TryLater when folder or store is away; never more to do at once."""
        for name in self.place.waiting(self.hub.store.clock()):
            self._take(self.place.read(name))
        return False

    def close(self) -> None:
        """Nothing is held open between looks."""

    def _take(self, file: Dropped) -> None:
        key = (file.name, hashlib.sha256(file.body).hexdigest())
        receipt = self._unmoved.get(key) or self._received(file)
        self._unmoved = {key: receipt}
        verdict: Verdict = "refused" if receipt.status == "refused" else "done"
        self.place.put_away(file.name, verdict)
        self._unmoved = {}
        log.info("file_taken", party=self.door.party, file=file.name, verdict=verdict, code=receipt.code)

    def _received(self, file: Dropped) -> Receipt:
        envelope = self._envelope(file)
        try:
            return receive(
                self.hub,
                envelope,
                lambda e: self._opened(file, e),
                lambda s, e: self.door.read(self.hub, s, e),
            )
        except HubError:
            raise
        except (
            Exception
        ) as fault:  # a defect met by one file must not stop the others, nor come again for ever
            log.exception("file_defect", party=self.door.party, file=file.name)
            return turn_away(self.hub, envelope, None, Refused("defect", type(fault).__name__))

    def _opened(self, file: Dropped, envelope: Envelope) -> Sealed:
        if file.fault is not None:
            raise file.fault
        return self.door.open(self.hub, envelope)

    def _envelope(self, file: Dropped) -> Envelope:
        properties = {**file.values, "message_id": file.name}
        body = file.body if file.fault is None else file.name.encode()
        return polled("file", body, file.seal, {"file": file.name}, properties, self.hub.store.clock())
