"""The catalogue says what was published and no more."""

from __future__ import annotations

import pytest

from paredown.core.errors import UnknownName
from paredown.core.reading import Missing
from paredown.impact.energy import Curve
from paredown.impact.machines import ACCELERATOR, BOARD, CPU, Machine, machine, machines

PER_CYCLE = {
    "Broadwell": (32, 32), "Skylake": (64, 85), "Cascade Lake": (64, 256), "Ice Lake": (64, 256), "Sapphire Rapids": (64, 2048),
    "Granite Rapids": (64, 2048), "EPYC 2nd Gen": (32, 32), "EPYC 3rd Gen": (32, 64), "EPYC 4th Gen": (32, 128), "EPYC 5th Gen": (64, 256),
    "Neoverse N1": (16, 64), "Neoverse V1": (32, 256), "Neoverse V2": (32, 256), "Cortex-A72": (8, 16), "Cortex-A76": (16, 64),
    "Cortex-A78AE": (16, 64),
}  # fmt: skip
"""fp32 and int8 operations of a core per cycle, as the vendors' optimization guides count its vector pipes."""


def with_cores() -> list[Machine]:
    return [one for one in machines().values() if one.kind != ACCELERATOR]


@pytest.mark.parametrize("one", with_cores(), ids=lambda one: one.name)
def test_a_peak_is_the_clock_times_what_the_pipes_do(one: Machine) -> None:
    fp32, int8 = PER_CYCLE[one.chip]
    assert one.peak["fp32"] == pytest.approx(one.clock_hz * fp32, rel=2e-3)
    assert one.peak["int8"] == pytest.approx(one.clock_hz * int8, rel=2e-3)


@pytest.mark.parametrize("one", machines().values(), ids=lambda one: one.name)
def test_every_row_names_its_source_and_its_kind(one: Machine) -> None:
    assert one.source
    assert one.kind in (CPU, ACCELERATOR, BOARD)
    assert (one.cpu is None) == (one.kind == ACCELERATOR)


def test_an_instance_has_the_watts_of_its_family_and_its_share_of_the_server() -> None:
    skylake, cascade = machine("c5.large").curve(), machine("n2-standard-2").curve()
    assert isinstance(skylake, Curve)
    assert isinstance(cascade, Curve)
    # one model number for both: the stepping tells them
    assert (skylake.name, cascade.name) == ("Skylake", "Cascade Lake")
    assert skylake.active_w.value == pytest.approx(4.1934 - 0.6446, rel=1e-3)
    assert machine("c6g.8xlarge").embodied_g == pytest.approx(16 * machine("c6g.large").embodied_g, rel=2e-3)
    assert machine("c6g.8xlarge").price[0] == pytest.approx(16 * machine("c6g.large").price[0])


def test_a_vcpu_that_is_a_whole_core_draws_between_one_thread_and_two() -> None:
    thread, core = machine("c3d-standard-4").curve(), machine("c7a.large").curve()
    assert isinstance(thread, Curve)
    assert isinstance(core, Curve)
    assert core.active_w.value == pytest.approx(2 * thread.active_w.value)
    assert (core.active_w.low, core.active_w.high) == pytest.approx((thread.active_w.low, 2 * thread.active_w.high))


def test_a_board_divides_its_watts_by_its_cores_and_a_card_does_not() -> None:
    board, card = machine("raspberry-pi-4").curve(), machine("p4d.24xlarge").curve()
    assert isinstance(board, Curve)
    assert isinstance(card, Curve)
    assert (board.idle_w.value, board.active_w.value) == pytest.approx((1.6 / 4, 5.6 / 4))
    assert (card.idle_w.value, card.active_w.value) == pytest.approx((46.5, 407.4 - 46.5))


def test_a_figure_that_nobody_published_is_missing() -> None:
    assert machine("raspberry-pi-5").curve() == Missing(quantity="energy", reason="no idle watts of raspberry-pi-5 could be cited")
    assert machine("n1-standard-2").price is None
    assert machine("c8a.large").memory_share_b_per_s() is None


def test_an_unknown_machine_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no machine 'c6gn\.large'\. Did you mean 'c6g\.large'\? `paredown list machines` shows all\."):
        machine("c6gn.large")
