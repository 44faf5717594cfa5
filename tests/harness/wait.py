"""Waiting for what happens elsewhere, by looking rather than by sleeping long enough."""

import time


def until(condition, timeout: float = 30, what: str = ""):
    """The first true value of `condition`; fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        time.sleep(0.02)
