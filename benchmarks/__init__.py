"""What ``nox -s bench`` runs; CrypTen's wheel installs a package of the same name, which must never be imported."""
