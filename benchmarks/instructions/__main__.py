"""`python -m benchmarks.instructions [--store]`: counts instructions under callgrind.

Compiles step.c with the plain C library, by the flags of the installed extension, and counts
what each task takes on each path that valgrind can run. More than 1 % above the stored count
fails; `--store` stores the counts for this compiler and C library.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "csrc"
COUNTS = HERE / "counts.json"
ROOMS = ("kernels", "random", "runtime", "training")
PATHS = ("scalar", "avx2")  # valgrind knows no AVX-512
TASKS = ("fixed", "shuffled", "dense", "wide", "one row")
TOLERANCE = 0.01
STORE = "python -m benchmarks.instructions --store"

Counts = dict[str, dict[str, int]]  # path -> task -> instructions


def compiler() -> str:
    return os.environ.get("CC", "cc")


def environment() -> str:
    """What the counts depend on besides the sources: "gcc 12.2.0, glibc 2.36"."""
    first = subprocess.run([compiler(), "--version"], check=True, capture_output=True, text=True)
    name = "clang" if "clang" in first.stdout else "gcc"
    version = subprocess.run(
        [compiler(), "-dumpfullversion", "-dumpversion"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return f"{name} {version}, {' '.join(platform.libc_ver())}, {platform.machine()}"


def build(folder: Path) -> Path:
    """step, with the flags of the installed extension."""
    from cnn_mnist import _core

    flags = shlex.split(_core._build()["flags"])
    if "-O3" not in flags:
        sys.exit(f"the installed extension is no release build: {' '.join(flags)}")
    sources = [str(path) for room in ROOMS for path in sorted((CSRC / room).glob("*.c"))]
    program = folder / "step"
    subprocess.run(
        [compiler(), *flags, str(HERE / "step.c"), *sources, "-lm", "-o", str(program)], check=True
    )
    return program


def count(program: Path, path: str, task: str) -> int | None:
    """Instructions inside `measured`; None if this machine can't run the path."""
    if subprocess.run([program, path, task], capture_output=True, check=False).returncode == 2:
        return None
    done = subprocess.run(
        [
            "valgrind",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=measured",
            str(program),
            path,
            task,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if not found or int(found[1]) == 0:
        sys.exit(f"callgrind counted nothing:\n{done.stderr}")
    return int(found[1])


def count_all() -> Counts:
    counts: Counts = {}
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        for path in PATHS:
            for task in TASKS:
                number = count(program, path, task)
                if number is None:
                    print(f"{path}: this machine can't run it, so it is not counted")
                    break
                counts.setdefault(path, {})[task] = number
    return counts


def compare(counts: Counts, stored: Counts) -> bool:
    """Prints each count beside the stored one; whether none is too high."""
    good = True
    for path, tasks in counts.items():
        for task, number in tasks.items():
            before = stored.get(path, {}).get(task)
            change = number / before - 1 if before else None
            verdict = (
                "NOT STORED"
                if change is None
                else "MORE"
                if change > TOLERANCE
                else "less: store it"
                if change < -TOLERANCE
                else ""
            )
            beside = "" if change is None else f"  stored {before:>13,}  {change:+7.2%}"
            print(f"{path:8} {task:9} {number:>13,}{beside}  {verdict}")
            good = good and verdict != "MORE"
    return good


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.instructions",
        description="Counts the instructions of fixed training steps.",
    )
    parser.add_argument("--store", action="store_true", help="store the counts as the new gate")
    options = parser.parse_args()
    for program in ("valgrind", compiler()):
        if not shutil.which(program):
            sys.exit(f"{program} is needed to count instructions, and was not found")
    everything: dict[str, Counts] = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    here = environment()
    counts = count_all()
    good = compare(counts, everything.get(here, {}))
    if options.store:
        everything[here] = counts
        COUNTS.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n")
        print(f"stored for {here}")
        return 0
    if here not in everything:
        print(
            f"NOTICE: no counts are stored for {here}, so nothing was gated; "
            f"to store these: {STORE}"
        )
    elif not good:
        print(
            f"more instructions than stored for {here} (tolerance {TOLERANCE:.0%}); "
            f"where that is meant: {STORE}"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
