"""Pictures of a stored run, as SVG and PNG: peers.*, roofline.*, scaling.*"""

from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, NullFormatter

from . import results
from .report import UNITS, duration, shown_name
from .results import Row, Timing

COLOURS = {
    "ours": "#c2410c",
    "NumPy": "#4d7c0f",
    "JAX": "#0e7490",
    "torch eager": "#4f46e5",
    "torch.compile": "#a78bfa",
    "scikit-learn": "#a16207",
    "SciPy": "#64748b",
}
INK, FAINT = "#1f2937", "#9ca3af"
STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "cnn_mnist",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8.5,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def draw(found: dict[str, Any], output: Path) -> list[Path]:
    """Writes every picture for which the run has figures; returns their paths."""
    rows = [row for row in results.rows(found) if row.ours]
    pictures: dict[str, Callable[[list[Row]], Figure | None]] = {
        "peers": draw_peers,
        "roofline": draw_roofline,
        "scaling": draw_scaling,
    }
    written = []
    with plt.rc_context(STYLE):
        for name, picture in pictures.items():
            figure = picture(rows)
            if figure is None:
                continue
            for kind in ("svg", "png"):
                metadata = {"Date": None} if kind == "svg" else None
                figure.savefig(output / f"{name}.{kind}", dpi=160, metadata=metadata)
                written.append(output / f"{name}.{kind}")
            plt.close(figure)
    return written


def plain(title: str) -> str:
    return title.replace("`", "")


# Bars against peers: a panel a work, a bar a peer, one thread above more threads -----------

CLIP = 4.0  # a bar that is longer than this many times the best peer's ends in an arrow


def draw_peers(rows: list[Row]) -> Figure | None:
    shown = [
        row for row in rows if row.work.group in ("training", "loop", "prediction") and row.rival
    ]
    names = list(dict.fromkeys(row.work.name for row in shown))
    if not names:
        return None
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure, grid = plt.subplots(
        lines,
        columns,
        figsize=(4.6 * columns, 2.7 * lines + 0.7),
        squeeze=False,
        layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.08),
    )
    for axes, name in zip(grid.flat, names):
        _peers_panel(axes, [row for row in shown if row.work.name == name])
    for axes in list(grid.flat)[len(names) :]:
        axes.set_visible(False)
    threads = sorted({row.threads for row in shown})
    pale = (
        f"pale: {_threads(threads[0])}, full: {_threads(threads[-1])}; "
        if len(threads) > 1
        else f"{_threads(threads[0])}; "
    )
    figure.suptitle(
        f"Time of the whole call, best of the rounds ({pale}the black mark is the "
        "bar to meet; an arrow: off the scale)",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    return figure


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count > 1 else "")


def _peers_panel(axes: Axes, rows: list[Row]) -> None:
    peers = sorted(
        {t.peer for row in rows for t in row.timings},
        key=lambda peer: min(t.best for row in rows for t in row.timings if t.peer == peer),
    )
    limit = CLIP * max(row.rival.best for row in rows if row.rival)
    longest = max(min(t.best, limit) for row in rows for t in row.timings)
    height = 0.78 / len(rows)
    for number, row in enumerate(rows):
        offset = (number - (len(rows) - 1) / 2) * height
        for timing in row.timings:
            place = peers.index(timing.peer) + offset
            length = min(timing.best, limit)
            axes.barh(
                place,
                length,
                height=0.92 * height,
                color=COLOURS[timing.peer],
                alpha=1.0 if row is rows[-1] else 0.5,
            )
            end = length
            if timing.peer == "ours" and row.bar and row.rival:
                mark = row.bar * row.rival.best
                axes.plot(
                    [mark, mark],
                    [place - height / 2, place + height / 2],
                    color=INK,
                    linewidth=2,
                    solid_capstyle="butt",
                )
                end = max(length, mark)
            arrow = " →" if timing.best > limit else ""
            axes.annotate(
                f"{duration(timing.best)}{arrow}",
                (end, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5 if len(rows) < 3 else 6,
            )
    axes.set_yticks(range(len(peers)), [shown_name(peer) for peer in peers])
    axes.get_yticklabels()[peers.index("ours")].set_fontweight("bold")
    axes.invert_yaxis()
    axes.set_xlim(0, longest * 1.2)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    unit, size = next((unit, size) for unit, size in UNITS if longest >= size)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / size:g} {unit}" if value else "0")
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_title(fill(plain(rows[0].work.title), 48))


# Roofline ----------------------------------------------------------------------------------


