"""A record in plain words, for `print(took)`."""

from __future__ import annotations

import math

from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.ground.untrusted import visible

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_PREFIXED = ("J", "g", "L")


def in_words(record: EnergyRecord) -> str:
    """What a block took: each reading with its interval and how it was obtained; then what stands behind them, each thing said once."""
    found = {name: item for name, item in record.readings.items() if isinstance(item, Reading)}
    lines = [f"{record.subject}: {_amount(record.wall_s, 's', 3)} of wall time"]
    lines += [f"  {name.replace('_', ' '):<16}{_said(item)}{_each(item, record)}" for name, item in found.items()]
    carbon = record.readings.get("carbon")
    if isinstance(carbon, Missing):
        lines.append(f"  {'carbon':<16}missing: {carbon.reason}")
    said = dict.fromkeys(part for item in found.values() for part in item.source.split("; ") if part)
    sources = [f"{'; '.join(said)}."] if said else []
    return "\n".join(visible(line, keep="") for line in [*lines, *(f"  {text}" for text in (*sources, record.boundary, *record.notes))])


def _said(item: Reading) -> str:
    digits = 2 if item.how in (How.ESTIMATED, How.MODELLED) else 3
    text = _amount(item.value, item.unit, digits)
    if item.low is not None and item.high is not None and item.low < item.high:
        text += f" [{_amount(item.low, item.unit, digits)}, {_amount(item.high, item.unit, digits)}]"
    return f"{text} ({item.how})"


def _each(item: Reading, record: EnergyRecord) -> str:
    """The share of one unit, where there are several."""
    if record.count == 1:
        return ""
    return f"; {_amount(item.value / record.count, item.unit, 2)} per {record.unit}"


def _amount(value: float, unit: str, digits: int) -> str:
    """A value with so many significant digits: "48 J", "1.2 kJ", "12.3 s"."""
    prefixes = [(size, name) for size, name in _PREFIXES if size <= 1 or unit in _PREFIXED]
    size, prefix = next((pair for pair in prefixes if abs(value) >= pair[0]), prefixes[-1]) if value else (1.0, "")
    scaled = float(f"{value / size:.{digits - 1}e}")
    if scaled and not 1e-4 <= abs(scaled) < 1e7:
        return f"{scaled:.{digits - 1}e} {prefix}{unit}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(scaled)))) if scaled else 0
    return f"{scaled:.{decimals}f} {prefix}{unit}"
