"""Papers of the hall: notices, slips and overlay prints as PDF/A from data."""
