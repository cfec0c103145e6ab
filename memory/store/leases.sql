-- Which claims and waits are in force, as of :now (leases.py says why one beyond :latest is not);
-- texts of statements in statements.sql and in postgres/all_memories.sql.

-- {is_claimed} --
-- Of a window. Without a name of who claims it nobody works on it.
(claimed_by <> '' AND claimed_until > :now AND claimed_until <= :latest)

-- {is_held} --
-- Of a task.
(held_until > :now AND held_until <= :latest)

-- {is_put_off} --
-- Of a task that failed.
(due_at > :now AND due_at <= :latest)
