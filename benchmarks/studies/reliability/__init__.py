"""What the suite survives: faults, interruptions, bad inputs, and what a party sees."""
