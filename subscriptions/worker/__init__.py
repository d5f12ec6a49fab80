"""The loops that find due work: timers, numbering, delivery, retention."""
