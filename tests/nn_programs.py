"""Runs one program with torch's modules and with ours; a model for such programs."""

import numpy as np
import torch

import cnn_mnist
from cnn_mnist import nn as ours

theirs = torch.nn
PAIRS = [(ours, cnn_mnist), (theirs, torch)]


def plain(value):
    if hasattr(value, "tolist"):
        return str(np.asarray(value.detach()).dtype), value.tolist()
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(member) for member in value]
    return value


def check(program):
    """The program gives the same with both packages."""
    results = []
    for nn, package in PAIRS:
        package.manual_seed(9)
        results.append(plain(program(nn, package)))
    assert results[0] == results[1]
    return results[0]


def lesson(nn, nested=False):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 4)
            self.rest = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(4, 2, bias=False)))
            self.scale = nn.Parameter(self.first.weight.detach()[0] * 0 + 2)
            self.register_buffer("mean", self.first.bias.detach() * 0 + 1)
            self.register_buffer("hidden", self.first.bias.detach() * 0, persistent=False)
            self.register_buffer("absent", None)
            self.register_parameter("nothing", None)
            self.kept_back = [nn.Linear(2, 2)]  # a plain list registers nothing

        def forward(self, x):
            return self.rest(self.first(x) * self.mean)

    return Model()
