-- What waits in all memories of a database (work.py): statements of its owner, bound to no namespace.

-- waiting_work_of_all --
-- As `waiting_work`, of each memory where anything waits; indexes give the last turns.
SELECT *
FROM (
    SELECT namespaces.id, namespaces.name,
        (
            SELECT coalesce(max(id), 0) FROM memory.turns WHERE namespace = namespaces.id
        ) AS last_turn,
        greatest(
            (
                SELECT coalesce(max(last_turn), 0) FROM memory.changes
                WHERE namespace = namespaces.id
            ),
            (
                SELECT coalesce(max(last_turn), 0) FROM memory.pending
                WHERE namespace = namespaces.id
            )
        ) AS last_taken,
        coalesce(windows.open, 0) AS open, coalesce(windows.dead, 0) AS dead,
        coalesce(windows.claimants, '') AS claimants,
        coalesce(blank.summaries, 0) AS blanks, coalesce(forgetting.due, 0) AS forgets,
        coalesce(retention.value, '') AS retention_days,
        coalesce((
            SELECT min(value) FROM memory.tags
            WHERE namespace = namespaces.id AND key = 'forget_after'
        ), '') AS next_expiry
    FROM memory.namespaces
    LEFT JOIN (
        SELECT namespace,
            count(*) FILTER (
                WHERE NOT {is_claimed} AND attempts < :attempts AND statement = ''
            ) AS open,
            count(*) FILTER (WHERE attempts >= :attempts OR statement <> '') AS dead,
            string_agg(DISTINCT claimed_by, ',') FILTER (
                WHERE {is_claimed}
            ) AS claimants
        FROM memory.pending
        GROUP BY namespace
    ) AS windows ON windows.namespace = namespaces.id
    LEFT JOIN (
        SELECT namespace, count(*) AS summaries FROM memory.summaries
        WHERE summary = '' GROUP BY namespace
    ) AS blank ON blank.namespace = namespaces.id
    LEFT JOIN (
        SELECT namespace, count(*) AS due FROM memory.settings
        WHERE name = 'forgetting' GROUP BY namespace
    ) AS forgetting ON forgetting.namespace = namespaces.id
    LEFT JOIN (
        SELECT DISTINCT ON (namespace) namespace, value FROM memory.settings
        WHERE name = 'retention_days' ORDER BY namespace, id DESC
    ) AS retention ON retention.namespace = namespaces.id
) AS memories
WHERE :every OR last_turn > last_taken OR open > 0 OR dead > 0 OR claimants <> ''
    OR blanks > 0 OR forgets > 0 OR retention_days <> '' OR next_expiry <> '';

-- work_of_all --
SELECT namespace, task, served_at, due_at, held_by, held_until, failures, error, position, day,
    calls, tokens
FROM memory.work;

-- add_tasks --
INSERT INTO memory.work (namespace, task)
SELECT namespace, :task FROM unnest(:namespaces::bigint[]) AS namespace
ON CONFLICT (namespace, task) DO NOTHING;

-- {is_served_since} --
(served_at > :seen_at AND served_at <= :latest)

-- claim_task_of_any --
-- One of these memories that nobody works on, the one that waits the longest. Rows that another
-- worker is about to claim are passed over, so nobody waits for anybody. Materialized: as a subquery
-- it may be run once for each row of the table, and each time it finds, and claims, another row.
WITH next AS MATERIALIZED (
    SELECT namespace, task FROM memory.work
    WHERE namespace = ANY (:namespaces::bigint[]) AND task = :task
        AND NOT {is_put_off} AND NOT {is_served_since}
        AND (NOT {is_held} OR held_by = ANY (:dead::text[]))
    ORDER BY CASE WHEN served_at <= :latest THEN served_at ELSE 0 END, namespace
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE memory.work
SET served_at = :now, held_by = :held_by, held_until = :held_until
FROM next
WHERE work.namespace = next.namespace AND work.task = next.task
RETURNING work.namespace;
