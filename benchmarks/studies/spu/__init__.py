"""What ``nox -s spu -- studies`` runs: the second engine."""
