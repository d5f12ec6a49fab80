"""How a delivery leaves the house: to telephones, and to endpoints of other systems."""
