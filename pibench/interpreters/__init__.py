"""Interpreters of the forward pass: floats, cost prediction, real engines."""
