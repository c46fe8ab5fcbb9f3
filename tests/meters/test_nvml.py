"""NVIDIA's library as a module of our own with a recorded trace: the joules of a counter, of power samples, or why there are none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from paredown.core.meter import Window
from paredown.core.reading import How, Missing, Reading
from paredown.ground.host import host
from paredown.meters import every, nvml
from paredown.meters.nvml import Nvml, visible
from paredown.testing.contracts import check_meter

HERE = replace(host(), system="linux")
ONE = Window(wall_s=1.0, items=1)
NOT_SUPPORTED = "Not Supported"


class FakeError(Exception):
    """As the library's own: the text is what the driver says."""


@dataclass(eq=False)
class Card:
    """One card: its power in watts over time; without `counter` it keeps no joules."""

    name: str = "NVIDIA H100"
    power_w: float | None = 100.0
    counter: bool = True
    energy_mj: int = 5_000_000
    mig: bool = False
    vgpu: bool = False
    lost: bool = False


@dataclass
class Machine:
    """A driver, a clock that stands until it is told to go, and the calls that a sampling thread would have made."""

    root: Path
    cards: list[Card]
    now_s: float = 50.0
    beside: list[Callable[[], None]] = field(default_factory=list)

    def go(self, seconds: float, power_w: float | None = None) -> None:
        """Time passes at one power; the counters add it up, and the sampling thread wakes once."""
        for card in self.cards:
            if power_w is not None:
                card.power_w = power_w
            if card.power_w is not None:
                card.energy_mj += round(1000 * card.power_w * seconds)
        self.now_s += seconds
        for call in self.beside:
            call()


def library(machine: Machine) -> ModuleType:
    """The few functions of pynvml that are asked."""
    made: Any = ModuleType("pynvml")

    def said(card: Card, there: bool, value: Any) -> Any:
        if card.lost:
            raise FakeError("GPU is lost")
        if not there:
            raise FakeError(NOT_SUPPORTED)
        return value

    made.NVMLError = FakeError
    made.NVML_DEVICE_MIG_ENABLE, made.NVML_GPU_VIRTUALIZATION_MODE_VGPU = 1, 2
    made.nvmlInit = lambda: None
    made.nvmlDeviceGetCount = lambda: len(machine.cards)
    made.nvmlDeviceGetHandleByIndex = lambda index: machine.cards[index]
    made.nvmlDeviceGetUUID = lambda card: f"GPU-{machine.cards.index(card)}aaa-bbb".encode()
    made.nvmlDeviceGetName = lambda card: card.name
    made.nvmlDeviceGetMigMode = lambda card: said(card, card.mig, [1, 1])
    made.nvmlDeviceGetVirtualizationMode = lambda card: said(card, True, 2 if card.vgpu else 0)
    made.nvmlDeviceGetTotalEnergyConsumption = lambda card: said(card, card.counter, card.energy_mj)
    made.nvmlDeviceGetPowerUsage = lambda card: said(card, card.power_w is not None, round(1000 * (card.power_w or 0)))
    return made


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, [Card()])
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    monkeypatch.setitem(sys.modules, "pynvml", library(made))
    monkeypatch.setattr(nvml, "monotonic", lambda: made.now_s)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)

    def hand(period_s: float, call: Callable[[], None]) -> every.Every:
        assert period_s == 0.1
        made.beside.append(call)
        return every.Every(3600, call)

    monkeypatch.setattr(nvml, "Every", hand)
    return made


def meter(machine: Machine) -> Nvml:
    made = Nvml(machine.root)
    assert made.ready(HERE) is None
    return made


def stop(made: Nvml, window: Window = ONE) -> Reading:
    (found,) = made.stop(window)
    assert isinstance(found, Reading), found
    return found


def why(made: Nvml, window: Window = ONE) -> str:
    (found,) = made.stop(window)
    assert isinstance(found, Missing), found
    return found.reason


def test_contract(machine: Machine) -> None:
    assert check_meter(meter(machine)) is None


def test_a_counter_is_joules_per_item_to_the_millijoule(machine: Machine) -> None:
    made = meter(machine)
    made.start()
    machine.go(0.5, power_w=321.5)
    machine.go(0.5, power_w=100.0)
    found = stop(made, Window(wall_s=1.0, items=4))
    assert found.value == (321.5 / 2 + 50) / 4
    assert (found.how, found.covers, found.source) == (How.COUNTED, ("NVIDIA H100 #0",), "NVML: energy counter")
    assert made.found() == ["NVIDIA H100 #0 (energy counter)"]


