"""Studies of the lean engine, beside CrypTen."""
