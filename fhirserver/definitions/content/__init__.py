"""What this product defines: profiles, extensions, code systems and value sets, one file each."""
