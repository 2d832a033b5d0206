"""Every published approximation, written once as a plain function over an interpreter's primitives."""
