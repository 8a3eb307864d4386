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
from .machine import Load, Probes, facts, processors
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


def say(line: str) -> None:
    print(line, flush=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the works; returns all that was found, ready for JSON."""
    begin, load = time.time(), Load()
    found: dict[str, Any] = {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "quick": options.quick,
        "rounds": options.rounds,
        "threads": options.threads,
        "machine": facts(),
        "works": [],
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found["data"] = data.store(folder)
        probes = Probes(folder)
        with closing(Runner(folder, tuple(options.peers), probes, say)) as runner:
            for number, work in enumerate(options.works, 1):
                say(f"[{number}/{len(options.works)}] {work.name}")
                busy = Load()
                result = runner.run(
                    work.quick() if options.quick else work, options.threads, options.rounds
                )
                found["works"].append(result | {"load": busy.since()})
                for line in report.progress(result):
                    say("    " + line)
            found |= {"versions": runner.versions, "failures": runner.failures}
    found |= {
        "seconds": time.time() - begin,
        "load": load.since(),
        "notes": [probes.missing] if probes.missing else [],
    }
    return found


def write(found: dict[str, Any], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (output / "results.md").write_text(report.page(found))
    plots.draw(found, output)
    say(f"written: {output / 'results.json'}, results.md, and plots")


def verdict(found: dict[str, Any]) -> int:
    """1 if some peer computed something else than we did, else 0."""
    disagreements = [line for row in results.rows(found) for line in row.disagreements()]
    for line in disagreements:
        print(f"not the same computation: {line}", file=sys.stderr)
    return 1 if disagreements else 0


def main(argv: list[str]) -> int:
    if argv[:1] == ["report"]:
        path = Path(argv[1])
        write(json.loads(path.read_text()), path.parent)
        return 0
    if argv[:1] == ["readme"]:
        report.insert(
            json.loads(Path(argv[1]).read_text()), Path(argv[2] if len(argv) > 2 else "README.md")
        )
        return 0
    options = arguments(argv)
    found = measure(options)
    write(found, options.output)
    return verdict(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
