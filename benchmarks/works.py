"""The works that are timed, and the bar each has to meet: one table, nothing else.

A work says what is computed (sizes, rows, batch, order, input), never how; every peer gets
the same arrays. Bars are ratios: our time over the best peer's, one number for one thread
and one for more.
"""

from dataclasses import dataclass, replace

from cnn_mnist.bench import forward_flop, step_flop

Bar = tuple[float, float]  # (one thread, more threads)


@dataclass(frozen=True)
class Work:
    name: str
    title: str
    kind: str = "fit"  # the peer's function: fit, loop, predict or functional
    sizes: tuple[int, ...] = (784, 50, 10)
    rows: int = 50_000
    batch: int = 512
    epochs: int = 10
    lr: float = 0.5
    shuffle: bool = False
    input: str = "mnist"  # a key of data.INPUTS
    density: float = 1.0  # input "masked": the share of pixels that stays
    operation: str = ""  # functional
    group: str = "training"  # section of the report; sweeps are plots only
    threads: tuple[int, ...] = ()  # empty: all that were asked for
    peers: tuple[str, ...] = ()  # empty: all that can do it
    bar: Bar | None = None  # at most this share of the best peer's time
    stretch: Bar | None = None
    peak_bar: float | None = None  # at least this share of the measured FMA peak
    peak_stretch: float | None = None

    def flop(self, density: float = 1.0) -> float:
        """Floating-point operations of one call, the input having this share of non-zeros."""
        if self.kind == "functional":
            return 0.0
        row = forward_flop if self.kind == "predict" else step_flop
        return self.rows * self.epochs * row(self.sizes, density)

    def bytes(self, density: float = 1.0) -> float:
        """Bytes that must come from memory: the input once an epoch, as 4 bytes a value, or,
        where zeros are skipped, as value and 16-bit position of each non-zero."""
        width = 4.0 if density == 1.0 else 6.0 * density
        return width * self.rows * self.epochs * self.sizes[0]

    def quick(self) -> "Work":
        """The same work in small, for a look or a test; without the bars of the real one."""
        return replace(
            self,
            rows=min(self.rows, 200 if self.batch == 1 else 2_000),
            epochs=min(self.epochs, 2),
            bar=None,
            stretch=None,
            peak_bar=None,
            peak_stretch=None,
        )


def both(value: float) -> Bar:
    return (value, value)


# fmt: off
TRAINING = (
    Work("fit-512", "`fit`, 10 epochs, batch 512", bar=both(0.22), stretch=both(0.16)),
    Work("fit-3", "`fit`, 3 epochs, batch 512 (the lesson)", epochs=3,
         bar=both(0.30), stretch=both(0.20)),
    Work("fit-64", "`fit`, 10 epochs, batch 64", batch=64, lr=0.1,
         bar=both(0.22), stretch=both(0.16)),
    Work("fit-1", "`fit`, batch 1, 10,000 rows", rows=10_000, batch=1, epochs=1, lr=0.01,
         bar=both(0.15), stretch=both(0.10)),
    Work("shuffled", "`fit`, 10 epochs, batch 512, shuffled", shuffle=True,
         bar=both(0.30), stretch=both(0.22)),
    Work("zero-free", "`fit`, 3 epochs, batch 512, no zeros in the input", epochs=3,
         input="zero-free", bar=(0.68, 0.60), peak_bar=0.80, peak_stretch=0.90),
    Work("deep", "`fit`, 784-128-64-10, 3 epochs, batch 100, standardised input",
         sizes=(784, 128, 64, 10), batch=100, epochs=3, lr=0.1, input="standardised",
         bar=both(0.70), stretch=both(0.60)),
    Work("wide", "`fit`, 784-1024-512-10, 2 epochs, batch 256, 10,000 rows",
         sizes=(784, 1024, 512, 10), rows=10_000, batch=256, epochs=2, lr=0.1,
         bar=both(1.0), stretch=both(0.9)),
)

