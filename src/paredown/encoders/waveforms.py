"""Sounds from files and arrays: opened, mixed to one channel, brought to one rate and one length.

This file stands alone: numpy, and soundfile for what is no plain wav file. It is copied into `predict.py` like `feed`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from math import ceil, gcd
from typing import Any

import numpy as np

RATES = (100, 384_000)
"""Samples per second, the least and the most."""
LONGEST_S = 600.0
"""Seconds of a sound that can be used, so that a small packed file never fills the memory."""
_CHANNELS = 32
_PCM, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE
_WAV_KINDS = {(_PCM, 8): "u1", (_PCM, 16): "<i2", (_PCM, 24): "u1", (_PCM, 32): "<i4", (_FLOATS, 32): "<f4", (_FLOATS, 64): "<f8"}
_UNKNOWN_B = 0xFFFFFFFF
_CROSSINGS, _BETA = 10, 5.0
_TOGETHER = 32
"""Resampled samples that are made by one matrix."""
_ONE_THREAD = 200_000
"""Products of a matrix product for which OpenBLAS stays with one thread: up to 262 144."""


class OtherForm(ValueError):
    """A whole file of sound that is no plain wav: soundfile may open it."""


def plain_wav(data: bytes) -> tuple[int, int, int, int, int, int]:
    """What the head of a wav file says, without its samples.

    Args:
        data: The whole file.

    Returns:
        (kind of samples, bits of one, channels, samples per second, where the samples begin, samples of one channel).

    Raises:
        ValueError: It is damaged, or holds no sample; says how.
        OtherForm: It is no wav file, or one of compressed samples.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise OtherForm("is no plain wav file")
    at, form = 12, None
    while at + 8 <= len(data):
        name, size_b = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"fmt " and size_b >= 16:
            numbers = [
                int.from_bytes(data[at + place : at + place + width], "little") for place, width in ((0, 2), (2, 2), (4, 4), (14, 2))
            ]
            if numbers[0] == _EXTENSIBLE and size_b >= 26:
                numbers[0] = int.from_bytes(data[at + 24 : at + 26], "little")
            form = numbers
        elif name == b"data":
            if form is None:
                break
            code, channels, rate, bits = form
            if size_b == _UNKNOWN_B or (not size_b and data[4:8] in (bytes(4), b"\xff" * 4)):  # written into a pipe
                size_b = len(data) - at
            if at + size_b > len(data):
                raise ValueError(f"is cut short: it announces {size_b:,} bytes of sound and holds {len(data) - at:,}")
            if (code, bits) not in _WAV_KINDS:
                raise OtherForm(f"holds samples of {bits} bits in the form {code:#x}; plain ones are 8, 16, 24 or 32 bits, or floats")
            if not channels or not RATES[0] <= rate <= RATES[1]:
                raise ValueError(f"announces {channels} channels at {rate:,} samples per second")
            count = size_b // (channels * bits // 8)
            if not count:
                raise ValueError("holds no sample")
            return code, bits, channels, rate, at, count
        at += size_b + size_b % 2
    raise ValueError("is cut short: it has no samples")


def sound_length(data: bytes) -> tuple[int, int]:
    """Samples of one channel, and how many there are in a second.

    Raises:
        ValueError: As `open_sound`, without a name before it.
    """
    try:
        *_, rate, _, count = plain_wav(data)
    except OtherForm as other:
        with _opened_by_soundfile(data, other) as file:
            return int(file.frames), int(file.samplerate)
    return count, rate


