"""PyTorch, compiled: forward, gradients and update of a step as one graph of inductor's."""

import torch
import torch.nn.functional as F

from ..data import Case
from . import Call, batches, epoch_means
from .torch_eager import forward, parameters, select, start

__all__ = ["fit", "predict", "start"]  # the settings are the eager library's


def loss_of(learned: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(forward(learned, x), y)


def fit(case: Case) -> Call:
    lr = case.work.lr

    @torch.compile(dynamic=False)
    def step(learned, x, y):
        gradients, loss = torch.func.grad_and_value(loss_of)(learned, x, y)
        for parameter, gradient in zip(learned, gradients):
            parameter.sub_(gradient, alpha=lr)
        return loss

    @torch.no_grad()
    def call():
        x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
        learned = parameters(case)
        losses = [
            step(learned, select(x, rows), select(y, rows))
            for epoch in range(case.work.epochs)
            for rows in batches(case, epoch)
        ]
        return epoch_means(torch.stack(losses).numpy(), case)

    return call


def predict(case: Case) -> Call:
    fixed = parameters(case)
    classes = torch.compile(lambda x: forward(fixed, x).argmax(dim=1), dynamic=False)

    @torch.no_grad()
    def call():
        return classes(torch.from_numpy(case.x)).numpy()

    return call
