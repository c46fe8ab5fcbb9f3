"""`paredown.shrink` of a fitted estimator: X is what it was fitted on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import paredown


@pytest.mark.slow
def test_a_fitted_estimator_is_cut_to_fewer_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named columns with a word among them; y are words, and the released model says them."""
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from paredown.ground import registry
    from tiny_study import shorten

    shorten(monkeypatch, tmp_path / "state")
    draw = np.random.default_rng(0)
    x = pandas.DataFrame({"age": draw.integers(18, 80, 3000), "town": draw.choice(["oslo", "rome"], 3000), "pay": draw.normal(size=3000)})
    y = np.where((x["age"] > 40) ^ (x["town"] == "oslo"), "yes", "no")
    hot = ColumnTransformer([("hot", OneHotEncoder(), ["town"])], remainder="passthrough")
    model = make_pipeline(hot, GradientBoostingClassifier(n_estimators=300)).fit(x[:1500], y[:1500])
    result = paredown.shrink(
        model,
        train=(x[:1500], y[:1500]),
        test=(x[1500:], y[1500:]),
        policy={"minimize": "size", "rules": [{"quality": {"drop": "10 %"}}]},
        job={"search": {"exclude": [name for name in registry.names("techniques") if name != "prune_trees"]}},
        folder=tmp_path / "study",
        quiet=True,
    )
    assert result.verdict == "pass", result
    assert "prune_trees" in result.chosen["recipe"]
    with result.load() as smaller:
        said = smaller.predict({name: x[name].to_numpy()[1500:1600] for name in x})
    assert (np.array(said) == y[1500:1600]).mean() > 0.9
