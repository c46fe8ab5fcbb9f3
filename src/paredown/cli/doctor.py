"""`paredown doctor`: what this machine can run and measure, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from paredown.cli import COMMANDS, screen

if TYPE_CHECKING:
    from paredown.core.meter import Meter


def engines() -> list[dict[str, Any]]:
    """Each runtime with its version, or the reason why it cannot run here."""
    from paredown.core.errors import ParedownError
    from paredown.ground import registry
    from paredown.ground.host import host

    found = []
    for name, unit in registry.units("runtimes").items():
        entry: dict[str, Any] = {"name": name, "ready": False, "version": None, "reason": None}
        try:
            runtime = unit.load()()
            entry["reason"] = runtime.ready(host())
            if entry["reason"] is None:
                entry |= {"ready": True, "version": runtime.version()}
        except ParedownError as error:
            entry["reason"] = str(error)
        except Exception as error:  # a broken third-party unit is shown, and the others with it
            entry["reason"] = f"BROKEN: {type(error).__name__}: {error}"
        found.append(entry)
    return found


def meters() -> list[dict[str, Any]]:
    """Each meter with what it gives and the instruments it reads, or the reason why it cannot work here. Facts about files are left out.

    `found` is None where a meter needs no instrument.
    """
    from paredown.core.meter import Meter
    from paredown.ground import registry

    found = []
    for name in registry.names("meters"):
        try:
            cls = registry.get("meters", name)
            if issubclass(cls, Meter):
                found.append(asked(cls()))
        except Exception as error:  # as above
            found.append(
                {"name": name, "quantities": [], "found": None, "reason": f"BROKEN: {type(error).__name__}: {error}", "wanted": False}
            )
    return found


def asked(meter: Meter) -> dict[str, Any]:
    """One meter: {"name", "quantities", "found": names of its instruments, "reason": None or why it cannot work here, "wanted"}."""
    from paredown.ground.host import host

    reason = meter.ready(host())
    instruments = meter.found()
    return {
        "name": meter.name(),
        "quantities": list(meter.quantities),
        "found": None if instruments is None else list(instruments),
        "reason": reason,
        "wanted": meter.wanted(),
    }


def extras() -> list[dict[str, Any]]:
    """Each optional part with its install line and the packages that are absent."""
    from importlib.metadata import PackageNotFoundError, requires, version

    wanted: dict[str, list[str]] = {}
    for line in requires("paredown") or ():
        package, _, condition = line.partition(";")
        if "extra ==" in condition:
            extra = condition.partition("extra ==")[2].strip().strip("\"'")
            name = package.strip()
            for sign in "<>=!~ ":
                name = name.partition(sign)[0]
            if not name.startswith("paredown"):
                wanted.setdefault(extra, []).append(name)
    found = []
    for extra, packages in wanted.items():
        absent = []
        for package in packages:
            try:
                version(package)
            except PackageNotFoundError:
                absent.append(package)
        found.append({"name": extra, "install": f"pip install 'paredown[{extra}]'", "missing": absent})
    return found


def steal(root: Path = Path("/")) -> float | None:
    """The share of CPU time since boot that the hypervisor gave to others; None where the kernel does not say."""
    fields = _first_line(root / "proc/stat").split()
    if len(fields) < 9 or fields[0] != "cpu":
        return None
    ticks = [int(field) for field in fields[1:9]]
    return ticks[7] / max(1, sum(ticks))


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def state(try_engines: bool = True) -> dict[str, Any]:
    """All that doctor knows, as plain data in SI units.

    Args:
        try_engines: False leaves the timing of engines out, which takes a few seconds.
    """
    import platform
    import shutil
    from importlib.metadata import version

    from paredown.ground.host import host
    from paredown.impact.energy import cpu_curve, curve_json
    from paredown.measuring import eight_bits

    machine = host()
    return {
        "paredown": version("paredown"),
        "python": platform.python_version(),
        "host": {
            "cores": machine.cores, "isa": machine.isa, "cpu": dict(machine.cpu), "memory_b": machine.memory_b, "system": machine.system,
            "virtual": machine.virtual, "steal": steal(), "disk_free_b": shutil.disk_usage(".").free,
        },
        "int8": {"instructions": eight_bits.instructions(machine.isa), "tried": eight_bits.tried_apart() if try_engines else []},
        "energy": curve_json(cpu_curve(machine), machine),
        "engines": engines(),
        "meters": meters(),
        "extras": extras(),
    }  # fmt: skip


@click.command(help=COMMANDS["doctor"][1])
@click.option("--quick", is_flag=True, help="Leave out the few seconds in which the engines are timed.")
@screen.json_flag
def command(quick: bool, as_json: bool) -> None:
    """Show it."""
    if not quick:
        screen.note("timing the engines, a few seconds")
    found = state(not quick)
    if as_json:
        screen.dump(found)
        return
    host, energy = found["host"], found["energy"]
    virtual = {True: "virtual machine", False: "no hypervisor seen", None: "virtual or not: unknown"}[host["virtual"]]
    idle, active = (energy[key] for key in ("idle_w", "active_w"))
    screen.table(
        [
            ("paredown", f"{found['paredown']} on Python {found['python']}, {host['system']}"),
            ("cpu", f"{host['cores']} cores for this process, {host['isa']}, {host['cpu'].get('brand') or 'brand unknown'}, {virtual}"),
            ("memory", f"{host['memory_b'] / 2**30:.1f} GiB for this process; {host['disk_free_b'] / 2**30:.1f} GiB free on this disk"),
            *([("steal", f"{host['steal']:.2%} of CPU time since boot went to other machines on this hardware")] if host["steal"] else []),
            ("counters", _counters(found["meters"])),
            ("energy", f"estimated from CPU time: {_watts(active)} per busy vCPU above {_watts(idle)} idle"),
            *_estimators(energy),
        ]
    )
    screen.say()
    screen.say("int8")
    screen.table([("  this CPU", found["int8"]["instructions"]["text"]), *_tried(found["int8"]["tried"])])
    for title, line in (("engines", _engine), ("meters", _meter), ("extras", _extra)):
        screen.say()
        screen.say(title)
        screen.table([(f"  {entry['name']}", line(entry)) for entry in found[title]])


def _tried(entries: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Per engine, how much less CPU time a sample takes in int8, or the reason why that is not known."""
    for entry in entries:
        name = f"  {entry['engine']}, {entry['products']}"
        if entry["reason"] is not None:
            yield name, f"not tried: {entry['reason']}"
        else:
            times = f"{1e6 * entry['fp32_s']:.0f} µs in fp32, {1e6 * entry['int8_s']:.0f} µs in int8"
            yield (
                name,
                f"int8 takes {entry['ratio']:.1f} times less CPU time here ({times})" if entry["ratio"] > 1.1 else f"no gain ({times})",
            )


