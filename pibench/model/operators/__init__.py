"""Every published approximation, once, as plain functions over an interpreter's primitives."""
