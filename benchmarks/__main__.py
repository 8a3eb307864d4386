"""`python -m benchmarks`: measure; `report` and `readme` turn a stored run into pages."""

import argparse
import json
import sys
import tempfile
import time
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import data, peers, plots, report, results
from .machine import Load, Probes, commit, facts, processors
from .runner import Runner
from .works import WORKS, select


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Times cnn_mnist and its peers, interleaved, and writes results.json, "
        "results.md and plots.",
        epilog="python -m benchmarks report RESULTS.json     writes table and plots again; "
        "python -m benchmarks readme RESULTS.json [PAGE.md]     puts the table into a page",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="works or groups of works: "
        + ", ".join(dict.fromkeys(work.group for work in WORKS))
        + "; all by default",
    )
    parser.add_argument("--quick", action="store_true", help="small works, one round")
    parser.add_argument("--rounds", type=int, default=None, help="default: 5; 1 with --quick")
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        default=None,
        metavar="N",
        help="default: 1 and as many as there are processors",
    )
    parser.add_argument(
        "--peers",
        nargs="+",
        choices=tuple(peers.MODULES),
        metavar="PEER",
        default=tuple(peers.MODULES),
        help=", ".join(peers.MODULES),
    )
    parser.add_argument(
        "--continue",
        action="store_true",
        dest="resume",
        help="keep the works that the output's results.json has from the same commit, machine and "
        "options, and measure the rest",
    )
    parser.add_argument("--output", type=Path, default=Path("benchmark-results"), metavar="DIR")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.threads = options.threads or sorted({1, processors()})
    if options.rounds < 1 or min(options.threads) < 1:
        parser.error("--rounds and --threads must be at least 1")
    try:
        options.works = select(options.names)
    except ValueError as error:
        parser.error(str(error))
    return options


class AnotherRun(ValueError):
    """The stored run is of another commit, machine, input or other options."""


def say(line: str) -> None:
    print(line, flush=True)


def begin(options: argparse.Namespace) -> dict[str, Any]:
    """A run without works; with --continue, the stored one with those that are complete.

    Raises
    ------
    AnotherRun
        If the stored run is of another commit, machine or other options.
    """
    found: dict[str, Any] = {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "quick": options.quick,
        "rounds": options.rounds,
        "threads": options.threads,
        "peers": list(options.peers),
        "machine": facts(),
        "versions": {},
        "notes": [],
        "works": [],
    }
    path = options.output / "results.json"
    if not options.resume or not path.exists():
        return found
    stored = json.loads(path.read_text())
    for key in ("commit", "quick", "rounds", "threads", "peers", "machine"):
        if stored.get(key) != found[key]:
            raise AnotherRun(f"--continue: {path} is of another {key}: {stored.get(key)}")
    complete = [result for result in stored["works"] if not result["failures"]]
    return stored | {"works": complete}


def measure(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Runs the works that `found` lacks; stores all that there is after each of them."""
    logs = options.output / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    done = {result["work"]["name"] for result in found["works"]}
    works = [work for work in options.works if work.name not in done]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        digits = data.store(folder)
        if found.setdefault("data", digits) != digits:
            raise AnotherRun(f"--continue: the stored works have another input: {found['data']}")
        probes = Probes(folder)
        found["notes"] = [probes.missing] if probes.missing else []
        with closing(Runner(folder, logs, tuple(options.peers), probes, say)) as runner:
            for number, work in enumerate(works, 1):
                say(f"[{number}/{len(works)}] {work.name}")
                started, busy = time.time(), Load()
                result = runner.run(
                    work.quick() if options.quick else work, options.threads, options.rounds
                )
                result |= {"seconds": time.time() - started, "load": busy.since()}
                found["works"].append(result)
                found["versions"] |= runner.versions
                store(found, options.output)
                for line in report.progress(result):
                    say("    " + line)
    order = [work.name for work in WORKS]
    found["works"].sort(key=lambda result: order.index(result["work"]["name"]))


def store(found: dict[str, Any], output: Path) -> None:
    """Writes results.json, whole or not at all."""
    path = output / "results.json"
    temporary = path.with_name("results.json.new")
    temporary.write_text(json.dumps(found, indent=1) + "\n")
    temporary.replace(path)


def write(found: dict[str, Any], output: Path) -> None:
    store(found, output)
    (output / "results.md").write_text(report.page(found))
    plots.draw(found, output)
    say(f"written: {output / 'results.json'}, results.md, and plots")


def verdict(found: dict[str, Any]) -> int:
    """1 if some peer computed something else than we did, or ours failed, else 0."""
    wrong = [
        f"not the same computation: {line}"
        for row in results.rows(found)
        for line in row.disagreements()
    ]
    wrong += [
        f"{result['work']['name']}: ours failed: {failure['reason']}"
        for result in found["works"]
        for failure in result["failures"]
        if failure["peer"] == "ours"
    ]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def pages(command: str, paths: list[Path]) -> int:
    """`report` and `readme`: pages from a stored run."""
    if not 1 <= len(paths) <= (2 if command == "readme" else 1):
        print("report takes RESULTS.json, readme RESULTS.json [PAGE.md]", file=sys.stderr)
        return 2
    try:
        found = json.loads(paths[0].read_text())
        if command == "readme":
            report.insert(found, paths[1] if paths[1:] else Path("README.md"))
        else:
            write(found, paths[0].parent)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def main(argv: list[str]) -> int:
    if argv[:1] in (["report"], ["readme"]):
        return pages(argv[0], [Path(path) for path in argv[1:]])
    options = arguments(argv)
    try:
        found = begin(options)
        measure(options, found)
    except AnotherRun as error:
        print(error, file=sys.stderr)
        return 2
    write(found, options.output)
    return verdict(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
