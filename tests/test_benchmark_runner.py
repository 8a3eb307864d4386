"""The benchmark as a program: small runs of it, and peers that fail, hang or die."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import data, results, runner
from benchmarks.__main__ import main
from benchmarks.runner import Runner
from benchmarks.works import select

import cnn_mnist

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(cnn_mnist.__file__).parents[1]


class NoProbes:
    """In the place of the program in C: no limits measured."""

    missing = ""

    def __init__(self, folder):
        pass

    def measure(self, threads):
        return {}


def shadowed(folder, library, source):
    """The search path on which `library` is this source."""
    package = folder / "shadow" / library
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(source)
    return os.pathsep.join(map(str, (package.parent, PACKAGE)))


def benchmark(*arguments, path=PACKAGE):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env=os.environ | {"PYTHONPATH": str(path)},
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that measures a functional on SciPy only, `source` standing for it, and
    returns the runner, the result and what was said."""

    def measure(source, *names):
        monkeypatch.setenv("PYTHONPATH", shadowed(tmp_path, "scipy", source))
        monkeypatch.chdir(ROOT)
        data.store(tmp_path)
        said = []
        found = Runner(tmp_path, tmp_path, ("SciPy",), NoProbes(tmp_path), said.append)
        works = select(list(names) or ["softmax-1"])
        measured = [found.run(work.quick(), [1], 1) for work in works]
        found.close()
        return measured, said

    return measure


def test_small_run(tmp_path):
    """Ours against NumPy and SciPy, every kind of work but the lesson's loop, whose only peer is
    torch: the same values, and all the files."""
    names = [
        "fit-3",
        "shuffled",
        "predict",
        "softmax-64",
        "cross_entropy_gradient-64",
        "growth-base",
    ]
    peers = ("--peers", "ours", "NumPy", "SciPy")
    done = benchmark(*names, "--quick", "--threads", 1, *peers, "--output", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    assert results.failures(found) == {}
    measured = results.rows(found)
    assert [row.work.name for row in measured] == names[:-1]
    for row in measured:
        assert {timing.peer for timing in row.timings} >= {"ours"}
        assert len(row.timings) == 2
        assert row.ratio() > 0
        assert row.verdict == ""  # small works have no bars
        assert list(row.disagreements()) == []
    (growth,) = results.growths(found)
    assert growth.times == 1.0
    assert "| `fit`, 3 epochs" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "peers.svg").exists()


def test_absent_peer_is_noted_and_the_rest_goes_on(tmp_path):
    done = benchmark(
        *("softmax-1", "--quick", "--peers", "ours", "SciPy", "--output", tmp_path / "out"),
        path=shadowed(tmp_path, "scipy", "raise ImportError('not today')"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "out" / "results.md").read_text()
    assert "no time of SciPy, 1 thread(s) (softmax-1): ImportError: not today" in page
    assert "shadow/scipy/__init__.py" in done.stdout  # the worker's traceback, shown
    assert "ImportError: not today" in (tmp_path / "out" / "logs" / "SciPy-1.log").read_text()


def test_run_is_stored_as_it_goes_and_continued(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.__main__.Probes", NoProbes)
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    monkeypatch.chdir(ROOT)
    options = ["--quick", "--threads", "1", "--peers", "ours", "--output", str(tmp_path)]

    def interrupted(result):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.report.progress", interrupted)
        with pytest.raises(KeyboardInterrupt):
            main(["softmax-1", "softmax-64", *options])
    path = tmp_path / "results.json"
    first = json.loads(path.read_text())["works"]
    assert [result["work"]["name"] for result in first] == ["softmax-1"]

    assert main(["softmax-1", "softmax-64", *options, "--continue"]) == 0
    works = json.loads(path.read_text())["works"]
    assert works[0] == first[0]  # not measured again
    assert [result["work"]["name"] for result in works] == ["softmax-1", "softmax-64"]

    stored = json.loads(path.read_text()) | {"commit": "another"}
    path.write_text(json.dumps(stored))
    assert main(["softmax-1", *options, "--continue"]) == 2
    assert "of another commit: another" in capsys.readouterr().err
    assert json.loads(path.read_text()) == stored


def test_work_in_which_a_peer_failed_is_measured_again(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.__main__.Probes", NoProbes)
    monkeypatch.chdir(ROOT)
    options = ["softmax-1", "--quick", "--peers", "SciPy", "--output", str(tmp_path)]
    monkeypatch.setenv("PYTHONPATH", shadowed(tmp_path, "scipy", "raise ImportError"))
    main(options)
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    main([*options, "--continue"])
    (result,) = json.loads((tmp_path / "results.json").read_text())["works"]
    assert result["failures"] == []
    assert len(result["runs"]) == 1


def test_peer_that_takes_too_long_is_killed_and_not_started_again(run, monkeypatch):
    monkeypatch.setitem(runner.LIMITS, "start", 2.0)
    source = "import time; print('compiling', flush=True); time.sleep(60)"
    measured, said = run(source, "softmax-1", "softmax-64")
    for result in measured:
        assert result["runs"] == []
        (failure,) = result["failures"]
        assert failure["reason"] == "no answer to 'start' within 2 s: killed"
    assert [line.strip() for line in said].count("compiling") == 1


DYING = """
__version__ = "0"
class special:
    @staticmethod
    def softmax(x, axis):
        import os, sys
        print("about to die", file=sys.stderr, flush=True)
        {end}
"""


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("os.abort()", "its process was killed by SIGABRT"),
        ("os._exit(3)", "its process ended with status 3"),
        ("raise MemoryError('too much')", "MemoryError: too much"),
    ],
)
def test_peer_that_dies_is_noted_and_started_again(run, end, reason):
    measured, said = run(DYING.format(end=end), "softmax-1", "softmax-64")
    for result in measured:
        (failure,) = result["failures"]
        assert failure["reason"] == reason
        assert "about to die" in failure["stderr"]
    assert [line.strip() for line in said].count("about to die") == 2


def test_pages_of_a_stored_run(tmp_path, capsys):
    results_file, page = tmp_path / "results.json", tmp_path / "page.md"
    assert main(["readme"]) == 2
    assert main(["readme", str(results_file)]) == 2
    assert "results.json" in capsys.readouterr().err
    benchmark("softmax-1", "--quick", "--peers", "ours", "--output", tmp_path)
    (tmp_path / "results.md").unlink()
    assert main(["report", str(results_file)]) == 0
    assert "# Benchmark" in (tmp_path / "results.md").read_text()
    page.write_text("no markers")
    results_file.write_text(results_file.read_text().replace('"quick": true', '"quick": false'))
    assert main(["readme", str(results_file), str(page)]) == 2
    assert "benchmark table: begin" in capsys.readouterr().err


def test_our_own_failure_ends_with_an_error(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'worker' in ' '.join(sys.orig_argv): sys.modules['cnn_mnist.nn'] = None\n"
    )
    path = os.pathsep.join(map(str, (tmp_path, PACKAGE)))
    options = ("softmax-1", "--quick", "--peers", "ours", "--output", tmp_path / "out")
    done = benchmark(*options, path=path)
    assert done.returncode == 1
    assert "softmax-1: ours failed: " in done.stderr
