"""Contract checks of plugins: whether a method or an engine keeps its promises, tested in a minute."""
