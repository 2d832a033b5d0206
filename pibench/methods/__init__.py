"""Compression methods: their contract, registry, and shared tools."""
