"""The hub beside django-pyas2 (AS2), the nearest signed exchange in Python, in the same run.

Run: python benchmarks/bench_peer_pyas2.py [--quick] [--pairs 5] [--seconds 3] [--output FILE]
Both: one sender, the same document, RSA-2048 with SHA-256, a signed receipt verified; slices alternate. The
peer stores at both ends. It is installed from the package index into var/bench/pyas2; where that fails, one
line says why, and nothing else fails.
"""

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import rig
from documents import as_xml, case_number, step
from lxml import etree
from rig import Program, Site, Slice

VENV = rig.STATE / "pyas2"
PACKAGES = ("django-pyas2==1.2.3", "pyas2lib==1.4.3", "gunicorn")
PROJECT = rig.HERE / "peer_pyas2"
INSTALL_SECONDS = 240


class NotAvailable(Exception):
    """Why the peer cannot be measured here."""


def install() -> None:
    """The peer in an environment of its own, once."""
    if (VENV / "ready").exists():
        return
    _run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    _run([str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES])
    for folder in (VENV / "lib").glob("python*/site-packages/oscrypto/_openssl"):
        for name in ("_libcrypto_cffi.py", "_libcrypto_ctypes.py"):
            _patch(folder / name)
    (VENV / "ready").touch()


def _patch(file: Path) -> None:
    r"""oscrypto 1.3.0 looks for OpenSSL's version by \d\.\d\.\d[a-z]* and so does not import beside 3.0.19,
    whose last number has two digits. More digits are let in; nothing else is changed."""
    text = file.read_text("utf-8")
    file.write_text(re.sub(r"(\\+)d\[a-z\]\*", r"\1d+[a-z]*", text), "utf-8")


def _run(command: list[str], **environ: str) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
            env={**os.environ, **environ},
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise NotAvailable(f"{Path(command[0]).name}: {fault}") from fault
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise NotAvailable(f"{Path(command[0]).name}: {lines[-1] if lines else done.returncode}")


@contextlib.contextmanager
def peer(root: Path, payload: bytes) -> Iterator[tuple[Program, Program]]:
    """(receiver: gunicorn with two workers, sender), each with its own database."""
    python, port = str(VENV / "bin" / "python"), rig.free_port()
    environs = {
        name: {"AS2_STATE": str(root / name), "PYTHONPATH": str(PROJECT)} for name in ("bureau", "hall")
    }
    for name, environ in environs.items():
        (root / name).mkdir(parents=True)
        _run([python, str(PROJECT / "as2_party.py"), "prepare", str(port)], **environ)
    file = root / "payload.xml"
    file.write_bytes(payload)
    hall = {**os.environ, **environs["hall"], "DJANGO_SETTINGS_MODULE": "as2_settings"}
    bureau = {**os.environ, **environs["bureau"]}
    serve = [
        str(VENV / "bin" / "gunicorn"),
        "-w",
        "2",
        "-b",
        f"127.0.0.1:{port}",
        "django.core.wsgi:get_wsgi_application()",
    ]
    send = [python, str(PROJECT / "as2_party.py"), "send", str(file)]
    with Program("gunicorn", serve, root / "hall.log", hall) as receiver:
        rig.wait_for(f"http://127.0.0.1:{port}/pyas2/as2receive", receiver)
        with Program("as2 sender", send, root / "bureau.log", bureau) as sender:
            yield receiver, sender


def compare(root: Path, pairs: int, seconds: float) -> dict[str, Any]:
    """Alternating slices of peer and hub."""
    payload = etree.tostring(as_xml(step(case_number(1), 1)), encoding="UTF-8")
    site = Site(root / "site")
    site.prepare(rig.two_parties())
    hub_slices: list[Slice] = []
    peer_slices: list[Slice] = []
    with peer(root / "peer", payload) as (receiver, theirs), site.serve() as hub, site.sender() as ours:
        ours.ask(do="open", port=site.port, cases=16, real=True)
        job = {
            "do": "run",
            "port": site.port,
            "protocol": "xmldsig",
            "kind": "step",
            "concurrency": 1,
            "seconds": seconds,
        }
        ours.ask(**{**job, "seconds": 0.3})
        theirs.ask(seconds=0.3)
        for _ in range(pairs):
            peer_slices.append(rig.measured(receiver, partial(theirs.ask, seconds=seconds)))
            hub_slices.append(rig.measured(hub, partial(ours.ask, **job)))
    ratios = [h.rate / p.rate for h, p in zip(hub_slices, peer_slices, strict=True)]
    ratio = round(statistics.median(ratios), 2)
    return {
        "bytes": len(payload),
        "hub": rig.summary(hub_slices),
        "pyas2": rig.summary(peer_slices),
        "ratio": ratio,
    }


def show(figures: dict[str, Any]) -> None:
    """Two lines for people."""
    for name, label in (("pyas2", "django-pyas2, two parties"), ("hub", "hub, XML-DSig over REST")):
        one = figures[name]
        cost = f"CPU ms per message: receiver {one['cpu_ms']:.1f}, sender {one['sender_cpu_ms']:.1f}"
        times = f"p50 {one['p50_ms']:.1f} ms, p99 {one['p99_ms']:.1f} ms"
        print(f"{label:26} {one['per_second']:7.1f}/s; {times}; {cost}; load {one['load']:.2f}")
    print(f"one sender, {figures['bytes']} bytes, RSA-2048: hub / peer {figures['ratio']}")


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean nothing")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one slice")
    parser.add_argument("--output", type=Path, default=rig.RESULTS)
    args = parser.parse_args()
    pairs, seconds = (1, 0.5) if args.quick else (args.pairs, args.seconds)
    try:
        install()
        with rig.folder("peer") as root:
            figures = compare(root, pairs, seconds)
    except NotAvailable as why:
        print(f"peer not available: {why}")
        rig.keep(args.output, "peer_pyas2", {"absent": str(why)})
        return
    show(figures)
    rig.keep(args.output, "peer_pyas2", {"quick": args.quick, **figures})


if __name__ == "__main__":
    main()