def test_all_cards_that_may_be_used_are_added(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.cards += [Card(), Card()]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-0a")
    made = meter(machine)
    made.start()
    machine.cards[1].power_w = 900.0
    machine.go(1.0)
    found = stop(made)
    assert (found.value, found.covers) == (200.0, ("NVIDIA H100 #2", "NVIDIA H100 #0"))


def test_a_card_without_a_counter_has_its_power_added_up(machine: Machine) -> None:
    machine.cards[0] = Card(name="Tesla P4", counter=False, power_w=10.0)
    made = meter(machine)
    made.start()
    for power_w in (20.0, 40.0, 40.0):  # between two samples the power goes straight from one to the other
        machine.go(0.1, power_w)
    found = stop(made)
    assert found.value == pytest.approx(0.1 * (15 + 30 + 40))
    assert (found.how, found.source) == (How.MEASURED, "NVML: integrated power samples")


def test_two_kinds_of_cards_are_as_strong_as_the_weaker(machine: Machine) -> None:
    machine.cards.append(Card(name="Tesla P4", counter=False, power_w=50.0))
    made = meter(machine)
    made.start()
    machine.go(1.0)
    found = stop(made)
    assert found.value == pytest.approx(150.0)
    assert (found.how, found.source) == (How.MEASURED, "NVML: energy counter and integrated power samples")


def test_a_counter_that_never_left_zero_does_not_count(machine: Machine) -> None:
    machine.cards[0] = Card(energy_mj=0, power_w=70.0)
    made = meter(machine)
    assert made.found() == ["NVIDIA H100 #0 (integrated power samples)"]


@pytest.mark.parametrize(("counter", "what"), [(True, "the counter is renewed"), (False, "power is sampled")])
def test_a_window_shorter_than_the_instrument_has_no_number(machine: Machine, counter: bool, what: str) -> None:
    machine.cards[0].counter = counter
    made = meter(machine)
    made.start()
    machine.go(0.05)
    assert why(made) == f"window too short: 0.05 s, and {what} about every 0.1 s"


def test_a_counter_that_stands_still_is_no_zero(machine: Machine) -> None:
    made = meter(machine)
    made.start()
    machine.go(0.3, power_w=0.0)
    assert why(made) == "the counter of NVIDIA H100 #0 stood still for 0.3 s"


@pytest.mark.parametrize("added_mj", [-4_000_000, 2**63])
def test_a_jump_that_no_card_draws_is_missing(machine: Machine, added_mj: int) -> None:
    made = meter(machine)
    made.start()
    machine.cards[0].energy_mj += added_mj
    machine.now_s += 1.0
    assert why(made) == f"the counter of NVIDIA H100 #0 jumped by {added_mj / 1000:.3g} J in 1 s, which no card draws"


@pytest.mark.parametrize("counter", [True, False])
def test_a_card_that_falls_off_the_bus_is_missing(machine: Machine, counter: bool) -> None:
    machine.cards[0].counter = counter
    made = meter(machine)
    made.start()
    machine.cards[0].lost = True
    machine.go(1.0)
    assert why(made) == "NVIDIA H100 #0: GPU is lost"
    made.start()
    machine.go(1.0)
    assert why(made) == "NVIDIA H100 #0: GPU is lost"
    machine.cards[0].lost = False
    made.start()
    machine.go(1.0)
    assert stop(made).value == 100.0


def test_a_gap_between_samples_is_missing(machine: Machine) -> None:
    machine.cards[0].counter = False
    made = meter(machine)
    made.start()
    machine.go(3.0)
    assert why(made) == "no power sample of NVIDIA H100 #0 for 3 s, 1 s at most is allowed"


def test_no_answer_in_the_window_is_missing(machine: Machine) -> None:
    made = meter(machine)
    made.start()
    machine.go(1.0)
    assert why(made, Window(wall_s=1.0, items=0)) == "no inference was answered in the window"


def test_a_meter_that_was_not_asked_whether_it_is_ready_opens_the_cards_itself(machine: Machine) -> None:
    made = Nvml(machine.root)
    assert why(made) == "it was not opened"
    made.start()
    machine.go(1.0)
    assert stop(made).value == 100.0
    machine.cards.clear()
    other = Nvml(machine.root)
    other.start()
    assert why(other) == "the driver shows no card."


SHARE = "the counter is the whole card's, and what others draw is in it."


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (Card(mig=True), f"NVIDIA H100 #0 is cut into shares (MIG): {SHARE}"),
        (
            Card(name="GRID V100-8Q", counter=False, power_w=None, vgpu=True),
            "GRID V100-8Q #0 is a share of a card (vGPU): its energy is known only where the virtual machine runs.",
        ),
        (Card(name="GeForce 710", counter=False, power_w=None), "GeForce 710 #0 says neither its energy nor its power."),
    ],
)
def test_a_card_that_cannot_be_read_says_why(machine: Machine, card: Card, reason: str) -> None:
    machine.cards[0] = card
    made = Nvml(machine.root)
    assert made.ready(HERE) == reason
    assert made.found() == []


