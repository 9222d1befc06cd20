"""For everybody who holds a paper of the hall: whether it is genuine, by the code that is printed on it."""

from starlette.responses import Response

from hallservice.counter import checked
from hallservice.counter.checked import Checked
from hallservice.counter.lists import local
from hallservice.refusals import FormRefused
from hallservice.web.context import Context
from hallservice.web.pages.counter_parts import Facts
from hallservice.web.registry import Pages

pages = Pages()
PATH = "/check"
PAGE = "papers/check.html"


@pages.get(PATH, function=None, public=True, title="文书核验", example={"?q": "@paper_code"})
def check(ctx: Context) -> Response:
    """The address in the QR code leads here; what it says may be typed or scanned as well."""
    said = ctx.one("q")
    if not said:
        return ctx.render(PAGE, q="", found=(), unknown=False)
    try:
        found = ctx.hall.read(lambda connection: checked.check(connection, said))
    except FormRefused as refusal:
        return ctx.fault(refusal, PAGE, q=said, found=(), unknown=False)
    return ctx.render(PAGE, q=said, found=_facts(found) if found else (), unknown=found is None)


def _facts(found: Checked) -> Facts:
    return (
        ("文书", found.title), ("文号", found.doc_no), ("办件编号", found.case_no), ("事项", found.item_name),
        ("申请人", found.applicant), ("出具部门", found.department), ("出具时间", local(found.issued_at)),
    )  # fmt: skip
