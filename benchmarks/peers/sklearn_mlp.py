"""scikit-learn's MLPClassifier with plain SGD and the given initial weights.

It draws its own orders when shuffled, so that its losses then agree only roughly.
"""

import warnings

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from ..data import SEED, Case
from . import Call


def start(threads: int) -> dict[str, str]:
    warnings.simplefilter("ignore", ConvergenceWarning)
    return {"scikit-learn": sklearn.__version__}


def classifier(case: Case) -> MLPClassifier:
    """A classifier that holds the given weights, initialised by a fit on a few rows."""
    work = case.work
    model = MLPClassifier(
        work.sizes[1:-1],
        solver="sgd",
        alpha=0,
        batch_size=1,
        learning_rate_init=work.lr,
        momentum=0,
        nesterovs_momentum=False,
        shuffle=work.shuffle,
        max_iter=1,
        tol=0,
        n_iter_no_change=10**9,
        warm_start=True,
        random_state=SEED,
    )
    classes = np.arange(work.sizes[-1])
    model.fit(np.zeros((len(classes), work.sizes[0]), np.float32), classes)
    model.set_params(max_iter=work.epochs, batch_size=min(work.batch, len(case.x)))
    reset(model, case)
    return model


def reset(model: MLPClassifier, case: Case) -> None:
    model.coefs_ = [weight.T.copy() for weight, _ in case.weights]
    model.intercepts_ = [bias.copy() for _, bias in case.weights]
    model.loss_curve_, model.n_iter_, model.t_ = [], 0, 0


def fit(case: Case) -> Call:
    model = classifier(case)

    def call():
        reset(model, case)
        model.fit(case.x, case.y)
        return model.loss_curve_

    return call


def predict(case: Case) -> Call:
    model = classifier(case)
    return lambda: model.predict(case.x)
