"""pibench: the core of the benchmark suite; it contains no method."""

__version__ = "0.2.0"
