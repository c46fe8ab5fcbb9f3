"""Of more rows than a claim needs a sample is used, and said."""

from cut_jobs import images, job

from paredown.study import splits as study_splits
from paredown.study.splits import load_splits


def test_of_a_large_source_test_gets_what_shows_the_smallest_drop_that_counts(saved, monkeypatch):
    monkeypatch.setattr(study_splits, "TEST_MOST", 40)
    folder = saved(all=images(200))
    splits = load_splits(job(folder, all="all.npz"), 0, True)
    assert splits.counts == {"train": 104, "calibration": 16, "validation": 40, "test": 40}
    assert splits.notes == ("Test has 40 of the rows; more would show no smaller drop that counts. `shares: {test: ...}` asks for more.",)
    assert load_splits(job(folder, shares={"test": 0.6}, all="all.npz"), 0, True).counts["test"] == 120


def test_of_large_splits_of_the_users_own_a_sample_is_used_and_said(saved, monkeypatch):
    monkeypatch.setattr(study_splits, "_SAMPLES", {"test": (30, "judge"), "validation": (20, "rank"), "calibration": (10, "calibrate")})
    parts = {name: images(size, seed=seed) for seed, (name, size) in enumerate([("train", 50), ("validation", 60), ("test", 90)])}
    folder = saved(**parts)
    given = {name: f"{name}.npz" for name in parts}
    splits = load_splits(job(folder, **given), 0, True)
    assert splits.counts == {"train": 45, "calibration": 5, "validation": 20, "test": 30}
    said = "Of the 90 rows of test a sample of 30 is used, drawn by the seed: it is enough to judge."
    assert said in splits.notes
    assert load_splits(job(folder, **given), 0, True).digests == splits.digests
    assert load_splits(job(folder, **given), 1, True).digests["test"] != splits.digests["test"]
