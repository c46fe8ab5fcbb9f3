"""Named streams of one seed."""

from __future__ import annotations

import hashlib


def stream(seed: int, *names: str | int) -> int:
    """A 63-bit seed for one purpose; the same seed and names give the same number, other names an unrelated one."""
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
