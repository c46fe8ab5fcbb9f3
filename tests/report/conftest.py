"""Sample results: what result.json holds after a pass, an infeasible and an inconclusive run (written by hand, rich in cases), and what
`paredown run examples/digits.yaml` wrote (numbers cut to seven digits)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def sample() -> Callable[[str], dict[str, Any]]:
    return lambda name: json.loads((Path(__file__).parent / f"{name}.json").read_text("utf-8"))
