"""RabbitMQ: amqp.py AMQP_URL KEY.pem CERT.pem HUB_EC.pem DOCUMENT.json LEDGER_KEY"""

import json
import sys

import house
import jws
import pika

EXCHANGE, WAIT = "tongban", 30  # seconds until a receipt must be there
NONE = "no receipt: the hub is away, or could not tell whose message it was (tongban.dead)"


def main(url, *files):
    party = house.Party(*files)
    ident, name = party.document["message_id"], party.document["sender"]
    body = json.dumps(party.document, ensure_ascii=False).encode()
    headers = {jws.HEADER: jws.sign(body, party, exchange=EXCHANGE, routing_key=f"in.{name}")[0]}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # publishing raises unless a queue has it
        properties = pika.BasicProperties("application/json", None, headers, 2, message_id=ident)
        channel.basic_publish(EXCHANGE, f"in.{name}", body, properties, mandatory=True)
        # Receipts of other messages stay: what is not acknowledged returns to the queue at the end.
        receipts = channel.consume(f"tongban.receipt.{name}", inactivity_timeout=WAIT)
        mine = (one for one in receipts if one[0] is None or one[1].correlation_id == ident)
        method, properties, answer = next(mine)
        house.expect(method is not None, NONE)
        seal = properties.headers[jws.HEADER]
        jws.check(seal, answer, party, exchange=EXCHANGE, routing_key=f"receipt.{name}")
        receipt = json.loads(answer)
        party.check(receipt, body)
        channel.basic_ack(method.delivery_tag)
    print(json.dumps(receipt, ensure_ascii=False, indent=1))
    return 0 if receipt["status"] in ("accepted", "held") else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
