"""Layers, networks and losses under torch's names."""

from typing import TYPE_CHECKING

from ..absent import names_of
from . import functional, init, modules
from .modules import *
from .parameter import Parameter

__all__ = ["Parameter", "functional", "init"]
__all__ += modules.__all__
if not TYPE_CHECKING:  # which knows the names
    __getattr__ = names_of(__name__, __all__)
