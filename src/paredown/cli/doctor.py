"""`paredown doctor`: what this machine can run and measure, and what is missing."""

from __future__ import annotations

from typing import Any

import click

from paredown.cli import COMMANDS, screen


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
    """Each meter with what it reads, or the reason why it cannot work here. Facts about files need nothing and are left out."""
    from paredown.core.meter import Meter
    from paredown.ground import registry
    from paredown.ground.host import host

    found = []
    for name in registry.names("meters"):
        try:
            cls = registry.get("meters", name)
            if not issubclass(cls, Meter):
                continue
            found.append({"name": name, "quantities": list(cls.quantities), "reason": cls().ready(host())})
        except Exception as error:  # as above
            found.append({"name": name, "quantities": [], "reason": f"BROKEN: {type(error).__name__}: {error}"})
    return found


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


def state() -> dict[str, Any]:
    """All that doctor knows, as plain data in SI units."""
    import platform
    from importlib.metadata import version

    from paredown.ground.host import host
    from paredown.impact.energy import cpu_curve

    machine = host()
    curve = cpu_curve(machine)
    watts = {
        key: {"value": span.value, "low": span.low, "high": span.high}
        for key, span in (("idle_w", curve.idle_w), ("active_w", curve.active_w))
    }
    return {
        "paredown": version("paredown"),
        "python": platform.python_version(),
        "host": {
            "cores": machine.cores, "isa": machine.isa, "cpu": dict(machine.cpu), "memory_b": machine.memory_b, "system": machine.system,
            "virtual": machine.virtual,
        },
        "energy": {"how": "estimated", "curve": curve.name, "per_vcpu": watts, "source": curve.source, "note": curve.note},
        "engines": engines(),
        "meters": meters(),
        "extras": extras(),
    }  # fmt: skip


@click.command(help=COMMANDS["doctor"][1])
@screen.json_flag
def command(as_json: bool) -> None:
    """Show it."""
    found = state()
    if as_json:
        screen.dump(found)
        return
    host, energy = found["host"], found["energy"]
    virtual = {True: "virtual machine", False: "no hypervisor seen", None: "virtual or not: unknown"}[host["virtual"]]
    idle, active = (energy["per_vcpu"][key] for key in ("idle_w", "active_w"))
    screen.table(
        [
            ("paredown", f"{found['paredown']} on Python {found['python']}, {host['system']}"),
            ("cpu", f"{host['cores']} cores for this process, {host['isa']}, {host['cpu'].get('brand') or 'brand unknown'}, {virtual}"),
            ("memory", f"{host['memory_b'] / 2**30:.1f} GiB for this process"),
            ("energy", f"estimated from CPU time: {_watts(active)} per busy vCPU above {_watts(idle)} idle"),
            ("", f"{energy['note']}; {energy['source']}"),
        ]
    )
    for title, line in (("engines", _engine), ("meters", _meter), ("extras", _extra)):
        screen.say()
        screen.say(title)
        screen.table([(f"  {entry['name']}", line(entry)) for entry in found[title]])


def _engine(entry: dict[str, Any]) -> str:
    return f"ready, {entry['version']}" if entry["ready"] else f"not ready: {entry['reason']}"


def _meter(entry: dict[str, Any]) -> str:
    return f"not ready: {entry['reason']}" if entry["reason"] else ", ".join(entry["quantities"])


def _extra(entry: dict[str, Any]) -> str:
    return f"missing {', '.join(entry['missing'])}; {entry['install']}" if entry["missing"] else "installed"


def _watts(span: dict[str, float]) -> str:
    return f"{span['value']:.2f} W ({span['low']:.2f} to {span['high']:.2f})"
