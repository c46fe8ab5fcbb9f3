"""Images saved as .npz files."""

import numpy as np
import pytest


@pytest.fixture
def saved(tmp_path):
    def save(**files):
        for name, (inputs, labels) in files.items():
            arrays = {"X": inputs} if labels is None else {"X": inputs, "y": labels}
            np.savez(tmp_path / f"{name}.npz", **arrays)
        return tmp_path

    return save
