"""Energy of NVIDIA cards, from the driver's library NVML: the energy counter, or power samples added up where a card has no counter.

The counter (Volta and newer) is in millijoules and renewed about ten times a second, so that a shorter window has no number. Both are the
whole card's, idle and what others do on it included; that is why a share of a card (MIG, vGPU) has none.

Source: NVML API reference, nvmlDeviceGetTotalEnergyConsumption and nvmlDeviceGetPowerUsage.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from paredown.core.errors import MissingExtra
from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host
from paredown.ground.lazy import need
from paredown.meters.every import Every

_RENEWED_S = 0.1
_SAMPLE_S = 0.1
_GAP_S = 1.0  # between two samples; what happened in a longer gap is not known
_MOST_W = 5000.0  # several times what any card draws; more is a fault of the counter

_COUNTED, _SAMPLED = "energy counter", "integrated power samples"

# one of them stands wherever a driver does; the last two are those of a Linux inside Windows
_DRIVER = ("dev/nvidiactl", "proc/driver/nvidia/version", "dev/dxg", "usr/lib/wsl/lib/libnvidia-ml.so.1")


class Nvml(Meter):
    """Joules of the NVIDIA cards that this process may use, per item; all that runs on them is in it, and so is idle.

    Args:
        root: Folder that holds `dev` and `proc`.
    """

    quantities = ("gpu_energy",)
    least_s = 10 * _RENEWED_S

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._cards: list[_Card] | str = "it was not opened"
        self._beside: Every | None = None

    def ready(self, host: Host) -> str | None:
        """None when every card that may be used has an energy counter or says its power."""
        if host.system == "linux" and not self.wanted():
            return "this machine has no NVIDIA driver."
        if host.system == "darwin":
            return "NVIDIA has no driver for this system."
        self._cards = _open()
        return self._cards if isinstance(self._cards, str) else None

    def found(self) -> Sequence[str]:
        """The cards, and how each is read; empty before `ready` has found them."""
        return [f"{card.name} ({_COUNTED if card.counts else _SAMPLED})" for card in self._open_cards()]

    def wanted(self) -> bool:
        """True when a driver stands here."""
        return any((self._root / place).exists() for place in _DRIVER)

    def start(self) -> None:
        """Read every card, opened now if `ready` was not asked; a thread samples the power of those that have no counter."""
        if isinstance(self._cards, str):
            self._cards = _open()
        if self._beside is not None:
            self._beside.end()
        for card in self._open_cards():
            card.begin()
        if any(not card.counts for card in self._open_cards()):
            self._beside = Every(_SAMPLE_S, self._sample)

    def _open_cards(self) -> list[_Card]:
        return [] if isinstance(self._cards, str) else self._cards

    def _sample(self) -> None:
        for card in self._open_cards():
            if not card.counts:
                card.sample()

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        """The sum over the cards; Missing where one of them has no number for the window."""
        if self._beside is not None:
            self._beside.end()
            self._beside = None
        cards = self._open_cards()
        found = [card.end() for card in cards]
        wrong = [item for item in found if isinstance(item, str)] or ([self._cards] if isinstance(self._cards, str) else [])
        if wrong or not window.items:
            return (Missing(quantity="gpu_energy", reason="; ".join(wrong) or "no inference was answered in the window"),)
        ways = sorted({_COUNTED if card.counts else _SAMPLED for card in cards})
        reading = Reading(
            quantity="gpu_energy",
            value=sum(item for item in found if not isinstance(item, str)) / window.items,
            how=How.COUNTED if ways == [_COUNTED] else How.MEASURED,
            n=window.items,
            covers=tuple(card.name for card in cards),
            source=f"NVML: {' and '.join(ways)}",
        )
        return (reading,)


@dataclass(kw_only=True)
class _Card:
    """One card and what it said since a window began."""

    nvml: Any
    handle: Any
    name: str
    counts: bool
    began_s: float = 0.0
    began_mj: int = 0
    samples: list[tuple[float, float]] = field(default_factory=list)
    wrong: str = ""

    def begin(self) -> None:
        self.samples, self.wrong, self.began_s = [], "", monotonic()
        if not self.counts:
            self.sample()
            return
        try:
            self.began_mj = self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)
        except self.nvml.NVMLError as error:
            self.wrong = f"{self.name}: {error}"

    def sample(self) -> None:
        """Note the power at this moment."""
        try:
            self.samples.append((monotonic(), self.nvml.nvmlDeviceGetPowerUsage(self.handle) / 1000))
        except self.nvml.NVMLError as error:
            self.wrong = f"{self.name}: {error}"

    def end(self) -> float | str:
        """Joules since `begin`, or why they are not known."""
        wall_s = monotonic() - self.began_s
        if self.wrong:
            return self.wrong
        if wall_s < max(_RENEWED_S, _SAMPLE_S):
            what = "the counter is renewed" if self.counts else "power is sampled"
            return f"window too short: {wall_s:.2g} s, and {what} about every 0.1 s"
        return self._counted_j(wall_s) if self.counts else self._integrated_j()

    def _counted_j(self, wall_s: float) -> float | str:
        try:
            spent_j: float = (self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) - self.began_mj) / 1000
        except self.nvml.NVMLError as error:
            return f"{self.name}: {error}"
        if spent_j == 0:
            return f"the counter of {self.name} stood still for {wall_s:.2g} s"
        if not 0 < spent_j <= _MOST_W * (wall_s + _RENEWED_S):
            return f"the counter of {self.name} jumped by {spent_j:.3g} J in {wall_s:.2g} s, which no card draws"
        return spent_j

    def _integrated_j(self) -> float | str:
        self.sample()
        if self.wrong:
            return self.wrong
        steps = [(after[0] - before[0], (before[1] + after[1]) / 2) for before, after in zip(self.samples, self.samples[1:])]
        longest_s = max(step_s for step_s, _ in steps)
        if longest_s > _GAP_S:
            return f"no power sample of {self.name} for {longest_s:.2g} s, {_GAP_S:g} s at most is allowed"
        return sum(step_s * mean_w for step_s, mean_w in steps)


def _open() -> list[_Card] | str:
    """The cards that this process may use, or why they cannot be read."""
    try:
        nvml = need("pynvml", "nvml")
    except MissingExtra as error:
        return str(error)
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        ids = [_text(nvml.nvmlDeviceGetUUID(handle)) for handle in handles]
        names = [_text(nvml.nvmlDeviceGetName(handle)) for handle in handles]
    except nvml.NVMLError as error:
        return f"NVML says: {error}."
    chosen = visible(os.environ.get("CUDA_VISIBLE_DEVICES"), ids, names, os.environ.get("CUDA_DEVICE_ORDER"))
    if isinstance(chosen, str):
        return chosen
    cards = [_card(nvml, handles[index], f"{names[index]} #{index}") for index in chosen]
    return next((card for card in cards if isinstance(card, str)), [card for card in cards if not isinstance(card, str)])


def visible(setting: str | None, ids: Sequence[str], names: Sequence[str], order: str | None) -> list[int] | str:
    """Which cards CUDA may use, as NVML numbers them.

    Args:
        setting: CUDA_VISIBLE_DEVICES; None is all.
        ids: "GPU-..." of each card.
        names: Model of each card.
        order: CUDA_DEVICE_ORDER; without "PCI_BUS_ID" CUDA counts the fastest card first, NVML by slot.

    Returns:
        Numbers, or why they cannot be told.
    """
    if not ids:
        return "the driver shows no card."
    if setting is None:
        return list(range(len(ids)))
    found: list[int] = []
    for part in (part.strip() for part in setting.split(",")):
        if part.startswith("MIG-"):
            return f"CUDA_VISIBLE_DEVICES names {part}, a share of a card: the counter is the whole card's, and what others draw is in it."
        if part.isdigit() and int(part) < len(ids):
            if order != "PCI_BUS_ID" and len(set(names)) > 1:
                return (
                    f"CUDA_VISIBLE_DEVICES names card {part}, which CUDA and NVML count in different orders here ({', '.join(names)}). "
                    "Set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name cards by `GPU-...`."
                )
            found.append(int(part))
            continue
        named = [index for index, each in enumerate(ids) if part.startswith("GPU-") and each.startswith(part)]
        if len(named) != 1:
            break  # as CUDA does: what follows a name that it does not know is not seen
        found += named
    return list(dict.fromkeys(found)) or f"CUDA_VISIBLE_DEVICES is {setting!r}, which leaves this process no card."


def _card(nvml: Any, handle: Any, name: str) -> _Card | str:
    """A card that says its energy or its power, or why it does not."""
    mig = _asked(nvml, nvml.nvmlDeviceGetMigMode, handle)
    if mig is not None and mig[0] == nvml.NVML_DEVICE_MIG_ENABLE:
        return f"{name} is cut into shares (MIG): the counter is the whole card's, and what others draw is in it."
    if _asked(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, handle):  # a counter that never left 0 does not count
        return _Card(nvml=nvml, handle=handle, name=name, counts=True)
    if _asked(nvml, nvml.nvmlDeviceGetPowerUsage, handle) is not None:
        return _Card(nvml=nvml, handle=handle, name=name, counts=False)
    if _asked(nvml, nvml.nvmlDeviceGetVirtualizationMode, handle) == nvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU:
        return f"{name} is a share of a card (vGPU): its energy is known only where the virtual machine runs."
    return f"{name} says neither its energy nor its power."


def _asked(nvml: Any, ask: Any, handle: Any) -> Any:
    """An answer of the driver; None where it has none."""
    try:
        return ask(handle)
    except nvml.NVMLError:
        return None


def _text(found: str | bytes) -> str:
    return found.decode() if isinstance(found, bytes) else found
