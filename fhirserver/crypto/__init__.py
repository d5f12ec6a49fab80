"""Encryption and the blind index, as pure functions: keys, nonces and random bits are arguments.

Content is sealed with AES-256-GCM under a data key of its patient; equality search runs over keyed hashes. The
database therefore never holds a name, an identifier or a diagnosis in clear.
"""
