"""What ``nox -s spu -- studies`` runs: SPU, all methods layer by layer, and whole models."""
