from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.rows import Rows


@given(st.integers(1, 400), st.integers(1, 300))
def test_spread_takes_rows_from_all_over(rows: int, count: int) -> None:
    taken = Rows(inputs=np.arange(rows)[:, None], labels=np.arange(rows)).spread(count).labels
    assert len(taken) == min(rows, count)
    assert (np.diff(taken) > 0).all()
    if len(taken) > 1:
        assert (taken[0], taken[-1]) == (0, rows - 1)
        assert np.diff(taken).max() - np.diff(taken).min() <= 1
