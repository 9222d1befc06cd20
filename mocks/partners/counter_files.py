"""Small synthetic files that are handed in: a PDF of one page and an XML form."""

from __future__ import annotations

from xml.sax.saxutils import escape


def pdf(title: str) -> bytes:
    """A PDF of one empty page, its cross-reference table right; the title makes every file another."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        b"<< /Title <feff" + title.encode("utf-16-be").hex().encode() + b"> >>",
    ]  # fmt: skip
    data, places = b"%PDF-1.4\n", list[int]()
    for number, one in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(data)
    trailer = b"trailer\n<< /Size 5 /Root 1 0 R /Info 4 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start
    return data + b"xref\n0 5\n0000000000 65535 f \n" + table + trailer


def form(case_no: str, item: str, applicant: str) -> bytes:
    """The application form as XML."""
    said = {"caseNo": case_no, "item": item, "applicant": applicant}
    inside = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in said.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<application>{inside}</application>\n'.encode()
