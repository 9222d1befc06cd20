"""How bytes move: SOAP (zeep, spyne), HTTP, AMQP (pika) and the database queue."""
