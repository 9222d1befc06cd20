"""The demonstration: hub, partners and counter as separate processes, compared with each other at the end."""
