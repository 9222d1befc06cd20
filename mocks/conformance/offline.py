"""The folder alone: contract, manifest, mappings, samples, generated documents; nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lxml import etree

from exchange.adapterfolder import Adapter, load_adapter
from exchange.contextnames import own_names, uses
from exchange.errors import HubError
from exchange.manifest import Manifest
from exchange.mapping.compile import parse_toml, with_fragments
from exchange.mapping.spec import MappingSpec
from exchange.scaffold.analyse import analyse
from exchange.scaffold.points import SAID, Walk
from exchange.seals import safexml
from mocks.conformance.model import Check, Verdict, failed, not_offered, passed
from mocks.conformance.samplechecks import sample_checks

XS = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"


@dataclass
class Folder:
    """An adapter's folder under examination."""

    path: Path
    documents: int = 100  # generated per mapping
    seed: int = 1
    checks: list[Check] = field(default_factory=list)
    adapter: Adapter | None = None

    def add(self, id_: str, group: str, zh: str, en: str, run: partial[Verdict], section: str = "") -> None:
        """One more check."""
        self.checks.append(Check(id_, group, zh, en, section or "adapters/README", run))


def offline_checks(path: Path, documents: int = 100, seed: int = 1) -> list[Check]:
    """Every check of a folder; with a folder that does not load, what is still open in it."""
    folder = Folder(path, documents, seed)
    walk = analyse(path)
    try:
        folder.adapter = load_adapter(path)
    except HubError as fault:
        folder.add(
            "MAN-loads",
            "manifest",
            "清单与映射可以装载",
            "manifest and mappings load",
            partial(failed, str(fault)),
        )
    else:
        said = partial(passed, "", f"{len(folder.adapter.mappings)} mappings")
        folder.add("MAN-loads", "manifest", "清单与映射可以装载", "manifest and mappings load", said)
    _open(folder, walk)
    _contract(folder)
    _manifest(folder)
    if folder.adapter is not None:
        sample_checks(folder.adapter, folder.checks, documents, seed)
    return folder.checks


def _open(folder: Folder, walk: Walk) -> None:
    """What a person still has to settle, by kind, with file and line."""
    for kind, (_, en) in SAID.items():
        points = walk.of(kind)
        text = "\n".join(map(str, points[:40]))
        verdict = (
            failed(f"{len(points)} {en}; {walk.summary}", str(folder.path.name), text) if points else passed()
        )
        folder.add(
            f"OPEN-{kind}", "scaffold", f"没有待办：{en}", f"nothing open: {en}", partial(_given, verdict)
        )


def _given(verdict: Verdict) -> Verdict:
    return verdict


def _contract(folder: Folder) -> None:
    files = sorted(one for one in (folder.path / "contract").rglob("*") if one.is_file())
    seen = (
        partial(passed, "", ", ".join(one.name for one in files))
        if files
        else partial(failed, "contract/ 为空 / is empty")
    )
    folder.add("CTR-there", "contract", "契约文件存在", "the partner's contract lies in the folder", seen)
    for file in files:
        run = {".wsdl": _wsdl, ".xsd": _xsd, ".json": _openapi, ".md": _text}.get(file.suffix)
        if run is not None:
            folder.add(
                f"CTR-{file.name}",
                "contract",
                f"{file.name} 有效",
                f"{file.name} is valid",
                partial(run, file),
            )
    hooks = sorted(folder.path.glob("*.py"))
    count = sum(len(one.read_text("utf-8").splitlines()) for one in hooks)
    shown = (
        "\n".join(one.read_text("utf-8")[:2000] for one in hooks)
        or "没有代码，全部为数据 / no code, data only"
    )
    zh = f"代码钩子 {len(hooks)} 个，共 {count} 行"
    folder.add("HOK-count", "mapping", zh, f"{len(hooks)} hooks of {count} lines", partial(passed, "", shown))


def _wsdl(file: Path) -> Verdict:
    try:
        root = safexml.parse(file.read_bytes())
    except HubError as fault:
        return failed(f"不可读 / unreadable: {fault}")
    if root.tag != f"{WSDL}definitions":
        return failed("根元素不是 wsdl:definitions / the root is no wsdl:definitions")
    for schema in root.iter(f"{XS}schema"):
        try:
            etree.XMLSchema(etree.fromstring(etree.tostring(schema)))
        except etree.XMLSchemaParseError as fault:
            return failed(f"内含模式无效 / its schema is invalid: {fault}")
    operations = {node.get("name") for node in root.iter(f"{WSDL}operation")}
    return passed(file.name, ", ".join(sorted(filter(None, operations))))


