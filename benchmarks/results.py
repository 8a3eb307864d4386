"""What a run's figures mean: the best peer, the ratio to it, the bar, the agreement."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import peers
from .works import GROWTH_LIMIT, Work

# How far a peer's values may lie from ours. A run of float32 training parts from another
# one where a ReLU's input is within rounding of zero, so epoch losses agree to 1 %; two
# classes of a row may all but tie, so that a row in a thousand may get the other one; a
# function's values agree to rounding.
LOSS_TOLERANCE = 0.01
OWN_ORDER_TOLERANCE = 0.10  # scikit-learn shuffles by itself
CLASS_TOLERANCE = 0.001  # share of rows
VALUE_TOLERANCE = 1e-5
MEMORY_BOUND = 256 << 20  # of tables made from the input, or the input's own size
MEMORY_SLACK = 24 << 20  # libraries, stacks, the parameters' copies


@dataclass(frozen=True)
class Timing:
    peer: str
    best: float
    median: float
    cpu: float  # processor seconds a wall second: how many cores were busy
    values: list[float]

    @classmethod
    def of(cls, run: dict[str, Any]) -> "Timing":
        return cls(
            run["peer"],
            min(run["seconds"]),
            statistics.median(run["seconds"]),
            sum(run["cpu"]) / sum(run["seconds"]),
            run["values"],
        )


@dataclass(frozen=True)
class Row:
    """One work with one number of threads: our time beside everyone's."""

    work: Work
    threads: int
    timings: list[Timing]
    density: float
    limits: dict[str, float]  # the best of the machine's limits in these minutes

    def timing(self, peer: str) -> Timing | None:
        return next((timing for timing in self.timings if timing.peer == peer), None)

    @property
    def ours(self) -> Timing | None:
        return self.timing("ours")

    @property
    def rival(self) -> Timing | None:
        """The best peer."""
        peers = [timing for timing in self.timings if timing.peer != "ours"]
        return min(peers, key=lambda timing: timing.best, default=None)

    @property
    def missing(self) -> list[str]:
        """Peers that can do the work and have no time: failed, not installed, not asked."""
        return [peer for peer in peers.able(self.work) if not self.timing(peer)]

    def ratio(self, figure: str = "best") -> float | None:
        """Our time over the best peer's; figure: best or median."""
        if not self.ours or not self.rival:
            return None
        return getattr(self.ours, figure) / getattr(self.rival, figure)

    def _at_threads(self, bar: tuple[float, float] | None) -> float | None:
        value = bar[min(self.threads, 2) - 1] if bar else None
        return None if value == float("inf") else value

    @property
    def bar(self) -> float | None:
        return self._at_threads(self.work.bar)

    @property
    def stretch(self) -> float | None:
        return self._at_threads(self.work.stretch)

    @property
    def peak_share(self) -> float | None:
        """Our share of the FMA peak, every product of the dense network counted."""
        peak = self.limits.get("fma_gflops")
        if not peak or not self.ours:
            return None
        return self.work.flop() / self.ours.best / (peak * 1e9)

    @property
    def verdict(self) -> str:
        """stretch, met, missed, or nothing where there is no bar to meet; no judgement while
        somebody is missing who might have been the best peer."""
        if self.bar is None:
            return ""
        ratio = self.ratio()
        if self.missing or ratio is None:
            return "not judged: no " + ", ".join(self.missing)
        share, work = self.peak_share, self.work
        if ratio > self.bar or (work.peak_bar and share is not None and share < work.peak_bar):
            return "missed"
        reached = [ratio <= self.stretch] if self.stretch else []
        if work.peak_stretch and share is not None:
            reached.append(share >= work.peak_stretch)
        return "stretch" if reached and all(reached) else "met"

    def difference(self, timing: Timing) -> float:
        """How far this peer's values lie from ours: relative for losses, a share of the rows
        for classes, absolute for a function's values."""
        assert self.ours is not None
        a, b = np.asarray(timing.values), np.asarray(self.ours.values)
        if a.shape != b.shape:
            return float("inf")
        if self.work.kind == "predict":
            return float(np.mean(a != b))
        scale = np.abs(b) if self.work.kind in ("fit", "loop") else 1.0
        difference = np.max(np.abs(a - b) / scale, initial=0.0)
        return float("inf") if np.isnan(difference) else float(difference)

    def tolerance(self, timing: Timing) -> float:
        if self.work.kind == "predict":
            return CLASS_TOLERANCE
        if self.work.kind == "functional":
            return VALUE_TOLERANCE
        own_order = self.work.shuffle and timing.peer == "scikit-learn"
        return OWN_ORDER_TOLERANCE if own_order else LOSS_TOLERANCE

    def disagreements(self) -> Iterator[str]:
        """Peers that computed something else, in words."""
        for timing in self.timings if self.ours else []:
            if self.difference(timing) > self.tolerance(timing):
                yield (
                    f"{self.work.name}: {timing.peer} differs from ours by "
                    f"{self.difference(timing):.2g} (allowed: {self.tolerance(timing):g})"
                )


