"""CrypTen, as its users get it: its own tensors, transport and dealer."""
