"""AERO (Jha & Reagen, arXiv 2410.13060): Softmax-only transformers, as an encoder on GLUE and as a decoder."""
