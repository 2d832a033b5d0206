"""A private model: its architecture, its parameters, and the one forward pass that every engine runs."""
