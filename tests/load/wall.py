"""Database roles that pass row-level security, for as long as somebody measures what it costs."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql


@contextmanager
def role_past_the_wall(url: str, of: str) -> Iterator[tuple[str, str]]:
    """Make a role with the rights of the role `of`, past every policy; give name and password, remove it afterwards.

    `url` is that of a superuser.
    """
    name, password = f"{of}_past_{secrets.token_hex(4)}", secrets.token_hex(16)
    role = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute(
            sql.SQL("CREATE ROLE {} LOGIN BYPASSRLS PASSWORD {} IN ROLE {}").format(
                role, sql.Literal(password), sql.Identifier(of)
            )
        )
        try:
            yield name, password
        finally:
            administrator.execute(sql.SQL("DROP ROLE {}").format(role))
