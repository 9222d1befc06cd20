"""Supervision: the clocks of every case, what is owed on which day, cards, lawful defaults."""
