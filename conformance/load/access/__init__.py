"""What protection costs: the same loads with all of it, with one part taken away, and without any."""
