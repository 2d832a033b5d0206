"""The lean engine, our own: additive shares of two parties, a dealer, and as few bytes and rounds as we can."""
