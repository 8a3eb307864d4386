"""Shapes, views and indices: values, names of gradients and errors are torch's."""

import pytest
from both import agree, cases

import cnn_mnist

FACTS = cases("""
x.shape; x.size(); x.size(0); x.size(-1); x.size(2); z.shape; z.size(0); x.dim(); x.ndim
x.numel(); e.numel(); x.nelement(); x.dtype; i.dtype; b.dtype; u.dtype; d.dtype; len(x)
len(z); x.shape[0]; x.shape[:1]; x.shape+(1, ); x.shape==(2, 3); x.shape.numel(); x.stride()
x.T.stride(); x.T.is_contiguous(); x.is_floating_point(); i.is_floating_point()
x.shape * 2; 2 * x.shape; (1, ) + x.shape; x.shape + [1]; [1] + x.shape; x.shape + 1; 1 + x.shape; x.shape * 1.5; 1.5 * x.shape; x.shape * zi; zi * x.shape; x.element_size(); x.itemsize; x.nbytes; n.shape; str(x.shape); [*x.shape]
""")

VIEWS = cases("""
x.view(size=(3, 2)); x.reshape(shape=(3, 2)); x.permute(dims=(1, 0)); x.expand(size=(2, 2, 3)); x.view(3, size=(2,)); T.cat([x, y], axis=1); T.stack([x, y], axis=-1)
x.T; x.t(); x.mT; v.t(); v.T; z.t(); c.t(); c.mT; v.mT; x.view(3, 2); x.view(-1); x.view(-1, 2)
x.view((3, 2)); x.view(x.shape); x.view(4, 2); x.view(-1, -1); x.view(-1, 4); x.T.view(6)
x.T.reshape(6); x.reshape(3, -1); x.reshape((6, )); x.reshape(-1, 5); x.reshape(-2, 3);
e.view(-1)
e.reshape(3, 0); e.reshape(0, -1); z.view(1); z.reshape(1, 1); x.flatten(); c.flatten(1)
c.flatten(0, 1); c.flatten(1, 0); z.flatten(); x.flatten(0, 5); c.permute(2, 0, 1)
c.permute((2, 0, 1)); c.permute(0, 1); c.permute(0, 0, 1); c.permute(-1, 0, 1); c.transpose(0, 2)
c.transpose(-1, 0); x.transpose(0, 5); z.transpose(0, 0); z.transpose(0, -1); x.squeeze()
T.ones(1, 3, 1).squeeze(); T.ones(1, 3, 1).squeeze(0); T.ones(1, 3, 1).squeeze(-1)
T.ones(1, 3, 1).squeeze(1); T.ones(1, 3, 1).squeeze((0, 2)); x.squeeze(5); x.unsqueeze(0)
x.unsqueeze(-1); x.unsqueeze(2); x.unsqueeze(3); x.unsqueeze(-4); z.unsqueeze(0); z.squeeze()
z.squeeze(0); v.expand(2, 3); v.expand(2, -1); v.expand(-1, 3); v.expand(2, 4); x.expand(3)
v[None].expand(4, 3); z.expand(2, 2); x.contiguous(); x.T.contiguous(); x.clone()
T.ones(2, 1).expand(-1, 4).sum(); c.permute(2, 0, 1).reshape(4, 6); c.permute(2, 0, 1).view(4, 6)
c.transpose(0, 1).flatten()
v.expand(2, 3).clone().view(6); v.expand(2, 3).double().view(6); v.expand(2, 3).long().stride(); T.tensor(v.expand(2, 3)).stride(); T.tensor(x.T.numpy()).stride(); T.tensor(v.expand(2, 3), dtype=T.float64).stride(); T.tensor(np.broadcast_to(np.ones(3), (2, 3))).stride()
T.cat([x.T, y.T]).view(12); T.cat([v.expand(2, 3)] * 2, 1).stride(); T.stack([x.T, y.T]).view(12)
x.view(True, 6); x.reshape((6, True)); v.reshape(True); v.expand([True, 3]); v.permute(False); x.view([6.]); T.ones(1, 2).squeeze(np.int64(0)); T.ones(1, 2).squeeze([]); x[None].squeeze([0]); z.mT; r.sum().mT
x.permute(); z.permute(()); z.expand(); v.view(); v.reshape()
""")

