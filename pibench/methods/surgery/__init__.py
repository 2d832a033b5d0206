"""Changes to a trained model that methods share: cut heads, replace operators by fitted ones, merge matrices."""
