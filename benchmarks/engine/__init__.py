"""What ``nox -s engine`` runs: studies of the CrypTen engine itself."""
