"""A plan as BPMN 2.0 XML (OMG formal/2013-12-09), for engineers' viewers and other engines; no layout.

- A step is a userTask, a sub-process and a hand-over a subProcess, a choice a pair of exclusive gateways.
- `all` is a pair of parallel gateways. `any` and `share` are a subProcess whose branches run into a terminate
  end event: at once, or when `arrived("<key>")`, the number of branches over so far, reaches the share.
- Conditions are FEEL. What BPMN has no word for (post, limit, organisation) is in extension elements.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from hallservice.approval.conditions import FieldType, feel
from hallservice.approval.definition import Block, Choice, HandDown, HandUp, Parallel, Serial, Step, Sub
from hallservice.approval.plan import Plan

MODEL = "http://www.omg.org/spec/BPMN/20100524/MODEL"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
FEEL = "http://www.omg.org/spec/FEEL/20140401"
OURS = "urn:tongban:approval:1"
NAMESPACES = {None: MODEL, "xsi": XSI, "tb": OURS}


def bpmn(plan: Plan) -> bytes:
    """The document, in UTF-8; its one process is `process_id`."""
    definition = plan.definition
    root = etree.Element(
        f"{{{MODEL}}}definitions",
        nsmap=NAMESPACES,
        targetNamespace=OURS,
        id="_definitions",
        expressionLanguage=FEEL,
    )
    process = etree.SubElement(root, f"{{{MODEL}}}process", id=process_id(plan), name=definition.name)
    process.set("isExecutable", "true")
    _extended(process, {"version": str(definition.version), "org": definition.org, "digest": plan.digest})
    _Writer(process, plan.types).scope("_", definition.body)
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return document


def process_id(plan: Plan) -> str:
    """Begins with an underscore, as no key does: what we add to the keys is told apart from them."""
    return f"_process-{plan.definition.key}"


def _extended(element: etree._Element, values: Mapping[str, str]) -> None:
    inside = etree.SubElement(element, f"{{{MODEL}}}extensionElements")
    etree.SubElement(inside, f"{{{OURS}}}approval", dict(values))


@dataclass(slots=True)
class _Writer:
    """Writes into one scope (process or subProcess); blocks return the node they end in."""

    scope_element: etree._Element
    types: Mapping[str, FieldType]

    def node(self, tag: str, identity: str, **attributes: str) -> etree._Element:
        return etree.SubElement(self.scope_element, f"{{{MODEL}}}{tag}", id=identity, **attributes)

    def flow(self, source: str, target: str, condition: str | None = None) -> str:
        """Adds a sequence flow, and returns its id."""
        name = f"{source}-to-{target}"
        element = self.node("sequenceFlow", name, sourceRef=source, targetRef=target)
        if condition is not None:
            said = etree.SubElement(element, f"{{{MODEL}}}conditionExpression", language=FEEL)
            said.set(f"{{{XSI}}}type", "tFormalExpression")
            said.text = condition
        return name

    def scope(self, prefix: str, body: Block) -> None:
        """A whole scope: start, body, end."""
        self.node("startEvent", f"{prefix}start")
        last = self.block(body, f"{prefix}start", None)
        self.node("endEvent", f"{prefix}end")
        self.flow(last, f"{prefix}end")

    def block(self, block: Block, source: str, condition: str | None) -> str:
        match block:
            case Step():
                return self.step(block, source, condition)
            case Serial():
                for part in block.parts:
                    source, condition = self.block(part, source, condition), None
                return source
            case Parallel():
                return self.parallel(block, source, condition)
            case Choice():
                return self.choice(block, source, condition)
            case Sub() | HandUp() | HandDown():
                return self.inner(block, source, condition)

    def step(self, step: Step, source: str, condition: str | None) -> str:
        task = self.node("userTask", step.key, name=step.name)
        values = {
            "kind": step.kind,
            "post": step.post,
            "level": step.level,
            "limitDays": str(step.limit_days),
        }
        _extended(task, values | {"overdue": step.overdue, "integrityRisk": str(step.integrity_risk).lower()})
        self.flow(source, step.key, condition)
        return step.key

    def parallel(self, block: Parallel, source: str, condition: str | None) -> str:
        if block.join != "all":
            return self.race(block, source, condition)
        fork, join = f"{block.key}-fork", f"{block.key}-join"
        self.node("parallelGateway", fork, gatewayDirection="Diverging")
        self.flow(source, fork, condition)
        lasts = [self.block(branch, fork, None) for branch in block.branches]
        self.node("parallelGateway", join, gatewayDirection="Converging")
        for last in lasts:
            self.flow(last, join)
        return join

    def head(self, split: str, at: int, name: str, condition: str | None) -> str:
        """The head of a choice's branch: an event that only bears its name."""
        event = self.node("intermediateThrowEvent", f"{split}-{at}", name=name)
        self.flow(split, event.get("id", ""), condition)
        return f"{split}-{at}"

    def choice(self, block: Choice, source: str, condition: str | None) -> str:
        split, merge = f"{block.key}-split", f"{block.key}-merge"
        gateway = self.node("exclusiveGateway", split, gatewayDirection="Diverging")
        self.flow(source, split, condition)
        lasts = []
        for at, branch in enumerate(block.branches):
            head = self.head(split, at, branch.name, feel(branch.when, self.types))
            lasts.append(self.block(branch.then, head, None))
        if block.otherwise is not None:
            default = self.head(split, len(block.branches), "其他情形", None)
            gateway.set("default", f"{split}-to-{default}")
            lasts.append(self.block(block.otherwise, default, None))
        self.node("exclusiveGateway", merge, gatewayDirection="Converging")
        for last in lasts:
            self.flow(last, merge)
        return merge

    def inside(self, key: str, source: str, condition: str | None, **attributes: str) -> "_Writer":
        scope = self.node("subProcess", key, **attributes)
        self.flow(source, key, condition)
        return _Writer(scope, self.types)

    def inner(self, block: Sub | HandUp | HandDown, source: str, condition: str | None) -> str:
        if isinstance(block, Sub):
            writer = self.inside(block.key, source, condition, name=block.name)
            _extended(writer.scope_element, {"org": block.org, "lead": str(block.lead).lower()})
        else:
            writer = self.inside(block.key, source, condition)
            _extended(writer.scope_element, {"handOver": block.block, "to": block.to})
        if block.body is not None:
            writer.scope(f"{block.key}-", block.body)
        return block.key

    def race(self, block: Parallel, source: str, condition: str | None) -> str:
        writer = self.inside(block.key, source, condition)
        fork = f"{block.key}-fork"
        writer.node("startEvent", f"{block.key}-start")
        writer.node("parallelGateway", fork, gatewayDirection="Diverging")
        writer.flow(f"{block.key}-start", fork)
        for at, branch in enumerate(block.branches):
            last = writer.block(branch, fork, None)
            writer.arrival(block, last, at)
        return block.key

    def arrival(self, block: Parallel, last: str, at: int) -> None:
        """The end of one branch: enough branches are over and all ends, or this one alone ends."""
        gate, enough, alone = (f"{block.key}-{word}-{at}" for word in ("gate", "enough", "alone"))
        gateway = self.node("exclusiveGateway", gate, gatewayDirection="Diverging")
        gateway.set("default", f"{gate}-to-{alone}")
        self.flow(last, gate)
        etree.SubElement(self.node("endEvent", enough), f"{{{MODEL}}}terminateEventDefinition")
        self.node("endEvent", alone)
        self.flow(gate, enough, f'arrived("{block.key}") >= {block.need}')
        self.flow(gate, alone)
