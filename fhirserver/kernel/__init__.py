"""Values and protocols that every part shares; standard library only."""
