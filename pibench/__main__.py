"""``python -m pibench`` is the command ``pibench``."""

import sys

from pibench.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
