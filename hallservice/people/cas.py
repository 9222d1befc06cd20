"""CAS 3.0: a service ticket in the address, asked about at the server; the answer is XML read with care."""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from exchange.errors import Refused, TryLater
from exchange.seals.safexml import Element, Limits, parse
from exchange.transports.rest import RestClient
from hallservice.people.port import Answer, Ended, Identity, Trip, refused

SPACE = "{http://www.yale.edu/tp/cas}"
SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"
TICKET = re.compile(r"ST-[!-~]{1,253}", re.ASCII)
LIMITS = Limits(size=65_536, depth=8, elements=200, attributes=8, namespaces=20, markup=800)


@dataclass(frozen=True)
class Cas:
    """One CAS server, `server` without a slash at its end."""

    name: str
    title: str
    server: str
    directory: str = ""
    http: RestClient = field(default_factory=lambda: RestClient(10.0), repr=False)

    def address(self, trip: Trip) -> str | None:
        """The login page; the state travels in the service's own address."""
        return f"{self.server}/cas/login?" + urlencode({"service": service(trip)}, quote_via=quote)

    def identify(self, trip: Trip, answer: Answer) -> Identity:
        """The person the ticket was given for, which is good once and for this service alone."""
        ticket = answer.one("ticket")
        if not TICKET.fullmatch(ticket):
            raise refused("ticket", "登录票据的格式不对")
        query = urlencode({"service": service(trip), "ticket": ticket}, quote_via=quote)
        try:
            said = self.http.send("GET", f"{self.server}/cas/p3/serviceValidate?{query}", None, {})
        except TryLater as fault:
            raise refused("away", "统一身份认证暂时没有回应", fault.code) from fault
        if said.status != 200:
            raise refused("away", "统一身份认证暂时没有回应", str(said.status))
        return read(said.body, ticket)

    def logged_out(self, told: Answer) -> Ended:
        """The session whose ticket the message names. The server signs nothing: the ticket, which only it and
        we ever saw, is the proof."""
        return Ended(ticket=ended(told.one("logoutRequest").encode("utf-8", "replace")))


def service(trip: Trip) -> str:
    """Our address as the ticket is bound to it."""
    return f"{trip.callback}?state={trip.state}"


def read(body: bytes, ticket: str | None = None) -> Identity:
    """What a validation says; HallRefused for a failure and for whatever is no CAS answer."""
    try:
        root = parse(body, limits=LIMITS)
    except Refused as fault:
        raise refused("answer", "统一身份认证的回应不对", fault.code) from fault
    if root.tag != f"{SPACE}serviceResponse" or len(root) != 1:
        raise refused("answer", "统一身份认证的回应不对", "serviceResponse")
    if root[0].tag == f"{SPACE}authenticationFailure":
        raise refused("ticket", "登录票据无效或已被使用", str(root[0].get("code", ""))[:40])
    if root[0].tag != f"{SPACE}authenticationSuccess":
        raise refused("answer", "统一身份认证的回应不对", "authenticationSuccess")
    login, told = _one(root[0], "user"), root[0].findall(f"{SPACE}attributes")
    if not login or len(told) > 1:
        raise refused("answer", "统一身份认证没有说明是谁")
    real = _one(told[0], "realName") if told else ""
    return Identity(login, _one(told[0], "userId") if told else "", real == "1" if real else None, ticket)


def _one(parent: Element, name: str) -> str:
    """The text of the only child of that name; two would be two people."""
    found = parent.findall(f"{SPACE}{name}")
    if len(found) > 1 or any(len(one) for one in found):
        raise refused("answer", "统一身份认证的回应不对", name)
    text = (found[0].text or "").strip() if found else ""
    return text if len(text) <= 200 else ""


def ended(body: bytes) -> str:
    """The ticket of a single logout message (SAML LogoutRequest, CAS 3.0, 2.3.3); HallRefused sso_answer."""
    try:
        root = parse(body, limits=LIMITS)
    except Refused as fault:
        raise refused("answer", "退出通知不对", fault.code) from fault
    found = root.findall(f"{SAMLP}SessionIndex") if root.tag == f"{SAMLP}LogoutRequest" else []
    ticket = (found[0].text or "").strip() if len(found) == 1 and not len(found[0]) else ""
    if not TICKET.fullmatch(ticket):
        raise refused("answer", "退出通知不对", "SessionIndex")
    return ticket
