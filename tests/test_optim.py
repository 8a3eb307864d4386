"""SGD and the optimiser's bookkeeping against torch's."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch

import cnn_mnist

PACKAGES = [cnn_mnist, torch]
STEPS = 6


def parameters(package, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    return [
        package.nn.Parameter(package.from_numpy(rng.normal(size=shape).astype(dtype)))
        for shape in ((5, 7), (5,), (), (1, 3))
    ]


def set_grads(package, params, step, skip=()):
    rng = np.random.default_rng(100 + step)
    for i, param in enumerate(params):
        grad = rng.normal(size=tuple(param.shape)).astype(str(param.dtype).split(".")[1])
        param.grad = None if i in skip else package.from_numpy(np.asarray(grad))


def run(package, make, dtype="float32", skip=()):
    params = parameters(package, dtype)
    optimizer = make(package, params)
    for step in range(STEPS):
        set_grads(package, params, step, skip)
        optimizer.step()
    return params, optimizer


def assert_close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        a, b = a.detach().numpy(), b.detach().numpy()
        assert a.dtype == b.dtype and a.shape == b.shape
        tiny = np.finfo(a.dtype).eps * 4 * STEPS
        np.testing.assert_allclose(a, b, rtol=tiny, atol=tiny)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "momentum, dampening, weight_decay, nesterov, maximize",
    [
        options
        for options in itertools.product(
            (0, 0.9), (0, 0.3), (0, 0.05), (False, True), (False, True)
        )
        if not options[3] or options[0] and not options[1]
    ],
)
def test_steps_are_torchs(momentum, dampening, weight_decay, nesterov, maximize, dtype):
    def make(package, params):
        return package.optim.SGD(
            params, 0.1, momentum, dampening, weight_decay, nesterov, maximize=maximize
        )

    ours, optimizer = run(cnn_mnist, make, dtype, skip=(1,))
    theirs, reference = run(torch, make, dtype, skip=(1,))
    assert_close(ours, theirs)
    buffers = [state["momentum_buffer"] for state in optimizer.state.values()]
    assert_close(buffers, [state["momentum_buffer"] for state in reference.state.values()])


def groups(package, params):
    return package.optim.SGD(
        [{"params": params[:2], "lr": 0.3, "momentum": 0.5}, {"params": iter(params[2:])}], lr=0.05
    )


def test_groups_have_options_of_their_own():
    ours, optimizer = run(cnn_mnist, groups)
    theirs, _ = run(torch, groups)
    assert_close(ours, theirs)
    optimizer.param_groups[0]["lr"] = 0.0
    before = ours[0].tolist()
    optimizer.step()
    assert ours[0].tolist() == before != ours[2].tolist()


def test_parameters_of_any_layout_are_changed_in_place():
    results = []
    for package in PACKAGES:
        base = package.ones(4, 6)
        param = package.nn.Parameter(base.T[::2])
        param.grad = package.arange(12).float().reshape(3, 4)
        optimizer = package.optim.SGD([param], lr=0.5, momentum=0.9)
        optimizer.step()
        optimizer.step()
        assert optimizer.state[param]["momentum_buffer"]._version == 2
        results.append(base)
    assert_close(results[:1], results[1:])


def test_gradients_are_dropped_or_filled_with_zeros():
    for package in PACKAGES:
        params = parameters(package)
        optimizer = package.optim.SGD(params)
        set_grads(package, params, 0, skip=(2,))
        grad = params[0].grad
        optimizer.zero_grad(set_to_none=False)
        assert params[0].grad is grad and grad.sum().item() == 0 and params[2].grad is None
        optimizer.zero_grad()
        assert all(param.grad is None for param in params)


def test_the_closures_loss_is_returned_and_recorded():
    for package in PACKAGES:
        param = package.nn.Parameter(package.tensor([3.0]))
        optimizer = package.optim.SGD([param], lr=0.1)

        def closure(param=param, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (param * param).sum()
            loss.backward()
            return loss

        with package.no_grad():
            assert optimizer.step(closure).item() == 9
        assert param.item() == pytest.approx(2.4)


def test_a_graph_from_before_the_step_raises():
    for package in PACKAGES:
        param = package.nn.Parameter(package.tensor([3.0]))
        loss = (param * param).sum()
        loss.backward(retain_graph=True)
        package.optim.SGD([param], lr=0.1).step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


# state ----------------------------------------------------------------------------------


def momentum(package, params):
    return package.optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.01)


def continued(package, state, params):
    params = [package.nn.Parameter(package.from_numpy(p.detach().numpy().copy())) for p in params]
    optimizer = package.optim.SGD(params, lr=7.0)
    optimizer.load_state_dict(copy.deepcopy(state))  # torch takes its members as they are
    for step in range(3):
        set_grads(package, params, step)
        optimizer.step()
    return params


def as_torch(state):
    return {
        "param_groups": state["param_groups"],
        "state": {
            number: {name: torch.from_numpy(value.numpy().copy()) for name, value in of.items()}
            for number, of in state["state"].items()
        },
    }


def test_states_continue_here_and_in_torch():
    params, optimizer = run(cnn_mnist, momentum)
    theirs, reference = run(torch, momentum)
    expected = continued(torch, reference.state_dict(), theirs)
    assert_close(continued(cnn_mnist, optimizer.state_dict(), params), expected)
    assert_close(continued(cnn_mnist, reference.state_dict(), params), expected)
    assert_close(continued(torch, as_torch(optimizer.state_dict()), params), expected)


def test_the_state_dict_has_torchs_form():
    ours = run(cnn_mnist, groups)[1].state_dict()
    theirs = run(torch, groups)[1].state_dict()
    assert list(ours["state"]) == list(theirs["state"])
    for group, reference in zip(ours["param_groups"], theirs["param_groups"], strict=True):
        assert group.items() <= reference.items()


def test_copies_of_optimizers():
    _, optimizer = run(cnn_mnist, momentum)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert repr(twin) == repr(optimizer)
        mine, its = optimizer.state_dict()["state"], twin.state_dict()["state"]
        assert list(mine) == list(its) == [0, 1, 2, 3]
        assert_close(
            [s["momentum_buffer"] for s in its.values()],
            [s["momentum_buffer"] for s in mine.values()],
        )


def test_names_of_parameters():
    for package in PACKAGES:
        model = package.nn.Linear(2, 1)
        optimizer = package.optim.SGD(model.named_parameters(), lr=0.1)
        assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
        assert optimizer.param_groups[0]["params"][0] is model.weight
        optimizer.load_state_dict(package.optim.SGD(model.parameters()).state_dict())
        assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_the_text_names_the_options():
    ours = cnn_mnist.optim.SGD(parameters(cnn_mnist), lr=0.5)
    theirs = torch.optim.SGD(parameters(torch), lr=0.5)
    assert repr(ours) == repr(theirs)
    ours.add_param_group({"params": cnn_mnist.ones(2), "lr": 0.1})
    theirs.add_param_group({"params": torch.ones(2), "lr": 0.1})
    assert repr(ours) == repr(theirs)


def test_a_step_with_a_gradient_is_refused():
    with pytest.raises(NotImplementedError, match="differentiable: the step is not recorded"):
        cnn_mnist.optim.SGD(parameters(cnn_mnist), differentiable=True)


def test_an_optimizer_of_ones_own():
    def train(package):
        class Signs(package.optim.Optimizer):
            def __init__(self, params, lr):
                super().__init__(params, {"lr": lr})

            def step(self, closure=None):
                with package.no_grad():
                    for group in self.param_groups:
                        for p in group["params"]:
                            p -= group["lr"] * p.grad / abs(p.grad)

        params = parameters(package)
        optimizer = Signs(params, lr=0.25)
        set_grads(package, params, 0)
        optimizer.step()
        return params

    assert_close(train(cnn_mnist), train(torch))


# errors ---------------------------------------------------------------------------------


def named(package):
    return list(package.nn.Linear(1, 1).named_parameters())


@pytest.mark.parametrize(
    "call",
    [
        lambda t, p: t.optim.SGD(p, lr=-1),
        lambda t, p: t.optim.SGD(p, momentum=-0.1),
        lambda t, p: t.optim.SGD(p, weight_decay=-1),
        lambda t, p: t.optim.SGD(p, nesterov=True),
        lambda t, p: t.optim.SGD(p, momentum=0.9, dampening=0.1, nesterov=True),
        lambda t, p: t.optim.SGD([]),
        lambda t, p: t.optim.SGD(p[0]),
        lambda t, p: t.optim.SGD([3]),
        lambda t, p: t.optim.SGD({"a": 3}.items()),
        lambda t, p: t.optim.SGD([p[0] * 2]),
        lambda t, p: t.optim.SGD([{"params": set(p)}]),
        lambda t, p: t.optim.SGD(3),
        lambda t, p: t.optim.SGD([{"params": p}, {"params": p[:1]}]),
        lambda t, p: t.optim.SGD([*named(t), p[0]]),
        lambda t, p: t.optim.SGD(p).add_param_group([p[0]]),
        lambda t, p: t.optim.SGD(p).add_param_group({"params": named(t)}),
        lambda t, p: t.optim.SGD(p).load_state_dict({"state": {}, "param_groups": []}),
        lambda t, p: t.optim.SGD(p).load_state_dict(t.optim.SGD(p[:1]).state_dict()),
        lambda t, p: t.optim.SGD(p).load_state_dict({}),
        lambda t, p: t.optim.SGD(p, lr=t.ones(2)),
        lambda t, p: t.optim.Optimizer(p, {}).step(),
    ],
)
def test_errors_are_of_torchs_type(call):
    with pytest.raises(Exception) as expected:
        call(torch, parameters(torch))
    with pytest.raises(expected.type):
        call(cnn_mnist, parameters(cnn_mnist))


def test_nan_is_no_learning_rate():
    with pytest.raises(ValueError, match="Invalid learning rate: nan"):
        cnn_mnist.optim.SGD(parameters(cnn_mnist), lr=float("nan"))


def test_duplicates_in_a_group_warn():
    for package in PACKAGES:
        param = parameters(package)[0]
        with pytest.warns(UserWarning, match="duplicate parameters"):
            package.optim.SGD([param, param])


def test_a_refused_group_changes_nothing():
    params = parameters(cnn_mnist)
    optimizer = cnn_mnist.optim.SGD(params)
    group = {"params": [cnn_mnist.nn.Parameter(cnn_mnist.ones(1)), params[0]]}
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group(group)
    assert list(group) == ["params"] and len(optimizer.param_groups) == 1


def test_a_refused_state_changes_nothing():
    _, optimizer = run(cnn_mnist, momentum)
    before = repr(optimizer.state_dict())
    state = optimizer.state_dict()
    state["param_groups"][0]["lr"] = 3
    state["param_groups"][0]["params"].pop()
    with pytest.raises(ValueError, match="3, expected 4"):
        optimizer.load_state_dict(state)
    assert repr(optimizer.state_dict()) == before
