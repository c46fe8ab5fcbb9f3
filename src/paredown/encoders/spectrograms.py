"""Raw sound to a model's feed: the waveform itself, or the logarithm of its mel spectrogram.

This file stands alone like `waveforms`, and is copied into `predict.py` behind it. What can be worked out before (window, filters, the
steps of mean and spread) is worked out once.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from paredown.encoders.waveforms import product, to_length, waves_of

FLOOR = 1e-10
"""The least power that is told apart from silence: -100 dB."""
_GROUP = 8
"""Mel filters that are summed together: of more, most products would be with zeros."""
LAYOUTS = {"waveform": ("nct", "nt"), "log_mel": ("ncft", "nft", "ntf")}
"""Features -> the orders of the axes batch, channel (one), frequency and time; the first is the usual one."""


def audio_shape(spec: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of one encoded sound."""
    sizes = {"c": 1, "t": int(spec["samples"])}
    if spec["features"] == "log_mel":
        sizes = {"c": 1, "f": int(spec["n_mels"]), "t": _frames(spec)}
    return tuple(sizes[axis] for axis in spec["layout"][1:])


def time_axis(spec: Mapping[str, Any]) -> int | None:
    """Which axis of a feed is time, the batch being 0; None where what goes in is no sound."""
    return str(spec["layout"]).index("t") if spec["kind"] == "audio" else None


def _frames(spec: Mapping[str, Any]) -> int:
    spare = int(spec["samples"]) - (int(spec["n_fft"]) % 2 if spec["pad"] != "none" else int(spec["n_fft"]))
    return 1 + spare // int(spec["hop_length"])


def make_audio_encoder(spec: Mapping[str, Any]) -> Callable[[Any], dict[str, np.ndarray]]:
    """The function sounds -> feed, float32.

    Args:
        spec: {"kind": "audio", "input", "sample_rate", "samples", "features": "waveform" | "log_mel", "layout", "mean", "std"}: sounds
            become one channel at the rate, are cut or filled up with silence to so many samples, and (x - mean) / std. For "log_mel" also
            what `make_log_mel` takes. "normalize": true gives each waveform mean 0 and spread 1 before it is cut or filled up.

    Raises:
        ValueError: No such features or layout.
    """
    name, rate, samples, features = spec["input"], int(spec["sample_rate"]), int(spec["samples"]), spec["features"]
    if spec["layout"] not in LAYOUTS.get(features, ()):
        raise ValueError(f"features {features!r} in the layout {spec['layout']!r} are not one of {LAYOUTS}.")
    shape, seconds, normalize = audio_shape(spec), samples / rate, bool(spec.get("normalize"))
    feature = make_log_mel(spec) if features == "log_mel" else _moved(float(spec["mean"]), float(spec["std"]))

    def encode(inputs: Any) -> dict[str, np.ndarray]:
        made = []
        for wave in waves_of(inputs, rate, seconds):
            if normalize:
                wave = wave[:samples]
                wave = (wave - wave.mean()) / np.sqrt(wave.var() + np.float32(1e-7))
            made.append(feature(to_length(wave, samples)))
        return {name: np.ascontiguousarray(np.stack(made)).reshape(-1, *shape) if made else np.empty((0, *shape), np.float32)}

    return encode


def _moved(mean: float, std: float) -> Callable[[np.ndarray], np.ndarray]:
    gain, shift = np.float32(1 / std), np.float32(-mean / std)
    return (lambda wave: wave) if gain == 1 and not shift else (lambda wave: wave * gain + shift)


