"""Speed of cnn_mnist beside its peers: `python -m benchmarks` from the repository root."""
