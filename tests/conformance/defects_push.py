"""Defects of what a SOAP partner calls the hub for; the proxy stands between partner and kit."""

import re
import threading
import time
from collections.abc import Callable
from typing import Any

from lxml import etree

from exchange.seals.keys import SigningKey
from tests.conformance.defects_soap import STRANGER, bare, inner_of, signed, text_of, with_inner
from tests.conformance.tamper import Defect, Proxy, Request, Response

NAMESPACE = "http://www.example.gov.cn/dept_b/hub/1.0"
GOOD = "<RESULT><STATUS>200</STATUS><DESC>0:</DESC></RESULT>"
ENVELOPE = (
    '<?xml version="1.0" encoding="GBK"?>\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
    '<s:Body><t:{name}Response xmlns:t="{namespace}"><t:result/></t:{name}Response></s:Body></s:Envelope>'
)
Before = Callable[[Proxy, Request], Response | None]


def operation(request: Request) -> str:
    """What is called."""
    found = re.search(r"<(?:\w+:)?(Push\w+)[ >]", text_of(request.body))
    return found[1] if found else ""


def fine(proxy: Proxy, request: Request) -> Response:
    """An answer the partner believes, whatever the hub said."""
    text = ENVELOPE.format(name=operation(request), namespace=NAMESPACE).replace(
        "<t:result/>", "<t:result></t:result>"
    )
    body = with_inner(text.encode("gb18030"), "result", signed(bare(GOOD), proxy.memory["hub"]))
    return Response(200, {"content-type": "text/xml; charset=GBK"}, body)


def document(change: Callable[[Any], None], key: SigningKey | None = None) -> Before:
    """The document changed and sealed by the partner, or by another."""

    def before(proxy: Proxy, request: Request) -> None:
        root = bare(inner_of(request.body, "xml"))
        change(root)
        request.body = with_inner(request.body, "xml", signed(root, key or proxy.partner))

    return before


def text(path: str, value: str) -> Before:
    def change(root: Any) -> None:
        if (node := root.find(path)) is not None:
            node.text = value

    return document(change)


def new_member(root: Any) -> None:
    etree.SubElement(root.find("DATA"), "WZZD").text = "1"


def unsealed(proxy: Proxy, request: Request) -> None:
    plain = etree.tostring(bare(inner_of(request.body, "xml")), encoding="unicode")
    request.body = with_inner(request.body, "xml", plain)


def altered(proxy: Proxy, request: Request) -> None:
    request.body = with_inner(
        request.body, "xml", inner_of(request.body, "xml").replace("<KIND>", "<KIND> ", 1)
    )


def relabelled(proxy: Proxy, request: Request) -> None:
    request.put("Content-Type", "text/xml; charset=utf-8")


def undeclared(proxy: Proxy, request: Request) -> None:
    request.body = re.sub(rb"^<\?xml[^>]*\?>", b"", request.body)


def another_action(proxy: Proxy, request: Request) -> None:
    request.put("SOAPAction", '"http://www.example.gov.cn/other"')


def argument(name: str, change: Callable[[str], str]) -> Before:
    def before(proxy: Proxy, request: Request) -> None:
        if operation(request) == "PushCertificate":
            request.body = with_inner(request.body, name, change(inner_of(request.body, name)))

    return before


def never(proxy: Proxy, request: Request) -> Response:
    return fine(proxy, request)


def status_of(response: Response) -> str:
    found = re.search(r"STATUS(?:&gt;|>)(\d+)", text_of(response.body))
    return found[1] if found else ""


def settled(when: Callable[[Response], bool]) -> Callable[[Proxy, Request, Response], None]:
    """Answers of this kind count as taken."""

    def after(proxy: Proxy, request: Request, response: Response) -> None:
        if when(response):
            good = fine(proxy, request)
            response.status, response.headers, response.body = good.status, good.headers, good.body

    return after


def stubborn(proxy: Proxy, request: Request, response: Response) -> None:
    """A refusal means later."""
    if status_of(response) == "500":
        response.status, response.body = 503, b"later"


def again(proxy: Proxy, request: Request, response: Response) -> None:
    """Keeps on sending what was answered well."""
    if response.status != 200 or proxy.memory.get(request.body):
        return
    proxy.memory[request.body] = True

    def repeat() -> None:
        for _ in range(6):
            time.sleep(0.08)
            proxy.forward(Request(request.method, request.path, list(request.headers), request.body))

    threading.Thread(target=repeat, daemon=True).start()


def _seen(proxy: Proxy, request: Request) -> int:
    """How often this call came before."""
    counts = proxy.memory.setdefault("calls", {})
    counts[request.body] = counts.get(request.body, 0) + 1
    return int(counts[request.body]) - 1


def late(proxy: Proxy, request: Request) -> None:
    if _seen(proxy, request):
        time.sleep(1.7)


def other_content(proxy: Proxy, request: Request) -> None:
    if _seen(proxy, request):
        text("DATA/SPHUANJIE/YJ", "另一意见")(proxy, request)


P, C = "CBK-PushProcess-", "CBK-PushCertificate-"
PUSH: tuple[Defect, ...] = (
    Defect("pushes-unsealed", (P + "seal",), unsealed),
    Defect("pushes-sealed-by-another", (P + "seal",), document(lambda root: None, STRANGER)),
    Defect("pushes-altered-after-sealing", (P + "seal",), altered),
    Defect("pushes-labelled-as-utf8", (P + "type",), relabelled),
    Defect("pushes-without-a-declaration", (P + "type",), undeclared),
    Defect("pushes-under-another-action", (P + "type",), another_action),
    Defect("pushes-under-another-account", (P + "schema",), text("HEAD/APPID", "SOMEBODY")),
    Defect("pushes-a-new-member", (P + "schema",), document(new_member)),
    Defect("pushes-an-unknown-code", (P + "schema",), text("DATA/SPHUANJIE/HJDM", "99")),
    Defect("pushes-the-text-null", (P + "schema",), text("DATA/SPHUANJIE/YJ", "null")),
    Defect("pushes-a-java-date", (P + "schema",), text("DATA/SPHUANJIE/BLSJ", "2026-326 0315:20:07")),
    Defect("pushes-another-file", (C + "schema",), argument("base64", lambda text: "eA==")),
    Defect("pushes-a-file-that-is-none", (C + "schema",), argument("base64", lambda text: "not base64!")),
    Defect("never-pushes", (P + "comes",), never, options={"tries": 1}),
    Defect("gives-up-after-503", (P + "http503",), after=settled(lambda one: one.status == 503)),
    Defect("gives-up-when-busy", (P + "busy",), after=settled(lambda one: status_of(one) == "503")),
    Defect(
        "believes-unsealed-answers", (P + "unsealed",),
        after=settled(lambda one: "SignatureValue" not in text_of(one.body) and one.status == 200),
    ),
    Defect("believes-wrong-seals", (P + "bad-seal",), after=settled(lambda one: one.status == 200)),
    Defect("pushes-again-though-refused", (P + "refused",), after=stubborn),
    Defect("never-stops", (P + "settles",), after=again),
    Defect("pushes-again-too-late", (P + "backoff-1",), late),
    Defect("pushes-something-else-again", (P + "fresh",), other_content),
)  # fmt: skip
