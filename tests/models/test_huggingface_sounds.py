"""Sound classifiers of transformers: fed by the encoder they answer like the original with its own feature extractor."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.encoders import feed
from paredown.ground.store import FolderStore
from paredown.modelkit.blueprint import open_module
from paredown.modelkit.lower import to_onnx
from paredown.models import feature_extractor
from paredown.models.huggingface import Huggingface
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.tasks.audio_classification import AudioClassification
from sound_files import tone, wav

UNIT, TASK, RATE = Huggingface(), AudioClassification(), 16000
NAMES = ("high", "low")
SOUNDS = [tone(hertz, 0.2, RATE, loud) + 0.01 for hertz, loud in ((300, 0.5), (2000, 0.1), (700, 0.02))]


def small(kind: str) -> Any:
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "num_labels": 2}
    convs = {"conv_dim": (8, 8, 8), "conv_stride": (5, 4, 4), "conv_kernel": (10, 8, 8), "num_feat_extract_layers": 3}
    more = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8}
    names = {"id2label": dict(enumerate(NAMES)), "label2id": {name: at for at, name in enumerate(NAMES)}}
    return getattr(transformers, f"{kind}Config")(**sizes, **convs, **more, **names)


@pytest.fixture(scope="module", params=["Wav2Vec2", "Hubert"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp(request.param)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{request.param}ForSequenceClassification")(small(request.param))
    model.eval().save_pretrained(made)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(made)
    return made


def context(tmp_path: Path, encode: Any) -> Context:
    (tmp_path / "work").mkdir()
    rows = Rows(inputs=np.stack(SOUNDS).astype(np.float32), labels=np.arange(3) % 2, names=NAMES)
    return Context(
        data={"train": lambda: rows},
        encode=encode,
        decode=TASK.decoder(NAMES, {}),
        teacher=None,  # type: ignore[arg-type]
        ask=lambda given: None,
        store=FolderStore(tmp_path / "store"),
        seed=0,
        threads=1,
        work=tmp_path / "work",
    )


@pytest.mark.slow
def test_files_are_answered_as_by_the_model_with_its_own_extractor(folder: Path, tmp_path: Path) -> None:
    spec = ModelSpec(kind="huggingface", value=str(folder))
    options = UNIT.preprocess(spec, Path(), tmp_path)
    assert options == {"input": "input_values", "features": "waveform", "layout": "nt", "sample_rate": RATE, "normalize": True}
    assert UNIT.labels(spec, Path()) == NAMES
    files = np.empty(3, object)
    files[:] = [wav(sound, RATE, "float") for sound in SOUNDS]
    encode = TASK.encoder(Rows(inputs=files, labels=None), options)
    assert encode["samples"] == RATE // 5
    given = context(tmp_path, feed.make_encoder(encode))
    candidate = UNIT.prepare(spec, Path(), feed.feed_shapes(encode), 2, given)
    module, _ = open_module(candidate, given.store)
    found = feed.make_encoder(encode)(files)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    model = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        mine = module.eval()(torch.from_numpy(found["input_values"])).numpy()
        theirs = model(**extractor(SOUNDS, sampling_rate=RATE, return_tensors="pt")).logits.numpy()
    np.testing.assert_allclose(mine, theirs, atol=1e-4)
    lowered = to_onnx(candidate, given.store, given.work)
    session = Onnxruntime().open(given.store.folder(lowered.digest), "graph.onnx", {"threads": 1})
    np.testing.assert_allclose(session.run(found)["logits"], theirs, atol=1e-3)
    session.close()


def test_other_extractors_are_refused_with_the_way_out(tmp_path: Path) -> None:
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path)
    assert feature_extractor.hears(tmp_path)
    with pytest.raises(BadModel, match=re.escape("the feature extractor WhisperFeatureExtractor makes something else than waveforms")):
        feature_extractor.options_of(tmp_path)
    (tmp_path / feature_extractor.FILE).write_text(json.dumps({"feature_extractor_type": "NoSuch"}))
    with pytest.raises(BadModel, match="the feature extractor cannot be opened"):
        feature_extractor.options_of(tmp_path)
    (tmp_path / feature_extractor.FILE).write_text("{")
    assert not feature_extractor.hears(tmp_path)
