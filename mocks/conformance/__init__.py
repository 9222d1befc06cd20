"""The conformance kit: what a partner's folder and running system must do, as mock and as attacker."""
