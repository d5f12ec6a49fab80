"""The demonstration: server, phone company and four homes on one machine, and their story."""
