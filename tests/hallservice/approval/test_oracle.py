"""SpiffWorkflow runs the BPMN we export of random definitions beside our engine: the same steps are ready.

TONGBAN_ORACLE_DEFINITIONS sets how many definitions (default 150; thousands take minutes). SpiffWorkflow is
LGPL and serves tests alone. It evaluates conditions here by a reader of FEEL's comparisons, never by eval.
"""

import os
import re
from datetime import date
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from random import Random

import pytest

from hallservice.approval import bpmn
from hallservice.approval.walk import ready
from tests.hallservice.approval.builders import Builder, Run

pytest.importorskip("SpiffWorkflow")
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.script_engine import BasePythonScriptEngineEnvironment, PythonScriptEngine
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.util.task import TaskState

DEFINITIONS = int(os.environ.get("TONGBAN_ORACLE_DEFINITIONS", "150"))
CHUNKS = 5
TOKEN = re.compile(r'\s*(date\("[^"]*"\)|"(?:[^"\\]|\\.)*"|[()]|!=|<=|>=|[=<>]|-?\d+(?:\.\d+)?|[\w]+)')
COMPARE = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


class Feel:
    """FEEL as exported: `name op literal`, and / or within brackets; null makes a comparison false."""

    def __init__(self, text: str, facts: dict) -> None:
        self.tokens = TOKEN.findall(text)
        self.facts = facts

    def value(self) -> bool:
        if self.tokens[0] != "(":
            return self.comparison()
        self.tokens.pop(0)
        parts = [self.value()]
        word = self.tokens[0]
        while self.tokens.pop(0) != ")":
            parts.append(self.value())
        return any(parts) if word == "or" else all(parts)

    def comparison(self) -> bool:
        name, sign, literal = (self.tokens.pop(0) for _ in range(3))
        if name not in self.facts:
            return False
        right = self.literal(literal)
        left = self.facts[name]
        left = date.fromisoformat(left) if isinstance(right, date) else left
        left = Decimal(left) if isinstance(right, Decimal) and isinstance(left, str) else left
        return COMPARE[sign](left, right)

    @staticmethod
    def literal(text: str):
        if text in ("true", "false"):
            return text == "true"
        if text.startswith("date("):
            return date.fromisoformat(text[6:-2])
        return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else Decimal(text)


class Environment(BasePythonScriptEngineEnvironment):
    """Conditions by our reader; `arrived(key)` counts, as a gateway asks once for each branch over."""

    def __init__(self, facts: dict) -> None:
        super().__init__()
        self.facts = facts
        self.arrived: dict[str, int] = {}

    def evaluate(self, expression, context, external_context=None):
        counted = re.fullmatch(r'arrived\("([^"]+)"\) >= (\d+)', expression)
        if counted is None:
            return Feel(expression, self.facts).value()
        self.arrived[counted[1]] = self.arrived.get(counted[1], 0) + 1
        return self.arrived[counted[1]] >= int(counted[2])


def opened(plan, facts: dict) -> BpmnWorkflow:
    parser = BpmnParser()
    parser.add_bpmn_str(bpmn.bpmn(plan))
    name = bpmn.process_id(plan)
    spec = parser.get_spec(name)
    engine = PythonScriptEngine(environment=Environment(facts))
    workflow = BpmnWorkflow(spec, parser.get_subprocess_specs(name), script_engine=engine)
    workflow.do_engine_steps()
    return workflow


def waiting(workflow: BpmnWorkflow) -> dict:
    return {t.task_spec.bpmn_id: t for t in workflow.get_tasks(state=TaskState.READY, manual=True)}


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_same_steps_are_ready(chunk: int) -> None:
    steps = 0
    for seed in range(chunk, DEFINITIONS, CHUNKS):
        steps += beside(seed)
    assert steps >= DEFINITIONS // CHUNKS


def beside(seed: int) -> int:
    """One definition run to its end in random order by both; how many steps were taken."""
    builder = Builder(seed)
    definition, facts = builder.definition(), builder.facts()
    run = Run(definition, facts=facts)
    workflow = opened(run.plan, facts)
    random, taken = Random(seed), 0
    while run.state.status == "running":
        theirs = waiting(workflow)
        assert set(ready(run.plan, run.state)) == set(theirs) == set(run.state.active), seed
        key = random.choice(run.state.active)
        approving = run.plan.places[key].step.kind == "approve"
        run.passes(key, number=2 if approving else 1)
        theirs[key].run()
        workflow.do_engine_steps()
        taken += 1
    assert run.state.status == "finished" and workflow.is_completed(), seed
    return taken
