"""Energy above idle is a counter's total less what the resting machine draws, said in the reading; or there is none, with the reason."""

from __future__ import annotations

import time
from typing import Any

import pytest

from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host
from paredown.impact.estimators import Span
from paredown.protocol.gates import Code, code_of
from paredown.protocol.idle import above_idle, agreed, energy_above_idle, idle_power, in_windows


def total(quantity: str, value_j: float, covers: str = "", **more: Any) -> Reading:
    return Reading(quantity=quantity, value=value_j, **{"how": How.COUNTED, "n": 10, "covers": (covers or quantity,), "source": "s"} | more)


def watts(power_w: float) -> Span:
    return Span(value=power_w, low=power_w, high=power_w)


def gone(quantity: str, reason: str = "the zone vanished") -> Missing:
    return Missing(quantity=quantity, reason=reason)


class Steady(Meter):
    """A counter that runs at some watts of its own clock."""

    quantities = ("package_energy", "dram_energy")
    order: list[str] = []  # noqa: RUF012

    def __init__(self, name: str, power_w: float, waits: bool = False) -> None:
        self.label, self.power_w, self.waits = name, power_w, waits

    def ready(self, host: Host) -> str | None:
        return None

    def start(self) -> None:
        self.began_s = time.perf_counter()

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        self.order.append(self.label)
        spent_j = self.power_w * (time.perf_counter() - self.began_s)
        return total("package_energy", spent_j / window.items), gone("dram_energy", "this machine has no dram counter")


def test_idle_is_joules_over_the_seconds_that_were_waited() -> None:
    idle = idle_power([Steady("a", 40.0)], 0.05)
    assert idle["package_energy"] == pytest.approx(40.0, rel=0.05)
    assert idle["dram_energy"] == gone("dram_energy", "this machine has no dram counter")


def test_a_meter_that_waits_is_asked_last() -> None:
    Steady.order.clear()
    idle_power([Steady("a", 1.0), Steady("log", 1.0, waits=True), Steady("b", 1.0)], 0.0)
    assert Steady.order == ["b", "a", "log"]


def test_two_idles_that_agree_give_their_mean() -> None:
    assert agreed({"package_energy": 10.4}, {"package_energy": 10.0}) == {"package_energy": Span(value=10.2, low=10.0, high=10.4)}


def test_two_idles_more_than_five_percent_apart_are_missing_with_their_code() -> None:
    found = agreed({"package_energy": 10.0, "dram_energy": 2.0}, {"package_energy": 12.0, "dram_energy": 2.0})
    package = found["package_energy"]
    assert isinstance(package, Missing)
    assert package.reason == "idle: package_energy idled at 10 W before and at 12 W after; 5% apart is allowed."
    assert code_of(package.reason) == Code.IDLE
    assert found["dram_energy"] == watts(2.0)


def test_an_idle_that_was_not_read_stays_missing() -> None:
    reason = "it was not read after the windows"
    assert agreed({"package_energy": 10.0}, {}) == {"package_energy": gone("package_energy", reason)}
    assert agreed({"dram_energy": gone("dram_energy")}, {"dram_energy": 1.0}) == {"dram_energy": gone("dram_energy")}


def test_energy_above_idle_names_the_watts_that_were_taken_off() -> None:
    found = above_idle(total("package_energy", 5.0, low=4.5, high=6.0), Span(value=20.0, low=19.0, high=21.0), wall_s=0.1)
    assert isinstance(found, Reading)
    assert (found.quantity, found.value) == ("energy", 3.0)
    assert (found.low, found.high) == pytest.approx((4.5 - 2.1, 6.0 - 1.9))
    assert (found.how, found.covers, found.n) == (How.COUNTED, ("package_energy",), 10)
    assert found.source == "package_energy above idle of 19 to 21 W, before and after (s)"


def test_two_idles_apart_are_an_interval_of_the_work() -> None:
    found = above_idle(total("package_energy", 5.0), Span(value=20.0, low=19.5, high=20.5), wall_s=0.1)
    assert isinstance(found, Reading)
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 2.95, 3.05))


def test_work_that_does_not_show_above_idle_is_missing_and_not_zero() -> None:
    found = above_idle(total("package_energy", 2.0), Span(value=19.8, low=19.5, high=20.1), wall_s=0.1)
    assert found == gone("energy", "package_energy is 2 J, and idle alone takes up to 2.01 J in the same time")


READINGS = {
    "package_energy": total("package_energy", 5.0, "package-0", low=4.0, high=6.0),
    "dram_energy": total("dram_energy", 1.0, "package-0/dram", low=0.9, high=1.1),
    "platform_energy": total("platform_energy", 50.0),
    "gpu_energy": total("gpu_energy", 9.0, "gpu", how=How.MEASURED, low=8.5, high=9.5),
}
IDLE = {"package_energy": watts(20.0), "dram_energy": watts(2.0), "platform_energy": watts(100.0), "gpu_energy": watts(40.0)}


