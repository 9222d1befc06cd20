"""Properties and headers of a queue message: each must agree with the body, or the message is refused."""

from __future__ import annotations

from functools import partial

from mocks.conformance.bench import Bench, Shot
from mocks.conformance.checks import Maker, judged_refusal, measured
from mocks.conformance.model import Verdict
from mocks.conformance.sealchecks import kind_of


def property_checks(make: Maker) -> None:
    """For partners reached by a queue: message id, correlation id and every header the manifest names."""
    bench = make.bench
    if kind_of(bench) != "amqp":
        return
    call = next(call for call, document in bench.specimens.documents() if document.mapping == bench.main)
    names = ["message_id", "correlation_id", *(call.amqp.headers if call.amqp else {})]
    for name in names:
        run = partial(measured, bench, None, partial(_other, bench, name, "x"))
        make.add(f"PRP-{name}", "content", f"拒绝：{name} 不符", f"refuses: another {name}", run)
    for name in names[1:]:
        run = partial(measured, bench, None, partial(_other, bench, name, ""))
        make.add(f"PRP-{name}-empty", "content", f"拒绝：{name} 为空", f"refuses: an empty {name}", run)


def _other(bench: Bench, name: str, value: str) -> Verdict:
    return judged_refusal(
        bench.send(Shot(bench.ready(), headers={name: value}, note=f"{name}={value!r}")), None
    )
