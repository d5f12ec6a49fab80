"""The processes of the product: database, broker and workers, started, watched and stopped as one.

A laptop needs no container and no system service: the supervisor starts PostgreSQL and nats-server
from their wheels as its own children, runs the migrations, then the workers. Rules of this package:

- nothing is left behind: whoever starts a process stops it, and a crash of the supervisor is
  repaired by the next start, which adopts what still runs;
- a process is judged by what it answers and by its working directory, never by a number in a file
  alone;
- no SQL library, no web framework: this package knows processes, files and sockets.
"""
