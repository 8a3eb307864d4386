"""PyTorch, eager: gradients by autograd, all parameters updated in one call."""

import torch
import torch.nn.functional as F

from ..data import Case
from ..lesson import lesson_loop
from . import Call, batches, epoch_means


def start(threads: int) -> dict[str, str]:
    torch.set_num_threads(threads)
    return {"torch": torch.__version__}


def parameters(case: Case) -> list[torch.Tensor]:
    """weight, bias, weight, bias, ...: copies of the initial ones."""
    return [torch.tensor(array) for layer in case.weights for array in layer]


def forward(parameters: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    for i in range(0, len(parameters), 2):
        x = F.linear(F.relu(x) if i else x, parameters[i], parameters[i + 1])
    return x


def select(array: torch.Tensor, rows) -> torch.Tensor:
    return array[rows] if isinstance(rows, slice) else array[torch.from_numpy(rows)]


def fit(case: Case) -> Call:
    lr = case.work.lr

    def call():
        x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
        learned = [p.requires_grad_() for p in parameters(case)]
        losses = []
        for epoch in range(case.work.epochs):
            for rows in batches(case, epoch):
                loss = F.cross_entropy(forward(learned, select(x, rows)), select(y, rows))
                gradients = torch.autograd.grad(loss, learned)
                with torch.no_grad():
                    torch._foreach_add_(learned, gradients, alpha=-lr)
                losses.append(loss.detach())
        return epoch_means(torch.stack(losses).numpy(), case)

    return call


def loop(case: Case) -> Call:
    return lambda: lesson_loop(torch, torch.nn, F, case)


def predict(case: Case) -> Call:
    fixed = parameters(case)

    def call():
        with torch.no_grad():
            return forward(fixed, torch.from_numpy(case.x)).argmax(dim=1).numpy()

    return call


def functional(case: Case) -> Call:
    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
    if case.work.operation == "cross_entropy":
        return lambda: F.cross_entropy(x, y)
    if case.work.operation == "cross_entropy_gradient":
        leaf = x.clone().requires_grad_()

        def call():
            leaf.grad = None
            F.cross_entropy(leaf, y).backward()
            return leaf.grad

        return call
    operation = getattr(F, case.work.operation)
    return lambda: operation(x, dim=1)
