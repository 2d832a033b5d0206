"""Pretrained checkpoints as our models, one file per family."""
