"""Energy of packages, memory and platform as the processor's own counters add it up: Linux powercap, of Intel and AMD.

A counter runs in microjoules from 0 to `max_energy_range_uj` and begins again; one that runs long is read once before it can have come
round twice. Zones that hold each other are never added: psys holds package, package holds core and uncore. A zone that stands in two
places (`intel-rapl` and `intel-rapl-mmio`, or a link) is counted once, and so is a package whose dies all show the package's one counter.

Source: Documentation/power/powercap/powercap.rst of Linux.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host
from paredown.meters.every import Every

PERMIT = "sudo chmod a+r /sys/class/powercap/*/energy_uj"

# quantity -> the domain it sums, over all packages
_DOMAINS = {"package_energy": "package", "dram_energy": "dram", "platform_energy": "psys"}

_MOST_W = 2000.0  # four times what the hottest socket of 2026 is built for; more is a fault of the counter
_RENEWED_S = 0.01  # counters are renewed about once a millisecond, so that a step may belong to a little more than the window
_DIGITS = 20  # of the largest number that the kernel's 64 bits hold
_SAME_UJ = 1_000_000  # two views of one counter, read one after the other


@dataclass(frozen=True, kw_only=True)
class Zone:
    """One counter of the kernel's tree.

    Args:
        folder: Where its files are.
        name: As people know it: "package-0", "package-0-die-1", "package-0/dram", "psys".
        domain: package, dram or psys.
    """

    folder: Path
    name: str
    domain: str

    def read_uj(self) -> int:
        """The counter in microjoules; OSError or ValueError where it cannot be read."""
        text = (self.folder / "energy_uj").read_text().strip()
        if not (text.isdecimal() and len(text) <= _DIGITS):
            raise ValueError(f"it says {text[:_DIGITS]!r}, which is no count of microjoules")
        return int(text)

    def range_uj(self) -> int | None:
        """Where it begins again; None where the kernel does not say, or says 0."""
        try:
            return max(0, int((self.folder / "max_energy_range_uj").read_text())) or None
        except (OSError, ValueError):
            return None


class Powercap(Meter):
    """Joules that the processors' own counters add in a window, per item; all that runs on the machine is in them, and so is idle.

    Args:
        root: Folder that holds `sys`.
    """

    quantities = tuple(_DOMAINS)

    def __init__(self, root: Path = Path("/")) -> None:
        self._class = root / "sys/class/powercap"
        self._zones: tuple[Zone, ...] | None = None
        self._tallies: list[_Tally] = []
        self._beside: Every | None = None

    def zones(self) -> tuple[Zone, ...]:
        """The zones that are read, each counter once."""
        if self._zones is None:
            self._zones = tuple(_zones(self._class))
        return self._zones

    def found(self) -> Sequence[str]:
        """The names of the zones."""
        return [zone.name for zone in self.zones()]

    def ready(self, host: Host) -> str | None:
        """None when at least one counter can be read."""
        errors = [error for error in map(_unreadable, self.zones()) if error is not None]
        if len(errors) < len(self.zones()):
            return None
        if errors:
            return (
                f"{', '.join(self.found())} cannot be read ({errors[0]}); Linux lets only root. "
                f"Run `{PERMIT}`, which lasts until the machine starts again."
            )
        if any(self._class.glob("*:*")):
            return (
                f"{self._class} names counters that lead nowhere, as inside a container that hides them. "
                "Start it with `--security-opt systempaths=unconfined` (Docker) or `--security-opt unmask=ALL` (Podman)."
            )
        return f"no energy counter in {self._class}, as on most virtual machines."

    def start(self) -> None:
        """Read every counter."""
        if self._beside is not None:
            self._beside.end()
        self._tallies = [_Tally(zone) for zone in self.zones()]
        safe_s = [tally.safe_s for tally in self._tallies if tally.safe_s is not None]
        self._beside = Every(min(safe_s) / 2, self._advance) if safe_s else None

    def _advance(self) -> None:
        for tally in self._tallies:
            tally.advance()

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        """Sums over the packages; Missing where one counter is absent, unreadable, still or out of its mind."""
        if self._beside is not None:
            self._beside.end()
            self._beside = None
        self._advance()
        return tuple(self._sum(quantity, domain, window.items) for quantity, domain in _DOMAINS.items())

    def _sum(self, quantity: str, domain: str, items: int) -> Reading | Missing:
        tallies = [tally for tally in self._tallies if tally.zone.domain == domain]
        if not tallies:
            return Missing(quantity=quantity, reason=f"this machine has no {domain} counter")
        if not items:
            return Missing(quantity=quantity, reason="no inference was answered in the window")
        wrong = [tally.fault() for tally in tallies if tally.fault()]
        if wrong:
            return Missing(quantity=quantity, reason="; ".join(wrong))
        counted, mirrors = _once(tallies)
        total_uj = sum(tally.total_uj for tally in counted)
        source = "Linux powercap"
        if mirrors:
            source += f"; {', '.join(mirrors)} show the counter of {counted[0].zone.name} again"
        if domain == "psys":
            source += "; of the mainboard's parts that its maker had wired to the sensor, which is less than the plug"
        return Reading(
            quantity=quantity,
            value=total_uj / (1_000_000 * items),
            how=How.COUNTED,
            n=items,
            covers=tuple(tally.zone.name for tally in counted),
            source=source,
        )


class _Tally:
    """What one counter has added since a window began.

    `safe_s` is the time in which it cannot come round at any power that is believed; None where it is not known where it comes round.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.total_uj, self.first_uj, self.last_uj = 0, 0, 0
        self.began_s = self.at_s = monotonic()
        self.wrong = ""
        self.range_uj = zone.range_uj()
        self.safe_s = None if self.range_uj is None else self.range_uj / (1e6 * _MOST_W)
        try:
            self.first_uj = self.last_uj = zone.read_uj()
        except (OSError, ValueError) as error:
            self._fail(f"could not be read when the window began ({_said(error)})")

    def _fail(self, what: str) -> None:
        self.wrong = f"{self.zone.name} {what}"

    def advance(self) -> None:
        """Read the counter and add its step; the first fault ends it."""
        if self.wrong:
            return
        try:
            now_uj = self.zone.read_uj()
        except (OSError, ValueError) as error:
            self._fail(f"could not be read any more ({_said(error)})")
            return
        now_s = monotonic()
        step_uj, gap_s = now_uj - self.last_uj, now_s - self.at_s
        if step_uj < 0:
            fell = f"fell from {self.last_uj / 1e6:.6g} J to {now_uj / 1e6:.6g} J"
            if self.range_uj is None:
                self._fail(f"{fell}, and the kernel does not say where it begins again")
                return
            step_uj += self.range_uj
        if self.safe_s is not None and gap_s > self.safe_s:
            self._fail(f"was not read for {gap_s:.0f} s and may have come round more than once")
        elif not 0 <= step_uj <= 1e6 * _MOST_W * (gap_s + _RENEWED_S):
            self._fail(f"jumped by {step_uj / 1e6:.3g} J in {gap_s:.3g} s, which no socket draws")
        self.total_uj += step_uj
        self.last_uj, self.at_s = now_uj, now_s

    def fault(self) -> str:
        """Why the sum cannot be believed; empty when it can."""
        if not self.wrong and self.total_uj == 0:
            return f"{self.zone.name} stood still at {self.last_uj / 1e6:.6g} J for {self.at_s - self.began_s:.3g} s"
        return self.wrong

    def mirrors(self, other: _Tally) -> bool:
        """Whether both show one counter: the same number when the window began and when it ended."""
        pairs = ((self.first_uj, other.first_uj), (self.last_uj, other.last_uj))
        return all(_apart(*pair, self.range_uj) <= _SAME_UJ for pair in pairs)


