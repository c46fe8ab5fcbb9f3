"""The kernel's energy counters as a folder: what a scripted curve adds up to, to the last microjoule, or why there is no number."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.meter import Window
from paredown.core.reading import How, Missing, Reading
from paredown.ground.host import host
from paredown.meters import every, powercap
from paredown.meters.powercap import Powercap
from paredown.testing.contracts import check_meter

RANGE_UJ = 262_143_328_850
HERE = host()
ONE = Window(wall_s=1.0, items=1)


@dataclass
class Machine:
    """Counters below one folder, and a clock that stands until it is told to go."""

    root: Path
    now_s: float = 1000.0
    ranges: dict[str, int] = field(default_factory=dict)

    def zone(self, folder: str, name: str, energy_uj: int = 0, range_uj: int | None = RANGE_UJ) -> None:
        """A zone in the kernel's real tree, and the class's flat link to it."""
        control = folder.partition(":")[0]
        parts = [":".join(folder.split(":")[: depth + 1]) for depth in range(1, folder.count(":") + 1)]
        real = self.root.joinpath("sys/devices/virtual/powercap", control, *parts)
        real.mkdir(parents=True)
        (real / "name").write_text(f"{name}\n")
        if range_uj is not None:
            (real / "max_energy_range_uj").write_text(f"{range_uj}\n")
            self.ranges[folder] = range_uj
        link = self.root / "sys/class/powercap" / folder
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(real)
        self.set(folder, energy_uj)

    def file(self, folder: str) -> Path:
        return self.root / "sys/class/powercap" / folder / "energy_uj"

    def set(self, folder: str, energy_uj: int) -> None:
        self.file(folder).write_text(f"{energy_uj}\n")

    def go(self, seconds: float, **added_uj: int) -> None:
        """Let time pass and counters run: `go(1, **{"intel-rapl:0": 5})`; they come round where they have to."""
        self.now_s += seconds
        for folder, step_uj in added_uj.items():
            at_uj = int(self.file(folder).read_text()) + step_uj
            self.set(folder, at_uj % self.ranges.get(folder, 1 << 64))

    def forbid(self, folder: str) -> None:
        """What nobody can read, root neither."""
        self.file(folder).unlink()
        self.file(folder).mkdir()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(powercap, "monotonic", lambda: made.now_s)
    return made


def measured(meter: Powercap, machine: Machine, seconds: float, items: int = 1, **added_uj: int) -> dict[str, Reading | Missing]:
    meter.start()
    machine.go(seconds, **added_uj)
    return {item.quantity: item for item in meter.stop(Window(wall_s=seconds, items=items))}


def value_j(item: Reading | Missing) -> float:
    assert isinstance(item, Reading), item
    return item.value


def why(item: Reading | Missing) -> str:
    assert isinstance(item, Missing), item
    return item.reason


def server(machine: Machine) -> Powercap:
    """Two sockets with memory, as a server shows them."""
    for socket in (0, 1):
        machine.zone(f"intel-rapl:{socket}", f"package-{socket}", 1_000_000)
        machine.zone(f"intel-rapl:{socket}:0", "dram", 2_000_000, range_uj=65_712_999_613)
    return Powercap(machine.root)


def test_contract(machine: Machine) -> None:
    assert check_meter(server(machine)) is None


def test_a_scripted_curve_is_counted_to_the_microjoule_per_item(machine: Machine) -> None:
    meter = server(machine)
    assert meter.ready(HERE) is None
    assert meter.found() == ["package-0", "package-0/dram", "package-1", "package-1/dram"]
    added = {"intel-rapl:0": 87_654_321, "intel-rapl:1": 12_345_679, "intel-rapl:0:0": 3_000_001, "intel-rapl:1:0": 4_000_002}
    found = measured(meter, machine, 1.0, **added)
    package, dram = found["package_energy"], found["dram_energy"]
    assert value_j(package) == 100.0
    assert value_j(dram) == 7.000003
    assert package.how == How.COUNTED
    assert package.covers == ("package-0", "package-1")
    assert dram.covers == ("package-0/dram", "package-1/dram")
    assert why(found["platform_energy"]) == "this machine has no psys counter"
    per_item = measured(meter, machine, 1.0, items=8, **added)["package_energy"]
    assert (value_j(per_item), per_item.n) == (12.5, 8)


@given(steps_uj=st.lists(st.integers(1, 1_000_000_000), min_size=1, max_size=8), start_uj=st.integers(0, RANGE_UJ - 1))
def test_windows_that_follow_each_other_add_up_from_any_start(
    tmp_path_factory: pytest.TempPathFactory, steps_uj: list[int], start_uj: int
) -> None:
    machine = Machine(tmp_path_factory.mktemp("any"))
    machine.zone("intel-rapl:0", "package-0", start_uj)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(powercap, "monotonic", lambda: machine.now_s)
        meter = Powercap(machine.root)
        for step_uj in steps_uj:
            assert value_j(measured(meter, machine, 1.0, **{"intel-rapl:0": step_uj})["package_energy"]) == step_uj / 1e6


def test_a_counter_that_comes_round_is_taken_on_from_zero(machine: Machine) -> None:
    machine.zone("intel-rapl:0", "package-0", RANGE_UJ - 40_000_000)
    found = measured(Powercap(machine.root), machine, 1.0, **{"intel-rapl:0": 100_000_000})
    assert machine.file("intel-rapl:0").read_text() == "60000000\n"
    assert value_j(found["package_energy"]) == 100.0


def test_a_counter_that_falls_with_no_known_end_is_missing(machine: Machine) -> None:
    machine.zone("intel-rapl:0", "package-0", 50_000_000, range_uj=None)
    meter = Powercap(machine.root)
    assert value_j(measured(meter, machine, 1.0, **{"intel-rapl:0": 7})["package_energy"]) == 7e-6
    meter.start()
    machine.go(1.0)
    machine.set("intel-rapl:0", 3_000_000)
    reason = why(meter.stop(ONE)[0])
    assert reason == "package-0 fell from 50 J to 3 J, and the kernel does not say where it begins again"


@pytest.mark.parametrize("spike_uj", [2**64 - 61, 5_000_000_000])
def test_a_jump_that_no_socket_draws_is_missing(machine: Machine, spike_uj: int) -> None:
    meter = server(machine)
    meter.start()
    machine.go(1.0, **{"intel-rapl:0": 90_000_000, "intel-rapl:0:0": 5, "intel-rapl:1:0": 5})
    machine.set("intel-rapl:1", spike_uj)
    found = meter.stop(ONE)
    assert why(found[0]) == f"package-1 jumped by {(spike_uj - 1_000_000) / 1e6:.3g} J in 1 s, which no socket draws"
    assert value_j(found[1]) == 1e-5


def test_a_zone_that_vanishes_takes_only_its_own_sum_with_it(machine: Machine) -> None:
    meter = server(machine)
    meter.start()
    machine.go(1.0, **{"intel-rapl:0": 5_000_000, "intel-rapl:0:0": 1_000_000, "intel-rapl:1:0": 1_000_000})
    machine.file("intel-rapl:1").unlink()
    found = meter.stop(ONE)
    assert why(found[0]) == "package-1 could not be read any more (No such file or directory)"
    assert value_j(found[1]) == 2.0


def test_a_zone_that_is_gone_before_the_window_is_missing_too(machine: Machine) -> None:
    meter = server(machine)
    assert len(meter.found()) == 4
    machine.file("intel-rapl:0").unlink()
    found = measured(meter, machine, 1.0, **{"intel-rapl:1": 5, "intel-rapl:0:0": 5, "intel-rapl:1:0": 5})
    assert why(found["package_energy"]) == "package-0 could not be read when the window began (No such file or directory)"
    assert value_j(found["dram_energy"]) == 1e-5


@pytest.mark.parametrize("text", ["\n", "-5\n", "1_000", "12.5", "9" * 400])
def test_a_file_that_holds_no_count_is_missing(machine: Machine, text: str) -> None:
    machine.zone("intel-rapl:0", "package-0", 1)
    meter = Powercap(machine.root)
    meter.start()
    machine.file("intel-rapl:0").write_text(text)
    said = f"it says {text.strip()[:20]!r}, which is no count of microjoules"
    assert f"package-0 could not be read any more ({said})" in why(meter.stop(ONE)[0])


def test_a_range_of_0_is_not_known(machine: Machine) -> None:
    machine.zone("intel-rapl:0", "package-0", 1000)
    (machine.file("intel-rapl:0").parent / "max_energy_range_uj").write_text("0\n")
    assert Powercap(machine.root).zones()[0].range_uj() is None


def test_a_counter_that_stands_still_is_no_zero(machine: Machine) -> None:
    found = measured(server(machine), machine, 2.0, **{"intel-rapl:0": 5, "intel-rapl:1": 5, "intel-rapl:0:0": 5})
    assert why(found["dram_energy"]) == "package-1/dram stood still at 2 J for 2 s"


def test_no_answer_in_the_window_is_missing(machine: Machine) -> None:
    found = measured(server(machine), machine, 1.0, items=0, **{"intel-rapl:0": 5, "intel-rapl:1": 5})
    assert why(found["package_energy"]) == "no inference was answered in the window"


def test_a_permission_error_says_the_way_out(machine: Machine) -> None:
    meter = server(machine)
    for folder in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl:1:0"):
        machine.forbid(folder)
    reason = meter.ready(HERE)
    assert reason == (
        "package-0, package-0/dram, package-1, package-1/dram cannot be read (Is a directory); Linux lets only root. "
        "Run `sudo chmod a+r /sys/class/powercap/*/energy_uj`, which lasts until the machine starts again."
    )


def test_what_can_be_read_is_read_when_something_else_cannot(machine: Machine) -> None:
    meter = server(machine)
    machine.forbid("intel-rapl:1:0")
    assert meter.ready(HERE) is None
    found = measured(meter, machine, 1.0, **{"intel-rapl:0": 5, "intel-rapl:1": 5, "intel-rapl:0:0": 5})
    assert value_j(found["package_energy"]) == 1e-5
    assert why(found["dram_energy"]) == "package-1/dram could not be read when the window began (Is a directory)"


def test_zones_that_hold_each_other_are_never_added(machine: Machine) -> None:
    machine.zone("intel-rapl:0", "package-0")
    machine.zone("intel-rapl:0:0", "core")
    machine.zone("intel-rapl:0:1", "uncore")
    machine.zone("intel-rapl:1", "psys")
    meter = Powercap(machine.root)
    assert meter.found() == ["package-0", "psys"]
    added = {"intel-rapl:0": 4_000_000, "intel-rapl:0:0": 3_000_000, "intel-rapl:0:1": 500_000, "intel-rapl:1": 9_000_000}
    found = measured(meter, machine, 1.0, **added)
    assert value_j(found["package_energy"]) == 4.0
    assert value_j(found["platform_energy"]) == 9.0
    assert "less than the plug" in found["platform_energy"].source
    assert why(found["dram_energy"]) == "this machine has no dram counter"


def test_a_package_in_two_control_types_is_counted_once(machine: Machine) -> None:
    machine.zone("intel-rapl:0", "package-0")
    machine.zone("intel-rapl-mmio:0", "package-0", 77)
    added = {"intel-rapl:0": 4_000_000, "intel-rapl-mmio:0": 4_000_100}
    assert value_j(measured(Powercap(machine.root), machine, 1.0, **added)["package_energy"]) == 4.0
    machine.forbid("intel-rapl:0")
    added = {"intel-rapl-mmio:0": 4_000_100}
    assert value_j(measured(Powercap(machine.root), machine, 1.0, **added)["package_energy"]) == 4.0001


def test_a_second_link_to_a_zone_is_not_a_second_zone(machine: Machine) -> None:
    machine.zone("intel-rapl:0", "package-0")
    (machine.root / "sys/class/powercap/other:0").symlink_to(machine.file("intel-rapl:0").parent.resolve())
    meter = Powercap(machine.root)
    assert meter.found() == ["package-0"]


def test_two_counters_of_one_name_in_one_control_type_are_two(machine: Machine) -> None:
    machine.zone("intel-rapl:0", "package-0")
    machine.zone("intel-rapl:1", "package-0")
    meter = Powercap(machine.root)
    found = measured(meter, machine, 1.0, **{"intel-rapl:0": 1_000_000, "intel-rapl:1": 2_000_000})["package_energy"]
    assert value_j(found) == 3.0
    assert found.covers == ("package-0", "package-0 (intel-rapl:1)")


def test_dies_that_all_show_their_packages_counter_are_counted_once(machine: Machine) -> None:
    for number, (package, die) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        machine.zone(f"intel-rapl:{number}", f"package-{package}-die-{die}", RANGE_UJ - 1 - number % 2 if package else 500 + die)
    added = dict.fromkeys(("intel-rapl:0", "intel-rapl:1"), 10_000_000) | dict.fromkeys(("intel-rapl:2", "intel-rapl:3"), 20_000_000)
    found = measured(Powercap(machine.root), machine, 1.0, **added)["package_energy"]
    assert value_j(found) == 30.0
    assert found.covers == ("package-0-die-0", "package-1-die-0")
    assert "package-0-die-1, package-1-die-1 show the counter" in found.source


def test_dies_with_counters_of_their_own_are_added(machine: Machine) -> None:
    machine.zone("intel-rapl:0", "package-0-die-0", 5_000_000)
    machine.zone("intel-rapl:1", "package-0-die-1", 9_000_000)
    found = measured(Powercap(machine.root), machine, 1.0, **{"intel-rapl:0": 10_000_000, "intel-rapl:1": 10_000_000})
    assert value_j(found["package_energy"]) == 20.0


def test_a_long_window_is_read_in_between_and_every_round_is_counted(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(powercap, "Every", lambda period_s, call: calls.append((period_s, call)) or every.Every(3600, lambda: None))
    machine.zone("intel-rapl:0", "package-0")
    meter = Powercap(machine.root)
    meter.start()
    ((period_s, call),) = calls
    assert period_s == RANGE_UJ / 1e6 / 2000 / 2
    for _ in range(10):
        machine.go(period_s, **{"intel-rapl:0": 100_000_000_000})
        call()
    machine.go(1.0, **{"intel-rapl:0": 1})
    assert value_j(meter.stop(Window(wall_s=10 * period_s, items=1))[0]) == 1_000_000.000001


def test_a_counter_that_may_have_come_round_unseen_is_missing(machine: Machine) -> None:
    machine.zone("intel-rapl:0", "package-0")
    found = measured(Powercap(machine.root), machine, 200.0, **{"intel-rapl:0": 5_000_000})
    assert why(found["package_energy"]) == "package-0 was not read for 200 s and may have come round more than once"


def test_no_thread_outlives_its_window(machine: Machine) -> None:
    before = threading.active_count()
    meter = server(machine)
    for _ in range(3):
        meter.start()
    assert threading.active_count() == before + 1
    meter.stop(ONE)
    assert threading.active_count() == before


def test_a_machine_without_counters_and_a_container_that_hides_them(machine: Machine) -> None:
    assert Powercap(machine.root).ready(HERE) == f"no energy counter in {machine.root}/sys/class/powercap, as on most virtual machines."
    machine.zone("intel-rapl:0", "package-0")
    shutil.rmtree(machine.root / "sys/devices")
    hidden = Powercap(machine.root).ready(HERE)
    assert hidden is not None
    assert hidden.startswith(f"{machine.root}/sys/class/powercap names counters that lead nowhere, as inside a container")


def test_every_calls_until_it_is_ended() -> None:
    called = threading.Semaphore(0)
    beside = every.Every(0.001, called.release)
    assert called.acquire(timeout=5)
    assert called.acquire(timeout=5)
    beside.end()
    while called.acquire(blocking=False):
        pass
    assert not called.acquire(timeout=0.05)
