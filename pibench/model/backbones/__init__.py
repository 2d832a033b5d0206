"""Pretrained checkpoints as models of ours, one family a file."""
