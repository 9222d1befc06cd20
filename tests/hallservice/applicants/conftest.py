"""The counter's hall and its ways."""

from tests.hallservice.counter.conftest import counter_pattern, desk, hall, hub

__all__ = ["counter_pattern", "desk", "hall", "hub"]