def _apart(one_uj: int, two_uj: int, range_uj: int | None) -> int:
    """The way between two states of a counter, round the end where that is shorter."""
    apart = abs(one_uj - two_uj)
    return apart if range_uj is None else min(apart, abs(range_uj - apart))


def _once(tallies: Sequence[_Tally]) -> tuple[list[_Tally], list[str]]:
    """The tallies to add, and the names of dies that only show their package's counter again.

    Some kernels give each die of an AMD package a zone, and every one of them the package's counter.
    """
    counted: list[_Tally] = []
    mirrors: list[str] = []
    for tally in tallies:
        package, die, _ = tally.zone.name.partition("-die-")
        if die and any(tally.mirrors(other) for other in counted if other.zone.name.startswith(f"{package}-die-")):
            mirrors.append(tally.zone.name)
        else:
            counted.append(tally)
    return counted, mirrors


def _zones(folder: Path) -> Iterator[Zone]:
    """The zones of all control types; one counter that stands in two places comes once, from where it can be read."""
    places: set[Path] = set()
    found: dict[str, tuple[str, Zone]] = {}
    for path in sorted(folder.glob("*/energy_uj"), key=lambda path: ("mmio" in path.parent.name, path)):
        real = path.parent.resolve()
        if real in places:
            continue
        places.add(real)
        name = _line(path.parent / "name")
        domain = "package" if name.startswith("package") else name
        if domain not in _DOMAINS.values():
            continue
        control, _, rest = path.parent.name.partition(":")
        above = _line(folder / f"{control}:{rest.rpartition(':')[0]}" / "name") if ":" in rest else ""
        zone = Zone(folder=path.parent, name=f"{above}/{name}" if above else name, domain=domain)
        first = found.get(zone.name)
        if first is None or (first[0] != control and _unreadable(first[1]) and not _unreadable(zone)):
            found[zone.name] = control, zone
        elif first[0] == control:
            found[path.parent.name] = control, replace(zone, name=f"{zone.name} ({path.parent.name})")
    return (zone for _, zone in found.values())


def _unreadable(zone: Zone) -> str | None:
    """None when the counter can be read, else what the system says."""
    try:
        zone.read_uj()
    except (OSError, ValueError) as error:
        return _said(error)
    return None


def _said(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _line(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""
