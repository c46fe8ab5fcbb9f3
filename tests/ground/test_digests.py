"""Digests follow content and names, nothing else; streams of one seed do not meet."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from itertools import product
from pathlib import Path

import pytest

from paredown.ground import digests
from paredown.ground.logs import quiet
from paredown.ground.seeds import stream


def test_values_are_the_same_in_any_order_of_keys() -> None:
    expected = hashlib.sha256(b'{"a":[1,2.5,null],"b":"x"}').hexdigest()
    assert digests.of_value({"b": "x", "a": [1, 2.5, None]}) == digests.of_value({"a": (1, 2.5, None), "b": "x"}) == expected
    assert digests.of_value([1, 2]) != digests.of_value([2, 1])
    assert digests.of_value("1") != digests.of_value(1)


def test_files_are_read_in_pieces(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "big").write_bytes(content)
    assert len(content) > 1 << 20
    assert digests.of_file(tmp_path / "big") == hashlib.sha256(content).hexdigest()


def test_a_folder_is_its_names_and_contents(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "b.txt").write_text("b")
        (tmp_path / name / "a.txt").write_text("a")
    one, two = tmp_path / "one", tmp_path / "two"
    expected = {name: hashlib.sha256(text).hexdigest() for name, text in (("a.txt", b"a"), ("inner/b.txt", b"b"))}
    assert digests.of_files(one) == expected
    assert digests.of_folder(one) == digests.of_folder(two)
    assert digests.of_folder(one) == hashlib.sha256(json.dumps(expected, separators=(",", ":")).encode()).hexdigest()
    (two / "inner" / "b.txt").rename(two / "inner" / "c.txt")
    assert digests.of_folder(one) != digests.of_folder(two)


def test_streams_are_stable_and_apart() -> None:
    names = [(), ("torch",), ("batches",), ("torch", "batches"), ("1",), ("a", 1), ("a", 2)]
    found = {stream(seed, *name) for seed, name in product(range(20), names)}
    # seed 1 without a name and seed 1 with the name "1" are different streams
    assert len(found) == 20 * len(names)
    assert all(0 <= number < 2**63 for number in found)
    expected = int.from_bytes(hashlib.sha256(b"7/torch/3").digest()[:8], "big") // 2
    assert stream(7, "torch", 3) == expected


def test_quiet_in_two_threads_ends_with_the_last_of_them() -> None:
    first, second = quiet(), quiet()
    before = logging.root.manager.disable
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # out of order, as threads leave it
    assert logging.root.manager.disable == logging.WARNING
    second.__exit__(None, None, None)
    assert logging.root.manager.disable == before


class Heard(logging.Handler):
    """Messages, whatever other packages made of the handlers and levels of the root."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def test_quiet_drops_chatter_and_keeps_errors() -> None:
    log, heard = logging.getLogger("some.package"), Heard()
    log.setLevel(logging.WARNING)
    log.addHandler(heard)
    with quiet():
        warnings.warn("noise", stacklevel=1)
        log.warning("noise")
        log.error("trouble")
    log.warning("afterwards")
    log.removeHandler(heard)
    assert heard.messages == ["trouble", "afterwards"]
    with pytest.warns(UserWarning, match="again"):
        warnings.warn("again", stacklevel=1)
