"""What the hub remembers: parties, inbox, cases, documents, outbox and the ledger, changed together or not
at all."""
