"""Code in the manner of a course: modules, optimizers, data sets and loaders, with both packages.

Each program is run with torch and with us; what it leaves in `out` must be the same.
"""

import pytest
from both import agree, programs

PROGRAMS = programs("""
m = T.nn.Linear(3, 2)
s = {"weight": T.ones(2, 3).double(), "bias": T.zeros(2).double()}
k = m.load_state_dict(s, assign=True)
out = (
    m.weight,
    m.bias,
    m.weight.data_ptr() == s["weight"].data_ptr(),
    str(k),
    isinstance(m.weight, T.nn.Parameter),
    [n for n, _ in m.named_parameters()],
)

m = T.nn.Sequential(T.nn.Linear(3, 2), T.nn.ReLU())
m[0].weight.requires_grad_(False)
p = T.nn.Parameter(T.ones(2, 3))
m.load_state_dict({"0.weight": p, "0.bias": T.zeros(2)}, assign=True)
out = (m[0].weight is p, p.requires_grad, m[0].bias)

m = T.nn.Linear(3, 2)
m.load_state_dict({"weight": T.ones(3, 3)}, strict=False, assign=True)

m = T.nn.Module()
m.register_buffer("b", T.zeros(2))
v = T.ones(2)
m.load_state_dict({"b": v}, assign=True)
out = (m.b is v, m.b)

class D(T.utils.data.Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __len__(self):
        return len(self.x)
    def __getitem__(self, i):
        return self.x[i], self.y[i]
xs = T.arange(20.0).reshape(10, 2)
ys = T.arange(10)
dl = T.utils.data.DataLoader(
    D(xs, ys), batch_size=4, shuffle=False, num_workers=0, drop_last=False
)
out = [(a, b) for a, b in dl] + [len(dl)]

xs = T.arange(20.0).reshape(10, 2)
ys = T.arange(10)
T.manual_seed(1)
ds = T.utils.data.TensorDataset(xs, ys)
dl = T.utils.data.DataLoader(
    ds,
    sampler=T.utils.data.BatchSampler(T.utils.data.RandomSampler(ds), 4, False),
    batch_size=None,
)
out = [(a, b) for a, b in dl] + [len(dl)]

xs = T.arange(20.0).reshape(10, 2)
ys = T.arange(10)
T.manual_seed(1)
ds = list(zip(xs, ys))
def collate(b):
    xb, yb = zip(*b)
    return T.stack(xb), T.stack(yb)
bs = T.utils.data.BatchSampler(T.utils.data.SequentialSampler(ds), batch_size=3, drop_last=True)
dl = T.utils.data.DataLoader(ds, batch_sampler=bs, collate_fn=collate)
out = [(a, b) for a, b in dl] + [len(dl)]

xs = T.arange(20.0).reshape(10, 2)
T.manual_seed(1)
dl = T.utils.data.DataLoader(xs, batch_size=3, shuffle=True, pin_memory=False)
a = next(iter(dl))
b = [t for t in dl]
out = (a, b)

ds = [{"x": T.ones(2) * i, "y": i, "s": str(i)} for i in range(5)]
dl = T.utils.data.DataLoader(ds, batch_size=2)
out = [(d["x"], d["y"], d["s"]) for d in dl]

ds = [(T.ones(2) * i, float(i), [i, i + 1]) for i in range(5)]
dl = T.utils.data.DataLoader(ds, batch_size=2)
out = [list(d) for d in dl]

ds = T.utils.data.Subset(T.utils.data.TensorDataset(T.arange(10)), [1, 3, 5])
out = [ds[0], len(ds)]

T.manual_seed(2)
a, b = T.utils.data.random_split(T.arange(10), [7, 3])
out = [list(a.indices), list(b.indices)]

T.manual_seed(0)
m = T.nn.Sequential(T.nn.Linear(4, 3), T.nn.ReLU(), T.nn.Linear(3, 2))
o = T.optim.SGD(m.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
for i in range(5):
    l = F.cross_entropy(m(T.ones(2, 4)), T.tensor([0, 1]))
    l.backward()
    o.step()
    o.zero_grad()
out = [p for p in m.parameters()] + [
    m[0].weight.grad is None,
    o.state_dict()["state"][0]["momentum_buffer"],
]

out = str(
    T.nn.Sequential(
        T.nn.Linear(4, 3), T.nn.ReLU(), T.nn.ModuleList([T.nn.Linear(3, 2), T.nn.Flatten()])
    )
)

class M(T.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [T.nn.Linear(2, 3), T.nn.ReLU()]
        for i, l in enumerate(self.layers):
            self.add_module(f"layer_{i}", l)
    def forward(self, x):
        for l in self.layers:
            x = l(x)
        return x
T.manual_seed(1)
m = M()
out = (
    str(m),
    [n for n, _ in m.named_children()],
    [n for n, _ in m.named_modules()],
    [tuple(p.shape) for p in m.parameters()],
    m(T.ones(1, 2)),
    m.training,
    m.eval().training,
    m.layer_0.training,
)

from functools import reduce
class S(T.nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = T.nn.ModuleList(layers)
    def forward(self, x):
        return reduce(lambda v, l: l(v), self.layers, x)
T.manual_seed(1)
m = S([T.nn.Linear(2, 3), T.nn.ReLU()])
out = (str(m), m(T.ones(1, 2)), len(m.layers), m.layers[0].in_features, list(m.state_dict()))

T.manual_seed(1)
m = T.nn.Linear(2, 2)
out = m.apply(lambda l: l.weight.data.fill_(2.0)).weight

w = T.nn.Parameter(T.zeros(2))
m = T.nn.Module()
m.w = w
m.x = T.ones(1)
out = [n for n, _ in m.named_parameters()] + [hasattr(m, "x")]

m = T.nn.Linear(2, 2)
m.register_parameter("extra", None)
out = (str(m.extra), list(m.state_dict()))

m = T.nn.Linear(2, 2)
del m.bias
out = [n for n, _ in m.named_parameters()]

T.manual_seed(1)
w = T.nn.Parameter(T.rand(2, 2) / 2)
T.nn.init.kaiming_uniform_(w)
out = w

w = T.nn.init.constant_(T.zeros(2), 3.0), T.nn.init.ones_(T.zeros(2))
out = w

g = T.Generator().manual_seed(3)
out = T.rand(2, generator=g), T.randint(0, 5, (3,), generator=g), T.randperm(4, generator=g)

opt = T.optim.SGD([T.nn.Parameter(T.ones(2))], lr=-1)

o = T.optim.SGD(
    [{"params": [T.nn.Parameter(T.ones(2))]}, {"params": [T.nn.Parameter(T.ones(3))], "lr": 0.5}],
    lr=0.1,
)
out = [g["lr"] for g in o.param_groups]

a = T.nn.Parameter(T.ones(2))
o = T.optim.SGD([a], lr=0.1)
o.add_param_group({"params": [T.nn.Parameter(T.ones(1))]})
(a * 2).sum().backward()
o.step()
out = (a, len(o.param_groups))
o.zero_grad(set_to_none=False)
out = out + (a.grad,)

import copy
m = T.nn.Linear(2, 2)
c = copy.deepcopy(m)
c.weight.data.zero_()
out = (m.weight.abs().sum() > 0, c.weight)

m = T.nn.Sequential()
m.append(T.nn.Linear(2, 2))
m.add_module("r", T.nn.ReLU())
out = str(m), len(m)

m = T.nn.Sequential(T.nn.Linear(2, 2), T.nn.ReLU())
out = [str(c) for c in m.children()], str(m[:1]), m[-1]

m = T.nn.Linear(2, 2).requires_grad_(False)
out = [p.requires_grad for p in m.parameters()]

from collections import OrderedDict
m = T.nn.Sequential(OrderedDict(a=T.nn.Linear(2, 1), b=T.nn.ReLU()))
out = str(m), m.a.out_features

m = T.nn.Linear(2, 2)
m.zero_grad()
out = m.weight.grad

m = T.nn.Linear(2, 2)
out = m.double().weight.dtype

l = T.nn.CrossEntropyLoss()
out = l(x, k[:2]), str(l)

out = T.nn.functional.cross_entropy(x, k[:2]).item()

xs = T.arange(20.0).reshape(10, 2)
dl = T.utils.data.DataLoader(T.utils.data.TensorDataset(xs), 3, num_workers=2)
out = [b for b in dl]

def lin(inp, w, b):
    inp.out = inp @ w + b
    return inp.out
w, b1 = T.ones(3, 2), T.zeros(2)
res = lin(x, w, b1)
res.g = 2 * res
x.g, w.g, b1.g = res.g @ w.t(), x.t() @ res.g, res.g.sum(0)
out = x.out, x.g, w.g, b1.g, hasattr(w, "g"), hasattr(w.t(), "g")
del w.g
out += (hasattr(w, "g"),)

losses = T.zeros(3)
for n in range(3):
    losses[n] = r[:1, n] * n
losses.sum().backward()
out = losses, r.grad

out = []
for kw in {}, {"foreach": True}, {"fused": False, "momentum": 0.9}:
    opt = T.optim.SGD([r], lr=0.1, **kw)
    out += [str(opt), list(opt.state_dict()["param_groups"][0].items())]

T.optim.SGD([r], lr=0.1, foreach=True, fused=True)

T.nn.CrossEntropyLoss(weight=[1.0, 2.0])

T.nn.NLLLoss(3)

out = []
for b in T.tensor(0.5, requires_grad=True), T.tensor([0.5], requires_grad=True):
    for a in x, v:
        y = F.linear(a, T.ones(4, 3), b)
        y.sum().backward()
        out += [y.detach(), b.grad]

import copy, pickle
x.g = y
copied = copy.deepcopy(x)
copied.g.zero_()
out = y, copied.g, pickle.loads(pickle.dumps(x)).g

out = [type(x), type(x.shape), type(x.dtype), type(T.nn.Parameter(x))]

import pickle
out = [pickle.loads(pickle.dumps(a)) for a in (T.bool, T.long, T.float32, x.shape, T.Tensor)]

out = reversed(x), reversed(i), reversed(z), [a for a in reversed(r.detach())]

reversed(r * 2).sum().backward()
out = r.grad

first, second = q
out = first, [*r], next(iter(q * 2)), list(v), [number for row in r for number in row]

del x[0]

class M(T.nn.Module):
    def __init__(self):
        self.w = T.ones(2)
list(M().parameters())

T.tensor([1, "a"])

T.tensor(["a", 1])

T.tensor([[1, "a"]])

T.tensor([b"a"])
""")


@pytest.mark.parametrize("code", PROGRAMS)
def test_program(code: str) -> None:
    agree(code)
