"""The job of examples/movietweetings, cut down, on made-up ratings: judged by user from the dry run to `check`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from example_jobs import LOOSE, cut
from paredown.measuring.check import check
from paredown.running.story import run
from tiny_study import shorten

RATINGS = ("train.csv", "val.csv", "test.csv")


def made_up_ratings(count: int, seed: int) -> list[str]:
    """Users 1 to 60 rate movies 1 to 40 by their own likings and the worth of a movie; all files ask about the same of both."""
    users, movies = (np.random.default_rng(at).normal(size=(number, 2)) for at, number in ((0, 60), (1, 40)))
    draw = np.random.default_rng(seed)
    pairs = draw.integers((60, 40), size=(count, 2))
    worth = 5.5 + 2 * movies[pairs[:, 1], 0] + (users[pairs[:, 0]] * movies[pairs[:, 1]]).sum(axis=1)
    return [
        f"{1 + user},{1001 + movie},{rating},{seed}" for (user, movie), rating in zip(pairs, np.clip(np.rint(worth), 1, 10).astype(int))
    ]


@pytest.mark.slow
def test_the_recommender_runs_to_a_pass_by_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    (tmp_path / "data").mkdir()
    for at, name in enumerate(RATINGS):
        lines = made_up_ratings(1200 if at == 0 else 400, at)
        (tmp_path / "data" / name).write_text("\n".join(["user,movie,rating,day", *lines]) + "\n")
    result = run(cut("movietweetings", tmp_path, LOOSE, "quantize_embeddings", epochs=6), tmp_path / "study")
    assert result.verdict == "pass"
    assert result.chosen is not None
    assert result.chosen["recipe"].startswith("quantize_embeddings(bits=4)")
    assert result.data["metric"] == "ndcg@10"
    asked = Counter(line.partition(",")[0] for line in (tmp_path / "data" / "test.csv").read_text().splitlines()[1:])
    users = sum(count > 1 for count in asked.values())
    assert result.chosen["quality_drop"]["n"] == result.chosen["quality"]["n"] == users
    assert any(f"was seen on {users} groups of 'user'" in finding["reason"] for finding in result.data["findings"])
    assert f"test: {users} groups of 'user' with a value" in result.data["provable"]["text"]
    judged = check(tmp_path / "study")
    assert [finding.reason for finding in judged.findings] == [finding["reason"] for finding in result.data["findings"]]
    with result.load() as model:
        known, unknown = model.predict([{"user": "1", "movie": line.split(",")[1]} for line in ("1,1002", "1,none of these")])
        assert known != unknown
