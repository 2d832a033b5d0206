"""What ``nox -s bench_spu`` runs: the second engine."""
