"""Turn cells into records."""
