"""Mappings against samples and generated documents: what is written is meant, and nothing goes unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from exchange.adapterfolder import Adapter
from exchange.errors import Refused
from exchange.mapping.refusal import DocumentRefused
from exchange.mapping.run import WireMapping
from mocks.conformance import trees
from mocks.conformance.model import Check, Verdict, failed, not_offered, passed
from mocks.conformance.roundtrip import generated
from mocks.conformance.sample import Sample, files, heard, samples
from mocks.conformance.wording import declared


def sample_checks(adapter: Adapter, checks: list[Check], documents: int, seed: int) -> None:
    """Per mapping: code lists, losses, samples, round trips; per sample: meaning, omissions, additions."""
    for name, mapping in adapter.mappings.items():
        found = list(samples(adapter, name, mapping))
        _mapping(adapter, mapping, found, checks)
        for one in found:
            _sample(one, checks)
        for path in files(adapter, "refused", name):
            _add(
                checks,
                f"REF-{path.stem}",
                "samples",
                f"拒绝样例 {path.name}",
                f"refuses {path.name}",
                partial(_refused, adapter, mapping, path),
            )
        if mapping.message is not None and found:
            run = partial(generated, adapter, mapping, found, documents, seed)
            _add(
                checks,
                f"GEN-{name}",
                "generated",
                f"{documents} 份生成的 {name} 往返不变",
                f"{documents} generated {name} round-trip",
                run,
            )


def _add(checks: list[Check], id_: str, group: str, zh: str, en: str, run: partial[Verdict]) -> None:
    checks.append(Check(id_, group, zh, en, "contract; fixtures", run))


def _mapping(adapter: Adapter, mapping: WireMapping, found: list[Sample], checks: list[Check]) -> None:
    name = mapping.name
    add = partial(_add, checks)
    add(
        f"MAP-{name}-compiles",
        "mapping",
        f"{name} 可编译",
        f"{name} compiles",
        partial(passed, "", mapping.message or "-"),
    )
    add(
        f"MAP-{name}-codes",
        "mapping",
        f"{name} 的代码表一一对应",
        "its code tables are one to one",
        partial(_codes, adapter, name),
    )
    add(
        f"MAP-{name}-loses",
        "mapping",
        f"{name} 声明了丢失的字段",
        "its losses are declared",
        partial(passed, "", _losses(mapping)),
    )
    what = (
        partial(passed, "", f"{len(found)}")
        if found or not _meaningful(adapter, name)
        else partial(failed, "没有样例 / no sample")
    )
    add(f"MAP-{name}-sampled", "mapping", f"{name} 有样例", "it has samples", what)


def _losses(mapping: WireMapping) -> str:
    return ", ".join((*mapping.loses, *mapping.narrows, *mapping.blurs)) or (
        "无损 / lossless" if mapping.message else "不含消息 / carries no message"
    )


def _meaningful(adapter: Adapter, name: str) -> bool:
    return "wire" in (adapter.folder / f"{name}.mapping.toml").read_text("utf-8")


def _codes(adapter: Adapter, name: str) -> Verdict:
    spec = declared(adapter.folder, name)
    tables = {
        **spec.codes,
        **{one.wire or "?": one.codes for one in spec.fields if isinstance(one.codes, dict)},
    }
    wrong = [key for key, table in tables.items() if len(set(table.values())) != len(table)]
    return (
        failed(f"不是一一对应 / not one to one: {', '.join(wrong)}")
        if wrong
        else passed("", ", ".join(tables) or "-")
    )


def _sample(sample: Sample, checks: list[Check]) -> None:
    stem = sample.path.stem
    add = partial(_add, checks)
    add(
        f"SMP-{stem}-means",
        "samples",
        f"{stem} 读出的正是契约所说",
        f"{stem} means what the contract says",
        partial(_means, sample),
    )
    add(
        f"SMP-{stem}-said",
        "samples",
        f"{stem} 说出的正是样例",
        f"{stem} is said as the sample",
        partial(_said, sample),
    )
    add(
        f"SMP-{stem}-omitted",
        "samples",
        f"{stem} 缺任何字段都会被发现",
        f"each field left out of {stem} is noticed",
        partial(_omitted, sample),
    )
    add(
        f"SMP-{stem}-unknown",
        "samples",
        f"{stem} 多出的字段按路径拒绝",
        f"each unknown field in {stem} is refused by its path",
        partial(_unknown, sample),
    )


def _means(sample: Sample) -> Verdict:
    found = heard(sample, sample.tree)
    wanted = sample.content or {}
    if found == wanted:
        return passed(sample.path.read_text("utf-8", "replace"))
    wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    return failed(f"不同 / differs: {', '.join(wrong)}", str(wanted), str(found))


def _said(sample: Sample) -> Verdict:
    mapping = sample.mapping
    if mapping.direction == "hear":
        return not_offered("只读不写 / only heard")
    try:
        written = mapping.write(mapping.say(sample.payload(), sample.context))
    except DocumentRefused as refused:
        return failed(f"{refused}{_lacking(sample, refused)}")
    spoken = {document.mapping for call in sample.adapter.outbound for document in call.documents}
    if mapping.name in spoken:
        same = mapping.read(written) == sample.tree
        return passed(written.decode()) if same else failed("与样例不同 / not the sample", written.decode())
    return _again(sample, written)


def _lacking(sample: Sample, refused: DocumentRefused) -> str:
    """Which values of the call context the sample should name and does not."""
    missing = {error.path for error in refused.errors if error.code == "missing_field"}
    fields = declared(sample.adapter.folder, sample.mapping.name).fields
    names = [
        one.fill for one in fields if one.wire in missing and one.fill and one.fill not in sample.context
    ]
    beside = f"{sample.path.stem}.canonical.json"
    said = f"；{beside} 的 context 缺少 / context of {beside} lacks {', '.join(map(str, names))}"
    return said if names else ""


def _again(sample: Sample, written: bytes) -> Verdict:
    """A document the partner says: ours need only mean the same."""
    if sample.mapping.message is None:
        return passed(written.decode())
    found = heard(sample, sample.mapping.read(written))
    return (
        passed(written.decode())
        if found == (sample.content or {})
        else failed("往返改变 / changed", written.decode(), str(found))
    )


def unheard(sample: Sample) -> set[str]:
    """Wire paths, without positions, that carry nothing into the message."""
    spec = declared(sample.adapter.folder, sample.mapping.name)
    inside = {f"{each.wire}/{one.wire}" for each in spec.each for one in each.fields if one.to is None}
    fields = {one.wire.replace("[]", "") for one in spec.fields if one.wire and one.to is None}
    return fields | inside | set(spec.ignore)


def _bare(place: trees.Place) -> str:
    return "/".join(str(one) for one in place if isinstance(one, str))


def _omitted(sample: Sample) -> Verdict:
    if sample.mapping.message is None:
        return not_offered("不含消息 / carries no message")
    tree, silent = sample.tree, unheard(sample)
    whole = heard(sample, tree)
    unnoticed = [
        trees.written(place) for place, value in trees.leaves(tree)
        if value != "" and _bare(place) not in silent and _unnoticed(sample, tree, place, whole)
    ]  # fmt: skip
    return failed(f"缺失未被发现 / not noticed: {', '.join(unnoticed)}") if unnoticed else passed()


def _unnoticed(sample: Sample, tree: Any, place: trees.Place, whole: dict[str, Any]) -> bool:
    try:
        return heard(sample, trees.without(tree, place)) == whole
    except Refused:
        return False


def _unknown(sample: Sample) -> Verdict:
    tree = sample.tree
    free = {one.wire for one in declared(sample.adapter.folder, sample.mapping.name).each if one.key}
    missed = [
        trees.written(at) or "/"
        for at in _objects(tree)
        if trees.written(at) not in free and _taken(sample, tree, at)
    ]
    return failed(f"未被拒绝 / not refused: {', '.join(missed)}") if missed else passed()


def _objects(tree: Any, at: trees.Place = ()) -> Iterator[trees.Place]:
    if isinstance(tree, dict):
        yield at
    if isinstance(tree, dict | list):
        for step, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _objects(value, (*at, step))


def _taken(sample: Sample, tree: Any, at: trees.Place) -> bool:
    try:
        sample.mapping.hear_values(trees.put(tree, (*at, "WZZD"), "?"), sample.context)
    except DocumentRefused as refused:
        return not any(
            error.code == "unknown_field" and error.path.endswith("WZZD") for error in refused.errors
        )
    return True


def _refused(adapter: Adapter, mapping: WireMapping, path: Path) -> Verdict:
    code, where = path.with_suffix(".code").read_text("utf-8").split()
    context = next((one.context for one in samples(adapter, mapping.name, mapping)), {})
    try:
        mapping.hear(mapping.read(path.read_bytes()), {"region": "441402000000", **context})
    except DocumentRefused as refused:
        found = [(error.code, error.path) for error in refused.errors]
        good = (code, where) in found or (where == "-" and refused.code == code)
        return (
            passed(path.name, str(found))
            if good
            else failed(f"应为 / expected {code} {where}", path.name, str(found))
        )
    except Refused as refused:
        good = where == "-" and refused.code == code
        return (
            passed(path.name, str(refused))
            if good
            else failed(f"应为 / expected {code} {where}", path.name, str(refused))
        )
    return failed("被接受，应拒绝 / accepted, must be refused", path.name)
