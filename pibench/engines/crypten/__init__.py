"""CrypTen, unchanged: its own tensors, transport and dealer."""