TORCH_ONLY = ("ours", "torch eager")
LOOPS = (
    Work("loop-512", "the lesson's own loop, 3 epochs, batch 512", kind="loop", epochs=3,
         peers=TORCH_ONLY, group="loop", bar=both(0.40), stretch=both(0.20)),
    Work("loop-64", "the lesson's own loop, batch 64", kind="loop", batch=64, epochs=1, lr=0.1,
         peers=TORCH_ONLY, group="loop", bar=both(0.25), stretch=both(0.125)),
    Work("loop-1", "the lesson's own loop, batch 1, 5,000 rows", kind="loop", rows=5_000,
         batch=1, epochs=1, lr=0.01, peers=TORCH_ONLY, group="loop",
         bar=both(0.25), stretch=both(0.125)),
)

PREDICTIONS = (
    Work("predict", "`predict`, 10,000 rows", kind="predict", rows=10_000, epochs=1,
         group="prediction", bar=(0.5, float("inf")), stretch=(0.3, float("inf"))),
    Work("predict-1", "`predict`, one row", kind="predict", rows=1, epochs=1, group="prediction",
         threads=(1,)),
)

OPERATIONS = {"softmax": "softmax", "log_softmax": "log_softmax",
              "cross_entropy": "cross_entropy",
              "cross_entropy_gradient": "cross_entropy and its gradient"}
FUNCTIONALS = tuple(
    Work(f"{operation}-{rows}", f"{label}, ({rows}, 10)", kind="functional", sizes=(10,),
         rows=rows, epochs=1, operation=operation, group="functional", threads=(1,),
         input="logits", bar=both(0.7), stretch=both(0.4))
    for operation, label in OPERATIONS.items() for rows in (1, 64, 512)
)

# Growth: ours alone; the later works are compared with the first.
GROWTH_BASE = Work("growth-base", "5,000 rows, 784-50-10, 3 epochs", rows=5_000, epochs=3,
                   group="growth", peers=("ours",), threads=(1,))
GROWTH = (
    GROWTH_BASE,
    replace(GROWTH_BASE, name="growth-rows", title="rows x10", rows=50_000),
    replace(GROWTH_BASE, name="growth-hidden", title="hidden x10", sizes=(784, 500, 10)),
    replace(GROWTH_BASE, name="growth-features", title="features x10", sizes=(7840, 50, 10)),
)
GROWTH_LIMIT = 10.5

CURVE_PEERS = ("ours", "torch eager", "JAX", "NumPy")
CURVE = Work("", "", rows=10_000, epochs=3, peers=CURVE_PEERS, threads=(1,))
CURVES = (
    *(replace(CURVE, name=f"batch-{n}", title=f"batch {n}", group="batch size", batch=n,
              lr=min(0.5, 0.01 * n)) for n in (4, 16, 64, 256, 1024, 4096)),
    *(replace(CURVE, name=f"hidden-{n}", title=f"{n} hidden units", group="hidden size",
              sizes=(784, n, 10), lr=0.1) for n in (10, 25, 50, 100, 200, 400, 800)),
    *(replace(CURVE, name=f"density-{n}", title=f"{n} % non-zeros", group="density",
              input="masked", density=n / 100, lr=0.1)
      for n in (2, 5, 10, 20, 30, 40, 50, 70, 100)),
)

# fmt: on

WORKS = (*TRAINING, *LOOPS, *PREDICTIONS, *FUNCTIONALS, *GROWTH, *CURVES)


def select(names: list[str]) -> list[Work]:
    """The works whose name or group is among `names`; all of them without any.

    Raises
    ------
    ValueError
        If a name is neither a work nor a group.
    """
    known = {work.name for work in WORKS} | {work.group for work in WORKS}
    for name in names:
        if name not in known:
            raise ValueError(
                f"no work or group is called {name!r}; there are: " + ", ".join(sorted(known))
            )
    return [work for work in WORKS if not names or {work.name, work.group} & set(names)]