def test_packages_memory_and_accelerators_add_up_and_the_platform_that_holds_them_does_not() -> None:
    found = energy_above_idle(READINGS, IDLE, 0.1)
    assert isinstance(found, Reading)
    assert (found.value, found.low, found.high) == pytest.approx((3 + 0.8 + 5, 2 + 0.7 + 4.5, 4 + 0.9 + 5.5))
    assert (found.how, found.covers) == (How.MEASURED, ("package-0", "package-0/dram", "gpu"))
    assert found.source.count("above idle of") == 3


def test_the_plug_stands_for_all() -> None:
    found = energy_above_idle(READINGS | {"wall_energy": total("wall_energy", 30.0, "wall")}, IDLE | {"wall_energy": watts(100.0)}, 0.1)
    assert isinstance(found, Reading)
    assert (found.value, found.covers) == (20.0, ("wall",))


def test_without_a_number_at_the_plug_the_parts_stand() -> None:
    found = energy_above_idle(READINGS | {"wall_energy": gone("wall_energy")}, IDLE | {"wall_energy": watts(100.0)}, 0.1)
    assert isinstance(found, Reading)
    assert found.covers == ("package-0", "package-0/dram", "gpu")


def test_a_counter_that_this_machine_lacks_is_no_part() -> None:
    lacks = {"dram_energy": gone("dram_energy", "this machine has no dram counter")}
    found = energy_above_idle({"package_energy": READINGS["package_energy"]} | lacks, {"package_energy": watts(20.0)} | lacks, 0.1)
    assert isinstance(found, Reading)
    assert found.covers == ("package-0",)


@pytest.mark.parametrize(
    ("readings", "idle", "reason"),
    [
        ({"dram_energy": gone("dram_energy")}, {}, "dram_energy: the zone vanished"),
        ({"package_energy": total("package_energy", 1.0)}, {}, "package_energy is 1 J, and idle alone takes up to 2 J in the same time"),
        ({}, {"gpu_energy": gone("gpu_energy", "idle: gpu_energy idled at 1 W before and at 2 W after")}, "idle: gpu_energy idled at 1 W"),
    ],
)
def test_a_sum_never_leaves_out_what_counted_at_rest(readings: dict[str, Any], idle: dict[str, Any], reason: str) -> None:
    found = energy_above_idle(READINGS | readings, IDLE | idle, 0.1)
    assert isinstance(found, Missing)
    assert found.reason.startswith(reason)


def test_no_counter_is_missing_and_a_lone_plug_says_its_own_reason() -> None:
    assert energy_above_idle({}, {}, 0.1) == gone("energy", "no energy counter was read both at rest and at work")
    alone = energy_above_idle({"wall_energy": gone("wall_energy", "window too short")}, {"wall_energy": watts(9.0)}, 0.1)
    assert alone == gone("energy", "wall_energy: window too short")


def window(package_j: float | None, wall_j: float | None = None) -> dict[str, Any]:
    """20 items in 2 s, with an estimate beside the counters."""
    readings = [total("energy", 0.7, "cpu", how=How.ESTIMATED)]
    readings += [gone("package_energy") if package_j is None else total("package_energy", package_j, "package-0")]
    readings += [] if wall_j is None else [total("wall_energy", wall_j, "wall")]
    return {"wall_s": 2.0, "items": 20, "readings": {item.quantity: item.json() for item in readings}}


def test_counted_energy_takes_the_estimates_place_in_every_window() -> None:
    found, uncounted = in_windows([window(5.0), window(3.0)], {"package_energy": 20.0}, {"package_energy": 20.0})
    assert uncounted == ""
    assert [(readings["energy"]["value"], readings["energy"]["how"]) for readings in found] == [(3.0, "counted"), (1.0, "counted")]
    assert [readings["package_energy"]["value"] for readings in found] == [5.0, 3.0]


WATTS = {"package_energy": 20.0, "wall_energy": 50.0}


@pytest.mark.parametrize(
    ("windows", "before", "after", "reason"),
    [
        ([window(5.0), window(None)], WATTS, WATTS, "package_energy: the zone vanished"),
        ([window(5.0, wall_j=9.0), window(5.0)], WATTS, WATTS, "some windows are counted over wall, others over package-0"),
        ([window(5.0)], {"package_energy": 20.0}, {"package_energy": 30.0}, "idle: package_energy idled at 20 W before and at 30 W"),
        ([window(5.0)], {}, {}, ""),
    ],
)
def test_counted_and_estimated_windows_are_never_mixed(windows: Any, before: Any, after: Any, reason: str) -> None:
    found, uncounted = in_windows(windows, before, after)
    assert uncounted.startswith(reason)
    assert bool(uncounted) == bool(reason)
    assert found == [each["readings"] for each in windows]