def _engine(entry: dict[str, Any]) -> str:
    return f"ready, {entry['version']}" if entry["ready"] else f"not ready: {entry['reason']}"


def _meter(entry: dict[str, Any]) -> str:
    if entry["reason"]:
        return f"not ready: {entry['reason']}"
    read = f" of {', '.join(entry['found'])}" if entry["found"] else ""
    return ", ".join(entry["quantities"]) + read


def _counters(entries: list[dict[str, Any]]) -> str:
    """The energy instruments that can be read here, of those that know of any."""
    instruments = [entry for entry in entries if entry["found"] is not None]
    said = [f"{entry['name']} reads {', '.join(entry['found'])}" for entry in instruments if entry["reason"] is None]
    if not said:
        said = [f"none can be read: energy is estimated; what {', '.join(entry['name'] for entry in instruments)} need stands below"]
    failed = [entry["name"] for entry in instruments if entry["reason"] and entry["wanted"]]
    return "; ".join([*said, *(f"{name} is there or was named, and FAILS" for name in failed)])


def _extra(entry: dict[str, Any]) -> str:
    return f"missing {', '.join(entry['missing'])}; {entry['install']}" if entry["missing"] else "installed"


def _estimators(energy: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What each estimator of a busy vCPU says and stands on, how far they are apart, and what they cover."""
    from paredown.report.words import load

    for name, one in energy["estimators"].items():
        yield "", f"  {load().name('estimator', name)}: {_watts(one['active_w'])}; {one['note']}; {one['source']}"
    yield "", f"the range holds all of them, its ends a factor of {energy['spread']:.1f} apart"
    yield "", energy["boundary"]


def _watts(span: dict[str, Any]) -> str:
    from paredown.report.format import number
    from paredown.report.words import load

    return number(span, "power", load(), interval=True)
