"""Sound files of every form that is read, written out byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

KINDS = {"8": (1, 8), "16": (1, 16), "24": (1, 24), "32": (1, 32), "float": (3, 32), "double": (3, 64)}


PITCHES = {"high": (1500,), "low": (400,), "both": (400, 1500), "higher": (2500,), "middle": (900,), "two": (250, 900)}


def in_kind(samples: np.ndarray, kind: str) -> bytes:
    """Samples from -1 to 1 (T,) or (T, channels) as the bytes of one kind."""
    if kind in ("float", "double"):
        return samples.astype("<f4" if kind == "float" else "<f8").tobytes()
    bits = int(kind)
    whole = np.clip(np.rint(samples * 2.0 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype(np.int64)
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    if bits == 24:
        return whole.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    return whole.astype(f"<i{bits // 8}").tobytes()


def wav(samples: np.ndarray, rate: int = 8000, kind: str = "16", *, extensible: bool = False, before: bytes = b"") -> bytes:
    """A wav file.

    Args:
        samples: (T,) or (T, channels), from -1 to 1.
        rate: Per second.
        kind: One of KINDS.
        extensible: Whether the head says the kind in its longer form.
        before: A chunk between the head and the samples.
    """
    code, bits = KINDS[kind]
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    frame = channels * bits // 8
    head = struct.pack("<HHIIHH", 0xFFFE if extensible else code, channels, rate, rate * frame, frame, bits)
    if extensible:
        head += struct.pack("<HHIH", 22, bits, 0, code) + bytes.fromhex("000000001000800000aa00389b71")
    data = in_kind(samples, kind)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(head)) + head + before + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tone(hertz: float, seconds: float = 1.0, rate: int = 8000, loud: float = 0.5) -> np.ndarray:
    """A sine, float64."""
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write_words(folder: Path, each: int, seed: int = 0, rate: int = 8000) -> None:
    """Six folders of tones of one pitch or two, in noise; lengths and pitches differ a little."""
    draw = np.random.default_rng(seed)
    for name, pitches in PITCHES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for at in range(each):
            seconds = draw.uniform(0.4, 0.5)
            sound = sum(tone(pitch * draw.uniform(0.9, 1.1), seconds, rate, 0.2) for pitch in pitches)
            sound = sound + draw.normal(0, 0.05, round(seconds * rate))
            (folder / name / f"{at:03}.wav").write_bytes(wav(sound, rate))
