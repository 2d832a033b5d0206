"""What the studies of SecretFlow SPU have in common."""

PROTOCOLS = {"lean": "lean", "spu-semi2k": "SEMI2K", "spu-aby3": "ABY3", "spu-cheetah": "CHEETAH"}
"""How tables name each engine."""
