"""Compression methods: their contract, registry and check, and what they share."""
