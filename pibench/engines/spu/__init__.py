"""SecretFlow SPU, a second real engine: the one forward pass traced by JAX, on three protocols."""
