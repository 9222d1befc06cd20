"""One call to a partner: say it in their form, seal it, send it, check their seal, judge their answer. No
transaction is open here."""

from exchange.delivery.calling import exchange
from exchange.delivery.channel import Channel, Reply, Sent
from exchange.delivery.lots import deliver_lot
from exchange.delivery.making import deliver, pull

__all__ = ["Channel", "Reply", "Sent", "deliver", "deliver_lot", "exchange", "pull"]
