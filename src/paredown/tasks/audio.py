"""Sound in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.core.task import Task
from paredown.encoders import feed
from paredown.encoders.spectrograms import LAYOUTS
from paredown.encoders.waveforms import LONGEST_S, RATES, OtherForm, plain_wav, sound_length
from paredown.ground.amounts import is_finite
from paredown.kinds.known import kind_named
from paredown.tasks.finite import refuse_not_finite
from paredown.tasks.graph_columns import whole_of

_COMMON = ("input", "features", "sample_rate", "seconds", "layout", "mean", "std", "normalize")
_LOG_MEL = ("n_fft", "win_length", "hop_length", "n_mels", "f_min", "f_max", "mel_scale", "norm", "pad", "top_db")
_WORDS = {"mel_scale": ("slaney", "htk"), "norm": ("slaney", "none"), "pad": ("zeros", "reflect", "none")}
_WINDOW_S, _HOP_S, _MELS = 0.025, 0.010, 40
_LOOKED_AT, _SAMPLE = 1000, 500
_SPREAD = 1.5
_SAMPLES_MOST = 1 << 24
_LOUDEST = 8.0
_PROBE = 1 << 15


class Audio(Task):
    """Sounds as files, or as an array of one channel; brought to one rate and one length."""

    raw = "audio"

    def check(self, rows: Rows) -> None:
        """Refuse what is neither files of sound nor an array (N, samples) of finite numbers in range.

        Raises:
            BadData: Another form, shape, kind of number or range; says the first row.
        """
        sounds = rows.inputs
        kind = "" if isinstance(sounds, Mapping) else getattr(sounds, "dtype", np.dtype(object)).kind
        if are_files(sounds):
            return _refuse_damaged(rows)
        if kind not in ("i", "u", "f") or sounds.ndim != 2 or 0 in sounds.shape[1:] or sounds.dtype.itemsize < 2:
            found = "columns" if not kind else "texts" if kind in "OU" else f"an array {sounds.shape} of {sounds.dtype}"
            raise BadData(
                f"the inputs are {found}.\n  Such a task needs files of sound, or one channel as an array (N, samples), floats or 16 bits."
            )
        refuse_not_finite(rows, "sounds", "Remove or repair them.")
        ends = [(float(part.inputs.min()), float(part.inputs.max())) for part in rows.parts()]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        least, most = (-_LOUDEST, _LOUDEST) if kind == "f" else (-32768, 32767)
        if not least <= low <= high <= most:
            raise BadData(
                f"the sounds hold values from {low:g} to {high:g}.\n"
                "  Floats go from -1 to 1, whole numbers are of 16 bits; what is no sound goes to a task of arrays, fed as it is."
            )

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """Mix to one channel, resample, cut or fill up with silence; then the waveform, or its log-mel spectrogram in decibels.

        Args:
            train: Rows that the rate and length come from where they are not said, and statistics where an option says "train".
            options: features (waveform, the default, or log_mel), sample_rate (Hz; the most frequent one of the files), seconds (the
                longest, where all are about as long), layout (nct or nt for a waveform, ncft, nft or ntf for log_mel: batch, channel,
                frequency, time), mean and std (a number, "train", or one per band; 0 and 1), normalize (true gives each sound mean 0 and
                spread 1 before it is filled up); and for log_mel n_fft, win_length and hop_length (samples; 25 ms every 10 ms), n_mels
                (40), f_min and f_max (Hz), mel_scale (slaney or htk), norm (slaney or none), pad (zeros, reflect or none), top_db.

        Raises:
            UnknownName: No such option, or word of one.
            BadData: An option has a value that cannot be; the rate or the length cannot be told from the rows; an ONNX graph takes whole
                numbers.
        """
        options = dict(options)
        graph = options.pop("graph", None) or {}
        if whole_of(graph) is not None or graph.get("several"):
            raise BadData("the model takes whole numbers or several inputs; sound is one input of floats.\n  Export it so.")
        features = str(options.get("features", "waveform"))
        if features not in LAYOUTS:
            raise UnknownName("features", features, LAYOUTS)
        known = _COMMON + (_LOG_MEL if features == "log_mel" else ())
        for key, value in options.items():
            if key not in known:
                hint = "It goes with `features: log_mel`." if key in _LOG_MEL else ""
                raise UnknownName("preprocess option", key, known, hint)
            if key in _WORDS and str(value) not in _WORDS[key]:
                raise UnknownName(key, str(value), _WORDS[key])
        if (layout := str(options.get("layout", LAYOUTS[features][0]))) not in LAYOUTS[features]:
            raise UnknownName("layout", layout, LAYOUTS[features])
        lengths = _lengths(train)
        rate = _rate(options, lengths)
        samples = max(1, round(_seconds(options, lengths, rate) * rate))
        if samples > _SAMPLES_MOST:
            raise BadData(f"preprocess: a sound has {samples:,} samples; {_SAMPLES_MOST:,} are the most.\n  Give fewer seconds.")
        spec = {"kind": "audio", "input": str(options.get("input", "input")), "sample_rate": rate, "samples": samples}
        spec |= {"features": features, "layout": layout, "mean": 0.0, "std": 1.0}
        if not isinstance(options.get("normalize", False), bool):
            raise BadData(f"preprocess: normalize is {options['normalize']!r}.\n  Write true or false.")
        spec |= {"normalize": True} if options.get("normalize") else {}
        spec |= _log_mel(options, rate, samples) if features == "log_mel" else {}
        spec |= {"formats": others} if (others := _other_formats(train)) else {}
        return spec | _mean_and_std(options, spec, train)

    def ships(self, encoder: Mapping[str, Any]) -> list[str]:
        """Mean and spread of the sounds, where they were taken from train."""
        return ["the rate and length of sounds, and one mean and spread of each band"]

    def decoder(self, names: tuple[str, ...], encoder: Mapping[str, Any]) -> dict[str, Any]:
        """As the task's kind of answers has it."""
        return kind_named(self.kind).decoder(names)

    def probe(self, encoder: Mapping[str, Any], seed: int) -> np.ndarray:
        """Four sounds of 16 bits, shape (4, samples): a tone that fades, in noise; where sounds are long, their beginnings."""
        random, rate = np.random.default_rng(seed), encoder["sample_rate"]
        time_s = np.arange(min(int(encoder["samples"]), _PROBE)) / rate
        pitch, length_s = random.uniform(0.01, 0.4, (4, 1)) * rate, random.uniform(0.1, 0.6, (4, 1)) * (time_s[-1] + 1 / rate)
        loud = 10 ** random.uniform(3, 4, (4, 1))
        tones = loud * np.sin(2 * np.pi * pitch * time_s) * np.exp(-time_s / length_s)
        made: np.ndarray = np.rint(tones + random.normal(0, 100, tones.shape)).astype(np.int16)
        return made


