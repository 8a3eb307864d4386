"""The operations on Tensors, each beside its gradient; `Tensor` gives them their names."""
