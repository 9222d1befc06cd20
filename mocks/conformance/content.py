"""What a document may hold: right ones taken; each field left out or of another form refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from exchange.errors import HubError, Misconfigured
from exchange.mapping.refusal import DocumentRefused
from mocks.conformance import trees
from mocks.conformance.bench import Bench, Shot
from mocks.conformance.checks import Maker, judged_acceptance, judged_refusal, measured
from mocks.conformance.facts import Many, Probe
from mocks.conformance.model import Verdict, not_offered
from mocks.conformance.specimen import Specimen
from mocks.conformance.wording import DATES, Word, declared, required, words

FIRST = (
    "；须先有别的调用的，写进 conformance.toml / "
    "where another call must come first, conformance.toml says so: [take.…], [after]"
)
LONG = 4000  # characters of a value no contract allows


def content_checks(make: Maker) -> None:
    """For every document the hub sends: taken, answered by the schema, and its fields one by one."""
    bench = make.bench
    seen: set[str] = set()
    for _, document in bench.specimens.documents():
        if document.mapping in seen or bench.specimens.sample(document.mapping) is None:
            continue
        seen.add(document.mapping)
        _whole(make, document.mapping)
        if document.mapping == bench.main or document.type is not None:
            _fields(make, document.mapping)
    for probe in bench.facts.probes:
        run = partial(_probed, bench, probe)
        make.add(f"PRB-{probe.id}", "business", probe.zh, probe.en, run, probe.section)
    for many in bench.facts.many:
        _many(make, many)


def _whole(make: Maker, name: str) -> None:
    bench, reply = make.bench, _call(make.bench, name).reply
    make.add(
        f"ACC-{name}",
        "call",
        f"接受正确的 {name}",
        f"accepts a correct {name}",
        partial(_accepted, bench, name),
    )
    if reply and reply.mapping and reply.type:
        make.add(
            f"SCH-{name}",
            "call",
            f"{name} 的回答符合契约的结构",
            f"the answer to {name} follows the schema",
            partial(_schema, bench, name),
        )
    elif _call(make.bench, name).answered_by:
        make.add(
            f"SCH-{name}",
            "call",
            f"{name} 的业务回执符合契约",
            f"the receipt for {name} follows the contract",
            partial(_receipt, bench, name),
        )
    elif reply and reply.values:
        make.add(
            f"SCH-{name}",
            "call",
            f"{name} 的回答含契约规定的值",
            f"the answer to {name} holds the values of the contract",
            partial(_values, bench, name),
        )
    make.add(
        f"TIM-{name}",
        "call",
        f"{name} 在约定时限内回答",
        f"{name} is answered in the agreed time",
        partial(_in_time, bench, name),
    )


def _call(bench: Bench, name: str) -> Any:
    return next(call for call, document in bench.specimens.documents() if document.mapping == name)


def _accepted(bench: Bench, name: str) -> Verdict:
    verdict = judged_acceptance(bench.baseline(name))
    alone = name not in bench.facts.take and name not in bench.facts.after and name != bench.main
    return replace(verdict, why=f"{verdict.why}{FIRST}") if verdict.result == "failed" and alone else verdict


def _schema(bench: Bench, name: str) -> Verdict:
    reply, rule = bench.baseline(name), _call(bench, name).reply
    if not reply.accepted or rule is None or rule.mapping is None:
        return reply.verdict(False, "没有可检查的回答 / no answer to look at")
    try:
        bench.adapter.mappings[rule.mapping].hear(reply.tree, bench.said(name).context)
    except DocumentRefused as fault:
        found = "; ".join(f"{error.path}: {error.code} {error.detail}" for error in fault.errors[:5])
        return reply.verdict(False, f"回答不符合契约 / the answer departs from the contract: {found}")
    return reply.verdict(True, "")


def _receipt(bench: Bench, name: str) -> Verdict:
    reply = bench.baseline(name)
    entry = bench.adapter.heard(_call(bench, name).answered_by)
    try:
        bench.adapter.mapping(entry.documents[0]).hear(reply.tree, bench.said(name).context)
    except DocumentRefused as fault:
        found = "; ".join(f"{error.path}: {error.code} {error.detail}" for error in fault.errors[:5])
        return reply.verdict(False, f"回执不符合契约 / the receipt departs from the contract: {found}")
    return reply.verdict(not reply.problem, "没有回执 / no receipt")


def _values(bench: Bench, name: str) -> Verdict:
    reply, rule = bench.baseline(name), _call(bench, name).reply
    if not reply.accepted:
        return not_offered("没有成功的回答 / no successful answer with this specimen", reply.how, reply.seen)
    lacking = [path for path in (rule.values if rule else {}).values() if reply.value(path) is None]
    return reply.verdict(not lacking, f"缺少 / missing: {', '.join(lacking)}")


def _in_time(bench: Bench, name: str) -> Verdict:
    reply = bench.baseline(name)
    limit = bench.adapter.limits.timeout
    good = not reply.problem and reply.seconds <= limit / 2
    return reply.verdict(good, f"{reply.seconds:.2f} s，时限 / limit {limit:g} s（一半 / half of it）")


def _fields(make: Maker, name: str) -> None:
    bench = make.bench
    try:
        specimen = bench.specimens.fresh(
            name, bench.context() | {"token": "x", "org": bench.partner.org or "0" * 18}
        )
        tree = specimen.tree
        form = "rows" if specimen.call.table else specimen.mapping.form  # columns have their types
    except HubError as fault:
        raise Misconfigured("sample_unusable", f"the sample cannot be said: {fault}", name) from fault
    for place in required(specimen):
        path = trees.written(place)
        _refusal(
            make, f"FLD-{name}-{path}", name, f"缺少必填字段 {path}", f"a missing {path}", _Without(place)
        )
    if bench.facts.strict:
        _refusal(make, f"NEW-{name}", name, "契约没有的字段", "a field the contract does not have", _New())
    for word in words(declared(bench.adapter.folder, name), tree):
        for code, zh, en, value in wrong_values(word, trees.reach(tree, word.place), form):
            label = f"{code}-{name}-{word.path}"
            _refusal(make, label, name, f"{word.path} {zh}", f"{word.path} {en}", _With(word.place, value))


def wrong_values(word: Word, value: Any, form: str) -> Iterator[tuple[str, str, str, Any]]:
    """The wrong forms of one value: id prefix, what it is in both languages, and the value."""
    spec = word.spec
    if spec.as_ in DATES:
        yield "DAT", "日期格式不符", "a date of another pattern", DATES[spec.as_]
        yield "DAY", "日历上没有的日期", "a day the calendar does not have", _no_such_day(str(value))
    if spec.codes is not None:
        yield "COD", "代码不在代码表中", "an unknown code", "ZZ9"
    if spec.as_ in ("yuan2",):
        yield "MON", "金额非两位小数", "an amount without two decimals", "105"
        yield "NEG", "负数金额", "a negative amount", "-105.00"
    if spec.longest:
        yield (
            "LEN",
            f"超过 {spec.longest} 个字符",
            f"more than {spec.longest} characters",
            "x" * (spec.longest + 1),
        )
    if form == "json" and isinstance(value, str) and spec.to is not None:
        yield "TYP", "文本字段给数字", "a number for a text", 7
    if form == "json" and isinstance(value, int) and not isinstance(value, bool):
        yield "TYP", "整数字段给文本", "a text for a number", str(value)
    if spec.constant is not None:
        yield "CON", "固定值不符", "another value than the fixed one", False if value is True else "another"


def _no_such_day(text: str) -> str:
    """The same form with day 31 of February."""
    for old, new in ((text[4:8], "0231"), (text[4:10], "-02-31")):
        if old.isdigit() or old.startswith("-"):
            return text[:4] + new + text[4 + len(new) :]
    return text


class _Change:
    """A departure from the specimen's tree."""

    def __call__(self, specimen: Specimen) -> Any:
        raise NotImplementedError


