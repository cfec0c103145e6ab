"""How far ahead the moments of a memory may lie: of claims, of waits, of what was done last.

They are Unix seconds of any machine's clock. A clock that has gone back since, or a file from
elsewhere, leaves moments that do not come for years; whoever believed them would wait so long.
`leases.sql` has the same rule for statements.
"""

LONGEST_LEASE_S = 86_400.0  # no claim is for longer, and no wait after a failure


def bounds(now: float) -> dict[str, float]:
    """The values `now` and `latest` of a statement with texts of `leases.sql`."""
    return {"now": now, "latest": now + LONGEST_LEASE_S}


def credible(moment: float, now: float) -> float:
    """A moment, or 0 (long ago) where it lies further ahead than any that we write."""
    return moment if moment <= now + LONGEST_LEASE_S else 0.0