def open_sound(item: Any, at: int = 0, most_s: float | None = None) -> tuple[np.ndarray, int]:
    """The samples of a file: the mean of its channels, float32 from -1 to 1, and how many there are in a second.

    Args:
        item: A path, or the bytes of a file.
        at: Its place in the batch, for messages.
        most_s: Seconds that are enough, and a few samples more are given for the sake of a filter; None for all.

    Raises:
        ValueError: It is damaged, in no known form, or needs soundfile, which is not installed; says which file.
    """
    name = f"sound {at}" if isinstance(item, bytes) else str(item)
    try:
        data = item if isinstance(item, bytes) else _file_of(item)
        try:
            return _plain_samples(data, most_s)
        except OtherForm as other:
            with _opened_by_soundfile(data, other) as file:
                frames = -1 if most_s is None else ceil(most_s * file.samplerate) + 2 * _CROSSINGS
                try:
                    found = file.read(frames, dtype="float32", always_2d=True)
                except Exception as error:  # the library raises classes of its own
                    raise ValueError(f"is damaged ({type(error).__name__}: {error})") from None
                if not len(found):
                    raise ValueError("holds no sample") from None
                if not np.isfinite(found).all():
                    raise ValueError("holds NaN or infinite samples") from None
                return _mono(found), int(file.samplerate)
    except ValueError as error:
        raise ValueError(f"{name} {error}.") from None


def _file_of(path: Any) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None


def _plain_samples(data: bytes, most_s: float | None) -> tuple[np.ndarray, int]:
    code, bits, channels, rate, begin, count = plain_wav(data)
    count = count if most_s is None else min(count, ceil(most_s * rate) + 2 * _CROSSINGS)
    kind = _WAV_KINDS[code, bits]
    raw = np.frombuffer(data, kind, count * channels * (3 if bits == 24 else 1), begin)
    if code == _FLOATS:
        found = raw.astype(np.float32)
        if not np.isfinite(found).all():
            raise ValueError("holds NaN or infinite samples")
    elif bits == 24:  # the upper three bytes of 32 bits
        wide = np.zeros((count * channels, 4), np.uint8)
        wide[:, 1:] = raw.reshape(-1, 3)
        found = wide.view("<i4")[:, 0].astype(np.float32) * np.float32(2.0**-31)
    elif bits == 8:
        found = (raw.astype(np.float32) - 128) * np.float32(2.0**-7)
    else:
        found = raw.astype(np.float32) * np.float32(2.0 ** (1 - bits))
    return (_mono(found.reshape(-1, channels)) if channels > 1 else found), rate


def _mono(samples: np.ndarray) -> np.ndarray:
    """The mean of the channels (T, channels), shape (T,)."""
    return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)


def _opened_by_soundfile(data: bytes, other: ValueError) -> Any:
    import io

    try:
        import soundfile
    except (ImportError, OSError):  # the package, or the library that it wraps
        raise ValueError(f"{other}; files of other forms, as flac, need soundfile: `pip install soundfile`") from None
    try:
        file = soundfile.SoundFile(io.BytesIO(data))
    except Exception as error:  # the library raises classes of its own
        raise ValueError(f"cannot be opened as sound ({type(error).__name__}: {error})") from None
    if not RATES[0] <= file.samplerate <= RATES[1] or not file.frames or file.channels > _CHANNELS:
        raise ValueError(f"announces {file.frames:,} samples in {file.channels} channels at {file.samplerate:,} per second")
    return file


def waves_of(inputs: Any, rate: int, seconds: float) -> Iterator[np.ndarray]:
    """The sounds in a batch, each as samples (T,), float32 from -1 to 1, at one rate.

    Args:
        inputs: A path, the bytes of a file, or an array (T,) or (N, T) at the rate: floats from -1 to 1, or whole numbers of 16 bits; or a
            sequence of such.
        rate: Samples per second.
        seconds: That are enough; of an array all are given.

    Raises:
        ValueError: It is none of these, or a file is damaged; says which.
    """
    if _names_a_file(inputs):
        inputs = [inputs]
    elif not isinstance(inputs, np.ndarray):
        if isinstance(inputs, Mapping) or not hasattr(inputs, "__len__"):
            raise ValueError(f"the inputs are of type {type(inputs).__name__}; give an array (N, samples), or files of sound.")
        inputs = inputs if len(inputs) and any(hasattr(each, "__len__") or hasattr(each, "__fspath__") for each in inputs) else [inputs]
    elif inputs.ndim == 1 and inputs.dtype != object:
        inputs = inputs[None]
    for at, each in enumerate(inputs):
        if not _names_a_file(each):
            yield _from_numbers(each, at)
            continue
        samples, given = open_sound(each, at, seconds + 2 * _CROSSINGS / rate)
        yield samples if given == rate else make_resampler(given, rate)(samples)


