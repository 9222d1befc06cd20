"""Signed two-sided round trips: a sender process, the hub as its own process, the floor beside them.

Run: python benchmarks/bench_roundtrips.py [--quick] [--pairs 5] [--seconds 1.2] [--output FILE]
Slices against hub and floor alternate (A-B-B-A); a ratio is the median over the pairs. What is counted:
the sender builds and signs a document of about 4 KB, the hub verifies, authorises, validates, applies it to
its case, commits it with its ledger line and answers with a signed receipt, the sender verifies signature
and digest.
"""

import argparse
import contextlib
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import rig
from documents import SENDER, as_json, as_xml, case_number, step
from lxml import etree
from rig import Memory, Program, Site, Slice

PROTOCOLS = {
    "jws": "JWS over REST (ES256)",
    "xmldsig": "XML-DSig over REST (RSA)",
    "soap": "WS-Security SOAP (RSA)",
}


@dataclass
class Line:
    """One line of the table."""

    protocol: str
    kind: str
    concurrency: int
    hub: list[Slice] = field(default_factory=list)
    floor: list[Slice] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """What is kept of it."""
        hub, floor = rig.summary(self.hub), rig.summary(self.floor)
        pairs = list(zip(self.hub, self.floor, strict=True))
        rates = [h.rate / f.rate for h, f in pairs]
        costs = [f.program_cpu_ms / h.program_cpu_ms for h, f in pairs if h.program_cpu_ms]
        return {
            "protocol": self.protocol, "message": self.kind, "concurrency": self.concurrency, "hub": hub,
            "floor": floor,
            "ratio": round(statistics.median(rates), 3), "ratio_cpu": round(statistics.median(costs), 3),
            "pairs": [round(one, 3) for one in rates],
        }  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """Everything that runs."""

    site: Site
    hub: Program
    floor: Program
    floor_port: int
    sender: Program

    def slice(self, line: Line, seconds: float, *, floor: bool) -> Slice:
        """One stretch against hub or floor."""
        program, port = (self.floor, self.floor_port) if floor else (self.hub, self.site.port)
        job = {
            "do": "run", "port": port, "protocol": line.protocol, "kind": line.kind,
            "concurrency": line.concurrency,
            "seconds": seconds,
        }  # fmt: skip
        return rig.measured(program, partial(self.sender.ask, **job))


@contextlib.contextmanager
def stage(root: Path, cases: int) -> Iterator[Stage]:
    """A hub, a floor and a sender, with open cases."""
    site = Site(root)
    site.prepare(rig.two_parties())
    with site.serve() as hub, floor_program(site) as (floor, port), site.sender() as sender:
        for one, real in ((site.port, True), (port, False)):
            sender.ask(do="open", port=one, cases=cases, real=real)
        yield Stage(site, hub, floor, port, sender)


@contextlib.contextmanager
def floor_program(site: Site) -> Iterator[tuple[Program, int]]:
    """The floor with the hub's keys and the sender's certificates."""
    port, config = rig.free_port(), site.root / "floor.json"
    folders = {
        "theirs": str(site.keys(SENDER)),
        "ours": str(site.state / "keys"),
        "store": str(site.root / "floor.db"),
    }
    config.write_text(json.dumps({"port": port, **folders}), "utf-8")
    command = [sys.executable, str(rig.HERE / "floor.py"), str(config)]
    with Program("floor", command, site.root / "floor.log", rig.environment(site.state)) as floor:
        rig.wait_for(f"http://127.0.0.1:{port}/health", floor)
        yield floor, port


def run(here: Stage, lines: Sequence[Line], pairs: int, seconds: float) -> None:
    """Pairs of slices of every line, round by round, so that a noisy minute touches all lines alike."""
    for line in lines:
        for floor in (False, True):
            here.slice(line, seconds / 4, floor=floor)  # connections, caches, first pages of the database
    for turn in range(pairs):
        for line in lines:
            for floor in (False, True) if turn % 2 == 0 else (True, False):
                (line.floor if floor else line.hub).append(here.slice(line, seconds, floor=floor))


def sizes() -> dict[str, int]:
    """Bytes of the headline document in both forms, unsigned."""
    document = step(case_number(1), 1)
    return {"json": len(as_json(document)), "xml": len(etree.tostring(as_xml(document), encoding="UTF-8"))}


COLUMNS = (
    "protocol                    message      C   hub/s floor/s  rate   CPU     p50     p99"
    "  hub CPU  floor sender  load others\n"
    "                                                           ratio ratio     ms      ms"
    "  ms/msg     ms     ms         CPUs"
)


def show(line: dict[str, Any]) -> None:
    """One line for people."""
    hub, floor = line["hub"], line["floor"]
    who = f"{PROTOCOLS[line['protocol']]:27} {line['message']:11} {line['concurrency']:2}"
    rates = (
        f"{hub['per_second']:7.0f} {floor['per_second']:7.0f} {line['ratio']:5.2f} {line['ratio_cpu']:5.2f}"
    )
    costs = f"{hub['cpu_ms']:8.2f} {floor['cpu_ms']:6.2f} {hub['sender_cpu_ms']:6.2f}"
    noise = f"{hub['load']:5.2f} {hub['others_cpus']:6.2f}"
    print(f"{who} {rates} {hub['p50_ms']:7.1f} {hub['p99_ms']:7.1f} {costs} {noise}")


def chosen(names: Sequence[str], quick: bool) -> list[Line]:
    """Latency at one connection, rates at four and eight, the application beside the step."""
    if quick:
        return [Line(name, "step", 2) for name in names]
    steps = [Line(name, "step", connections) for name in names for connections in (1, 4, 8)]
    return steps + [Line(name, "application", 8) for name in names]


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run of a few seconds; its figures mean nothing"
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.2, help="of one slice")
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, action="append", help="only this one; may be repeated"
    )
    parser.add_argument("--output", type=Path, default=rig.RESULTS)
    args = parser.parse_args()
    pairs, seconds, cases = (1, 0.5, 16) if args.quick else (args.pairs, args.seconds, 160)
    lines = chosen(args.protocol or list(PROTOCOLS), args.quick)
    with rig.folder("roundtrips") as root, stage(root, cases) as here, Memory(here.hub) as memory:
        run(here, lines, pairs, seconds)
    figures = [line.figures() for line in lines]
    print(COLUMNS)
    for line in figures:
        show(line)
    print(f"hub memory at most {memory.peak_mib:.0f} MiB (PSS); documents {sizes()} bytes before signing")
    kept = {
        "quick": args.quick,
        "bytes": sizes(),
        "hub_peak_pss_mib": round(memory.peak_mib, 1),
        "lines": figures,
    }
    rig.keep(args.output, "roundtrips", kept)


if __name__ == "__main__":
    main()