def make_log_mel(spec: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """The function waveform (samples,) -> logarithm of its mel spectrogram in decibels, (n_mels, frames) or (frames, n_mels), float32.

    Args:
        spec: "n_fft", "hop_length", "win_length" (samples: of a frame, between frames, and under the Hann window in its middle), "pad":
            "zeros" or "reflect" fills up both ends so that frames are centered on multiples of the hop, "none" does not; "n_mels", "f_min",
            "f_max", "mel_scale", "norm" as `mel_filters` takes them; 10 log10(max(power, 1e-10)), not lower than "top_db" below the loudest
            of the sound, where that is given; then (x - mean) / std, numbers or one per band.

    Source: as `librosa.feature.melspectrogram` and `power_to_db` with scale and norm "slaney" and zeros; as torchaudio's MelSpectrogram and
        AmplitudeToDB with scale "htk", norm "none" and "reflect".
    """
    n_fft, hop, around = int(spec["n_fft"]), int(spec["hop_length"]), int(spec["n_fft"]) // 2 if spec["pad"] != "none" else 0
    window, frames, mirrored = _hann(int(spec["win_length"]), n_fft), _frames(spec), spec["pad"] == "reflect"
    bands = _in_groups(mel_filters(spec).astype(np.float32))
    mean, std = np.asarray(spec["mean"], np.float64), np.asarray(spec["std"], np.float64)
    gain, shift = (10 / np.log(10) / std).astype(np.float32), (-mean / std).astype(np.float32)
    floor, top = np.float32(FLOOR), np.float32(spec.get("top_db", 0) * np.log(10) / 10)
    turned = spec["layout"] != "ntf"

    def log_mel(wave: np.ndarray) -> np.ndarray:
        if around:
            padded = np.zeros(len(wave) + 2 * around, np.float32)
            padded[around : around + len(wave)] = wave
            if mirrored:
                padded[:around], padded[-around:] = wave[around:0:-1], wave[-2 : -around - 2 : -1]
            wave = padded
        step = wave.strides[0]
        parts = np.lib.stride_tricks.as_strided(wave, (frames, n_fft), (hop * step, step))
        spectrum = np.fft.rfft(parts * window)
        power = spectrum.real**2 + spectrum.imag**2
        found = np.concatenate([product(power[:, first:last], group) for first, last, group in bands], axis=1)
        np.maximum(found, floor, out=found)
        np.log(found, out=found)
        if top:
            np.maximum(found, found.max() - top, out=found)
        found *= gain
        found += shift
        return found.T if turned else found

    return log_mel


def _in_groups(filters: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    """Some neighboring filters at a time, and the first and last of the few frequencies that they take."""
    out = []
    for at in range(0, filters.shape[1], _GROUP):
        group = filters[:, at : at + _GROUP]
        taken = np.flatnonzero(group.any(axis=1))
        first, last = (int(taken[0]), int(taken[-1]) + 1) if len(taken) else (0, 1)
        out.append((first, last, np.ascontiguousarray(group[first:last])))
    return out


def _hann(length: int, n_fft: int) -> np.ndarray:
    """A periodic Hann window in the middle of a frame."""
    window, before = np.zeros(n_fft, np.float32), (n_fft - length) // 2
    window[before : before + length] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    return window


def mel_filters(spec: Mapping[str, Any]) -> np.ndarray:
    """Triangles whose corners lie at equal steps of the mel scale, shape (n_fft // 2 + 1, n_mels), float64.

    Args:
        spec: "sample_rate", "n_fft", "n_mels", "f_min" and "f_max" in Hz; "mel_scale": "slaney" (66.7 Hz each below 1 kHz, logarithmic
            above) or "htk" (2595 log10(1 + f / 700)); "norm": "slaney" gives each the area 1, "none" the height 1.

    Source: Slaney 1998, Auditory Toolbox; Young et al. 2006, The HTK Book. The same as `librosa.filters.mel`.
    """
    to_mel, to_hz = _SCALES[spec["mel_scale"]]
    first, last = to_mel(np.asarray([spec["f_min"], spec["f_max"]], np.float64))
    corners = to_hz(np.linspace(float(first), float(last), int(spec["n_mels"]) + 2))
    bins = np.arange(int(spec["n_fft"]) // 2 + 1)[:, None] * (spec["sample_rate"] / spec["n_fft"])
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    triangles = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    made: np.ndarray = triangles * (2 / (high - low)) if spec["norm"] == "slaney" else triangles
    return made


_LINEAR_HZ, _FROM_HZ, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _slaney_mel(hertz: np.ndarray) -> np.ndarray:
    return np.where(hertz < _FROM_HZ, hertz / _LINEAR_HZ, _FROM_HZ / _LINEAR_HZ + np.log(np.maximum(hertz, _FROM_HZ) / _FROM_HZ) / _STEP)


def _slaney_hertz(mel: np.ndarray) -> np.ndarray:
    knee = _FROM_HZ / _LINEAR_HZ
    return np.where(mel < knee, mel * _LINEAR_HZ, _FROM_HZ * np.exp(_STEP * (np.maximum(mel, knee) - knee)))


def _htk_mel(hertz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + hertz / 700)


def _htk_hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)


_SCALES = {"slaney": (_slaney_mel, _slaney_hertz), "htk": (_htk_mel, _htk_hertz)}
