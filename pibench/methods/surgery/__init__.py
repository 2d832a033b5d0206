"""Changes to a model that methods share: cut heads, replace or merge operators, fit what replaces them."""
