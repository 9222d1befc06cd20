"""What the pages of processes are opened with: a draft, and a case that runs an older version."""

from hallservice.flows import assigning, definitions
from hallservice.hall import Hall
from tests.hallservice.flows.conftest import accept
from tests.hallservice.world import clerk_of_role

OWNER = "441402-scj"


def flow_owner(hall: Hall) -> str:
    """A department."""
    return OWNER


def flow_key(hall: Hall) -> str:
    """A process of the department with one published version and a draft."""
    leader = clerk_of_role(hall, "leader")
    made = definitions.new(hall, leader, OWNER, "walked", "示例流程", ("platform", "village"))
    definitions.publish(hall, leader, OWNER, "walked", made.version.revision)
    definitions.new(hall, leader, OWNER, "walked", "示例流程", (OWNER, "walked"))
    return "walked"


def older_case(hall: Hall) -> str:
    """A case that runs version 1 of `older`, which has a version 2."""
    leader = clerk_of_role(hall, "leader")
    made = definitions.new(hall, leader, OWNER, "older", "改版流程", ("platform", "standard"))
    definitions.publish(hall, leader, OWNER, "older", made.version.revision)
    assigning.assign(hall, leader, OWNER, "", OWNER, "older", 1)
    case_no = accept(hall, clerk_of_role(hall, "clerk"), 900_001).no
    assigning.unassign(hall, leader, OWNER, "")
    made = definitions.new(hall, leader, OWNER, "older", "改版流程", (OWNER, "older"))
    body = {**made.body, "total_days": 30}
    saved = definitions.save_draft(hall, leader, OWNER, "older", body, made.version.revision)
    definitions.publish(hall, leader, OWNER, "older", saved.version.revision)
    return case_no


MAKERS = {"flow_owner": flow_owner, "flow_key": flow_key, "older_case": older_case}