def are_files(inputs: Any) -> bool:
    """Whether the inputs are the bytes of files."""
    return getattr(inputs, "dtype", np.dtype(float)).kind == "O" and bool(len(inputs)) and isinstance(inputs[0], bytes)


def _refuse_damaged(rows: Rows) -> None:
    """Refuse files whose head says no sound; rows that a function gives were not opened before."""
    start = 0
    for part in rows.parts():
        for at, data in enumerate(part.inputs):
            try:
                sound_length(data)
            except ValueError as error:
                raise BadData(f"the file in row {start + at} {error}.\n  Remove or replace it.") from None
        start += len(part)


def _lengths(train: Rows) -> list[tuple[int, int | None]]:
    """Samples and samples per second of some rows; arrays do not say how many there are in a second."""
    if not are_files(train.inputs):
        return [(train.inputs.shape[1], None)]
    return [sound_length(data) for data in train.spread(_LOOKED_AT).inputs]


def suggested(rows: Rows) -> dict[str, Any]:
    """The options that files suggest: their most frequent rate, and a length that nine in ten of them do not exceed."""
    lengths = _lengths(rows)
    rate = _rate({}, lengths)
    found = sorted(count / (its or rate) for count, its in lengths)
    return {"sample_rate": rate, "seconds": round(found[9 * (len(found) - 1) // 10], 2) or found[-1]}


def _rate(options: Mapping[str, Any], lengths: list[tuple[int, int | None]]) -> int:
    if "sample_rate" not in options:
        rates = [rate for _, rate in lengths if rate is not None]
        if not rates:
            raise BadData(
                "preprocess: sample_rate is missing, and arrays do not say it.\n  Give samples per second, as `sample_rate: 16000`."
            )
        return max(sorted({*rates}), key=rates.count)
    rate = options["sample_rate"]
    if type(rate) is not int or not RATES[0] <= rate <= RATES[1]:
        raise BadData(f"preprocess: sample_rate is {rate!r}.\n  Give whole samples per second from {RATES[0]} to {RATES[1]}.")
    return rate


def _seconds(options: Mapping[str, Any], lengths: list[tuple[int, int | None]], rate: int) -> float:
    if "seconds" in options:
        seconds = options["seconds"]
        if not is_finite(seconds) or not 0 < seconds <= LONGEST_S:
            raise BadData(f"preprocess: seconds is {seconds!r}.\n  Give a number above 0 and up to {LONGEST_S:g}.")
        return float(seconds)
    found = sorted(count / (its or rate) for count, its in lengths)
    middle = found[len(found) // 2]
    if found[-1] > min(_SPREAD * middle, LONGEST_S):
        raise BadData(
            f"the sounds last from {found[0]:.3g} to {found[-1]:.3g} s, half of them up to {middle:.3g} s.\n"
            f"  Say to what length they are cut or filled up: `preprocess: {{seconds: {middle:.2g}}}`."
        )
    return found[-1]


def _log_mel(options: Mapping[str, Any], rate: int, samples: int) -> dict[str, Any]:
    """What `make_log_mel` takes, whole and within bounds."""
    most = _whole("n_fft", options.get("n_fft", 1 << 16), 2, 1 << 16)
    window = _whole("win_length", options.get("win_length", min(most, max(2, round(_WINDOW_S * rate)))), 2, 1 << 16)
    n_fft = most if "n_fft" in options else 1 << (window - 1).bit_length()
    hop = _whole("hop_length", options.get("hop_length", max(1, round(_HOP_S * rate))), 1, 1 << 16)
    mels = _whole("n_mels", options.get("n_mels", min(_MELS, n_fft // 4 or 1)), 1, 4096)
    low, high = options.get("f_min", 0.0), options.get("f_max", rate / 2)
    pad = str(options.get("pad", "zeros"))
    if window > n_fft:
        raise BadData(
            f"preprocess: win_length is {window} and n_fft {n_fft}.\n  The window stands in a frame: give n_fft at least as many."
        )
    if not (is_finite(low) and is_finite(high) and 0 <= low < high <= rate / 2):
        raise BadData(
            f"preprocess: f_min is {low!r} and f_max {high!r}.\n"
            f"  Give frequencies from 0 to half of sample_rate, {rate / 2:g} Hz, the lower first."
        )
    if samples < (n_fft if pad == "none" else n_fft // 2 + 1):
        raise BadData(
            f"preprocess: a sound has {samples} samples, and a frame takes {n_fft}.\n  Give more seconds, or a smaller n_fft or win_length."
        )
    made = {"n_fft": n_fft, "win_length": window, "hop_length": hop, "n_mels": mels, "f_min": float(low), "f_max": float(high), "pad": pad}
    made |= {"mel_scale": str(options.get("mel_scale", "slaney")), "norm": str(options.get("norm", "slaney"))}
    top = options.get("top_db")
    if top is not None and (not is_finite(top) or top <= 0):
        raise BadData(f"preprocess: top_db is {top!r}.\n  Give decibels above 0, or leave it out.")
    return made | ({"top_db": float(top)} if top is not None else {})


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise BadData(f"preprocess: {name} is {value!r}.\n  Give a whole number from {low} to {high}.")
    return value


def _other_formats(train: Rows) -> list[str]:
    """What opens the files beside numpy."""
    if not are_files(train.inputs):
        return []
    for data in train.spread(_LOOKED_AT).inputs:
        try:
            plain_wav(data)
        except OtherForm:
            return ["soundfile"]
    return []


def _mean_and_std(options: Mapping[str, Any], spec: Mapping[str, Any], train: Rows) -> dict[str, Any]:
    """What is subtracted and what is divided by: numbers, or one per band."""
    mean, std = options.get("mean", 0.0), options.get("std", 1.0)
    bands = spec.get("n_mels", 1)
    if "train" in (mean, std):
        axis = {"ncft": 2, "nft": 1, "ntf": 2}.get(spec["layout"])
        found = feed.make_encoder(spec)(train.spread(_SAMPLE).inputs)[spec["input"]].astype(np.float64)
        others = None if axis is None else tuple(at for at in range(found.ndim) if at != axis)
        if mean == "train":
            mean = found.mean(axis=others).tolist()
        if std == "train":
            spread = found.std(axis=others)
            std = np.where(spread > 0, spread, 1.0).tolist()
    mean, std = _numbers("mean", mean, bands), _numbers("std", std, bands)
    if min(std if isinstance(std, list) else [std]) <= 0:
        raise BadData(f"preprocess: std is {std}.\n  It divides; give numbers above 0.")
    return {"mean": mean, "std": std}


def _numbers(name: str, value: Any, bands: int) -> Any:
    """A float, or a list of one float per band."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not all(map(is_finite, values)) or len(values) not in (1, bands):
        each = f", {bands} of them (one per band)" if bands > 1 else ""
        raise BadData(f"preprocess: {name} is {value!r:.80}.\n  Give a number{each}, or the word train.")
    return float(values[0]) if len(values) == 1 else [float(item) for item in values]
