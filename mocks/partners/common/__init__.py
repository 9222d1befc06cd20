"""What every partner program shares: configuration, keys, record, faults, seals and outgoing calls."""
