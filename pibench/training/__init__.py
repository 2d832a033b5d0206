"""Fine-tuning and recovery, the same for every method."""
