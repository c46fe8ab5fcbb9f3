"""Sounds for a module in memory: the bytes of files, or arrays where the task says that they are sounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from paredown.core.errors import BadData
from paredown.ground import registry
from paredown.inmemory import in_program, shrink
from sound_files import tone, wav


def test_sounds_go_in_as_the_bytes_of_files_or_as_arrays_by_name() -> None:
    sounds = [wav(tone(hertz, 0.02)) for hertz in (300, 500, 300, 500)]
    rows = in_program.labeled("test", (sounds, [0, 1, 0, 1]), ())
    assert in_program.guessed(rows, as_images=False) == ("audio-classification", "the bytes of files")
    arrays = in_program.labeled("test", ([np.zeros(160, np.int16)] * 4, [0, 1, 0, 1]), ())
    fed = []

    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            fed.append(x)
            return x.flatten(1)[:, :2]

    for parts in (rows, arrays):
        task = registry.get("tasks", "audio-classification")()
        assert shrink._asked(Net(), task, {"test": parts}, {"sample_rate": 8000}) == (2, {})
        assert (fed[-1].shape, fed[-1].dtype) == ((4, 1, 160), torch.float32)
    with pytest.raises(BadData, match=r"row 2 is a str among the bytes of files\.\n  Give the bytes of a file for every row\."):
        in_program.labeled("test", ([*sounds[:2], "a.wav"], [0, 1, 0]), ())
