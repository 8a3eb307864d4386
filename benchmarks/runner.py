"""Runs works on peers, each peer in its own process, the rounds interleaved.

A round asks every peer in turn (A B C, A B C), so that whatever else the machine does
meets all of them; between two rounds the machine's own limits are measured.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import peers
from .machine import Probes
from .worker import as_message, environment
from .works import Work

# After the first round, a peer this many times slower than the best one is not asked again:
# it can't become the best, and it would take most of the time.
HOPELESS = 3.0

# Seconds that a worker may take for an answer before it is killed.
LIMITS = {"start": 120.0, "prepare": 240.0, "run": 120.0, "forget": 30.0}
COMPILING = {"torch.compile": 900.0}  # what `prepare` may take where it runs a C++ compiler
LAST_LINES = 20  # of a failed worker's standard error


class PeerFailed(RuntimeError):
    """A peer could not start or do the work; the message says why.

    `said` are the last lines that it printed to standard error meanwhile.
    """

    def __init__(self, reason: str, said: list[str]) -> None:
        super().__init__(reason)
        self.said = said


class Worker:
    """A process that holds one peer with one number of threads.

    What it and its library print to standard error is kept in `log`.
    """

    def __init__(self, peer: str, threads: int, folder: Path, log: Path) -> None:
        self.log, self.heard = log, 0  # bytes of the log that belong to earlier requests
        self.limits = LIMITS | ({"prepare": COMPILING[peer]} if peer in COMPILING else {})
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker", peer, str(threads), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment(threads),
                start_new_session=True,  # to be killed with the compilers that it started
            )
        try:
            self.versions: dict[str, str] = self._answer("start")["versions"]
        except PeerFailed:
            self.close()
            raise

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request, the only key of which may be `prepare`, `run` or `forget`."""
        assert self.process.stdin is not None
        self.heard = self.log.stat().st_size
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._failed("its process has ended") from None
        return self._answer(next(iter(message)))

    def _answer(self, request: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        limit, late = self.limits[request], threading.Event()

        def stop() -> None:
            late.set()
            self.kill()

        timer = threading.Timer(limit, stop)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if late.is_set():
            self.process.wait()
            raise self._failed(f"no answer to {request!r} within {limit:g} s: killed")
        if not line:
            status = self.process.wait()
            raise self._failed(
                f"its process was killed by {signal.Signals(-status).name}"
                if status < 0
                else f"its process ended with status {status}"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise self._failed(answer["error"])
        return answer

    def _failed(self, reason: str) -> PeerFailed:
        said = self.log.read_bytes()[self.heard :].decode(errors="replace")
        return PeerFailed(reason, said.splitlines()[-LAST_LINES:])

    def kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """Ends the process: by the end of its input, or by force."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()


class Runner:
    """Workers that live as long as the run."""

    def __init__(
        self,
        folder: Path,
        logs: Path,
        names: tuple[str, ...],
        probes: Probes,
        say: Callable[[str], None],
    ) -> None:
        self.folder, self.logs, self.names = folder, logs, names
        self.probes, self.say = probes, say
        self.workers: dict[tuple[str, int], Worker] = {}
        self.absent: dict[tuple[str, int], str] = {}  # could not start: not tried again
        self.failures: list[dict[str, Any]] = []  # of the work that is being measured
        self.versions: dict[str, str] = {}

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def run(self, work: Work, threads: list[int], rounds: int) -> dict[str, Any]:
        """Measures one work on every peer that can do it, with each number of threads."""
        self.failures = []
        counts = [count for count in threads if not work.threads or count in work.threads]
        runs: list[dict[str, Any]] = []
        limits: dict[str, list[dict[str, float]]] = {}
        for count in counts:
            measured, limits[str(count)] = self._rounds(work, count, rounds)
            runs += measured
        return {
            "work": asdict(work),
            "runs": runs,
            "limits": limits,
            "failures": self.failures,
        }

    def _rounds(
        self, work: Work, threads: int, rounds: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, float]]]:
        runs = self._prepare(work, threads)
        limits = []
        for number in range(rounds):
            for run in list(runs):
                if number == 0 or not self._hopeless(run, runs):
                    self._time(run, runs)
            limits.append(self.probes.measure(threads))
        for run in runs:  # of some gigabytes, before the next number of threads needs them
            self._ask(run["peer"], threads, {"forget": True})
        return runs, limits

    def _prepare(self, work: Work, threads: int) -> list[dict[str, Any]]:
        runs = []
        able = peers.able(work)
        for peer in (name for name in self.names if name in able):
            if work.group == "growth":  # memory is measured in a fresh process
                self._close(peer, threads)
            if answer := self._ask(peer, threads, as_message(work)):
                runs.append({"peer": peer, "threads": threads, "seconds": [], "cpu": [], **answer})
        return runs

    def _time(self, run: dict[str, Any], runs: list[dict[str, Any]]) -> None:
        answer = self._ask(run["peer"], run["threads"], {"run": True})
        if answer is None:
            runs.remove(run)
            return
        run["seconds"].append(answer["seconds"])
        run["cpu"].append(answer["cpu"])

    def _ask(self, peer: str, threads: int, message: dict[str, Any]) -> dict[str, Any] | None:
        """The worker's answer; None, and a note among the failures, where there is none."""
        try:
            return self._worker(peer, threads).ask(message)
        except PeerFailed as error:
            self._note(peer, threads, error)
            return None

    def _worker(self, peer: str, threads: int) -> Worker:
        key = (peer, threads)
        if key in self.absent:
            raise PeerFailed(self.absent[key], [])
        if key not in self.workers:
            log = self.logs / f"{peer.replace(' ', '-')}-{threads}.log"
            try:
                worker = Worker(peer, threads, self.folder, log)
            except PeerFailed as error:
                self.absent[key] = str(error)
                raise
            self.workers[key] = worker
            self.versions.update(worker.versions)
        return self.workers[key]

    def _note(self, peer: str, threads: int, error: PeerFailed) -> None:
        """Notes a failure; a worker whose process has ended is started anew next time."""
        self.failures.append(
            {"peer": peer, "threads": threads, "reason": str(error), "stderr": error.said}
        )
        self.say(f"    {peer}, {threads} thread(s): {error}")
        for line in error.said:
            self.say(f"        {line}")
        worker = self.workers.get((peer, threads))
        if worker and worker.process.poll() is not None:
            self._close(peer, threads)

    def _close(self, peer: str, threads: int) -> None:
        if (peer, threads) in self.workers:
            self.workers.pop((peer, threads)).close()

    @staticmethod
    def _hopeless(run: dict[str, Any], runs: list[dict[str, Any]]) -> bool:
        rivals = [min(other["seconds"]) for other in runs if other["peer"] != "ours"]
        return run["peer"] != "ours" and min(run["seconds"]) > HOPELESS * min(rivals)
