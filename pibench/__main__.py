"""``python -m pibench`` is the command ``pibench``."""

import sys

from pibench.cli.main import main

sys.exit(main())
