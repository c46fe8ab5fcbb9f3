"""The artifacts of known cost: what they answer, what they multiply, and that twice the work is seen as twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from paredown.artifact.load import load
from paredown.core.reading import Reading
from paredown.measuring.command import measure_command
from paredown.measuring.side_by_side import measure
from paredown.testing import tiny
from paredown.testing.products import products


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    root = tmp_path_factory.mktemp("products")
    return {times: products(root / str(times), times, 160) for times in (8, 16)}


def test_the_graph_makes_exactly_so_many_products(made: dict[int, Path]) -> None:
    counted = {times: json.loads((folder / "artifact.json").read_text())["graphs"][0]["multiply_adds"] for times, folder in made.items()}
    assert counted[16] - counted[8] == 8 * 160**3
    with load(made[8]) as model:
        sums = model.predict_proba(tiny.rows(5).inputs).sum(axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-5)


def test_twice_the_products_take_about_twice_the_cpu_time(made: dict[int, Path]) -> None:
    ratio = measure(made[8], made[16], seconds=3).ratios["cpu_time"]
    assert isinstance(ratio, Reading)
    assert 1.6 < ratio.value < 2.3


def test_a_command_that_works_twice_as_long_takes_twice_the_cpu_time() -> None:
    def cpu_s(share_s: float) -> float:
        code = f"import time\nwhile time.process_time() < {share_s}: pass"
        found = measure_command([sys.executable, "-S", "-c", code])
        cpu = found.readings["cpu_time"]
        assert isinstance(cpu, Reading)
        return cpu.value

    # the clock runs from the start of the process, so that starting it is in the counted seconds
    assert cpu_s(0.6) / cpu_s(0.3) == pytest.approx(2, rel=0.1)
