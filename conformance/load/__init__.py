"""Load: devices that publish as fast as asked, and what the server made of it."""
