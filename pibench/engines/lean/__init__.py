"""The lean engine, our own: two-party additive shares with a dealer, in as few bytes and rounds as possible."""
