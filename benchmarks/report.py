"""Tables in Markdown from a stored run; the only way figures get into a page."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import results
from .results import Row
from .works import FUNCTIONALS, LOOPS, PREDICTIONS, TRAINING

BEGIN, END = "<!-- benchmark table: begin -->", "<!-- benchmark table: end -->"
UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
TABLED = {work.group for work in (*TRAINING, *LOOPS, *PREDICTIONS, *FUNCTIONALS)}


def shown_name(peer: str) -> str:
    return "cnn_mnist" if peer == "ours" else peer


def duration(seconds: float) -> str:
    """Three figures with the unit that suits them."""
    unit, size = next((pair for pair in UNITS if seconds >= 0.9995 * pair[1]), UNITS[-1])
    value = seconds / size
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def progress(result: dict[str, Any]) -> Iterator[str]:
    """A line for each number of threads, for whoever watches the run."""
    for row in results.rows({"works": [result]}):
        times = ", ".join(f"{shown_name(t.peer)} {duration(t.best)}" for t in row.timings)
        mark = f"  ratio {row.ratio():.3f}" if row.ratio() else ""
        yield f"{row.threads} thread(s): {times}{mark} {row.verdict}"
    for run in result["runs"]:
        if result["work"]["group"] == "growth" and run["seconds"]:
            yield f"{duration(min(run['seconds']))}, {run['memory'] / 2**20:.0f} MB more memory"


def table(headings: list[str], lines: list[list[str]]) -> str:
    cells = [headings, ["---"] + ["---:"] * (len(headings) - 1), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells) + "\n"


TIMES = ["work", "threads", "cnn_mnist", "best peer", "ratio", "of medians"]


def times_table(found: dict[str, Any]) -> str:
    """Our time, the best peer's, and their ratio."""
    return table(TIMES, [times for _, times in _tabled(found)])


def bars_table(found: dict[str, Any]) -> str:
    """The same beside the bars to meet."""
    lines = [[*times, ratio(row.bar), row.verdict + _peak(row)] for row, times in _tabled(found)]
    return table([*TIMES, "bar", "verdict"], lines)


def _tabled(found: dict[str, Any]) -> Iterator[tuple[Row, list[str]]]:
    for row in results.rows(found):
        if row.work.group not in TABLED or not row.ours or not row.rival:
            continue
        yield (
            row,
            [
                row.work.title,
                str(row.threads),
                duration(row.ours.best),
                f"{duration(row.rival.best)} ({row.rival.peer})",
                f"**{ratio(row.ratio())}**",
                ratio(row.ratio("median")),
            ],
        )


def _peak(row: Row) -> str:
    share = row.peak_share
    return f", {share:.0%} of peak" if row.work.peak_bar and share is not None else ""


def growth_table(found: dict[str, Any]) -> str:
    lines = [
        [
            growth.work.title,
            duration(growth.seconds),
            f"{growth.times:.1f}",
            f"{growth.memory / 2**20:.0f} MB",
            f"{growth.bound / 2**20:.0f} MB",
            growth.verdict,
        ]
        for growth in results.growths(found)
    ]
    return table(["`fit`", "time", "times the base", "extra memory", "bound", "verdict"], lines)


def peers_table(found: dict[str, Any]) -> str:
    """Everyone's best time, and in how far the results agree."""
    rows = results.rows(found)
    names = list(dict.fromkeys(timing.peer for row in rows for timing in row.timings))
    lines = []
    for row in rows:
        timings = {timing.peer: timing for timing in row.timings}
        worst = max((row.difference(t) for t in row.timings), default=0.0) if row.ours else 0.0
        times = [duration(timings[name].best) if name in timings else "" for name in names]
        lines.append([row.work.title, str(row.threads), *times, f"{worst:.1e}"])
    return table(["work", "threads", *map(shown_name, names), "largest difference"], lines)


def losses_table(found: dict[str, Any]) -> str:
    """The loss of the last epoch, everyone's: speed hides no other computation."""
    rows = [
        row
        for row in results.rows(found)
        if row.work.kind in ("fit", "loop") and row.work.group in TABLED
    ]
    names = list(dict.fromkeys(timing.peer for row in rows for timing in row.timings))
    lines = []
    for row in rows:
        timings = {timing.peer: timing for timing in row.timings}
        losses = [f"{timings[name].values[-1]:.5f}" if name in timings else "" for name in names]
        lines.append([row.work.title, str(row.threads), *losses])
    return table(["loss of the last epoch", "threads", *map(shown_name, names)], lines)


def machine_lines(found: dict[str, Any]) -> str:
    machine, load = found["machine"], results.load(found)
    seconds = sum(result["seconds"] for result in found["works"])
    limits: dict[int, dict[str, float]] = {}
    for row in results.rows(found):
        best = limits.setdefault(row.threads, {})
        for key, value in row.limits.items():
            pick = min if key == "distance_ns" else max
            best[key] = pick(best.get(key, value), value)
    lines = [
        f"{machine['cpu']}{' (virtual)' if machine['virtual'] else ''}, "
        f"{machine['processors']} processors, caches "
        + ", ".join(f"{level} {size}" for level, size in machine["caches"].items())
        + f"; path {machine['path']}, built by {machine['extension']['compiler']}",
        "input: " + found["data"],
        *(
            f"{count} thread(s): FMA peak {best.get('fma_gflops', 0):.0f} GFLOP/s, copy "
            f"{best.get('copy_gbytes', 0):.0f} GB/s"
            + (
                f", nearest core distance {best['distance_ns']:.0f} ns"
                if "distance_ns" in best
                else ""
            )
            for count, best in sorted(limits.items())
        ),
        ", ".join(f"{name} {version}" for name, version in found["versions"].items())
        + f", Python {machine['python']}",
        f"{found['created']}, commit {found['commit'] or 'unknown'}, best of {found['rounds']} rounds, "
        f"{seconds:.0f} s"
        + (f"; steal {load['steal']:.1%}, load average {load['load_average']:.1f}" if load else ""),
        *(f"no time of {peer}: {reason}" for peer, reason in results.failures(found).items()),
        *(["small works, one round (--quick): a look, no measurement"] if found["quick"] else []),
        *found["notes"],
    ]
    return "\n".join(f"- {line}" for line in lines) + "\n"


def page(found: dict[str, Any]) -> str:
    """Everything, as a page of its own."""
    parts = ["# Benchmark\n", machine_lines(found), "## Against the bars\n", bars_table(found)]
    if results.growths(found):
        parts += ["## Growth\n", growth_table(found)]
    parts += [
        "## Everyone's best time\n",
        peers_table(found),
        "## The same computation\n",
        losses_table(found),
    ]
    return "\n".join(parts)


def insert(found: dict[str, Any], path: Path) -> None:
    """Replaces what stands between the two markers of a page by the table of times.

    Raises
    ------
    ValueError
        If the page does not have both markers, in this order, or the run was a quick one.
    """
    if found["quick"]:
        raise ValueError("a run with --quick measures nothing that belongs into a page")
    replace_between(path, BEGIN, END, f"{times_table(found)}\n{machine_lines(found)}")


def replace_between(path: Path, begin: str, end: str, body: str) -> None:
    """Writes `body`, which ends with a newline, between two markers of a page."""
    before, first, rest = path.read_text().partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise ValueError(f"{path} needs the lines {begin!r} and {end!r}, in this order")
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(f"{before}{begin}\n{body}{end}{after}")
    os.replace(temporary, path)
