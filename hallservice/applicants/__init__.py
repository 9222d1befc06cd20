"""服务对象 (S0-04): whom the hall served, natural and legal persons and agents, known by keyed hashes."""
