"""Coupling, cutting, lowering and training of a tiny BERT."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.graphs import graphs
from paredown.ground.store import FolderStore
from paredown.modelkit import lower, pretrained
from paredown.modelkit.blueprint import Blueprint, open_folder, save_module, write_folder
from paredown.pruning import blocks, calibrate, count, couple, widths
from paredown.testing import tiny
from paredown.training import train

NAMES = ("input_ids", "attention_mask")
ENCODER = "model.bert.encoder.layer"


def bert(folder: Path) -> tuple[torch.nn.Module, Blueprint]:
    work = folder / "unpacked"
    work.mkdir(parents=True)
    arguments, _ = pretrained.unpack(tiny.pretrained(folder / "bert"), list(NAMES), tiny.CLASSES, work, new_head=True)
    blueprint = Blueprint(factory=pretrained.FACTORY, arguments=arguments, inputs=dict.fromkeys(NAMES, ("tokens",)))
    torch.manual_seed(0)
    return blueprint.build(), blueprint


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Blueprint]:
    return bert(tmp_path_factory.mktemp("bert"))


def feed(count: int = 24) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    sizes = draw.integers(3, 12, count)
    mask = (np.arange(12) < sizes[:, None]).astype(np.int64)
    return {"input_ids": draw.integers(4, 16, (count, 12)) * mask, "attention_mask": mask}


def test_heads_neurons_and_the_hidden_size_are_groups(given: Any) -> None:
    module, blueprint = given
    found = {group.name: (group.channels, group.rows_each) for group in couple.groups(module, blueprint.example())}
    expected = {f"{ENCODER}.{at}.attention.self.query": (4, 8) for at in range(3)}
    expected |= {f"{ENCODER}.{at}.intermediate.dense": (64, 1) for at in range(3)} | {"model.bert.pooler.dense": (32, 1)}
    expected |= {"model.bert.embeddings.word_embeddings": (32, 1)}
    assert found == expected


def test_a_head_that_is_silent_is_cut_without_a_trace(given: Any, tmp_path: Path) -> None:
    module, blueprint = bert(tmp_path)
    with torch.no_grad():
        for at in range(3):
            module.get_submodule(f"{ENCODER}.{at}.attention.output.dense").weight[:, 8:16] = 0
    before = train.predict(module, feed())
    groups = [group for group in couple.groups(module, blueprint.example()) if group.rows_each > 1]
    scores = calibrate.fisher(module, groups, feed(), seed=0)
    assert [int(score.argmin()) for score in scores] == [1, 1, 1]
    surgeries = couple.cut(module, groups, widths.uniform(groups, scores, 0.75))
    torch.testing.assert_close(train.predict(module, feed()), before)
    write_folder(module, blueprint.then(surgeries), tmp_path / "cut")
    torch.testing.assert_close(train.predict(open_folder(tmp_path / "cut"), feed()), before)


class Attention(torch.nn.Module):
    """Two heads of four channels, known by the size of one or by their number."""

    def __init__(self, *, by_number: bool) -> None:
        super().__init__()
        self.head_dim, self.by_number = 4, by_number
        self.q_proj, self.k_proj, self.v_proj, self.out = (torch.nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        form = (2, -1) if self.by_number else (-1, 4)
        q, k, v = (layer(x).unflatten(-1, form).transpose(1, 2) for layer in (self.q_proj, self.k_proj, self.v_proj))
        return self.out((5 * q @ k.transpose(-1, -2)).softmax(-1).matmul(v).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("by_number", [True, False])
def test_heads_that_are_measured_are_cut_and_those_that_are_counted_stay_whole(by_number: bool) -> None:
    torch.manual_seed(0)
    found = couple.search(Attention(by_number=by_number).eval(), (torch.randn(1, 6, 8),))
    assert [group.channels for group in found.groups] == ([] if by_number else [2])
    assert list(found.whole) == (["q_proj"] if by_number else [])


def test_layers_can_be_left_out(given: Any) -> None:
    module, blueprint = given
    assert blocks.lists(module, blueprint.example()) == {ENCODER: [0, 1, 2]}
    (cut,) = blocks.choose(module, {ENCODER: [0, 1, 2]}, feed(), 2)
    assert (cut.layer, cut.tensor, len(cut.kept)) == (ENCODER, "", 1)


def test_a_module_that_is_a_list_itself_is_looked_into() -> None:
    def part(width: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.ReLU())

    assert blocks.lists(torch.nn.Sequential(part(8), part(8), part(3)), (torch.zeros(1, 8),)) == {}
    inner = torch.nn.Sequential(part(8), part(8))
    assert blocks.lists(torch.nn.Sequential(inner, torch.nn.Sequential(torch.nn.Linear(8, 3))), (torch.zeros(1, 8),)) == {"0": [0, 1]}


def test_blocks_are_found_inside_stages_that_change_the_shape() -> None:
    def stage(came: int, width: int) -> torch.nn.Module:
        like = (torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU()) for _ in range(2))
        return torch.nn.Sequential(torch.nn.Linear(came, width), torch.nn.Sequential(*like))

    stages = torch.nn.Sequential(stage(8, 12), stage(12, 16))
    net = torch.nn.Sequential(stages, torch.nn.Linear(16, 3))
    assert blocks.lists(net, (torch.zeros(1, 8),)) == {"0.0.1": [0, 1], "0.1.1": [0, 1]}


def test_the_graph_takes_any_number_of_rows_and_tokens(given: Any, tmp_path: Path) -> None:
    import onnxruntime

    module, blueprint = given
    store = FolderStore(tmp_path / "store")
    candidate: Candidate = save_module(module, blueprint, store, tmp_path / "work")
    graph = lower.to_onnx(candidate, store, tmp_path / "lowering")
    session = onnxruntime.InferenceSession(str(store.folder(graph.digest) / "graph.onnx"))
    assert [item.name for item in session.get_inputs()] == list(NAMES)
    for rows, tokens in ((1, 2), (1, 12), (5, 7)):
        part = {name: array[:rows, :tokens] for name, array in feed().items()}
        expected = train.predict(module, part).numpy()
        np.testing.assert_allclose(session.run(None, part)[0], expected, atol=1e-5)
    # the same work is counted of the same tokens
    products, _ = graphs.count(graphs.load_clean(store.folder(graph.digest), "counting"))
    of_layers = sum(count.multiply_adds(module, blueprint.example()).values())
    assert products == of_layers


def test_rows_of_like_length_stand_together_and_none_is_asked_twice() -> None:
    sizes = train.lengths(train.tensors(feed(64)))
    assert sizes is not None
    steps = list(train.batches(64, 8, sizes, torch.Generator().manual_seed(0)))
    assert sorted(torch.cat(steps).tolist()) == list(range(64))
    padded = sum(int(sizes[rows].max()) * len(rows) - int(sizes[rows].sum()) for rows in steps)
    assert padded < 64
    inputs = train.tensors(feed(64))
    assert train.part_of(inputs, steps[0], sizes)[0].shape == (8, int(sizes[steps[0]].max()))


def test_long_rows_are_left_over_no_more_often_than_short_ones() -> None:
    sizes, generator = torch.arange(1, 101), torch.Generator().manual_seed(0)
    passes = [torch.cat(list(train.batches(100, 64, sizes, generator))) for _ in range(20)]
    assert {len(rows) for rows in passes} == {64}
    assert torch.cat(passes).unique().tolist() == list(range(100))


def test_images_have_no_lengths_and_predictions_keep_their_order(given: Any) -> None:
    assert train.lengths((torch.zeros(3, 1, 6, 6),)) is None
    assert train.lengths((torch.tensor([[0, 1, 1]]),)) is None
    module, _ = given
    whole, rows = feed(), feed()
    alone = torch.cat([module(*(torch.from_numpy(rows[name][at : at + 1]) for name in NAMES)) for at in range(24)])
    torch.testing.assert_close(train.predict(module, whole, batch=5), alone.detach(), atol=1e-5, rtol=1e-4)


def test_a_teacher_of_tokens_is_asked_once_per_row(given: Any) -> None:
    asked = []

    def teacher(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        asked.append(len(ids))
        return torch.zeros(len(ids), tiny.CLASSES)

    student = torch.nn.Sequential()
    student.forward = lambda ids, mask: weight.expand(len(ids), -1)  # type: ignore[method-assign]
    weight = torch.nn.Parameter(torch.ones(tiny.CLASSES))
    student.register_parameter("weight", weight)
    how = train.Training(epochs=3, batch=8, alpha=0.0)
    train.fit(student, feed(), None, how, kind="class", seed=0, teacher=teacher)
    assert asked[0] == 1  # how wide an answer is
    assert sum(asked[1:]) == 24


class Counting(torch.nn.Module):
    """Asks its blocks by number, whatever was left out."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(torch.nn.Sequential(torch.nn.Linear(4, 4)) for _ in range(3))

    def forward(self, felt: torch.Tensor) -> torch.Tensor:
        for at in range(3):
            felt = self.blocks[at](felt)
        return felt


def test_a_module_that_counts_on_its_blocks_is_unfit() -> None:
    module = Counting().eval()
    places = blocks.lists(module, (torch.zeros(1, 4),))
    assert places == {"blocks": [0, 1, 2]}
    with pytest.raises(Unfit, match="this module does not run without one of its blocks: IndexError"):
        blocks.choose(module, places, {"x": np.zeros((2, 4), np.float32)}, 1)


class Owning(torch.nn.Module):
    """The first block owns a table that all is added to."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(torch.nn.Sequential(torch.nn.Linear(4, 4)) for _ in range(3))
        self.blocks[0].table = torch.nn.Parameter(torch.ones(4))

    def forward(self, felt: torch.Tensor) -> torch.Tensor:
        felt = felt + self.blocks[0].table
        for block in self.blocks:
            felt = block(felt)
        return felt


def test_a_block_without_which_nothing_runs_stays() -> None:
    module = Owning().eval()
    places = blocks.lists(module, (torch.zeros(1, 4),))
    (cut,) = blocks.choose(module, places, {"x": np.ones((2, 4), np.float32)}, 2)
    assert cut.kept == [0]
