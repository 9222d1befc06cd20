"""Relays end to end: a signed step comes in, the hub records it and sends it on, sealed anew.

Run: python benchmarks/bench_relays.py [--quick] [--rounds 5] [--output FILE]
SOAP to REST: the receiver's inbox answers 200 and verifies nothing. AMQP to AMQP: a private RabbitMQ node;
where it is not installed the line says so. The clock runs from the first message sent to the last received.
"""

import argparse
import contextlib
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import rig
from documents import SENDER
from rig import Memory, Program, Site, Slice

from exchange.app.rabbit import RabbitNode, find_server

CASES = 80
CONNECTIONS = 8
PATIENCE = 60.0  # seconds for the last message to come out


@contextlib.contextmanager
def sink(root: Path) -> Iterator[tuple[Program, int]]:
    """The receiver's inbox."""
    port = rig.free_port()
    command = [sys.executable, str(rig.HERE / "sink.py"), str(port)]
    with Program("sink", command, root / "sink.log") as program:
        rig.wait_for(f"http://127.0.0.1:{port}/", program)
        yield program, port


def arrived(port: int) -> dict[str, Any]:
    """How many came, and when the last one did."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def through(sender: Program, site: Site, port: int, seconds: float) -> dict[str, Any]:
    """Send for some seconds, wait for the last to arrive; the rate is over the whole time."""
    before = arrived(port)["count"]
    job = {"do": "run", "port": site.port, "protocol": "soap", "kind": "step", "concurrency": CONNECTIONS}
    result = sender.ask(**job, seconds=seconds)
    deadline = time.monotonic() + PATIENCE
    while (found := arrived(port))["count"] - before < result["count"]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{found['count'] - before} of {result['count']} arrived")
        time.sleep(0.02)
    return {
        **result,
        "seconds": found["last"] - result["begun"],
        "taken_in_per_second": result["count"] / result["seconds"],
    }


def soap_to_rest(root: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """SOAP in, REST out to an inbox."""
    with sink(root) as (_, port):
        site = Site(root / "soap")
        site.prepare(rig.two_parties(f"http://127.0.0.1:{port}/inbox"))
        with site.serve() as hub, site.sender() as sender, Memory(hub) as memory:
            sender.ask(do="open", port=site.port, cases=CASES, real=True)
            through(sender, site, port, seconds / 4)
            job = partial(through, sender, site, port, seconds)
            return figures([rig.measured(hub, job) for _ in range(rounds)], memory)


def amqp_to_amqp(root: Path, rounds: int, messages: int) -> dict[str, Any]:
    """AMQP in, AMQP out, receipts by AMQP too."""
    if find_server() is None:
        return {"absent": "RabbitMQ is not installed (Debian: rabbitmq-server)"}
    with RabbitNode(root / "rabbit") as node:
        site = Site(root / "amqp", environ={"TONGBAN_AMQP_URL": node.url})
        site.prepare(rig.two_parties("amqp:"))
        with site.serve() as hub, bus(site, node.url) as ends, Memory(hub) as memory:
            with site.sender() as sender:
                sender.ask(do="open", port=site.port, cases=CASES, real=True)
            ends.ask(do="open", cases=CASES)
            ends.ask(do="run", connections=CONNECTIONS, messages=CONNECTIONS * 4)
            broker = int((node.state / "node.pid").read_text())
            used, slices = rig.cpu_ms(broker), []
            for _ in range(rounds):
                slices.append(
                    rig.measured(hub, partial(ends.ask, do="run", connections=CONNECTIONS, messages=messages))
                )
            used = (rig.cpu_ms(broker) - used) / sum(one.count for one in slices)
            return {**figures(slices, memory), "broker_cpu_ms": round(used, 3)}


@contextlib.contextmanager
def bus(site: Site, url: str) -> Iterator[Program]:
    """Sender and receiver on the bus, one process."""
    config = site.root / "bus.json"
    keys = {"keys": str(site.keys(SENDER)), "hub_keys": str(site.state / "keys")}
    config.touch(mode=0o600)
    config.write_text(json.dumps({**keys, "url": url}), "utf-8")
    command = [sys.executable, str(rig.HERE / "bus.py"), str(config)]
    with Program("bus", command, site.root / "bus.log", rig.environment(site.state)) as program:
        yield program


def figures(slices: list[Slice], memory: Memory) -> dict[str, Any]:
    """Medians over the rounds; latency is not asked of a relay that is kept full."""
    summary = rig.summary(slices)
    asked = ("per_second", "best_per_second", "cpu_ms", "sender_cpu_ms", "load", "others_cpus", "messages")
    whole = {name: summary[name] for name in asked}
    rounds = [round(one.rate, 1) for one in slices]
    return {**whole, "rounds": rounds, "hub_peak_pss_mib": round(memory.peak_mib, 1)}


def show(name: str, line: dict[str, Any]) -> None:
    """One line for people."""
    if "absent" in line:
        print(f"{name:16} not measured: {line['absent']}")
        return
    broker = f", broker {line['broker_cpu_ms']:.2f}" if "broker_cpu_ms" in line else ""
    cost = f"CPU ms per message: hub {line['cpu_ms']:.2f}, ends {line['sender_cpu_ms']:.2f}{broker}"
    noise = f"load {line['load']:.2f}, others {line['others_cpus']:.2f} CPUs"
    print(f"{name:16} {line['per_second']:6.0f}/s; {cost}; hub {line['hub_peak_pss_mib']:.0f} MiB; {noise}")


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean nothing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=rig.RESULTS)
    args = parser.parse_args()
    rounds, seconds, messages = (1, 0.5, 40) if args.quick else (args.rounds, 3.0, 800)
    with rig.folder("relays") as root:
        lines = {
            "SOAP to REST": soap_to_rest(root, rounds, seconds),
            "AMQP to AMQP": amqp_to_amqp(root, rounds, messages),
        }  # fmt: skip
    for name, line in lines.items():
        show(name, line)
    rig.keep(args.output, "relays", {"quick": args.quick, "lines": lines})


if __name__ == "__main__":
    main()
