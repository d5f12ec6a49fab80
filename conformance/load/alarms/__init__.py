"""How soon telephones ring: at a steady rate, in bursts, and when everybody begins at once."""
