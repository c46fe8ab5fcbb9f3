"""Fake machines are folders; the excerpts are shortened /proc/cpuinfo texts of cloud machines."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paredown.ground.host import cpu_seconds, host

VNNI = "avx2 hypervisor avx512f avx512_vnni"


def x86(vendor: str, family: int, model: int, stepping: int, brand: str, flags: str) -> str:
    return f"""vendor_id\t: {vendor}
cpu family\t: {family}
model\t\t: {model}
model name\t: {brand}
stepping\t: {stepping}
flags\t\t: fpu vme sse2 {flags}
bugs\t\t: spectre_v1
"""


def arm(part: str, flags: str) -> str:
    return f"""BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes crc32 {flags}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: {part}
CPU revision\t: 1
"""


MACHINES = {
    "skylake": x86("GenuineIntel", 6, 85, 4, "Intel(R) Xeon(R) CPU @ 2.00GHz", "avx2 hypervisor avx512f"),
    "cascade lake": x86("GenuineIntel", 6, 85, 7, "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", VNNI),
    "ice lake": x86("GenuineIntel", 6, 106, 6, "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", VNNI),
    "sapphire rapids": x86("GenuineIntel", 6, 143, 8, "Intel(R) Xeon(R) Platinum 8481C", f"{VNNI} amx_tile amx_int8"),
    "rome": x86("AuthenticAMD", 23, 49, 0, "AMD EPYC 7R32", "avx2 hypervisor"),
    "milan": x86("AuthenticAMD", 25, 1, 1, "AMD EPYC 7763 64-Core Processor", "avx2 hypervisor"),
    "genoa": x86("AuthenticAMD", 25, 17, 1, "AMD EPYC", VNNI),
    "masked": x86("GenuineIntel", 6, 207, 2, "Intel(R) Xeon(R) Processor @ 2.10GHz", f"{VNNI} amx_int8"),
    "desktop": x86("GenuineIntel", 6, 151, 2, "12th Gen Intel(R) Core(TM) i7-12700", "avx2 avx_vnni"),
    "qemu": x86("AuthenticAMD", 15, 107, 1, "QEMU Virtual CPU version 2.5+", "hypervisor"),
    "graviton": arm("0xd08", ""),
    "graviton2": arm("0xd0c", "asimdhp asimddp"),
    "graviton3": arm("0xd40", "asimdhp asimddp sve i8mm bf16"),
}
ISA = {
    "skylake": "avx512",
    "cascade lake": "avx512_vnni",
    "ice lake": "avx512_vnni",
    "sapphire rapids": "amx",
    "rome": "avx2",
    "milan": "avx2",
    "genoa": "avx512_vnni",
    "masked": "amx",
    "desktop": "avx_vnni",
    "qemu": "generic",
    "graviton": "arm",
    "graviton2": "arm_dotprod",
    "graviton3": "arm_i8mm",
}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def machine(root: Path, name: str, cpus: int = 4, allowed: str = "0-127", cgroup: str = "0::/\n") -> Path:
    write(root / "proc/cpuinfo", "".join(f"processor\t: {number}\n{MACHINES[name]}\n" for number in range(cpus)))
    write(root / "proc/meminfo", "MemTotal:       16384000 kB\nMemFree:         1000000 kB\n")
    write(root / "proc/self/status", f"Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed}\n")
    write(root / "proc/self/cgroup", cgroup)
    return root


@pytest.mark.parametrize("name", MACHINES)
def test_the_instruction_class_follows_the_strongest_flag(tmp_path: Path, name: str) -> None:
    assert host(machine(tmp_path, name)).isa == ISA[name]


def test_cpu_numbers_come_as_the_kernel_says_them(tmp_path: Path) -> None:
    cascade = host(machine(tmp_path / "a", "cascade lake")).cpu
    brand = "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"
    assert cascade == {"vendor": "GenuineIntel", "family": 6, "model": 85, "stepping": 7, "brand": brand}
    graviton = host(machine(tmp_path / "b", "graviton2")).cpu
    assert graviton == {"vendor": "0x41", "family": 8, "model": 0xD0C, "stepping": 1, "brand": ""}


@pytest.mark.parametrize(("name", "virtual"), [("genoa", True), ("desktop", False), ("graviton3", None)])
def test_virtual_is_unknown_where_the_kernel_does_not_say(tmp_path: Path, name: str, virtual: bool | None) -> None:
    assert host(machine(tmp_path, name)).virtual is virtual


@pytest.mark.parametrize(("allowed", "cores"), [("0-127", 4), ("0-1", 2), ("1,3", 2), ("2", 1), ("", 4)])
def test_cores_are_those_allowed_and_present(tmp_path: Path, allowed: str, cores: int) -> None:
    assert host(machine(tmp_path, "milan", allowed=allowed)).cores == cores


@pytest.mark.parametrize(("limit", "cores"), [("max 100000", 4), ("250000 100000", 2), ("50000 100000", 1), ("900000 100000", 4), ("", 4)])
def test_a_quota_of_cgroup_v2_is_rounded_down_but_leaves_one(tmp_path: Path, limit: str, cores: int) -> None:
    root = machine(tmp_path, "milan")
    write(root / "sys/fs/cgroup/cpu.max", limit + "\n")
    assert host(root).cores == cores


def test_a_limit_of_a_parent_group_holds(tmp_path: Path) -> None:
    root = machine(tmp_path, "milan", cgroup="0::/system.slice/job.service\n")
    write(root / "sys/fs/cgroup/system.slice/job.service/cpu.max", "max 100000\n")
    write(root / "sys/fs/cgroup/system.slice/job.service/memory.max", "max\n")
    write(root / "sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n")
    write(root / "sys/fs/cgroup/system.slice/memory.max", "2147483648\n")
    found = host(root)
    assert (found.cores, found.memory_b) == (3, 2147483648)


def test_cgroup_v1_in_a_container_that_sees_the_path_of_the_host(tmp_path: Path) -> None:
    root = machine(tmp_path, "skylake", cgroup="5:memory:/docker/4f\n3:cpu,cpuacct:/docker/4f\n")
    write(root / "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n")
    write(root / "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    write(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n")
    found = host(root)
    assert (found.cores, found.memory_b) == (1, 1073741824)


def test_no_limit_in_cgroup_v1_is_no_limit(tmp_path: Path) -> None:
    root = machine(tmp_path, "skylake", cgroup="5:memory:/\n3:cpu:/\n")
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    write(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    found = host(root)
    assert (found.cores, found.memory_b) == (4, 16384000 * 1024)


def test_a_machine_without_proc_still_has_a_core(tmp_path: Path) -> None:
    found = host(tmp_path)
    assert found.cores == (os.cpu_count() or 1)
    assert found.virtual is None
    assert found.cpu["vendor"] == ""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no affinity call")
def test_this_machine_agrees_with_the_affinity_call() -> None:
    found = host()
    assert 1 <= found.cores <= len(os.sched_getaffinity(0))
    assert 0 < found.memory_b <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_cpu_seconds_grow_with_work_and_not_with_sleep() -> None:
    begin, ticks = cpu_seconds(), sum(os.times()[:2])
    time.sleep(0.1)
    slept = cpu_seconds() - begin
    while sum(os.times()[:2]) - ticks < 0.2:
        pass
    assert slept < 0.05
    assert cpu_seconds() - begin == pytest.approx(0.2, abs=0.05)


def test_children_count_only_when_asked_for() -> None:
    pytest.importorskip("resource")
    own, all_ = cpu_seconds(), cpu_seconds(children=True)
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert cpu_seconds() - own < 0.2
    assert cpu_seconds(children=True) - all_ > 0.3
