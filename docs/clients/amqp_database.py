"""Without RabbitMQ: amqp_database.py QUEUE.db KEY.pem CERT.pem HUB_EC.pem DOCUMENT.json LEDGER_KEY"""

import json
import sqlite3
import sys
import time

import house
import jws

PUBLISH = """INSERT INTO message
  (queue, exchange, routing_key, message_id, content_type, headers, body, published_at)
  SELECT queue, exchange, ?, ?, 'application/json', ?, ?, ? FROM binding
  WHERE exchange = 'tongban' AND pattern = 'in.#'"""  # the pattern that matches every in.<party>
FIND = "SELECT id, headers, body FROM message WHERE queue = ? AND correlation_id = ?"  # no one else reads it


def main(file, *files):
    party = house.Party(*files)
    ident, name = party.document["message_id"], party.document["sender"]
    body = json.dumps(party.document, ensure_ascii=False).encode()
    headers = json.dumps({jws.HEADER: jws.sign(body, party, exchange="tongban", routing_key=f"in.{name}")[0]})
    queue = sqlite3.connect(file, timeout=30, isolation_level=None)  # each statement is one transaction
    done = queue.execute(PUBLISH, (f"in.{name}", ident, headers, body, time.time()))
    house.expect(done.rowcount == 1, "unroutable: no hub reads this queue")
    until = time.time() + 30
    while not (found := queue.execute(FIND, (f"tongban.receipt.{name}", ident)).fetchall()):
        house.expect(time.time() < until, "no receipt: the hub is away, or see tongban.dead")
        time.sleep(0.05)
    number, headers, answer = found[0]
    bound = {"exchange": "tongban", "routing_key": f"receipt.{name}"}
    jws.check(json.loads(headers)[jws.HEADER], answer, party, **bound)
    party.check(json.loads(answer), body)
    queue.execute("DELETE FROM message WHERE id = ?", (number,))
    print(json.dumps(json.loads(answer), ensure_ascii=False, indent=1))
    return 0 if json.loads(answer)["status"] in ("accepted", "held") else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
