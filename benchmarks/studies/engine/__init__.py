"""Studies of the lean engine, compared with CrypTen."""