def draw_roofline(rows: list[Row]) -> Figure | None:
    shown = [row for row in rows if row.work.group == "training" and row.limits]
    if not shown:
        return None
    threads = sorted({row.threads for row in shown})
    figure, grid = plt.subplots(
        1,
        len(threads),
        figsize=(6.2 * len(threads), 4.8),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axes, count in zip(grid.flat, threads):
        _roofline_panel(axes, [row for row in shown if row.threads == count])
    grid[0, 0].set_ylabel("GFLOP/s")
    figure.suptitle(
        fill(
            "Roofline: hollow counts every product of the dense network, full only those "
            "with non-zero pixels",
            60 * len(threads),
        ),
        x=0.01,
        ha="left",
        fontsize=11,
    )
    return figure


def _roofline_panel(axes: Axes, rows: list[Row]) -> None:
    peak = max(row.limits["fma_gflops"] for row in rows)
    bandwidth = max(row.limits["copy_gbytes"] for row in rows)
    intensities = [
        row.work.flop(density) / row.work.bytes(density)
        for row in rows
        for density in (1.0, row.density)
    ]
    low, high = 2.0, 1.5 * max(intensities)
    ridge = peak / bandwidth
    axes.plot([low, ridge, high], [low * bandwidth, peak, peak], color=INK, linewidth=1.6)
    axes.annotate(
        f"FMA peak, measured: {peak:.0f} GFLOP/s",
        (high, peak),
        xytext=(-2, 4),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    axes.annotate(
        f"copy, measured: {bandwidth:.0f} GB/s",
        (low * 1.2, low * 1.2 * bandwidth),
        xytext=(10, -12),
        textcoords="offset points",
        fontsize=8,
    )
    colours = plt.get_cmap("tab10")
    for number, row in enumerate(rows):
        colour = colours(number)
        assert row.ours is not None
        seconds, work = row.ours.best, row.work
        points = [
            (work.flop(density) / work.bytes(density), work.flop(density) / seconds / 1e9)
            for density in (1.0, row.density)
        ]
        (x0, y0), (x1, y1) = points
        if row.density < 1:
            axes.annotate(
                "",
                (x1, y1),
                (x0, y0),
                arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.4, "linestyle": ":"},
            )
            axes.plot(x0, y0, "o", markerfacecolor="white", markeredgecolor=colour, markersize=7)
        axes.plot(
            x1, y1, "o", color=colour, markersize=7, label=plain(work.title).removeprefix("fit, ")
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(low, high),
        xlabel="FLOP a byte of input read",
        title=_threads(rows[0].threads),
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.grid(which="major")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=7.5, handletextpad=0.2)


# Scaling: time against batch size, hidden size, density; speed-up against threads -----------


def draw_scaling(rows: list[Row]) -> Figure | None:
    panels = [
        (group, axis)
        for group, axis in (
            ("batch size", lambda row: row.work.batch),
            ("hidden size", lambda row: row.work.sizes[1]),
            ("density", lambda row: 100 * row.density),
        )
        if any(r.work.group == group for r in rows)
    ]
    speedups = [row for row in rows if row.work.name in ("fit-512", "fit-64", "zero-free", "wide")]
    with_threads = len({row.threads for row in speedups}) > 1
    count = len(panels) + with_threads
    if not count:
        return None
    columns = min(2, count)
    figure, grid = plt.subplots(
        -(-count // columns),
        columns,
        squeeze=False,
        layout="constrained",
        figsize=(5.6 * columns, 3.7 * -(-count // columns)),
    )
    axes_left = list(grid.flat)
    for group, axis in panels:
        _curve_panel(axes_left.pop(0), [r for r in rows if r.work.group == group], group, axis)
    if with_threads:
        _threads_panel(axes_left.pop(0), speedups)
    for axes in axes_left:
        axes.set_visible(False)
    figure.suptitle("How time grows (784 inputs, 10 classes)", x=0.01, ha="left", fontsize=11)
    return figure


def _curve_panel(axes: Axes, rows: list[Row], group: str, axis: Callable[[Row], float]) -> None:
    def microseconds(row: Row, timing: Timing) -> float:
        return timing.best / (row.work.rows * row.work.epochs) * 1e6

    for peer in dict.fromkeys(t.peer for row in rows for t in row.timings):
        points = sorted(
            (axis(row), microseconds(row, timing)) for row in rows if (timing := row.timing(peer))
        )
        axes.plot(
            *zip(*points),
            "o-",
            color=COLOURS[peer],
            label=shown_name(peer),
            linewidth=2.2 if peer == "ours" else 1.3,
            markersize=5 if peer == "ours" else 3.5,
            zorder=3 if peer == "ours" else 2,
        )
    label = "non-zero inputs in per cent" if group == "density" else group
    axes.set(xlabel=label, ylabel="µs a row", title=f"time against {group}, one thread")
    if group == "density":
        axes.set_ylim(bottom=0)
    else:
        axes.set(xscale="log", yscale="log")
        axes.set_xticks(sorted({axis(row) for row in rows}))
        for scale in (axes.xaxis, axes.yaxis):
            scale.set_major_formatter(lambda value, _: f"{value:g}")
            scale.set_minor_formatter(NullFormatter())
    axes.grid()
    axes.legend()


def _threads_panel(axes: Axes, rows: list[Row]) -> None:
    works = dict.fromkeys(row.work.name for row in rows)
    counts = sorted({row.threads for row in rows})
    for name, marker in zip(works, "os^D"):
        for peer in ("ours", "NumPy"):
            times = {
                row.threads: t.best
                for row in rows
                if row.work.name == name and (t := row.timing(peer))
            }
            if counts[0] in times:
                axes.plot(
                    list(times),
                    [times[counts[0]] / time for time in times.values()],
                    marker + "-",
                    color=COLOURS[peer],
                    linewidth=1.8,
                    markersize=5,
                    alpha=1.0 if peer == "ours" else 0.7,
                    label=f"{shown_name(peer)}, {name}",
                )
    axes.plot(counts, [count / counts[0] for count in counts], "--", color=FAINT, linewidth=1)
    axes.set(xlabel="threads", ylabel="times faster", xticks=counts, title="speed-up by threads")
    axes.grid()
    axes.legend(fontsize=6.5, ncols=2, loc="upper left", framealpha=0.8, frameon=True)
