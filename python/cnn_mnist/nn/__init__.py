"""Layers, networks and losses under torch's names."""

from . import functional, init, modules
from .modules import *
from .parameter import Parameter

__all__ = ["Parameter", "functional", "init"]
__all__ += modules.__all__
