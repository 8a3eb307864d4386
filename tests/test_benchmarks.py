"""The benchmark's own arithmetic and its pages."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from benchmarks import data, peers, plots, report, results, works
from benchmarks.__main__ import main
from benchmarks.works import Work

from cnn_mnist import bench


def run_of(peer, seconds, values, threads=1):
    return {
        "peer": peer,
        "threads": threads,
        "seconds": seconds,
        "cpu": seconds,
        "values": values,
        "density": 0.19,
        "memory": 0,
        "input_bytes": 1000,
    }


def runs_of(work, ours, others):
    """Runs of everyone who can do the work: ours in so many seconds, the others each."""
    return [run_of(peer, [ours if peer == "ours" else others], [1.0]) for peer in peers.able(work)]


def found_of(*measured):
    """A stored run: pairs of a work and its runs, one thread, a peak of 100 GFLOP/s."""
    limit = {"fma_gflops": 100.0, "copy_gbytes": 10.0, "distance_ns": 30.0}
    return {
        "created": "2026-01-01T00:00:00+00:00",
        "commit": "0123456789ab",
        "quick": False,
        "rounds": 2,
        "threads": [1],
        "machine": {
            "cpu": "a CPU",
            "virtual": False,
            "processors": 2,
            "caches": {"L1d": "32K"},
            "path": "avx2",
            "extension": {"compiler": "gcc 12.2.0"},
            "python": "3.11",
        },
        "works": [
            {
                "work": asdict(work),
                "runs": runs,
                "limits": {"1": [limit]},
                "failures": [],
                "seconds": 1.0,
                "load": {"steal": 0.01, "idle": 0.5, "load_average": 1.0},
            }
            for work, runs in measured
        ],
        "data": "digits",
        "versions": {"torch": "2"},
        "notes": [],
    }


def stored(tmp_path, found):
    """The run as it comes back from its file: tuples have become lists."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(found))
    return json.loads(path.read_text())


FIT = works.TRAINING[0]
ZERO_FREE = next(work for work in works.TRAINING if work.name == "zero-free")


def test_flop_of_the_lesson():
    # three products of 2 * 50,000 * 500 and two of 2 * 50,000 * 39,200
    assert Work("", "", epochs=1).flop() == 2 * 50_000 * (2 * 39_200 + 3 * 500)
    assert Work("", "", epochs=1).flop(0.5) == 2 * 50_000 * (39_200 + 3 * 500)
    assert Work("", "", kind="predict", rows=1, epochs=1).flop() == 2 * (39_200 + 500)


def test_ratio_is_to_the_best_peer_and_its_median(tmp_path):
    found = stored(
        tmp_path,
        found_of(
            (
                FIT,
                [
                    run_of("ours", [2.0, 4.0, 3.0], [1.0]),
                    run_of("NumPy", [12.0, 10.0, 11.0], [1.0]),
                    run_of("JAX", [20.0, 9.0, 30.0], [1.0]),
                ],
            )
        ),
    )
    (row,) = results.rows(found)
    assert row.rival.peer == "JAX"
    assert row.ratio() == pytest.approx(2 / 9)
    assert row.ratio("median") == pytest.approx(3 / 20)


@pytest.mark.parametrize(("ours", "verdict"), [(1.5, "stretch"), (2.0, "met"), (2.3, "missed")])
def test_verdict_on_a_ratio(ours, verdict):
    (row,) = results.rows(found_of((FIT, runs_of(FIT, ours, 10.0))))
    assert row.verdict == verdict


@pytest.mark.parametrize("absent", ["JAX", "ours"])
def test_no_verdict_while_somebody_is_missing(absent):
    runs = [run for run in runs_of(FIT, 1.5, 10.0) if run["peer"] != absent]
    (row,) = results.rows(found_of((FIT, runs)))
    assert row.verdict == f"not judged: no {absent}"
    assert "not judged" in report.bars_table(found_of((FIT, runs))) or absent == "ours"


@pytest.mark.parametrize(("share", "verdict"), [(0.7, "missed"), (0.85, "met"), (0.92, "stretch")])
def test_verdict_on_a_share_of_the_peak(share, verdict):
    seconds = ZERO_FREE.flop() / (share * 100e9)
    (row,) = results.rows(found_of((ZERO_FREE, runs_of(ZERO_FREE, seconds, 10 * seconds))))
    assert row.peak_share == pytest.approx(share)
    assert row.verdict == verdict


@pytest.mark.parametrize("values", [[0.995, 0.5], [1.0, 0.52], [1.0, float("nan")], [1.0]])
def test_another_computation_is_found(values):
    (row,) = results.rows(
        found_of(
            (
                FIT,
                [
                    run_of("ours", [1.0], [1.0, 0.5]),
                    run_of("NumPy", [1.0], [1.0, 0.501]),
                    run_of("JAX", [1.0], values),
                ],
            )
        )
    )
    said = list(row.disagreements())
    if values == [0.995, 0.5]:
        assert said == []  # within 1 %
    else:
        assert len(said) == 1
        assert "JAX" in said[0]


def test_growth_in_time_and_memory():
    base, *rest = works.GROWTH
    slow = run_of("ours", [11.0], [1.0])
    hungry = run_of("ours", [9.0], [1.0]) | {"memory": 100 << 20}
    fine = run_of("ours", [10.0], [1.0]) | {"memory": 1 << 20}
    found = found_of((base, [run_of("ours", [1.0], [1.0])]), *zip(rest, [[slow], [hungry], [fine]]))
    assert [growth.verdict for growth in results.growths(found)] == [
        "met",
        "missed",
        "missed",
        "met",
    ]
    assert results.rows(found) == []


