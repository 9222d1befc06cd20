"""Department B as its contract describes it: documents by hand, sealed by signxml, called by zeep or plain
HTTP in GBK, answers checked by xmlsec1."""

import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import requests
import uvicorn
import zeep
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
    XMLSigner,
)

from exchange.app.http import build_app
from exchange.hub import Hub
from exchange.registry import PartyFacts, add_party
from tests.exchange.core.rig import BEIJING, ITEM, ORG, Core, certificate_for, until

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SPACE = "http://www.example.gov.cn/dept_b/hub/1.0"
DECLARATION = '<?xml version="1.0" encoding="GBK"?>'
GBK = "text/xml; charset=GBK"
PATH = "/soap/department_b"
AT = "2026-03-02 09:45:00"


@cache
def rsa_key(name: str) -> tuple[Any, x509.Certificate]:
    """Made once for each name: it is slow."""
    private = rsa.generate_private_key(65537, 2048)
    return private, certificate_for(private, name)


def register(
    core: Core, name: str = "dept-b", org: str = ORG, adapter: str = "department_b", **account: str
) -> None:
    """A party of the adapter with an RSA certificate."""
    pem = rsa_key(name)[1].public_bytes(Encoding.PEM).decode()
    facts = PartyFacts(name, adapter, org, "http://127.0.0.1:9", {"account": "tongban", **account})
    core.hub.store.write(lambda work: add_party(work, core.hub.name, facts, pem, core.hub.adapters))
    core.hub.parties.forget()


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def request(kind: str, data: str, msg_id: str | None = None, app: str = "DEPTB") -> str:
    """<REQUEST> without a seal."""
    head = f"<MSGID>{msg_id or uuid.uuid4()}</MSGID><KIND>{kind}</KIND><APPID>{app}</APPID>"
    time = datetime.now(UTC).astimezone(BEIJING).strftime("%Y%m%d%H%M%S")
    return f"<REQUEST><HEAD>{head}<TIME>{time}</TIME></HEAD><DATA>{data}</DATA></REQUEST>"


def common(case_no: str) -> str:
    """§2."""
    return (
        f"<CASENO>{case_no}</CASENO><SXBM>{ITEM}</SXBM><SXJBBM>{ITEM[-12:]}</SXJBBM>"
        "<XZQHDM>441402</XZQHDM><VERSION>1</VERSION>"
    )


def officer(org: str = ORG) -> str:
    return (
        f"<BLBM>梅江区市场监督管理局</BLBM><TYSHXYDM>{org}</TYSHXYDM><D_ZZJGDM>{org[8:17]}</D_ZZJGDM>"
        "<BLR>测试戊</BLR><BLRGH>S009</BLRGH>"
    )


def step(case_no: str, number: int = 1, opinion: str = "同意", **over: str) -> str:
    """KIND HJ."""
    name, code = ("承办", "审核", "批准")[number - 1], str(number * 10)
    return request(
        "HJ",
        f"{common(case_no)}<SPHUANJIE><HJDM>{code}</HJDM><HJMC>{name}</HJMC><BZH>{number}</BZH>{officer()}"
        f"<YJ>{escaped(opinion)}</YJ><BLSJ>{AT}</BLSJ><JG>1</JG></SPHUANJIE>",
        **over,
    )


def certificate(case_no: str, digest: str, size: int, **over: str) -> str:
    """KIND ZZ."""
    identifier = "1.2.156.3005.2.114414020072081005001.114414020072081005.0000000017.001.S"
    return request(
        "ZZ",
        f"<CASENO>{case_no}</CASENO><SPZHENGZHAO><ZZBS>{identifier}</ZZBS><ZZBH>粤梅17</ZZBH><ZT>1</ZT>"
        f"<WJMC>证.pdf</WJMC><WJDX>{size}</WJDX><SHA256>{digest}</SHA256></SPZHENGZHAO>",
        **over,
    )


def sealed(text: str, name: str = "dept-b") -> str:
    """The document with its seal, by signxml."""
    private, own = rsa_key(name)
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    root = signer.sign(etree.fromstring(text), key=private, cert=[own])
    return DECLARATION + etree.tostring(root, encoding="unicode")


def arguments(**given: str) -> str:
    return "".join(f"<t:{name}>{value}</t:{name}>" for name, value in given.items())


def envelope(operation: str, inner: str, before: str = "", after: str = "") -> str:
    """A SOAP 1.1 envelope as text; `inner` are the arguments' elements."""
    return (
        f'{DECLARATION}<s:Envelope xmlns:s="{SOAP}" xmlns:t="{SPACE}">{before}'
        f"<s:Body><t:{operation}>{inner}</t:{operation}></s:Body>{after}</s:Envelope>"
    )


class InGbk(zeep.Transport):
    """zeep writes UTF-8 otherwise."""

    def post_xml(self, address: str, envelope: Any, headers: dict[str, str]) -> Any:
        text = f'<?xml version="1.0" encoding="GBK"?>{etree.tostring(envelope, encoding="unicode")}'
        return self.post(address, text.encode("gb18030"), {**headers, "Content-Type": GBK})


@contextmanager
def listening(hub: Hub) -> Iterator[str]:
    """The hub's HTTP side on a free port: its address."""
    config = uvicorn.Config(build_app(hub), host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


class Answered:
    """One HTTP answer of the service."""

    def __init__(self, response: requests.Response) -> None:
        self.status, self.media = response.status_code, response.headers["Content-Type"]
        self.body = response.content
        assert self.media.lower() == "text/xml; charset=gbk"
        assert self.body.startswith(DECLARATION.encode())
        self.tree = etree.fromstring(self.body)

    @property
    def fault(self) -> str:
        """faultcode of a Fault, "" else."""
        found = self.tree.findtext(f"{{{SOAP}}}Body/{{{SOAP}}}Fault/faultcode") or ""
        return found.rpartition(":")[2]

    @property
    def result(self) -> str:
        (text,) = self.tree.xpath("//*[local-name() = 'result']/text()")
        return str(text)


def told(result: str) -> tuple[str, str]:
    """STATUS and the code of DESC."""
    root = etree.fromstring(result.removeprefix(DECLARATION))
    assert root.tag == "RESULT"
    return root.findtext("STATUS") or "", (root.findtext("DESC") or "").partition(":")[0]


def genuine(result: str, hub: Hub, folder: Path) -> bool:
    """xmlsec1's opinion of the answer under the hub's RSA certificate."""
    (folder / "hub.pem").write_bytes(hub.rsa_key.certificate.public_bytes(Encoding.PEM))
    (folder / "answer.xml").write_text(result.removeprefix(DECLARATION), "utf-8")
    command = ["xmlsec1", "--verify", "--pubkey-cert-pem", "hub.pem", "answer.xml"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