class _Without(_Change):
    def __init__(self, place: trees.Place) -> None:
        self.place = place

    def __call__(self, specimen: Specimen) -> Any:
        return trees.without(specimen.tree, self.place)


class _With(_Change):
    def __init__(self, place: trees.Place, value: Any) -> None:
        self.place, self.value = place, value

    def __call__(self, specimen: Specimen) -> Any:
        return trees.put(specimen.tree, self.place, self.value)


class _New(_Change):
    def __call__(self, specimen: Specimen) -> Any:
        tree = dict(specimen.tree)
        last = next(reversed(tree))
        if isinstance(tree[last], dict):
            return {**tree, last: {**tree[last], "WZZD": "1"}}
        return {**tree, "WZZD": "1"}


def _refusal(make: Maker, id_: str, name: str, zh: str, en: str, change: _Change) -> None:
    if any(fnmatchcase(id_, one.replace("[", "[[]")) for one in make.bench.facts.lenient):
        return
    run = partial(measured, make.bench, name, partial(_changed, make.bench, name, change))
    make.add(id_, "content", f"拒绝：{zh}", f"refuses: {en}", run)


def _changed(bench: Bench, name: str, change: _Change) -> Verdict:
    specimen = bench.ready(name, wrong=True)
    reply = bench.send(Shot(specimen, tree=redigested(bench, specimen, change(specimen))))
    return judged_refusal(reply, bench.facts.malformed)


