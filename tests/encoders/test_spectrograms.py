"""Mel spectrograms against a written-out sum, and against the functions that transformers has for them."""

import re

import numpy as np
import pytest

from paredown.encoders.spectrograms import FLOOR, audio_shape, make_audio_encoder, make_log_mel, mel_filters, time_axis
from sound_files import tone, wav

SOUND = (tone(440, 0.25) + np.random.default_rng(0).normal(0, 0.05, 2000)).astype(np.float32)


def spec(**changes):
    made = {"kind": "audio", "input": "input", "sample_rate": 8000, "samples": 2000, "features": "log_mel", "layout": "nft"}
    made |= {"mean": 0.0, "std": 1.0, "n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 20, "f_min": 0.0, "f_max": 4000.0}
    return made | {"mel_scale": "slaney", "norm": "slaney", "pad": "zeros"} | changes


def written_out(sound, given):
    """The definition, frame by frame and frequency by frequency, in float64."""
    n_fft, length, around = given["n_fft"], given["win_length"], given["n_fft"] // 2
    window = np.zeros(n_fft)
    window[(n_fft - length) // 2 : (n_fft - length) // 2 + length] = [np.sin(np.pi * at / length) ** 2 for at in range(length)]
    if given["pad"] != "none":
        sound = np.pad(sound.astype(float), around, mode={"zeros": "constant", "reflect": "reflect"}[given["pad"]])
    waves = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), np.arange(n_fft)) / n_fft)
    frames = [sound[at : at + n_fft] * window for at in range(0, len(sound) - n_fft + 1, given["hop_length"])]
    power = np.abs(np.array(frames) @ waves.T) ** 2
    loud = 10 * np.log10(np.maximum(power @ mel_filters(given), FLOOR))
    if "top_db" in given:
        loud = np.maximum(loud, loud.max() - given["top_db"])
    return ((loud - given["mean"]) / given["std"]).T


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pad": "reflect", "mel_scale": "htk", "norm": "none"},
        {"pad": "none", "top_db": 30.0},
        {"n_fft": 255, "win_length": 255, "hop_length": 101, "n_mels": 7},
        {"mean": -40.0, "std": 7.0},
        {"mean": list(range(-60, -40)), "std": list(range(5, 25))},
        {"f_min": 300.0, "f_max": 3000.0, "n_mels": 33},
    ],
    ids=str,
)
def test_it_is_the_definition(changes):
    given = spec(**changes)
    found = make_log_mel(given)(SOUND)
    assert (found.dtype, found.shape) == (np.float32, audio_shape(given))
    np.testing.assert_allclose(found, written_out(SOUND, given), atol=2e-3)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", "none"])
def test_filters_and_frames_are_those_of_transformers(scale, norm):
    audio = pytest.importorskip("transformers.audio_utils")
    given = spec(mel_scale=scale, norm=norm, f_min=50.0, win_length=256, pad="reflect")
    filters = audio.mel_filter_bank(129, 20, 50.0, 4000.0, 8000, norm="slaney" if norm == "slaney" else None, mel_scale=scale)
    np.testing.assert_allclose(mel_filters(given), filters, atol=1e-9)
    window = audio.window_function(256, "hann")
    theirs = audio.spectrogram(SOUND, window, 256, 80, 256, power=2.0, center=True, pad_mode="reflect", mel_filters=filters, log_mel="dB")
    np.testing.assert_allclose(make_log_mel(given)(SOUND), theirs, atol=2e-3)


def test_the_mel_scales_are_the_published_ones():
    corners = mel_filters(spec(n_fft=8000, n_mels=38, norm="none")).argmax(axis=0)
    steps = np.diff(corners[:12])
    assert (np.abs(steps - steps[0]) <= 1).all()  # equal steps below 1 kHz
    ratio = np.diff(np.log(corners[-12:]))
    np.testing.assert_allclose(ratio, ratio[0], rtol=0.02)  # equal ratios above
    htk = mel_filters(spec(n_fft=8000, n_mels=3, mel_scale="htk", norm="none")).argmax(axis=0)
    top = 2595 * np.log10(1 + 4000 / 700)
    np.testing.assert_allclose(htk, [700 * (10 ** (top * at / 4 / 2595) - 1) for at in (1, 2, 3)], atol=0.6)


def test_a_norm_gives_each_filter_the_area_one():
    sums = mel_filters(spec(n_fft=8192)).sum(axis=0) * 8000 / 8192
    np.testing.assert_allclose(sums, 1, rtol=0.02)


@pytest.mark.parametrize(
    ("changes", "shape", "time"),
    [
        ({"layout": "ncft"}, (1, 20, 26), 3),
        ({"layout": "nft"}, (20, 26), 2),
        ({"layout": "ntf"}, (26, 20), 1),
        ({"features": "waveform", "layout": "nct"}, (1, 2000), 2),
        ({"features": "waveform", "layout": "nt"}, (2000,), 1),
    ],
)
def test_axes_stand_as_the_layout_says(changes, shape, time):
    given = spec(**changes)
    found = make_audio_encoder(given)([SOUND, wav(SOUND, kind="float"), SOUND[:100]])["input"]
    assert (found.shape, audio_shape(given), time_axis(given), found.flags.c_contiguous) == ((3, *shape), shape, time, True)
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
    if given["features"] == "log_mel":
        plain = make_audio_encoder(spec())(SOUND)["input"][0]
        np.testing.assert_array_equal(np.moveaxis(found[0], time - 1, -1).reshape(20, 26), plain)
    assert make_audio_encoder(given)(np.empty(0, object))["input"].shape == (0, *shape)


def test_waveforms_are_moved_scaled_cut_and_filled_up():
    given = {"kind": "audio", "input": "x", "sample_rate": 8000, "samples": 4, "features": "waveform", "layout": "nt"}
    encode = make_audio_encoder(given | {"mean": 0.5, "std": 0.25})
    np.testing.assert_allclose(encode([[0.5, 0.75], [0.0, 0.25, 0.5, 0.75, 1.0]])["x"], [[0, 1, -2, -2], [-2, -1, 0, 1]])


def test_each_sound_may_be_normalized_before_it_is_filled_up():
    given = {"kind": "audio", "input": "x", "sample_rate": 8000, "samples": 3000, "features": "waveform", "layout": "nt"}
    found = make_audio_encoder(given | {"mean": 0.0, "std": 1.0, "normalize": True})(SOUND * 0.1 + 0.2)["x"][0]
    assert abs(found[:2000].mean()) < 1e-5
    assert found[:2000].std() == pytest.approx(1, abs=1e-3)
    assert not found[2000:].any()


def test_another_kind_of_input_has_no_time():
    assert time_axis({"kind": "image", "layout": "nchw"}) is None


def test_unknown_features_and_layouts_are_refused():
    with pytest.raises(ValueError, match=re.escape("features 'log_mel' in the layout 'nct' are not one of")):
        make_audio_encoder(spec(layout="nct"))
