"""Test aids: tiny models, two parties in memory, made-up records; tests and reliability studies share them."""
