"""Sounds from files and arrays: every kind of wav against its own samples, the filter against scipy's, damage by name."""

import io
import re
import sys
import wave
from math import gcd

import numpy as np
import pytest

from paredown.encoders import waveforms
from paredown.encoders.waveforms import make_resampler, open_sound, plain_wav, sound_length, to_length, waves_of
from sound_files import KINDS, tone, wav

SOUND = np.random.default_rng(0).uniform(-1, 1, 500)
STEP = {"8": 2.0**-7, "16": 2.0**-15, "24": 2.0**-23, "32": 2.0**-24, "float": 2.0**-24, "double": 2.0**-24}


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_samples_of_every_kind_come_back_as_the_mean_of_their_channels(kind, channels, extensible):
    sound = SOUND.reshape(-1, channels)
    data = wav(sound if channels > 1 else sound[:, 0], 11025, kind, extensible=extensible, before=b"LIST\x03\x00\x00\x00abc\x00")
    found, rate = open_sound(data)
    assert (rate, found.dtype, found.shape, sound_length(data)) == (11025, np.float32, (500 // channels,), (500 // channels, 11025))
    np.testing.assert_allclose(found, sound.mean(axis=1), atol=1.01 * STEP[kind])


def test_a_file_that_pythons_own_library_wrote_is_read(tmp_path):
    whole = (np.arange(-300, 300) * 100).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(whole.tobytes())
    for path in (tmp_path / "a.wav", str(tmp_path / "a.wav")):
        found, rate = open_sound(path)
        assert rate == 16000
        np.testing.assert_allclose(found, whole.reshape(-1, 2).mean(axis=1) / 32768, atol=1e-7)


def test_a_file_written_into_a_pipe_ends_where_it_ends():
    data = wav(SOUND)
    at = data.index(b"data") + 4
    for riff, size in ((b"\xff" * 4, b"\xff" * 4), (bytes(4), bytes(4))):
        piped = data[:4] + riff + data[8:at] + size + data[at + 4 :]
        np.testing.assert_array_equal(open_sound(piped)[0], open_sound(data)[0])


def test_no_more_is_read_than_is_enough():
    found, _ = open_sound(wav(tone(400, 3)), most_s=1.0)
    assert 8000 <= len(found) < 8100
    np.testing.assert_array_equal(found, open_sound(wav(tone(400, 3)))[0][: len(found)])


def cut(data, at):
    return data[:at]


def changed(data, at, new):
    return data[:at] + new + data[at + len(new) :]


WHOLE = wav(SOUND)
A_LAW = changed(WHOLE, 20, b"\x06\x00")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (cut(WHOLE, 600), "sound 3 is cut short: it announces 1,000 bytes of sound and holds 556."),
        (cut(WHOLE, 36), "sound 3 is cut short: it has no samples."),
        (cut(WHOLE, 20), "sound 3 is cut short: it has no samples."),
        (changed(WHOLE, 22, b"\x00\x00"), "sound 3 announces 0 channels at 8,000 samples per second."),
        (changed(WHOLE, 24, b"\x01\x00\x00\x00"), "announces 1 channels at 1 samples per second."),
        (wav(SOUND[:0]), "sound 3 holds no sample."),
        (wav(np.array([0.1, np.nan]), kind="float"), "sound 3 holds NaN or infinite samples."),
    ],
)
def test_damaged_files_are_refused_by_their_place(data, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        open_sound(data, 3)


@pytest.mark.parametrize("data", [A_LAW, b"fLaC" + bytes(100), b"", b"no sound at all"])
def test_other_forms_need_soundfile_and_say_so(data, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (tmp_path / "a.flac").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.flac .*files of other forms, as flac, need soundfile: `pip install soundfile`\.$"):
        open_sound(tmp_path / "a.flac")
    with pytest.raises(waveforms.OtherForm):
        plain_wav(data)


@pytest.mark.parametrize(("form", "subtype", "step"), [("FLAC", "PCM_16", 2.0**-14), ("WAV", "ULAW", 0.03), ("AIFF", "PCM_24", 1e-6)])
def test_soundfile_opens_what_is_no_plain_wav(form, subtype, step):
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, SOUND.reshape(-1, 2), 22050, format=form, subtype=subtype)
    data = file.getvalue()
    found, rate = open_sound(data)
    assert (rate, sound_length(data)) == (22050, (250, 22050))
    np.testing.assert_allclose(found, SOUND.reshape(-1, 2).mean(axis=1), atol=step)
    assert len(open_sound(data, most_s=0.001)[0]) < 60
    for damaged in (data[: len(data) // 2], data[:60], data[:60] + bytes(len(data) - 60)) if form == "FLAC" else ():
        with pytest.raises(ValueError, match=r"^sound 0 (is damaged|cannot be opened as sound|announces|holds no sample)"):
            open_sound(damaged)


def test_what_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"no\.wav cannot be read \(No such file or directory\)\."):
        open_sound(tmp_path / "no.wav")


RATES = [(16000, 8000), (8000, 16000), (44100, 16000), (48000, 44100), (11025, 16000), (22254, 8000), (8000, 7999), (384_000, 100)]


@pytest.mark.parametrize("length", [1, 37, 2000])
@pytest.mark.parametrize(("given", "wanted"), RATES)
def test_the_filter_is_that_of_scipy(given, wanted, length):
    signal = pytest.importorskip("scipy.signal")
    sound = np.random.default_rng(length).normal(size=length)
    expected = signal.resample_poly(sound, wanted // gcd(given, wanted), given // gcd(given, wanted))
    found = make_resampler(given, wanted)(sound.astype(np.float32))
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    np.testing.assert_allclose(found, expected, atol=3e-6)


@pytest.mark.parametrize(("given", "wanted"), [(16000, 8000), (44100, 16000), (8000, 22050)])
def test_a_tone_that_both_rates_can_hold_stays_and_one_that_they_cannot_goes(given, wanted):
    low, inner = make_resampler(given, wanted)(tone(500, 0.5, given).astype(np.float32)), slice(200, -200)
    np.testing.assert_allclose(low[inner], tone(500, 0.5, wanted)[: len(low)][inner], atol=2e-3)
    if given > wanted:
        high = make_resampler(given, wanted)(tone(0.75 * wanted, 0.5, given).astype(np.float32))
        assert np.abs(high[inner]).max() < 1e-3


def test_what_is_read_of_a_long_file_is_resampled_as_the_whole_of_it():
    long = np.random.default_rng(1).uniform(-1, 1, 44100)
    (some,) = waves_of(wav(long, 44100, "float"), 8000, 0.3)
    whole = make_resampler(44100, 8000)(long.astype(np.float32))
    np.testing.assert_allclose(some[:2400], whole[:2400], atol=1e-6)
    assert len(some) < 3000


def test_a_batch_may_be_files_or_arrays_of_floats_or_16_bits():
    sound = SOUND.astype(np.float32)
    whole = np.rint(SOUND * 32767).astype(np.int16)
    for inputs, count in ((sound, 1), (sound[None], 1), ([sound, sound[:9]], 2), (sound.tolist(), 1), (wav(SOUND, kind="float"), 1)):
        found = [*waves_of(inputs, 8000, 1.0)]
        assert (len(found), found[0].dtype) == (count, np.float32)
        np.testing.assert_allclose(found[0], sound, atol=1e-7)
    for inputs in (whole[None], whole.astype(np.int32)[None], [whole.tolist()] * 2):
        np.testing.assert_allclose(next(waves_of(inputs, 8000, 1.0)), whole / 32768, atol=1e-7)
    files = np.empty(2, object)
    files[:] = [wav(SOUND, kind="float"), wav(SOUND[:20], kind="float")]
    assert [len(found) for found in waves_of(files, 8000, 1.0)] == [500, 20]
    assert [*waves_of(files[:0], 8000, 1.0)] == []


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (np.zeros((2, 3, 4)), "sound 0 is float64 of shape (3, 4); give samples (T,) of one channel, floats from -1 to 1 or 16 bits."),
        (np.zeros((2, 0)), "sound 0 is float64 of shape (0,)"),
        (np.zeros((2, 9), np.uint8), "sound 0 is uint8 of shape (9,)"),
        (np.full((2, 9), 40_000), "sound 0 holds whole numbers from 40000 to 40000; those of 16 bits are taken."),
        ([["a", "b"]], "sound 0 is <U1 of shape (2,)"),
        ([[[0.1], [0.2, 0.3]]], "sound 0 is float64 of shape (0, 0)"),
        ({"a": 1}, "the inputs are of type dict; give an array (N, samples), or files of sound."),
        (7, "the inputs are of type int"),
    ],
)
def test_what_is_no_sound_is_refused_in_words(inputs, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        [*waves_of(inputs, 8000, 1.0)]


def test_a_sound_is_cut_or_filled_up_with_silence():
    assert to_length(np.ones(3, np.float32), 5).tolist() == [1, 1, 1, 0, 0]
    assert to_length(np.arange(5, dtype=np.float32), 3).tolist() == [0, 1, 2]


def test_a_product_in_parts_is_the_product(monkeypatch):
    draw = np.random.default_rng(0)
    left, right = draw.normal(size=(50, 7)).astype(np.float32), draw.normal(size=(7, 11)).astype(np.float32)
    for most in (1, 77 * 3, 10_000):
        monkeypatch.setattr(waveforms, "_ONE_THREAD", most)
        np.testing.assert_allclose(waveforms.product(left, right), left.astype(float) @ right, rtol=1e-4, atol=1e-5)
