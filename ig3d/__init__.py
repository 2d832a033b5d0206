"""IG-3D, reconstructed from its public abstract: one idea of the paper a file."""
