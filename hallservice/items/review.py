"""The review path (SYS-12, S3-07): establishment, then legal, then in force. Who edits does not review, and
nobody passes both stages of one change."""

from functools import partial

from sqlalchemy import insert

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.items import drafts, publishing
from hallservice.items.drafts import Change
from hallservice.items.tables import hall_item_step
from hallservice.items.wording import EDIT, IN_REVIEW, NEXT, POSTS, REVIEW, STAGES
from hallservice.people.clerk import Clerk
from hallservice.people.organisations import get
from hallservice.people.separation import note_hand
from hallservice.refusals import FieldFault, FormRefused, HallRefused

MOST_WORDS = 1000


def submit(hall: Hall, clerk: Clerk, change: str, revision: int) -> None:
    """To the establishment review; FormRefused while an element is wrong."""

    def act(work: Work) -> None:
        here = drafts.editing(work.connection, clerk, change, revision)
        expect_whole(work, here)
        note_hand(work, clerk, EDIT, here.about)
        _turn(hall, work, clerk, here, "submit", "org_review", "")

    hall.write(act)


def expect_whole(work: Work, here: Change) -> None:
    """Every line meets the element rules now, whatever it met when it was saved."""
    org = get(work.connection, here.org)
    for line in drafts.lines_of(work.connection, here.id):
        faults = publishing.faults_of(work, org, line)
        if faults:
            at = f"第 {line.no} 项“{line.name}”："
            raise FormRefused([FieldFault(one.field, one.code, at + one.said) for one in faults[:20]])


def may_review(clerk: Clerk, here: Change) -> bool:
    """Whether this stage is the clerk's: by post where one of the two is held."""
    held = [stage for post, stage in POSTS.items() if post in clerk.posts]
    return clerk.may(REVIEW, here.org_path) and here.state in IN_REVIEW and (not held or here.state in held)


def decide(hall: Hall, clerk: Clerk, change: str, revision: int, passed: bool, words: str) -> str:
    """Pass the stage or return it with a reason; the new state. After the second stage it is in force."""
    words = words.strip()
    if len(words) > MOST_WORDS or (not passed and not words):
        said = "请写明退回的理由" if not words else f"审核意见最多 {MOST_WORDS} 个字"
        raise FormRefused([FieldFault("words", "required", said)])

    return hall.write(partial(_decided, hall, clerk, change, revision, passed, words))


def _decided(
    hall: Hall, clerk: Clerk, change: str, revision: int, passed: bool, words: str, work: Work
) -> str:
    here = drafts.change_of(work.connection, change)
    clerk.expect(REVIEW, here.org_path)
    if here.state not in IN_REVIEW:
        raise HallRefused("wrong_state", "这份清单变更不在审核中")
    if here.revision != revision:
        raise HallRefused("conflict", "这份清单变更已由他人办理，请刷新后再看")
    if not may_review(clerk, here):
        raise HallRefused("other_post", f"“{STAGES[here.state]}”须由该岗位的人员办理")
    note_hand(work, clerk, REVIEW, here.about)
    if not passed:
        _turn(hall, work, clerk, here, "return", "returned", words)
        return "returned"
    _expect_other_reviewer(work, clerk, here)
    if NEXT[here.state] == "published":
        expect_whole(work, here)
        _turn(hall, work, clerk, here, "pass", "published", words)
        publishing.publish(hall, work, clerk, here)
        return "published"
    _turn(hall, work, clerk, here, "pass", NEXT[here.state], words)
    return NEXT[here.state]


def _expect_other_reviewer(work: Work, clerk: Clerk, here: Change) -> None:
    """Since it was submitted last, this person has passed no stage."""
    for step in reversed(drafts.steps_of(work.connection, here.id)):
        if step.act == "submit":
            return
        if step.act == "pass" and step.user == clerk.user:
            raise HallRefused("same_person", f"您已办理“{STAGES[step.stage]}”，下一审核须由他人办理")


def recall(hall: Hall, clerk: Clerk, change: str, revision: int) -> None:
    """The editor takes it back while nobody has passed it."""

    def act(work: Work) -> None:
        here = drafts.change_of(work.connection, change)
        clerk.expect(EDIT, here.org_path)
        if here.state != "org_review" or here.revision != revision:
            raise HallRefused("wrong_state", "审核已经开始或情况已变，不能撤回，请刷新后再看")
        note_hand(work, clerk, EDIT, here.about)
        _turn(hall, work, clerk, here, "recall", "draft", "")

    hall.write(act)


def drop(hall: Hall, clerk: Clerk, change: str, revision: int) -> None:
    """A draft is given up; it stays on record."""

    def act(work: Work) -> None:
        here = drafts.editing(work.connection, clerk, change, revision)
        note_hand(work, clerk, EDIT, here.about)
        _turn(hall, work, clerk, here, "drop", "dropped", "")

    hall.write(act)


def _turn(hall: Hall, work: Work, clerk: Clerk, here: Change, act: str, to: str, words: str) -> None:
    reason = {"returned": words, "draft": here.reason}.get(to)
    drafts.touch(work, here, state=to, reason=reason)
    row = {
        "change": here.id, "no": here.revision, "act": act, "stage": here.state, "user": clerk.user,
        "name": clerk.name, "org_name": clerk.org_name, "words": words, "at": work.now,
    }  # fmt: skip
    work.connection.execute(insert(hall_item_step), row)
    said = {"from": here.state, "to": to, "words": words}
    hall.record(work, clerk, f"hall.items_{act}", here.about, said)
