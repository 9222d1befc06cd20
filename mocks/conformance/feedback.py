"""What a queue partner sends: objects in order, properties, seals, and its patience with receipts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from exchange.errors import HubError
from exchange.manifest import AmqpDoor, Inbound
from exchange.mapping.refusal import DocumentRefused
from mocks.conformance.bench import Bench
from mocks.conformance.checks import Maker
from mocks.conformance.facts import Feedback
from mocks.conformance.masking import shown
from mocks.conformance.model import Verdict, failed, not_offered, passed
from mocks.conformance.queueline import Got, QueueLine, values_of


@dataclass
class Course:
    """Everything that came for one case, in order, and what the hub answered."""

    case_no: str
    got: list[Got] = field(default_factory=list)

    def objects(self) -> list[str]:
        """Object numbers in the order they first came."""
        found: list[str] = []
        for one in self.got:
            number = one.key.rpartition(".")[2]
            if number not in found:
                found.append(number)
        return found

    def shown(self) -> tuple[str, str]:
        """For the report."""
        lines = [f"{one.key} {one.delivery.message_id}: {shown(one.delivery.body)[:300]}" for one in self.got]
        return f"case {self.case_no}", "\n".join(lines) or "-"


Looking = Callable[[Bench, Inbound, Feedback, Course], str]
"""What is wrong with a course; empty when nothing is."""


def feedback_checks(make: Maker) -> None:
    """For the queue door that brings documents, when the facts say what causes them."""
    bench, rule = make.bench, make.bench.facts.feedback
    entry = next((one for one in bench.adapter.inbound if one.amqp and len(one.documents) > 1), None)
    if rule is None or entry is None:
        return
    rows: tuple[tuple[str, str, str, Looking], ...] = (
        ("comes", "按约定次序反馈各对象", "the objects come, in their order", _comes),
        ("schema", "每个反馈对象符合契约", "every object follows the contract", _schema),
        (
            "seal",
            "每条消息带有效签名（绑定交换机与路由键）",
            "every message is sealed for exchange and routing key",
            _seal,
        ),
        ("id", "message_id 为 UUID 且各不相同", "message ids are UUIDs, each another", _ids),
        ("case", "correlation_id 为办件流水号", "the correlation id is the case number", _correlation),
        ("headers", "消息头与正文一致", "headers agree with the body", _headers),
        ("type", "content_type 为 application/json", "the content type is application/json", _type),
        ("step", "环节序号从 1 连续递增", "step numbers go up from 1 without a gap", _steps),
    )
    for id_, zh, en, look in rows:
        make.add(f"FBK-{id_}", "feedback", zh, en, partial(_looked, bench, entry, rule, look), rule.section)
    for id_, zh, en, run in (
        (
            "waits",
            "前一对象未得回执前不发下一对象",
            "the next object waits for the receipt of the one before",
            _waits,
        ),
        (
            "repeats",
            "没有回执时以同一标识、同一内容重发",
            "without a receipt the same id and content come again",
            _repeats,
        ),
        ("refused", "被拒绝的消息不再原样重发", "a refused message is not sent again as it was", _refused),
    ):
        make.add(f"FBK-{id_}", "feedback", zh, en, partial(run, bench, entry, rule), rule.section)


def _line(bench: Bench) -> QueueLine:
    line = bench.lines["amqp"]
    assert isinstance(line, QueueLine)  # noqa: S101 - plan.lines made it
    return line


def _opened(bench: Bench, rule: Feedback) -> Course:
    specimen = bench.specimen(rule.after[0])
    case = str(specimen.context["case_no"])
    for name in rule.after:
        bench.good(name, case_no=case)
    return Course(case)


def _of(course: Course) -> Callable[[list[Got]], list[Got]]:
    return lambda got: [
        one for one in got if one.delivery.correlation_id == course.case_no or _names(one, course)
    ]


def _names(one: Got, course: Course) -> bool:
    return course.case_no.encode() in one.delivery.body


def course(bench: Bench, entry: Inbound, rule: Feedback) -> Course:
    """A case whose every feedback is receipted; observed once."""
    if "course" not in bench.memory:
        bench.memory["course"] = _walked(bench, entry, rule)
    found: Course = bench.memory["course"]
    return found


def _walked(bench: Bench, entry: Inbound, rule: Feedback) -> Course:
    line, walked = _line(bench), _opened(bench, rule)
    queue, done = line.queue_of(_door(entry)), set[str]()
    end = time.monotonic() + rule.wait * len(rule.objects)
    while time.monotonic() < end:
        mine = line.wait(queue, _of(walked), 0.1)
        for one in mine:
            ident = one.delivery.message_id or ""
            if ident not in done:
                done.add(ident)
                line.receipt(entry, ident)
        if len(mine) >= len(rule.objects):
            break
        time.sleep(0.02)
    walked.got = list(line.wait(queue, _of(walked), 0.1))
    return walked


def _door(entry: Inbound) -> AmqpDoor:
    assert entry.amqp is not None  # noqa: S101 - chosen by it
    return entry.amqp


def _looked(bench: Bench, entry: Inbound, rule: Feedback, look: Looking) -> Verdict:
    found = course(bench, entry, rule)
    sent, received = found.shown()
    if not found.got:
        return failed("没有反馈到来 / no feedback came", sent, received)
    problem = look(bench, entry, rule, found)
    return failed(problem, sent, received) if problem else passed(sent, received)


def _comes(bench: Bench, entry: Inbound, rule: Feedback, found: Course) -> str:
    numbers = [one.key.rpartition(".")[2] for one in found.got]
    return "" if numbers == list(rule.objects) else f"应为 / expected {rule.objects}, 实为 / came {numbers}"


def _schema(bench: Bench, entry: Inbound, rule: Feedback, found: Course) -> str:
    for one in found.got:
        values = values_of(_door(entry), one.key)
        document = entry.document_for(values.get("object"))
        if document is None:
            return f"{one.key}: 未约定的对象 / no such object is agreed"
        try:
            mapping = bench.adapter.mapping(document)
            mapping.hear(mapping.read(one.delivery.body), values | bench.context())
        except DocumentRefused as fault:
            return f"{one.key}: " + "; ".join(f"{error.path} {error.code}" for error in fault.errors[:5])
        except HubError as fault:
            return f"{one.key}: {fault.code} {fault.detail}"
    return ""


def _seal(bench: Bench, entry: Inbound, rule: Feedback, found: Course) -> str:
    return next((f"{one.key}: {one.seal}" for one in found.got if one.seal), "")


def _ids(bench: Bench, entry: Inbound, rule: Feedback, found: Course) -> str:
    names = [one.delivery.message_id or "" for one in found.got]
    wrong = next((name for name in names if not _is_uuid(name)), None)
    if wrong is not None:
        return f"不是 UUID / not a UUID: {wrong}"
    return "" if len(set(names)) == len(names) else "同一 message_id 用了两次 / one id used twice"


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _correlation(bench: Bench, entry: Inbound, rule: Feedback, found: Course) -> str:
    wrong = [one.key for one in found.got if one.delivery.correlation_id != found.case_no]
    return f"{wrong[0]}: correlation_id 不是办件流水号 / is not the case number" if wrong else ""


def _headers(bench: Bench, entry: Inbound, rule: Feedback, found: Course) -> str:
    for one in found.got:
        tree = one.tree if isinstance(one.tree, dict) else {}
        values = {**values_of(_door(entry), one.key), "version": tree.get("SJBBH", 1)}
        for name, template in _door(entry).headers.items():
            wanted = template.format_map(values)
            if one.delivery.headers.get(name) != wanted:
                return f"{one.key}: {name} = {one.delivery.headers.get(name)}, 应为 / expected {wanted}"
    return ""


def _type(bench: Bench, entry: Inbound, rule: Feedback, found: Course) -> str:
    wrong = [one for one in found.got if one.delivery.content_type != "application/json"]
    return f"{wrong[0].key}: {wrong[0].delivery.content_type}" if wrong else ""


def _steps(bench: Bench, entry: Inbound, rule: Feedback, found: Course) -> str:
    steps = [one.tree["SPBZH"] for one in found.got if isinstance(one.tree, dict) and "SPBZH" in one.tree]
    return "" if steps == list(range(1, len(steps) + 1)) else f"步骤号 / step numbers {steps}"


def _first(bench: Bench, entry: Inbound, rule: Feedback) -> tuple[Course, list[Got]]:
    line, found = _line(bench), _opened(bench, rule)
    queue = line.queue_of(_door(entry))
    return found, list(line.wait(queue, _of(found), rule.wait))


def _waits(bench: Bench, entry: Inbound, rule: Feedback) -> Verdict:
    found, got = _first(bench, entry, rule)
    time.sleep(0.5)
    found.got = list(_line(bench).wait(_line(bench).queue_of(_door(entry)), _of(found), 0.1))
    numbers = {one.delivery.message_id for one in found.got}
    sent, received = found.shown()
    if not got:
        return failed("没有反馈到来 / no feedback came", sent, received)
    good = len(numbers) == 1
    why = "未等回执就发下一对象 / the next came without a receipt"
    return passed(sent, received) if good else failed(why, sent, received)


def _repeats(bench: Bench, entry: Inbound, rule: Feedback) -> Verdict:
    if rule.resend is None or rule.resend * bench.partner.scale > 6:
        return not_offered(
            "契约未给出或等待过长，请用 --time-scale / not in the contract or too long; use --time-scale"
        )
    found, got = _first(bench, entry, rule)
    line = _line(bench)
    queue = line.queue_of(_door(entry))
    wait = rule.resend * bench.partner.scale * 1.5 + 1.2
    later = line.wait(queue, lambda all_: _more(_of(found)(all_)), wait) or []
    found.got = list(later or got)
    sent, received = found.shown()
    if len(found.got) < 2:
        return failed(f"{wait:.1f} 秒内没有重发 / not sent again within {wait:.1f} s", sent, received)
    same = {(one.delivery.message_id, one.delivery.body) for one in found.got}
    return (
        passed(sent, received)
        if len(same) == 1
        else failed("标识或内容改变 / id or content changed", sent, received)
    )


def _more(got: list[Got]) -> list[Got]:
    return got if len(got) > 1 else []


def _refused(bench: Bench, entry: Inbound, rule: Feedback) -> Verdict:
    if rule.resend is None or rule.resend * bench.partner.scale > 6:
        return not_offered(
            "契约未给出或等待过长，请用 --time-scale / not in the contract or too long; use --time-scale"
        )
    found, got = _first(bench, entry, rule)
    line = _line(bench)
    for one in got:
        line.receipt(entry, one.delivery.message_id or "", "70", "SPYJ: wrong")
    time.sleep(rule.resend * bench.partner.scale * 1.2 + 0.3)
    found.got = list(line.wait(line.queue_of(_door(entry)), _of(found), 0.1))
    sent, received = found.shown()
    if not got:
        return failed("没有反馈到来 / no feedback came", sent, received)
    again = [one for one in found.got[len(got) :] if one.delivery.body == got[0].delivery.body]
    return (
        failed("被拒绝后原样重发 / sent again as it was", sent, received) if again else passed(sent, received)
    )
