"""Layers, networks and losses under torch's names."""

from . import functional  # noqa: F401
