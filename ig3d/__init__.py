"""IG-3D, reconstructed from its public abstract: one file per idea of the paper."""
