"""The lesson's training loop, cell by cell as a reader types it, for torch and for us."""

from itertools import pairwise
from types import ModuleType

from .data import Case
from .peers import epoch_means


def lesson_loop(library: ModuleType, nn: ModuleType, F: ModuleType, case: Case):
    """Trains by the lesson's loop; `library` is torch or cnn_mnist, `nn` and `F` its parts."""

    class Model(nn.Module):
        def __init__(self, sizes):
            super().__init__()
            self.layers = []
            for n_in, n_out in pairwise(sizes):
                self.layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            self.layers.pop()

        def forward(self, x):
            for l in self.layers:
                x = l(x)
            return x

    def accuracy(ypred, ytrue):
        return (library.argmax(ypred, dim=1) == ytrue).float().mean()

    x_train, y_train = library.from_numpy(case.x), library.from_numpy(case.y)
    model = Model(case.work.sizes)
    for layer, (weight, bias) in zip(model.layers[::2], case.weights):
        layer.load_state_dict({"weight": library.tensor(weight), "bias": library.tensor(bias)})

    bs, lr = case.work.batch, case.work.lr
    shown = []
    for epoch in range(case.work.epochs):
        for i in range(0, len(x_train), bs):
            ypred = model(x_train[i : i + bs])
            ytrue = y_train[i : i + bs]
            loss = F.cross_entropy(ypred, ytrue)
            loss.backward()
            with library.no_grad():
                for l in model.layers:
                    if hasattr(l, "weight"):
                        l.weight -= lr * l.weight.grad
                        l.bias -= lr * l.bias.grad
                        l.weight.grad.zero_()
                        l.bias.grad.zero_()
            shown.append((accuracy(ypred, ytrue).item(), loss.item()))
    return epoch_means([loss for _, loss in shown], case)