def _xsd(file: Path) -> Verdict:
    try:
        etree.XMLSchema(safexml.parse(file.read_bytes()))
    except (HubError, etree.XMLSchemaParseError) as fault:
        return failed(f"无效 / invalid: {fault}")
    return passed(file.name)


def _openapi(file: Path) -> Verdict:
    try:
        tree = json.loads(file.read_text("utf-8"))
    except ValueError as fault:
        return failed(f"不是 JSON / no JSON: {fault}")
    if isinstance(tree, dict) and "openapi" in tree:
        good = str(tree["openapi"]).startswith("3.") and isinstance(tree.get("paths"), dict)
        return (
            passed(file.name, ", ".join(tree["paths"])) if good else failed("不是 OpenAPI 3 / no OpenAPI 3")
        )
    return passed(file.name)


def _text(file: Path) -> Verdict:
    text = file.read_text("utf-8", "replace")
    if not text.strip() or "\ufffd" in text:
        return failed("为空或不是 UTF-8 / empty, or not UTF-8")
    return passed(file.name, text.splitlines()[0])


def _manifest(folder: Folder) -> None:
    try:
        manifest = parse_toml(Manifest, (folder.path / "adapter.toml").read_text("utf-8"))
    except (HubError, OSError) as fault:
        folder.add(
            "MAN-reads", "manifest", "adapter.toml 可读", "adapter.toml reads", partial(failed, str(fault))
        )
        return
    for id_, zh, en, problems in _findings(folder.path, manifest):
        run = partial(failed, "; ".join(problems)) if problems else partial(passed)
        folder.add(id_, "manifest", zh, en, run)
    told = (folder.path / "notes.md").is_file()
    run = partial(passed) if told else partial(not_offered, "没有 notes.md / there is no notes.md")
    folder.add("MAN-notes", "manifest", "记有对方系统的特点", "the partner's quirks are written down", run)


def _findings(path: Path, manifest: Manifest) -> Iterator[tuple[str, str, str, list[str]]]:
    calls = [*manifest.outbound, *([manifest.token.call] if manifest.token else [])]
    sides = ([one.name for one in manifest.outbound], [one.name for one in manifest.inbound])
    twice = sorted({name for names in sides for name in names if names.count(name) > 1})
    yield "MAN-names", "调用名称不重复", "call names differ", twice
    known = _operations(path, manifest)
    asked = {one.soap.operation for one in calls if one.soap}
    yield (
        "MAN-operations",
        "清单中的操作都在 WSDL 中",
        "its operations are in the WSDL",
        sorted(asked - known) if known else [],
    )
    silent = [one.name for one in calls if one.outcome.path and not one.outcome.errors]
    yield "MAN-errors", "每个调用都说明了错误码的含义", "every call says what its error codes mean", silent
    zh, en = "填入的名称都是枢纽会给的", "the hub fills every name it asks for"
    yield "MAN-filled", zh, en, _unfilled(path, manifest)
    dumb = [one.name for one in manifest.inbound if one.rest and one.answer is None]
    yield "MAN-answers", "每个入站入口都有约定的回答", "every door has the contract's answer", dumb
    late = [f"{manifest.limits.timeout:g} s"] if manifest.limits.timeout > 60 else []
    yield "MAN-timeout", "时限不超过 60 秒", "the time-out is at most 60 s", late


def _unfilled(path: Path, manifest: Manifest) -> list[str]:
    """Names nothing fills, with where they stand, and behind them the names there are."""
    wrong = [one for one in uses(manifest, lambda name: _spec(path, name)) if one.wrong]
    lines = [f"{one.where}: {one.name}" for one in wrong]
    known = own_names(manifest).union(*(one.known for one in wrong))
    return [*dict.fromkeys(lines), f"已知 known: {', '.join(sorted(known))}"] if wrong else []


def _spec(path: Path, name: str) -> MappingSpec | None:
    """A mapping as written; None for one that MAN-loads complains of."""
    try:
        spec = parse_toml(MappingSpec, (path / f"{name}.mapping.toml").read_text("utf-8"))
        return with_fragments(spec, lambda file: (path / file).read_text("utf-8"))
    except (HubError, OSError, ValueError):
        return None


def _operations(path: Path, manifest: Manifest) -> set[str]:
    if manifest.soap is None or not (file := path / manifest.soap.wsdl).is_file():
        return set()
    try:
        root = safexml.parse(file.read_bytes())
    except HubError:
        return set()
    return {str(node.get("name")) for node in root.iter(f"{WSDL}operation")}
