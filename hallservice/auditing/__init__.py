"""What staff did, for auditors: found by body, person, kind and day, each checked against the ledger."""