IDS = ("GPU-0aa", "GPU-1bb", "GPU-1cc")
SAME = ("A100", "A100", "A100")


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        (None, [0, 1, 2]),
        ("0,2", [0, 2]),
        (" 2 , 2 ", [2]),
        ("GPU-0,GPU-1c", [0, 2]),
        ("1,-1,2", [1]),  # CUDA sees nothing behind a name that it does not know
        ("0,GPU-1,2", [0]),  # two cards begin like that
        ("0,7,1", [0]),
        ("", "CUDA_VISIBLE_DEVICES is '', which leaves this process no card."),
        ("-1", "CUDA_VISIBLE_DEVICES is '-1', which leaves this process no card."),
        ("MIG-123", f"CUDA_VISIBLE_DEVICES names MIG-123, a share of a card: {SHARE}"),
    ],
)
def test_cards_are_chosen_as_cuda_chooses(setting: str | None, found: list[int] | str) -> None:
    assert visible(setting, IDS, SAME, None) == found


def test_numbers_of_different_cards_need_an_order() -> None:
    mixed = ("T4", "A100", "T4")
    reason = visible("0", IDS, mixed, None)
    assert reason == (
        "CUDA_VISIBLE_DEVICES names card 0, which CUDA and NVML count in different orders here (T4, A100, T4). "
        "Set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name cards by `GPU-...`."
    )
    assert visible("0", IDS, mixed, "PCI_BUS_ID") == [0]
    assert visible("GPU-0aa", IDS, mixed, None) == [0]
    assert visible(None, (), (), None) == "the driver shows no card."


def test_a_driver_that_does_not_answer_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise FakeError("Driver/library version mismatch")

    monkeypatch.setattr(sys.modules["pynvml"], "nvmlInit", broken)
    assert Nvml(machine.root).ready(HERE) == "NVML says: Driver/library version mismatch."


def test_without_a_driver_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Nvml(tmp_path).ready(HERE) == "this machine has no NVIDIA driver."
    assert Nvml(tmp_path).ready(replace(HERE, system="darwin")) == "NVIDIA has no driver for this system."
    asked = "import sys; from paredown.meters.nvml import Nvml; from paredown.ground.host import host; Nvml().ready(host()); "
    asked += "print('pynvml' in sys.modules)"
    if not any((Path("/") / place).exists() for place in nvml._DRIVER):
        assert subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout == "False\n"


def test_a_driver_without_the_package_says_what_to_install(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    reason = Nvml(machine.root).ready(HERE)
    assert reason == "nvml needs the package nvidia-ml-py, which is not installed.\n  Run `pip install 'paredown[gpu]'`."


@pytest.mark.gpu
def test_twice_the_products_take_twice_the_joules() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch sees no accelerator")
    made = Nvml()
    reason = made.ready(host())
    if reason:
        pytest.skip(reason)
    left = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)

    def joules(times: int) -> float:
        torch.cuda.synchronize()
        made.start()
        for _ in range(times):
            left @ left
        torch.cuda.synchronize()
        return stop(made).value

    joules(2000)  # warm silicon draws more
    first_j, second_j = joules(2000), joules(4000)
    assert second_j / first_j == pytest.approx(2, rel=0.05)
