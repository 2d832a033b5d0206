"""The CrypTen engine: two real processes on one machine."""
