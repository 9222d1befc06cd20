"""The BPMN export against the OMG's own schema, and its order against the definition's."""

import pytest
from lxml import etree

from hallservice.approval.bpmn import MODEL, OURS, bpmn, process_id
from hallservice.approval.conditions import AllOf, Compare
from hallservice.approval.definition import Branch, Choice
from hallservice.approval.plan import linked
from tests.hallservice.approval.builders import Builder, definition, four_levels, step

spiff = pytest.importorskip("SpiffWorkflow.bpmn.parser.BpmnParser")  # it ships the OMG's BPMN20.xsd
NAMES = {"b": MODEL, "t": OURS}


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(spiff.XSD_PATH))


def test_the_export_is_valid_bpmn(schema: etree.XMLSchema) -> None:
    for seed in range(80):
        schema.assertValid(etree.fromstring(bpmn(linked(Builder(seed).definition()))))
    with pytest.raises(etree.DocumentInvalid):
        schema.assertValid(etree.fromstring(f'<definitions xmlns="{MODEL}"><task/></definitions>'))


def test_every_step_is_a_user_task_with_its_post_and_limit() -> None:
    plan = linked(four_levels())
    root = etree.fromstring(bpmn(plan))
    tasks = {task.get("id"): task for task in root.iterfind(".//b:userTask", NAMES)}
    assert tasks.keys() == plan.places.keys()
    values = tasks["approve"].find("b:extensionElements/t:approval", NAMES)
    assert (values.get("post"), values.get("level"), values.get("limitDays")) == ("approve", "county", "2")
    assert root.find("b:process", NAMES).get("id") == process_id(plan)


def test_every_node_but_the_ends_is_left_and_but_the_starts_is_reached() -> None:
    for seed in range(80):
        root = etree.fromstring(bpmn(linked(Builder(seed).definition())))
        flows = root.findall(".//b:sequenceFlow", NAMES)
        sources, targets = ({flow.get(side) for flow in flows} for side in ("sourceRef", "targetRef"))
        nodes = {n.get("id"): etree.QName(n).localname for n in root.iter(f"{{{MODEL}}}*") if n.get("id")}
        inner = {i: tag for i, tag in nodes.items() if tag not in ("definitions", "process", "sequenceFlow")}
        assert {i for i, tag in inner.items() if tag != "endEvent"} == sources
        assert {i for i, tag in inner.items() if tag != "startEvent"} == targets


def test_conditions_are_feel() -> None:
    both = AllOf(
        of=(
            Compare(field="amount", op="ge", value="5000.00"),
            Compare(field="kind", op="eq", value='a"<b'),
            Compare(field="urgent", op="ne", value=True),
            Compare(field="day", op="lt", value="2026-12-31"),
        )
    )
    chosen = Choice(key="c", branches=(Branch(name="一", when=both, then=step("a")),), otherwise=step("b"))
    root = etree.fromstring(bpmn(linked(definition(chosen))))
    assert root.findtext(".//b:conditionExpression", namespaces=NAMES) == (
        '(amount >= 5000.00 and kind = "a\\"<b" and urgent != true and day < date("2026-12-31"))'
    )
