"""SOAP: soap.py BASE_URL KEY.pem CERT.pem HUB_RSA.pem DOCUMENT.json LEDGER_KEY"""

import json
import sys

import house
import httpx2
import wss
from housexml import element, message
from lxml import etree

NS = "urn:tongban:hub:1"


def main(base_url, *files):
    party = house.Party(*files)
    ident, kind, sender = (party.document[name] for name in ("message_id", "type", "sender"))
    header = element("messageId", ident) + element("messageType", kind) + element("sender", sender)
    envelope = etree.fromstring(
        f'<s:Envelope xmlns:s="{wss.SOAP}" xmlns:u="{wss.WSU}" xmlns="{NS}">'
        f'<s:Header><Exchange u:Id="H">{header}</Exchange></s:Header>'
        f'<s:Body u:Id="B">{element("Submit", {"document": message(party.document)})}</s:Body></s:Envelope>'
    )
    wss.sign(envelope, party)
    url, body = base_url + "/soap/hub", etree.tostring(envelope)
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"Submit"'}
    answer = httpx2.post(url, content=body, headers=headers, timeout=30)
    house.expect("text/xml" in answer.headers["Content-Type"], f"{answer.status_code} {answer.text}")  # §4
    signed = wss.check(etree.fromstring(answer.content), party)
    house.expect(signed[f"{{{NS}}}Exchange"].findtext(f"{{{NS}}}messageId") == ident, "answers another call")
    result = signed[f"{{{wss.SOAP}}}Body"]
    receipt = next(result.iter(f"{{{NS}}}receipt", "receipt"), None)  # of the result, or of a Fault's detail
    house.expect(receipt is not None, etree.tostring(result, encoding="unicode"))
    party.check(json.loads(receipt.text), body)
    print(json.dumps(json.loads(receipt.text), ensure_ascii=False, indent=1))
    return 0 if answer.status_code == 200 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
