"""A name that a module does not have: the error says what there is."""

import importlib

import pytest

import cnn_mnist

MODULES = ("nn", "nn.functional", "optim", "utils.data")


@pytest.mark.parametrize("path", MODULES)
def test_a_module_lists_its_names(path):
    module = importlib.import_module(f"cnn_mnist.{path}")
    with pytest.raises(AttributeError) as error:
        _ = module.NoSuchName
    assert str(error.value) == (
        f"module 'cnn_mnist.{path}' has no attribute 'NoSuchName': it has "
        + ", ".join(module.__all__)
    )
    assert (error.value.name, error.value.obj) == ("NoSuchName", module)
    assert not hasattr(module, "Adam")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cuda", ": Tensors live on the CPU, and nothing needs to be moved"),
        ("bfloat16", ": floating Tensors are float32 or float64"),
        ("matmul", ": Tensors have it, x.matmul"),
        ("zeros_like", ": numpy.zeros_like is there, without gradients"),
        ("NoSuchName", ""),
        ("__len__", ""),
    ],
)
def test_names_that_are_elsewhere_or_left_out_on_purpose(name, hint):
    with pytest.raises(AttributeError) as error:
        getattr(cnn_mnist, name)
    assert str(error.value) == f"module 'cnn_mnist' has no attribute {name!r}{hint}"
    assert (error.value.name, error.value.obj) == (name, cnn_mnist)