def test_epoch_means_weigh_the_short_batch():
    case = data.Case(
        Work("", "", batch=4), np.zeros((6, 1), np.float32), np.zeros(6, np.int64), [], None
    )
    np.testing.assert_allclose(peers.epoch_means([1.0, 4.0, 2.0, 2.0], case), [2.0, 2.0])
    assert [len(range(*rows.indices(6))) for rows in peers.batches(case, 0)] == [4, 2]


def test_load_of_a_run_is_the_mean_over_its_time():
    found = found_of((FIT, []), (ZERO_FREE, []))
    found["works"][0] |= {"seconds": 3.0, "load": {"steal": 0.2}}
    found["works"][1] |= {"seconds": 1.0, "load": {"steal": 0.6}}
    assert results.load(found) == {"steal": pytest.approx(0.3)}
    assert results.load(found | {"works": []}) == {}


def test_shuffled_orders_are_the_data_loaders():
    generator = torch.Generator().manual_seed(data.SEED)
    loader = torch.utils.data.DataLoader(
        range(20), batch_size=20, shuffle=True, generator=generator
    )
    expected = [[row for batch in loader for row in batch.tolist()] for _ in range(3)]
    assert data.shuffled_orders(20, 3).tolist() == expected


def test_table_goes_between_the_markers_of_a_page(tmp_path):
    found = stored(
        tmp_path, found_of((FIT, [run_of("ours", [2.0], [1.0]), run_of("NumPy", [0.01], [1.0])]))
    )
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.insert(found, page)
    report.insert(found, page)
    text = page.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n| work")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert text.count("| 2.00 s | 10.0 ms (NumPy) | **200.00** |") == 1
    with pytest.raises(ValueError, match="--quick"):
        report.insert(found | {"quick": True}, page)
    assert page.read_text() == text
    page.write_text("no markers")
    with pytest.raises(ValueError, match="benchmark table: begin"):
        report.insert(found, page)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.34, "12.3 s"),
        (1.0, "1.00 s"),
        (0.99999, "1.00 s"),
        (0.1234, "123 ms"),
        (1e-5, "10.0 µs"),
        (2.345e-7, "0.23 µs"),
    ],
)
def test_duration(seconds, text):
    assert report.duration(seconds) == text


def test_names_and_groups_are_selected():
    assert [work.name for work in works.select(["fit-3"])] == ["fit-3"]
    assert len(works.select(["functional"])) == 12
    assert works.select([]) == list(works.WORKS)
    with pytest.raises(ValueError, match="no work or group is called 'fit-7'"):
        works.select(["fit-7"])


def test_every_peer_of_a_work_can_do_it():
    for work in works.WORKS:
        assert set(work.peers) <= set(peers.KINDS[work.kind])
        assert work.input in data.INPUTS


def test_plots_of_a_run(tmp_path):
    curve = [work for work in works.CURVES if work.group == "density"]
    runs = [run_of("ours", [1.0], [1.0]), run_of("NumPy", [3.0], [1.0])]
    found = found_of((FIT, runs), *((work, runs) for work in curve))
    written = plots.draw(found, tmp_path)
    assert sorted(path.name for path in written) == [
        "peers.png",
        "peers.svg",
        "roofline.png",
        "roofline.svg",
        "scaling.png",
        "scaling.svg",
    ]
    assert all(path.stat().st_size > 5000 for path in written)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "no work or group is called 'nothing'"),
        (["--rounds", "-1"], "--rounds and --threads must be at least 1"),
        (["--peers", "Keras"], "invalid choice: 'Keras'"),
    ],
)
def test_usage_errors(arguments, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert said in capsys.readouterr().err


def test_short_form_without_peers(monkeypatch):
    peaks = iter([1e9, *[1e10, 2e10] * 10])  # the larger one around a task counts: 2e10
    monkeypatch.setattr(bench, "product_rate", lambda: next(peaks))
    x = np.tile(np.float32([0, 0, 0, 0.5]), (600, 196))
    y = np.arange(600) % 10
    peak, network, columns, _, headings, *lines = bench.measure(x, y, [1, 2])
    assert peak.startswith("peak: 1.0 GFLOP/s on one thread")
    assert "zeros in the input: 75%" in network
    assert headings.split() == ["work", "threads", "s/epoch", "rows/s", "GFLOP/s", "of", "peak"]
    assert len(lines) == 2 * len(bench.TASKS)
    assert columns.startswith("GFLOP/s counts zeros as if they were multiplied, 'of peak'")
    for k, line in enumerate(lines):
        threads, seconds, rate, gflops, share = line[26:].replace(",", "").split()
        assert threads in ("1", "2")
        # rows / s * FLOP a row, in the digits that the table shows
        flop = bench.forward_flop if "predict" in line else bench.step_flop
        assert float(gflops) == pytest.approx(float(rate) * flop((784, 50, 10)) / 1e9, abs=0.051)
        assert float(seconds) > 0
        dense = 1 if "no zeros" in line else 0.25
        whole = float(threads) * (2e10 if k else 1e10)
        expected = float(rate) * flop((784, 50, 10), dense) / whole
        assert float(share.rstrip("%")) == pytest.approx(100 * expected, abs=0.51)
