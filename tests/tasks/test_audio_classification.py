import json
import re

import numpy as np
import pytest

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.encoders import feed
from paredown.tasks.audio import suggested
from paredown.tasks.audio_classification import AudioClassification
from paredown.tasks.audio_multilabel import AudioMultilabel
from paredown.tasks.audio_regression import AudioRegression
from paredown.testing.contracts import check_task
from sound_files import tone, wav

TASK = AudioClassification()
MEL = {"features": "log_mel"}
DRAW = np.random.default_rng(0)
ARRAYS = DRAW.uniform(-0.5, 0.5, (6, 2000)).astype(np.float32)


def rows(sounds):
    return Rows(inputs=sounds, labels=np.arange(len(sounds)) % 2, names=("a", "b"))


def files(*seconds, rate=8000):
    found = np.empty(len(seconds), object)
    for at, each in enumerate(seconds):
        found[at] = wav(tone(300 + 50 * at, each, rate) + DRAW.normal(0, 0.01, round(each * rate)), rate)
    return found


@pytest.mark.parametrize("options", [{"seconds": 0.5}, MEL, MEL | {"layout": "ntf", "mean": "train", "std": "train"}], ids=str)
@pytest.mark.parametrize("sounds", [files(0.5, 0.5, 0.4), ARRAYS, (ARRAYS * 32768).astype(np.int16)], ids=["files", "floats", "16 bits"])
def test_contract(sounds, options):
    check_task(TASK, rows(sounds), options | {"sample_rate": 8000})


def test_other_kinds_of_answers_come_by_their_name():
    found = rows(ARRAYS)
    assert [task.name() for task in (TASK, AudioMultilabel(), AudioRegression())] == [
        "audio-classification",
        "audio-multilabel",
        "audio-regression",
    ]
    numbers = Rows(inputs=ARRAYS, labels=np.zeros((6, 1)), names=("n",))
    check_task(AudioMultilabel(), found, {"sample_rate": 8000})
    check_task(AudioRegression(), numbers, {"sample_rate": 8000})


def test_rate_and_length_come_from_the_files():
    sounds = np.concatenate([files(0.5, 0.45, 0.6), files(0.5, rate=16000)])
    spec = TASK.encoder(rows(sounds), {})
    assert json.loads(json.dumps(spec)) == spec
    assert spec == {
        "kind": "audio",
        "input": "input",
        "sample_rate": 8000,
        "samples": 4800,
        "features": "waveform",
        "layout": "nct",
        "mean": 0.0,
        "std": 1.0,
    }
    assert feed.make_encoder(spec)(sounds)["input"].shape == (4, 1, 4800)
    assert TASK.encoder(rows(sounds), {"seconds": 2, "sample_rate": 4000})["samples"] == 8000
    assert suggested(rows(files(0.5, 0.5, 0.5, 0.5, 9))) == {"sample_rate": 8000, "seconds": 0.5}


