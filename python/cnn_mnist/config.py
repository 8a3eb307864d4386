"""What this build is and runs on: what a report of a problem should say."""

import platform

import numpy as np

from . import _core
from ._version import __version__


def show_config() -> None:
    """Print the versions, the instruction-set path, the number of threads and the build."""
    print(f"cnn_mnist  {__version__}")
    print(f"python     {platform.python_version()}, {platform.system()} {platform.machine()}")
    print(f"numpy      {np.__version__}")
    print(f"path       {_core._isa()} (of {', '.join(_core._isas())})")
    print(f"threads    {_core.get_num_threads()}")
    print("build      " + ", ".join(f"{key} {value}" for key, value in _core._build().items()))
