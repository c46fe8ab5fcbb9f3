"""The machine as the kernel describes it: cores, CPU, memory, virtual or not.

Everything is read from files below one root, so that a test's fake machine is a folder.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paredown.core.runtime import Host

# class -> the flag that shows it, strongest first; int8 kernels differ between these classes
_ISA = (
    ("amx", "amx_int8"),
    ("avx512_vnni", "avx512_vnni"),
    ("avx512", "avx512f"),
    ("avx_vnni", "avx_vnni"),
    ("avx2", "avx2"),
    ("arm_i8mm", "i8mm"),
    ("arm_dotprod", "asimddp"),
    ("arm", "asimd"),
)


def host(root: Path = Path("/")) -> Host:
    """The machine this process runs on, as far as it may use it.

    Args:
        root: Folder that holds `proc` and `sys`.

    Returns:
        Host; `cores` is the smaller of affinity and cgroup quota (rounded down, at least 1), `memory_b` the smaller of physical memory
        and cgroup limit. `cpu` has vendor, family, model, stepping and brand; on Arm vendor is the implementer ("0x41"), family the
        architecture (8) and model the part number. `virtual` is None where the kernel does not say (Arm, other systems).
    """
    blocks = _cpuinfo(root)
    first = blocks[0] if blocks else {}
    flags = set((first.get("flags") or first.get("Features") or "").split())
    return Host(
        cores=_cores(root, blocks),
        isa=_isa(flags, first),
        cpu=_cpu(first),
        memory_b=_memory_b(root),
        system=platform.system().lower(),
        virtual="hypervisor" in flags if "flags" in first else None,
    )


def saturates(isa: str) -> bool:
    """Whether this class adds products of 8 bits in 16, as x86 does before VNNI, and cuts large sums off: weights then have room for 7."""
    return isa in ("avx512", "avx2", "generic")


def boot_id() -> str:
    """What no other machine has, new at each of its starts; empty where the system has none."""
    return _text(Path("/proc/sys/kernel/random/boot_id")).strip()


def cpu_seconds(children: bool = False) -> float:
    """CPU seconds, user and system, that all threads of this process used so far.

    Args:
        children: Add the processes it started and has waited for; those that still run are not in.
    """
    own = time.process_time()
    if not children:
        return own
    import resource  # not on Windows, and os.times() counts in ticks of 10 ms

    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own + spent.ru_utime + spent.ru_stime


def _text(path: Path) -> str:
    """The file's text, empty when it cannot be read."""
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _fields(text: str) -> dict[str, str]:
    """`key : value` lines as a mapping."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cpuinfo(root: Path) -> list[dict[str, str]]:
    """One mapping per logical processor; blocks without a number (old Arm kernels' footer) are left out."""
    blocks = (_fields(block) for block in _text(root / "proc/cpuinfo").split("\n\n"))
    return [block for block in blocks if block.get("processor", "").isdigit()]


def _isa(flags: set[str], first: Mapping[str, str]) -> str:
    """The instruction-set class; without cpuinfo only Arm is told from the rest."""
    if not first and platform.machine().lower() in ("arm64", "aarch64"):
        return "arm"
    return next((name for name, flag in _ISA if flag in flags), "generic")


def _cpu(first: Mapping[str, str]) -> dict[str, Any]:
    """Vendor, family, model, stepping and brand under the same names on x86 and Arm."""
    if "CPU implementer" in first:
        keys = ("CPU implementer", "CPU architecture", "CPU part", "CPU revision")
    else:
        keys = ("vendor_id", "cpu family", "model", "stepping")
    vendor, *numbers = (first.get(key, "") for key in keys)
    family, model, stepping = (_number(text) for text in numbers)
    return {"vendor": vendor, "family": family, "model": model, "stepping": stepping, "brand": first.get("model name", "")}


def _number(text: str) -> int | None:
    """A decimal or 0x number; None for anything else."""
    try:
        return int(text, 0)
    except ValueError:
        return None


def _cores(root: Path, blocks: list[dict[str, str]]) -> int:
    """CPUs that affinity and quota leave to this process."""
    present = {int(block["processor"]) for block in blocks}
    # the mask also names CPUs that could be plugged in later, so only those present count
    allowed = _cpu_list(_fields(_text(root / "proc/self/status")).get("Cpus_allowed_list", ""))
    usable = len(present & allowed) or len(present) or os.cpu_count() or 1
    quotas = (_quota(folder) for folder in _cgroups(root, "cpu"))
    return max(1, min([usable, *(int(cpus) for cpus in quotas if cpus is not None)]))


def _cpu_list(text: str) -> set[int]:
    """`0-3,8` -> {0, 1, 2, 3, 8}."""
    cpus: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def _memory_b(root: Path) -> int:
    """Physical memory or the tightest cgroup limit, in bytes."""
    total = _fields(_text(root / "proc/meminfo")).get("MemTotal", "").removesuffix(" kB")
    if total.isdigit():
        physical = int(total) * 1024
    else:
        known = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(getattr(os, "sysconf_names", {}))
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else 0
    limits = (_text(folder / name).strip() for folder in _cgroups(root, "memory") for name in ("memory.max", "memory.limit_in_bytes"))
    return min([physical, *(int(limit) for limit in limits if limit.isdigit())])


def _quota(folder: Path) -> float | None:
    """CPUs' worth of time per period that one cgroup allows; None is no limit."""
    v2 = _text(folder / "cpu.max").split()
    quota, period = v2 if len(v2) == 2 else (_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's cgroup and of all above it, in version 2 and version 1; a limit on any of them holds.

    Inside a container the path in /proc/self/cgroup may be the host's; then only the mount's own top exists, and it is the container's.
    """
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mounts = (base, base / "unified")
        elif controller in controllers.split(","):
            mounts = (base / controllers, base / controller)
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                folder = mount.joinpath(*parts[:depth])
                if folder.is_dir():
                    yield folder