def test_usual_frames_are_25_ms_every_10_ms():
    for rate, n_fft in ((8000, 256), (16000, 512), (44100, 2048)):
        spec = TASK.encoder(rows(ARRAYS), MEL | {"sample_rate": rate, "seconds": 1})
        assert (spec["win_length"], spec["hop_length"], spec["n_fft"], spec["n_mels"]) == (round(0.025 * rate), rate // 100, n_fft, 40)
        assert (spec["f_min"], spec["f_max"], spec["mel_scale"], spec["norm"], spec["pad"]) == (0, rate / 2, "slaney", "slaney", "zeros")
        assert feed.feed_shape(spec) == (1, 40, 1 + rate // spec["hop_length"])
    few = TASK.encoder(rows(ARRAYS), MEL | {"sample_rate": 8000, "n_fft": 64})
    assert (few["win_length"], few["n_mels"]) == (64, 16)


@pytest.mark.parametrize("sounds", [files(0.5, 0.5, 0.4, 0.5), ARRAYS], ids=["files", "arrays"])
def test_statistics_of_train_make_mean_zero_and_spread_one_per_band(sounds):
    for layout, axes in (("ncft", (0, 1, 3)), ("nft", (0, 2)), ("ntf", (0, 1))):
        spec = TASK.encoder(rows(sounds), MEL | {"sample_rate": 8000, "layout": layout, "mean": "train", "std": "train"})
        found = feed.make_encoder(spec)(sounds)["input"]
        np.testing.assert_allclose(found.mean(axis=axes), 0, atol=1e-3)
        np.testing.assert_allclose(found.std(axis=axes), 1, atol=1e-3)
    spec = TASK.encoder(rows(sounds), {"sample_rate": 8000, "mean": "train", "std": "train"})
    assert isinstance(spec["mean"], float)
    assert feed.make_encoder(spec)(sounds)["input"].std() == pytest.approx(1, abs=1e-3)
    silent = TASK.encoder(rows(np.zeros((2, 900), np.float32)), {"sample_rate": 8000, "mean": "train", "std": "train"})
    assert (silent["mean"], silent["std"]) == (0, 1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "sample_rate is missing, and arrays do not say it.\n  Give samples per second, as `sample_rate: 16000`."),
        ({"sample_rate": 8000.0}, "sample_rate is 8000.0.\n  Give whole samples per second from 100 to 384000."),
        ({"sample_rate": 7}, "sample_rate is 7"),
        ({"seconds": 0}, "seconds is 0.\n  Give a number above 0 and up to 600."),
        ({"seconds": "1 s"}, "seconds is '1 s'"),
        ({"seconds": 600, "sample_rate": 48000}, "a sound has 28,800,000 samples; 16,777,216 are the most"),
        ({"normalize": 1}, "normalize is 1.\n  Write true or false."),
        ({"mean": "much"}, "mean is 'much'.\n  Give a number, or the word train."),
        ({"std": 0}, "std is 0.0.\n  It divides"),
        (MEL | {"std": [1, 2]}, "std is [1, 2].\n  Give a number, 40 of them (one per band), or the word train."),
        (MEL | {"n_fft": "big"}, "n_fft is 'big'.\n  Give a whole number from 2 to 65536."),
        (MEL | {"n_fft": 128, "win_length": 200}, "win_length is 200 and n_fft 128.\n  The window stands in a frame"),
        (MEL | {"hop_length": 0}, "hop_length is 0"),
        (MEL | {"n_mels": 1.5}, "n_mels is 1.5"),
        (MEL | {"f_max": 5000}, "f_min is 0.0 and f_max 5000.\n  Give frequencies from 0 to half of sample_rate, 4000 Hz"),
        (MEL | {"f_min": 300, "f_max": 200}, "f_min is 300 and f_max 200"),
        (MEL | {"top_db": -80}, "top_db is -80"),
        (MEL | {"seconds": 0.01}, "a sound has 80 samples, and a frame takes 256"),
        (MEL | {"seconds": 0.03, "pad": "none"}, "a sound has 240 samples, and a frame takes 256"),
        ({"graph": {"takes": [{"whole": [0, 9]}], "several": False}}, "the model takes whole numbers or several inputs"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(BadData, match=re.escape(text)):
        TASK.encoder(rows(ARRAYS), ({} if not options else {"sample_rate": 8000}) | options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sample_rat": 1}, "no preprocess option 'sample_rat'. Did you mean 'sample_rate'?"),
        ({"n_mels": 64}, "no preprocess option 'n_mels'."),
        ({"n_mels": 64}, "It goes with `features: log_mel`."),
        ({"features": "mel"}, "no features 'mel'. Did you mean 'log_mel'?"),
        ({"layout": "ncft"}, "no layout 'ncft'. Did you mean 'nct'?"),
        (MEL | {"mel_scale": "HTK"}, "no mel_scale 'HTK'."),
        (MEL | {"pad": "zero"}, "no pad 'zero'. Did you mean 'zeros'?"),
        (MEL | {"norm": None}, "no norm 'None'."),
    ],
)
def test_unknown_options_are_refused_with_the_nearest(options, text):
    with pytest.raises(UnknownName, match=re.escape(text)):
        TASK.encoder(rows(ARRAYS), {"sample_rate": 8000} | options)


def test_sounds_of_very_different_lengths_need_a_word():
    with pytest.raises(BadData, match=re.escape("the sounds last from 0.5 to 3 s, half of them up to 0.6 s.\n  Say to what length")):
        TASK.encoder(rows(files(0.5, 0.6, 3)), {})
    assert TASK.encoder(rows(files(0.5, 0.6, 3)), {"seconds": 0.6})["samples"] == 4800


def broken():
    found = files(0.5, 0.5, 0.5)
    found[2] = found[2][:100]
    return found


@pytest.mark.parametrize(
    ("sounds", "text"),
    [
        (np.array(["a", "b"], object), "the inputs are texts.\n  Such a task needs files of sound"),
        ({"age": np.zeros(3)}, "the inputs are columns"),
        (np.zeros((2, 3, 4)), "the inputs are an array (2, 3, 4) of float64"),
        (np.zeros((2, 0)), "the inputs are an array (2, 0)"),
        (np.zeros((2, 5), np.uint8), "the inputs are an array (2, 5) of uint8"),
        (np.array([[0, np.nan]]), "1 of 1 sounds hold NaN or infinite values, first row 0"),
        (np.array([[0.0, -60.0]]), "the sounds hold values from -60 to 0.\n  Floats go from -1 to 1, whole numbers are of 16 bits"),
        (np.array([[0, 40_000]]), "the sounds hold values from 0 to 40000"),
        (broken(), "the file in row 2 is cut short: it announces 8,000 bytes of sound and holds 56.\n  Remove or replace it."),
    ],
)
def test_wrong_sounds_are_refused(sounds, text):
    with pytest.raises(BadData, match=re.escape(text)):
        TASK.check(Rows(inputs=sounds, labels=None))


def test_a_file_that_is_no_plain_wav_is_told_to_whoever_serves():
    soundfile = pytest.importorskip("soundfile")
    import io

    file = io.BytesIO()
    soundfile.write(file, ARRAYS[0], 8000, format="FLAC")
    sounds = files(0.25, 0.25)
    assert "formats" not in TASK.encoder(rows(sounds), {})
    sounds[1] = file.getvalue()
    assert TASK.encoder(rows(sounds), {})["formats"] == ["soundfile"]


def test_the_probe_of_long_sounds_is_their_beginnings():
    spec = TASK.encoder(rows(ARRAYS), {"sample_rate": 16000, "seconds": 60})
    probe = TASK.probe(spec, 0)
    assert (probe.shape, probe.dtype) == ((4, 32768), np.int16)
    assert np.abs(probe).max(axis=1).min() > 1000
    assert np.array_equal(feed.make_encoder(spec)(probe)["input"], feed.make_encoder(spec)(probe.tolist())["input"])
