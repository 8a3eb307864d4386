"""python -m cnn_mnist"""

import sys

from .cli import main

sys.exit(main())
