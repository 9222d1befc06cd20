"""The clock and its cards: warnings, prompts, yellow and red cards, promise breaches, lawful defaults."""
