"""What the figures were measured on, and how busy it was meanwhile."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

PROBES = Path(__file__).with_name("probes.c")
ISA_FLAGS = ("avx2", "fma", "avx512f", "asimd")


def _read(path: str) -> str:
    """The text of a file of the kernel's; empty where there is none (no Linux)."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _cpu() -> dict[str, Any]:
    fields = {}
    for line in _read("/proc/cpuinfo").split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    flags = fields.get("flags", fields.get("Features", "")).split()
    return {
        "cpu": fields.get("model name", platform.processor() or platform.machine()),
        "family and model": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "instruction sets": [flag for flag in ISA_FLAGS if flag in flags],
        "architecture": platform.machine(),
        "virtual": "hypervisor" in flags,
    }


def _caches() -> dict[str, str]:
    """The first processor's caches: {"L1d": "32K", ...}."""
    caches = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(_read(f"{index}/type").strip(), "")
        caches[f"L{_read(f'{index}/level').strip()}{kind}"] = _read(f"{index}/size").strip()
    return caches


def _memory_line(path: str, key: str) -> int:
    """The bytes of a "Key:  n kB" line; 0 where there is none."""
    for line in _read(path).splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return 0


def resident_memory() -> int:
    return _memory_line("/proc/self/status", "VmRSS")


def peak_memory() -> int:
    """The most that was resident since `reset_peak_memory`."""
    return _memory_line("/proc/self/status", "VmHWM")


def reset_peak_memory() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def commit() -> str:
    """The commit of the sources, with "-dirty" behind it if they were changed; empty outside
    of a repository."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=PROBES.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def facts() -> dict[str, Any]:
    from cnn_mnist import _core

    return {
        **_cpu(),
        "processors": processors(),
        "caches": _caches(),
        "memory_bytes": _memory_line("/proc/meminfo", "MemTotal"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "extension": _core._build(),
        "extension_sha256": hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest(),
        "path": _core._isa(),
    }


class Load:
    """Processor time that others took since this object was made."""

    def __init__(self) -> None:
        self._begin = self._ticks()

    @staticmethod
    def _ticks() -> list[int]:
        return [int(field) for field in _read("/proc/stat").partition("\n")[0].split()[1:9]]

    def since(self) -> dict[str, float]:
        """Shares of all processor time that were stolen by the host, and the load average."""
        passed = [now - then for now, then in zip(self._ticks(), self._begin)]
        if not sum(passed):
            return {}
        return {
            "steal": passed[7] / sum(passed),
            "idle": passed[3] / sum(passed),
            "load_average": os.getloadavg()[0],
        }


class Probes:
    """The FMA rate, copy bandwidth and core distance of this minute, by a program in C."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which(os.environ.get("CC", "cc"))
        self.program = folder / "probes"
        self.missing = "" if compiler else "no C compiler: the machine's limits were not measured"
        if compiler:
            subprocess.run(
                [
                    compiler,
                    "-O3",
                    "-march=native",
                    "-o",
                    str(self.program),
                    str(PROBES),
                    "-pthread",
                ],
                check=True,
            )

    def measure(self, threads: int) -> dict[str, float]:
        if self.missing:
            return {}
        done = subprocess.run([str(self.program), str(threads)], check=True, capture_output=True)
        return json.loads(done.stdout)
