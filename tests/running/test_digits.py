"""The example of the README, whole but for the length of its measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paredown.core.recipe import Chain, parse
from paredown.evidence.verify import verify
from paredown.protocol.plan import Plan
from paredown.running import long_measurement
from paredown.running.story import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.yaml"


@pytest.mark.slow
def test_the_digits_end_in_a_pass_with_a_smaller_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    from sklearn.datasets import load_digits

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(long_measurement, "FINAL", Plan(rounds=10, window_s=0.3))
    result = run(EXAMPLE, tmp_path / "study")
    assert result.verdict == "pass"
    assert result.chosen is not None
    recipe = parse(result.chosen["recipe"])
    assert not isinstance(recipe, Chain) or recipe.steps
    assert result.data["rows"]["test"] == 899
    quality = next(finding for finding in result.data["findings"] if finding["rule"] == "quality")
    assert quality["high"] <= quality["limit"] == 0.02
    # far from any limit of this machine: structure alone cuts the multiply-adds by half or more
    assert result.ratios["multiply_adds"]["value"] > 2
    assert result.ratios["cpu_time"]["low"] > 2
    verify(tmp_path / "study/artifact")
    digits = load_digits()
    with result.load() as model:
        answers = np.asarray(model.predict(digits.images.astype(np.uint8))).astype(int)
    assert (answers == digits.target).mean() > 0.95
