"""Reading the checkpoints a verification stands on."""

from collections.abc import Iterable

from ledger.errors import LedgerError
from ledger.note import TreeHead, Verifier, open_checkpoint, parse_head, split_note
from ledger.report import Finding

_RULES = {"note_forged": "signature", "note_unsigned": "signature", "other_log": "log_name"}


def checked_head(
    note: bytes, verifier: Verifier, where: int | str, findings: list[Finding]
) -> TreeHead | None:
    """The tree head of a note, also of an unsigned one; what is wrong with it goes to the findings."""
    try:
        return open_checkpoint(note, verifier)
    except LedgerError as error:
        findings.append(Finding(_RULES.get(error.code, "checkpoint"), where, error.message))
    try:
        return parse_head(split_note(note)[0])
    except LedgerError:
        return None


def open_saved(saved: Iterable[bytes], verifier: Verifier) -> list[TreeHead]:
    """The auditor's own checkpoints, smallest first; a forged one is the auditor's error."""
    return sorted((open_checkpoint(note, verifier) for note in saved), key=lambda head: head.size)


def compare_saved(
    saved: Iterable[TreeHead], size: int, root_at: dict[int, bytes | None], findings: list[Finding]
) -> None:
    """Every checkpoint ever seen must be a beginning of the present tree."""
    agreed = 0
    for head in saved:
        if head.size > size:
            message = f"the log has {size} entries, a signed checkpoint had {head.size}: history was cut off"
            findings.append(Finding("rollback", "checkpoint", message))
        elif root_at.get(head.size) == head.root:
            agreed = head.size
        elif root_at.get(head.size) is not None:
            findings.append(_other_history(head, size, agreed))


def _other_history(head: TreeHead, size: int, agreed: int) -> Finding:
    if head.size == size:
        return Finding("split_view", "checkpoint", f"two signed trees of {size} entries have different roots")
    message = f"history was rewritten between entry {agreed} and entry {head.size - 1}, both views are signed"
    return Finding("rewritten", agreed, message)
