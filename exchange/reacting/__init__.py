"""What follows from accepted messages, by subject; exchange/reactions.py says which follows from what."""
