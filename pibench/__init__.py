"""pibench: the core of the benchmark suite; it contains no method."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
"""The suite's repository, or the folder that the package is installed in."""
__version__ = "0.2.0"