@dataclass(frozen=True)
class Growth:
    """A work ten times as large in one direction, and what that cost."""

    work: Work
    seconds: float
    times: float  # its time over the base's
    memory: int  # bytes beyond what was there before
    bound: int

    @property
    def verdict(self) -> str:
        within = self.times <= GROWTH_LIMIT and self.memory <= self.bound
        return "met" if within else "missed"


def _work(result: dict[str, Any]) -> Work:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in result["work"].items()
    }
    return Work(**fields)


def rows(results: dict[str, Any]) -> list[Row]:
    """Every work at every number of threads, in the order of the run; without growth."""
    found = []
    for result in results["works"]:
        work = _work(result)
        if work.group == "growth":
            continue
        for count, samples in result["limits"].items():
            runs = [
                run for run in result["runs"] if run["threads"] == int(count) and run["seconds"]
            ]
            if runs:
                found.append(
                    Row(
                        work,
                        int(count),
                        [Timing.of(run) for run in runs],
                        runs[0]["density"],
                        _best_limits(samples),
                    )
                )
    return found


def failures(results: dict[str, Any]) -> dict[str, str]:
    """Why a peer is missing: "peer, n thread(s)" -> the works, the reason."""
    works: dict[tuple[str, str], list[str]] = {}
    for result in results["works"]:
        for failure in result["failures"]:
            who = f"{failure['peer']}, {failure['threads']} thread(s)"
            works.setdefault((who, failure["reason"]), []).append(result["work"]["name"])
    return {
        f"{who} ({', '.join(dict.fromkeys(names))})": reason
        for (who, reason), names in works.items()
    }


def load(results: dict[str, Any]) -> dict[str, float]:
    """How busy the machine was during the works, the mean over their time."""
    works = [work for work in results["works"] if work["load"]]
    total = sum(work["seconds"] for work in works)
    return {
        key: sum(work["load"][key] * work["seconds"] for work in works) / total
        for key in (works[0]["load"] if total else ())
    }


def _best_limits(samples: list[dict[str, float]]) -> dict[str, float]:
    best = {
        key: max(sample[key] for sample in samples if sample)
        for key in ("fma_gflops", "copy_gbytes")
        if any(samples)
    }
    distances = [sample["distance_ns"] for sample in samples if sample.get("distance_ns")]
    return {**best, **({"distance_ns": min(distances)} if distances else {})}


def growths(results: dict[str, Any]) -> list[Growth]:
    """The works of the group growth, against the first of them."""
    measured = [
        (result, run)
        for result in results["works"]
        if result["work"]["group"] == "growth"
        for run in result["runs"]
        if run["seconds"]
    ]
    if not measured:
        return []
    base = min(measured[0][1]["seconds"])
    return [
        Growth(
            _work(result),
            min(run["seconds"]),
            min(run["seconds"]) / base,
            run["memory"],
            min(run["input_bytes"], MEMORY_BOUND) + MEMORY_SLACK,
        )
        for result, run in measured
    ]
