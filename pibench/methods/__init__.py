"""What a method has to know and may use: the contract, the registry, and surgery on models."""