def redigested(bench: Bench, specimen: Specimen, tree: Any) -> Any:
    """The tree with the contract's own digests made anew, so that only what was changed is wrong."""
    for field in declared(bench.adapter.folder, specimen.mapping.name).fields:
        rule, place = field.digest, trees.place_of((field.wire or "").replace("[]", "[0]"))
        if rule is None or trees.reach(tree, place) is None:
            continue
        text = "".join(_part(one, tree, specimen) for one in rule.of)
        tree = trees.put(
            tree, place, hashlib.new(rule.algorithm, text.encode(), usedforsecurity=False).hexdigest()
        )
    return tree


def _part(name: str, tree: Any, specimen: Specimen) -> str:
    """`{name}` of the context, a value, or that value of every entry joined by commas."""
    if name.startswith("{"):
        return str(specimen.context.get(name[1:-1], ""))
    head, bracket, rest = name.partition("[]/")
    entries = trees.reach(tree, trees.place_of(head))
    if bracket and isinstance(entries, list):
        return ",".join(str(trees.reach(one, trees.place_of(rest)) or "") for one in entries)
    found = trees.reach(tree, trees.place_of(name))
    return "" if found is None else str(found)


def _probed(bench: Bench, probe: Probe) -> Verdict:
    make = bench.specimen if probe.alone else bench.ready
    specimen = make(probe.document, **dict[str, Any](probe.context))
    for before in probe.after:
        bench.good(before, case_no=specimen.context["case_no"])
    if probe.payload and specimen.payload is not None:
        content = {**json.loads(specimen.payload.model_dump_json(exclude_none=True)), **probe.payload}
        specimen = replace(specimen, payload=type(specimen.payload).model_validate(content))
    tree = specimen.tree
    for path, value in probe.set.items():
        tree = trees.put(tree, trees.place_of(path), value)
    for path in probe.drop:
        tree = trees.without(tree, trees.place_of(path))
    reply = bench.send(Shot(specimen, tree=redigested(bench, specimen, tree)))
    wanted = ", ".join(f"{path}={'|'.join(values)}" for path, values in probe.expect.items())
    return reply.verdict(reply.meets(probe.expect), f"应为 / expected {wanted}")


def _many(make: Maker, many: Many) -> None:
    bench, label = make.bench, f"{many.document}-{many.path}"
    make.add(
        f"LIM-{label}-most",
        "limits",
        f"接受 {many.most} 条",
        f"accepts {many.most} entries",
        partial(_list_of, bench, many, many.most),
    )
    make.add(
        f"LIM-{label}-more",
        "limits",
        f"拒绝 {many.most + 1} 条",
        f"refuses {many.most + 1} entries",
        partial(measured, bench, many.document, partial(_list_of, bench, many, many.most + 1)),
    )
    make.add(
        f"LIM-{label}-none",
        "limits",
        "拒绝空列表",
        "refuses an empty list",
        partial(measured, bench, many.document, partial(_list_of, bench, many, 0)),
    )


def _list_of(bench: Bench, many: Many, count: int) -> Verdict:
    specimen = bench.ready(many.document)
    place = trees.place_of(many.path)
    entry = trees.reach(specimen.tree, place)[0]
    entries = [{**entry, **({many.id: bench.specimens.identity()} if many.id else {})} for _ in range(count)]
    tree = redigested(bench, specimen, trees.put(specimen.tree, place, entries))
    reply = bench.send(Shot(specimen, tree=tree, note=f"{count} × {many.path}"))
    if count == many.most:
        return judged_acceptance(reply)
    return judged_refusal(reply, many.expect or bench.facts.malformed)
