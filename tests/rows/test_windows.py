from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import Damaged
from paredown.core.rows import Rows
from paredown.rows.columns import held, on_disk
from paredown.rows.rowfile import read_rows, write_rows
from paredown.rows.windows import Places, Windows, cut_in_time, flat

STEPS = np.arange(50, dtype=np.float32)
WORDS = np.array([f"w{at % 7}" for at in range(50)], object)


def rows(starts=(0, 3, 4, 20, 46), width=4) -> Rows:
    at = np.array(starts)
    places = Places(at, width, np.arange(50) * 10, width)
    inputs = {"x": Windows(STEPS, places), "w": Windows(WORDS, places)}
    return Rows(inputs=inputs, labels=at[:, None] + 0.5, names=("x +1",), groups={"g": WORDS[at]})


def test_windows_are_the_array_of_their_steps() -> None:
    made = rows()
    whole = np.stack([STEPS[start : start + 4] for start in (0, 3, 4, 20, 46)])
    column = made.inputs["x"]
    assert (column.shape, column.ndim, len(column), column.dtype) == ((5, 4), 2, 5, np.float32)
    for which in (slice(1, 3), slice(None, None, 2), [4, 0, -1], np.array([2]), 3, np.int64(1)):
        np.testing.assert_array_equal(column[which], whole[which])
    np.testing.assert_array_equal(np.asarray(column), whole)
    np.testing.assert_array_equal(np.stack(list(column)), whole)
    assert column.tolist() == whole.tolist()
    assert column[[]].shape == (0, 4)
    np.testing.assert_array_equal(column.covered(), [0, 1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23, 46, 47, 48, 49])


def test_a_mask_gives_windows_of_the_same_steps() -> None:
    made = rows()
    some = made.take(np.array([True, False, True, False, True]))
    assert some.inputs["x"].steps is STEPS
    assert some.inputs["x"].places is some.inputs["w"].places
    np.testing.assert_array_equal(some.inputs["x"][:], made.inputs["x"][[0, 2, 4]])
    assert held(some) is some
    assert not on_disk(some)


def test_a_file_holds_each_step_once(tmp_path: Path) -> None:
    long = np.random.default_rng(0).normal(size=20_000).astype(np.float32)
    places = Places(np.arange(19_000), 500)
    made = Rows(inputs={"x": Windows(long, places)}, labels=np.arange(19_000.0)[:, None], names=("x +1",))
    write_rows(made, tmp_path / "long.npz")
    assert (tmp_path / "long.npz").stat().st_size < 500_000  # as arrays these are 38 MB
    back = read_rows(tmp_path / "long.npz")
    for at in (0, 7, 18_999):
        np.testing.assert_array_equal(back.inputs["x"][at], long[at : at + 500])

    made = rows((3, 4, 20))
    write_rows(made, tmp_path / "few.npz")
    back = read_rows(tmp_path / "few.npz")
    assert back.digest() == made.digest()
    assert back.inputs["w"].tolist() == made.inputs["w"].tolist()
    assert back.groups["g"].tolist() == made.groups["g"].tolist()


def test_a_file_whose_windows_end_behind_its_steps_is_refused(tmp_path: Path) -> None:
    made = rows((3, 4))
    write_rows(made, tmp_path / "few.npz")
    with np.load(tmp_path / "few.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "bad.npz", **{**arrays, "starts": np.array([0, 5])})
    with pytest.raises(Damaged, match="its windows end behind its steps"):
        read_rows(tmp_path / "bad.npz")


def test_equal_windows_have_equal_digests() -> None:
    steps = np.tile(np.array([1, 2, 3], np.float32), 4)
    digests = Rows(inputs={"x": Windows(steps, Places(np.arange(8), 3)), "w": Windows(WORDS, Places(np.arange(8), 3))}, labels=None)
    same = Rows(inputs={"x": Windows(steps, Places(np.arange(8), 3))}, labels=None).row_digests()
    assert same[0] == same[3] == same[6] != same[1]
    assert len({*digests.row_digests()}) == 8
    as_arrays = {name: column[:] for name, column in digests.inputs.items()}
    assert Rows(inputs=as_arrays, labels=None).row_digests() == digests.row_digests()


def test_the_steps_of_windows_are_the_rows_of_a_table() -> None:
    np.testing.assert_array_equal(flat(rows((3, 4))).inputs["x"], [3, 4, 5, 6, 7])
    assert flat(Rows(inputs={"x": STEPS[:8].reshape(2, 4)}, labels=None)).inputs["x"].tolist() == list(range(8))


def test_a_cut_leaves_out_what_lies_across_it() -> None:
    before, after = cut_in_time(rows(range(0, 40), 4), begin=200)
    assert before.labels[:, 0].max() == 15.5  # its last step is 18, what is forecast 19: 190 on the clock
    assert after.labels[:, 0].min() == 20.5
    before, after = cut_in_time(rows(range(0, 40), 4), count=10)
    assert (len(before), len(after)) == (26, 10)