INDICES = cases("""
x[0]; x[1, 2]; x[-1]; x[:, 0]; x[:1]; x[0, :2]; x[..., 0]; x[None]; x[:, None]; x[:, None, 0];
x[5]; x[2**63]; x[0, -2**70]; x[2**63 - 1]; x.unsqueeze(2**63); x.transpose(0, 2**63); x.size(-2**64)
x[0, 5]; x[0, 0, 0]; x[:5]; x[1:1]; x[::2]; x[::-1]; x[-1:]; z[0]; z[...]; z[None]; z[()]; x[()]
x[k[0]]; x[zi]; v[k]; v[[0, 2]]; v[range(2)]; x[:, k]; x[k[1:]]; x[[0, 1], [1, 2]]
x[range(2), T.tensor([0, 2])]; x[[0, 1]]; x[x>0]; x[b]; x[b[0]]; x[:, b[0]]
x[:, T.tensor([True, False, True])]; x[T.tensor([True, False])]; x[[True, False]]; x[True]
x[False]; x[T.tensor(1)]; x[T.tensor([[0, 1], [1, 0]])]; c[0, :, [0, 1]]; c[:, 0, [0, 1]]
c[[0, 1], :, [0, 1]]; c[[0, 1], 0]; c[0, [0, 1]]; c[..., [0, 1]]; c[None, [0, 1]];
c[:, [0, 1], None]
c[[0], [0], [0]]; c[0, 0]; c[0, 0, 0]; c[:, :, 1:3]; c[..., None]; c[0, ..., 0]; c[..., ...];
c[c>5]
c[:, T.ones(3, 4).bool()]; x[1.0]; x['a']; x[object()]; x[dict()]; x[u]; x[i.float()]; v[T.tensor([5])]
v[T.tensor([-1])]; x[[]]; v[-4]; x[0][1]; x[slice(0, 1)]; x[(0, 1)]; x[np.array([1, 0])]
x[np.int64(1)]; x[:, np.array([True, False, True])]; x[zi-2:]; x[0:zi]; x[[0, 1], :]; x[[[0, 1]]]
x[k[:0]]; c[1][k]; c[[0, 1], [0, 1], None]; c[:, None, [0, 2]]; c[b[0][:2]]
""")


@pytest.mark.parametrize(
    ("code", "name"),
    [("permute", "dims"), ("reshape", "shape"), ("view", "size"), ("expand", "size")],
)
def test_a_missing_shape_is_named(code: str, name: str) -> None:
    message = rf'{code}\(\): missing 1 required positional argument: "{name}"'
    with pytest.raises(TypeError, match=message):
        getattr(cnn_mnist.ones(2), code)()


class Scale:
    def __rmul__(self, shape: tuple[int, ...]) -> str:
        return f"scaled {shape}"


def test_a_size_leaves_what_it_does_not_know_to_python() -> None:
    shape = cnn_mnist.ones(2).shape
    assert shape * Scale() == "scaled cnn_mnist.Size([2])"
    with pytest.raises(TypeError, match="can only concatenate list"):
        [1] + shape


JOINING = cases("""
T.stack([x, y]); T.stack([x, y], 1); T.stack([x, y], -1); T.stack([x, y], dim=2); T.stack([x, v])
T.stack([]); T.stack([x, y], 3); T.stack(x); T.stack([x, 1]); T.stack([x, d]); T.stack([x, i])
T.stack([z, z]); T.stack((x, )); T.cat([x, y]); T.cat([x, y], 1); T.cat([x, y], dim=-1);
T.cat([x, v])
T.cat([x, c]); T.cat([]); T.cat([z, z]); T.cat([x, e]); T.cat([x, T.tensor([])]); T.cat([x, d])
T.cat([x, i]); T.cat([x, y], 2); T.cat([x, T.ones(2, 2)], 1); T.cat([x, T.ones(2, 2)], 0)
T.cat((x, x), 0); T.cat([x, 1]); T.cat(x)
""")


@pytest.mark.parametrize("code", FACTS)
def test_facts(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", VIEWS)
def test_views(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", INDICES)
def test_indices(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", JOINING)
def test_joining(code: str) -> None:
    agree(code)
