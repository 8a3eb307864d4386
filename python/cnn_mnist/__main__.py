"""python -m cnn_mnist"""

import signal
import sys
from typing import Any

from .cli import main


def terminated(number: int, frame: Any) -> None:
    """Exit as an error does, so that no file is left half written."""
    sys.exit(128 + number)


if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
    signal.signal(signal.SIGTERM, terminated)
sys.exit(main())
