"""Contract checks of plugins: what a method and an engine promise, tried out in a minute."""
