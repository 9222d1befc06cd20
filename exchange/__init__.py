"""The path of a message: envelope, parties, seals, transports, mapping, unit of work, routing, dispatch."""
