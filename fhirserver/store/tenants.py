"""Tenants: a name for people, topics and URLs, a number for rows."""

from collections.abc import Sequence

from fhirserver.store.database import Pool


async def ensure_tenant(pool: Pool, name: str) -> int:
    """Return the number of the tenant called `name`, creating it when there is none."""
    async with pool.connection() as connection:
        await connection.rows(
            "INSERT INTO tenant (tenant, name) SELECT coalesce(max(tenant), 0) + 1, %s FROM tenant "
            "WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE name = %s) ON CONFLICT DO NOTHING",
            (name, name),
        )
    number = await tenant_number(pool, name)
    if number is None:
        return await ensure_tenant(pool, name)
    return number


async def tenant_number(pool: Pool, name: str) -> int | None:
    """Return the number of the tenant called `name`, None when there is none."""
    async with pool.connection() as connection:
        found = await connection.rows("SELECT tenant FROM tenant WHERE name = %s", (name,))
    return int(found[0][0]) if found else None


async def tenants(pool: Pool) -> Sequence[tuple[int, str]]:
    """Return every tenant as (number, name)."""
    async with pool.connection() as connection:
        found = await connection.rows("SELECT tenant, name FROM tenant ORDER BY tenant")
    return [(number, name) for number, name in found]
