"""One peer with one number of threads, in a process of its own.

Reads one JSON object a line and answers each with one: {"prepare": work} makes the arrays
and does the work once, uncounted (compilation, caches, first touch); {"run": true} times
it; {"forget": true} frees the arrays. The libraries may print: their standard output goes where the errors go.
"""

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

import numpy as np

from . import data, peers
from .machine import peak_memory, reset_peak_memory, resident_memory
from .works import Work

SAMPLE_SECONDS = 0.02  # a shorter call is repeated until this much time has passed
FREED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # settings that slow NumPy's OpenBLAS down


def environment(threads: int) -> dict[str, str]:
    """The environment in which every peer uses this many threads."""
    counts = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NPROC",
        "CNN_MNIST_NUM_THREADS",
    )  # NPROC: XLA's pools
    kept = {name: value for name, value in os.environ.items() if name not in FREED}
    return {**kept, **dict.fromkeys(counts, str(threads)), "JAX_PLATFORMS": "cpu"}


def repetitions(call: Callable[[], Any], seconds: float) -> int:
    """How often to repeat a call, the last of which took `seconds`, for one sample."""
    count = 1
    while seconds < SAMPLE_SECONDS:
        count = max(2 * count, int(1.2 * count * SAMPLE_SECONDS / max(seconds, 1e-9)))
        seconds = timed(call, count)["seconds"] * count
    return count


def timed(call: Callable[[], Any], count: int) -> dict[str, float]:
    """Wall and processor seconds of one call, the mean of `count`."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(count):
        call()
    return {
        "seconds": (time.perf_counter() - wall) / count,
        "cpu": (time.process_time() - processor) / count,
    }


class Session:
    """What a worker remembers from one line to the next: its peer and the prepared call."""

    peer: ModuleType
    call: Callable[[], Any] | None
    count: int  # of calls in one sample

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def forget(self) -> dict[str, Any]:
        self.call = None
        gc.collect()
        return {}

    def start(self, peer: str, threads: int) -> dict[str, Any]:
        self.peer = peers.module(peer)
        return {"versions": self.peer.start(threads)}

    def prepare(self, work: Work) -> dict[str, Any]:
        self.forget()
        case = data.load(self.folder, work)
        self.call = call = getattr(self.peer, work.kind)(case)
        before = resident_memory()
        reset_peak_memory()
        begin = time.perf_counter()
        values = np.asarray(call(), np.float64).ravel()
        seconds = time.perf_counter() - begin
        memory = peak_memory() - before
        self.count = repetitions(call, seconds)
        return {
            "values": values.tolist(),
            "density": case.density,
            "memory": memory,
            "input_bytes": case.x.nbytes,
        }

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        if "prepare" in message:
            return self.prepare(Work(**message["prepare"]))
        if "forget" in message:
            return self.forget()
        if self.call is None:
            raise RuntimeError("run comes after prepare")
        return timed(self.call, self.count)


def serve(peer: str, threads: int, folder: Path, requests: TextIO, answers: TextIO) -> None:
    def reply(compute: Callable[[], dict[str, Any]]) -> None:
        try:
            result = compute()
        except Exception as error:  # noqa: BLE001 - a peer's failure, whatever it is, is a result
            text = (str(error).strip() or "no message").splitlines()[0]
            result = {"error": f"{type(error).__name__}: {text}"}
            traceback.print_exc()
        print(json.dumps(result), file=answers, flush=True)

    session = Session(folder)
    reply(partial(session.start, peer, threads))
    for line in requests:
        reply(partial(session.answer, json.loads(line)))


def as_message(work: Work) -> dict[str, Any]:
    return {"prepare": asdict(work)}


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.stdin, replies)
