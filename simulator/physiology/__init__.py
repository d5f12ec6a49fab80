"""Pure, seeded model of a dialysing person and the machine; time is an argument, never a clock."""
