"""JSON over REST: rest.py BASE_URL KEY.pem CERT.pem HUB_EC.pem DOCUMENT.json LEDGER_KEY"""

import json
import sys

import house
import httpx2
import jws

PATH = "/api/v1/messages"


def main(base_url, *files):
    party = house.Party(*files)
    body = json.dumps(party.document, ensure_ascii=False).encode()
    seal, nonce = jws.sign(body, party, method="POST", path=PATH)
    headers = {"Content-Type": "application/json", jws.HEADER: seal}
    answer = httpx2.post(base_url + PATH, content=body, headers=headers, timeout=30)
    # Turned away before it was read (§4): such an answer bears no seal.
    house.expect(jws.HEADER in answer.headers, f"{answer.status_code} {answer.text}")
    jws.check(answer.headers[jws.HEADER], answer.content, party, status=answer.status_code, req=nonce)
    receipt = answer.json()
    if "ledger" in receipt:  # else the hub could not tell whose message it was
        party.check(receipt, body)
    print(json.dumps(receipt, ensure_ascii=False, indent=1))
    return 0 if answer.status_code in (200, 202) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
