"""pibench: the shared ground of the benchmark suite (it knows no method)."""

__version__ = "0.1.0"
