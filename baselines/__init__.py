"""Everything that IG-3D is compared with, one module per method."""
