"""The commands of ``pibench``, a module each."""
