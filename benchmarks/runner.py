"""Runs works on peers, each peer in its own process, the rounds interleaved.

A round asks every peer in turn (A B C, A B C), so that whatever else the machine does
meets all of them; between two rounds the machine's own limits are measured.
"""

import json
import subprocess
import sys
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


class PeerFailed(RuntimeError):
    """A peer could not start or do the work; the message says why."""


class Worker:
    """A process that holds one peer with one number of threads."""

    def __init__(self, peer: str, threads: int, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", peer, str(threads), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(threads),
        )
        try:
            self.versions: dict[str, str] = self._answer()["versions"]
        except PeerFailed:
            self.close()
            raise

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PeerFailed("its process has ended") from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise PeerFailed(f"its process ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerFailed(answer["error"])
        return answer

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait()


class Runner:
    """Workers that live as long as the run, and what they could not do."""

    def __init__(
        self, folder: Path, names: tuple[str, ...], probes: Probes, say: Callable[[str], None]
    ) -> None:
        self.folder, self.names, self.probes, self.say = folder, names, probes, say
        self.workers: dict[tuple[str, int], Worker] = {}
        self.failures: dict[str, str] = {}
        self.versions: dict[str, str] = {}

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def _worker(self, peer: str, threads: int) -> Worker:
        if (peer, threads) not in self.workers:
            worker = Worker(peer, threads, self.folder)
            self.workers[peer, threads] = worker
            self.versions.update(worker.versions)
        return self.workers[peer, threads]

    def _retire(self, peer: str, threads: int, reason: str) -> None:
        """Notes a failure; a worker whose process has ended is started anew next time."""
        self.failures.setdefault(peer, reason)
        self.say(f"    {peer}: {reason}")
        worker = self.workers.get((peer, threads))
        if worker and worker.process.poll() is not None:
            self.workers.pop((peer, threads)).close()

    def _candidates(self, work: Work) -> list[str]:
        able = work.peers or peers.KINDS[work.kind]
        return [name for name in self.names if name in able]

    def run(self, work: Work, threads: list[int], rounds: int) -> dict[str, Any]:
        """Measures one work on every peer that can do it, with each number of threads."""
        counts = [count for count in threads if not work.threads or count in work.threads]
        runs = self._prepare(work, counts)
        limits: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
        for number in range(rounds):
            for run in list(runs):
                if number == 0 or not self._hopeless(run, runs):
                    self._time(run, runs)
            for count in counts:
                limits[count].append(self.probes.measure(count))
        return {
            "work": asdict(work),
            "runs": runs,
            "limits": {str(count): values for count, values in limits.items()},
        }

    def _prepare(self, work: Work, counts: list[int]) -> list[dict[str, Any]]:
        runs = []
        for count in counts:
            for peer in self._candidates(work):
                if work.group == "growth":  # memory is measured in a fresh process
                    self._close(peer, count)
                try:
                    answer = self._worker(peer, count).ask(as_message(work))
                except PeerFailed as error:
                    self._retire(peer, count, str(error))
                    continue
                runs.append({"peer": peer, "threads": count, "seconds": [], "cpu": [], **answer})
        return runs

    def _close(self, peer: str, threads: int) -> None:
        if (peer, threads) in self.workers:
            self.workers.pop((peer, threads)).close()

    def _time(self, run: dict[str, Any], runs: list[dict[str, Any]]) -> None:
        try:
            answer = self.workers[run["peer"], run["threads"]].ask({"run": True})
        except PeerFailed as error:
            self._retire(run["peer"], run["threads"], str(error))
            runs.remove(run)
            return
        run["seconds"].append(answer["seconds"])
        run["cpu"].append(answer["cpu"])

    @staticmethod
    def _hopeless(run: dict[str, Any], runs: list[dict[str, Any]]) -> bool:
        rivals = [
            min(other["seconds"])
            for other in runs
            if other["threads"] == run["threads"] and other["peer"] != "ours" and other["seconds"]
        ]
        return run["peer"] != "ours" and min(run["seconds"]) > HOPELESS * min(rivals)
