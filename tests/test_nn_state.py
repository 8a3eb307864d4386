"""State dicts against torch's: copied in place, to torch and back, and what does not fit."""

import numpy as np
import pytest
import torch
from nn_programs import PAIRS, check, lesson, ours, plain, theirs


def test_states_are_copied_in_place_whatever_holds_them():
    sources = {
        "Tensors": lambda m: m.state_dict(),
        "arrays": lambda m: {k: v.numpy().copy() for k, v in m.state_dict().items()},
        "torch": lambda m: {k: torch.from_numpy(v.numpy()) for k, v in m.state_dict().items()},
        "float64": lambda m: {k: v.double() for k, v in m.state_dict().items()},
    }
    for source in sources.values():
        model, other = lesson(ours), lesson(ours)
        weight, array = model.first.weight, model.first.weight.detach().numpy()
        keys = model.load_state_dict(source(other))
        assert keys == ([], []) and str(keys) == "<All keys matched successfully>"
        assert model.first.weight is weight
        assert np.shares_memory(model.first.weight.detach().numpy(), array)
        assert plain(model.state_dict()) == plain(other.state_dict())


def test_states_go_to_torch_and_come_back():
    model, reference = lesson(ours), lesson(theirs)
    reference.load_state_dict(
        {k: torch.from_numpy(v.numpy()) for k, v in model.state_dict().items()}
    )
    assert plain(reference.state_dict()) == plain(model.state_dict())
    other = lesson(theirs)
    model.load_state_dict(other.state_dict())
    assert plain(other.state_dict()) == plain(model.state_dict())


def bad_states(t, own):
    missing = {k: v for k, v in own.items() if k != "first.bias"}
    return {
        "missing": missing,
        "unexpected": {**own, "other": t.zeros(1), "first.c": t.zeros(1)},
        "both": {**missing, "other": t.zeros(1)},
        "shape": {**own, "first.weight": t.zeros(2, 3)},
        "two": {**own, "first.weight": t.zeros(2, 3), "scale": t.zeros(1)},
        "empty": {},
        "no tensor": {**own, "scale": "a"},
        "buffer": {**own, "hidden": t.zeros(4)},
    }


@pytest.mark.parametrize("name", list(bad_states(torch, {})))
@pytest.mark.parametrize("strict", [True, False])
def test_states_that_do_not_fit(name, strict):
    texts, seen = [], []
    for nn, package in PAIRS:
        package.manual_seed(9)
        model = lesson(nn)
        before = plain(model.state_dict())
        state = {k: v + 1 for k, v in model.state_dict().items()}
        try:
            keys = model.load_state_dict(bad_states(package, state)[name], strict=strict)
            seen.append((sorted(keys.missing_keys), sorted(keys.unexpected_keys)))
        except RuntimeError as error:
            texts.append(
                str(error).replace("cnn_mnist.Size", "torch.Size").replace("torch.Tensor", "Tensor")
            )
            if nn is ours:
                assert plain(model.state_dict()) == before  # torch copies what fits
    assert len(texts) in (0, 2) and len(seen) in (0, 2)
    assert texts[:1] == texts[1:] and seen[:1] == seen[1:]


def test_saved_scalars_of_one_element_are_taken():
    def program(nn, t):
        model = nn.Module()
        model.a = nn.Parameter(t.tensor(1.0))
        model.load_state_dict({"a": t.tensor([3.0])})
        return model.a

    check(program)
