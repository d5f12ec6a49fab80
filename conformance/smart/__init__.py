"""What testers of SMART App Launch 2.2 try on a server, from outside: discovery, launches, tokens, programs."""
