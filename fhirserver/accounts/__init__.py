"""Accounts of people: who they are to this server, how they prove it, and the pages on which they do.

One human has one account; what it may act as is linked to it by an administrator. Pure decisions (passwords, codes,
pauses after failures, limits of sessions) stand beside thin edges, the pages. https://pages.nist.gov/800-63-4/sp800-63b.html
"""