def _names_a_file(item: Any) -> bool:
    return isinstance(item, str | bytes) or hasattr(item, "__fspath__")


def _from_numbers(item: Any, at: int) -> np.ndarray:
    try:
        samples = np.asarray(item)
    except ValueError:
        samples = np.empty((0, 0))
    if samples.ndim != 1 or not samples.size or samples.dtype.kind not in "fiu" or samples.dtype.itemsize < 2:
        raise ValueError(
            f"sound {at} is {samples.dtype} of shape {samples.shape}; give samples (T,) of one channel, floats from -1 to 1 or 16 bits."
        )
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    if samples.dtype != np.int16 and not -32768 <= int(samples.min()) <= int(samples.max()) <= 32767:
        raise ValueError(
            f"sound {at} holds whole numbers from {samples.min()} to {samples.max()}; those of 16 bits are taken. Give floats from -1 to 1."
        )
    return samples.astype(np.float32) * np.float32(2.0**-15)


def to_length(wave: np.ndarray, samples: int) -> np.ndarray:
    """The first so many samples, or all with silence behind them."""
    if len(wave) >= samples:
        return wave[:samples]
    out = np.zeros(samples, np.float32)
    out[: len(wave)] = wave
    return out


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A matrix product in parts so small that no library of matrices wakes a second thread, which would wait for more and take CPU time.

    Args:
        left: (rows, inner), float32.
        right: (inner, columns), float32.
    """
    rows = max(1, _ONE_THREAD // right.size)
    if rows >= len(left):
        whole: np.ndarray = left @ right
        return whole
    return np.concatenate([left[at : at + rows] @ right for at in range(0, len(left), rows)])


@lru_cache(maxsize=8)
def make_resampler(given: int, wanted: int) -> Callable[[np.ndarray], np.ndarray]:
    """The function samples (T,) at one rate -> samples (ceil(T * wanted / given),) at another, float32.

    A polyphase filter that lets pass what both rates can hold: a sinc of ten zero crossings to each side under a Kaiser window, beta 5,
    as `scipy.signal.resample_poly` has by default. About 32 neighboring outputs at a time are one product with one matrix.

    Args:
        given, wanted: Samples per second.

    Source: Crochiere & Rabiner 1983, Multirate Digital Signal Processing, chapter 4.
    """
    up, down = wanted // gcd(given, wanted), given // gcd(given, wanted)
    half = _CROSSINGS * max(up, down)
    kernel = np.sinc(np.arange(-half, half + 1) / max(up, down)) * np.kaiser(2 * half + 1, _BETA)
    kernel *= up / kernel.sum()
    # y[m] is the sum over j of x[j] kernel[m down - j up]: the same sums for each `outs` outputs, `ins` inputs further on
    times = -(-_TOGETHER // up)
    outs, ins, before = times * up, times * down, half // up
    panels = []
    for start in range(0, outs, _TOGETHER):
        made = np.arange(start, min(start + _TOGETHER, outs)) * down
        first, last = -((half - made[0]) // up), (made[-1] + half) // up
        shifts = made - np.arange(first, last + 1)[:, None] * up
        matrix = np.where(np.abs(shifts) <= half, kernel[np.clip(shifts + half, 0, 2 * half)], 0.0).astype(np.float32)
        panels.append((start, int(first) + before, matrix))
    reach = max(first + len(matrix) for _, first, matrix in panels)

    def resample(wave: np.ndarray) -> np.ndarray:
        count = -(-len(wave) * up // down)
        blocks = -(-count // outs)
        padded = np.zeros((blocks - 1) * ins + max(reach, before + len(wave)), np.float32)
        padded[before : before + len(wave)] = wave
        step, out = padded.strides[0], np.empty((blocks, outs), np.float32)
        for start, first, matrix in panels:
            windows = np.lib.stride_tricks.as_strided(padded[first:], (blocks, len(matrix)), (ins * step, step))
            out[:, start : start + matrix.shape[1]] = product(np.ascontiguousarray(windows), matrix)
        return out.reshape(-1)[:count]

    return resample
