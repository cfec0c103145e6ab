-- The statements that the modules of memory/store run, as Postgres reads them. Those of SQLite have
-- the same names and values (../sqlite.sql); ../statement_file.py says how both are written.
--
-- Each table reference is bound to the namespace in the WHERE of its own SELECT: row-level security
-- does not bind the owner, who runs these, and where Citus has spread the tables over servers, it
-- plans no join whose tables are not bound (docs/decisions.md). A list is one value, an array.


-- ======== turns (turns_table.py) ========

-- turns_between --
SELECT id, kind, session, speaker, text, said_at, source
FROM memory.turns
WHERE namespace = %(namespace)s AND id BETWEEN %(first)s AND %(last)s
ORDER BY id
LIMIT %(most)s;

-- turns_by_id --
SELECT id, kind, session, speaker, text, said_at, source
FROM memory.turns
WHERE namespace = %(namespace)s AND id = ANY (%(ids)s);

-- count_turns --
SELECT count(*) FROM memory.turns WHERE namespace = %(namespace)s;

-- turns_by_source --
-- The oldest turn of each outside id.
SELECT source, min(id)
FROM memory.turns
WHERE namespace = %(namespace)s AND source <> '' AND source = ANY (%(sources)s)
GROUP BY source;


-- ======== settings (settings.py) ========

-- settings --
SELECT id, name, value, set_at FROM memory.settings WHERE namespace = %(namespace)s ORDER BY id;

-- settings_of_name --
SELECT id, name, value, set_at
FROM memory.settings
WHERE namespace = %(namespace)s AND name = %(name)s
ORDER BY id;

-- insert_setting --
INSERT INTO memory.settings (namespace, id, name, value, set_at)
VALUES (%(namespace)s, %(id)s, %(name)s, %(value)s, %(set_at)s);

-- count_shown --
INSERT INTO memory.shown (namespace, turn_id, times)
SELECT %(namespace)s, turn_id, count(*)
FROM unnest(%(turn_ids)s::bigint[]) AS shown_turns (turn_id)
GROUP BY turn_id
ON CONFLICT (namespace, turn_id) DO UPDATE SET times = shown.times + excluded.times;


-- ======== the catalog (catalog.py) ========

-- catalog_of_turns --
-- A date counts that begins with a year: `said_at` may hold any text.
SELECT count(*), count(DISTINCT session),
    min(said_at) FILTER (WHERE is_dated), max(said_at) FILTER (WHERE is_dated)
FROM (
    SELECT session, said_at, said_at ~ '^[12][0-9]{3}' AS is_dated
    FROM memory.turns
    WHERE namespace = %(namespace)s
) AS dates;

-- catalog_of_speakers --
SELECT speaker, count(*)
FROM memory.turns
WHERE namespace = %(namespace)s
GROUP BY speaker
ORDER BY 2 DESC, 1
LIMIT 20;

-- catalog_of_facts --
SELECT subject, attribute, count(*)
FROM memory.facts
WHERE namespace = %(namespace)s
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2;


-- ======== corrections that were undone (withdrawals.py) ========

-- withdrawn_turns --
-- An undo and a revert are the changes without a statement that touch facts. Edits by a person are
-- few: from them, not from all turns or all of the journal, the way is short. [6] is the turn_id of
-- a fact as the journal writes it.
SELECT id, text
FROM memory.turns
WHERE namespace = %(namespace)s AND session = %(session)s AND id IN (
    SELECT memory.json_extract(insertion.after, '$[6]')
    FROM memory.facts_log AS insertion
    JOIN memory.facts_log AS newest ON newest.id = (
        SELECT max(id) FROM memory.facts_log
        WHERE namespace = %(namespace)s AND fact_id = insertion.fact_id
    )
    JOIN memory.changes AS newest_change ON newest_change.id = newest.change_id
    WHERE insertion.namespace = %(namespace)s
        AND newest.namespace = %(namespace)s
        AND newest_change.namespace = %(namespace)s
        AND insertion.change_id IN (
            SELECT id FROM memory.changes
            WHERE namespace = %(namespace)s AND substr(cause, 1, 8) = 'edit by '
        )
        AND insertion.before IS NULL
        AND newest.after IS NULL
        AND newest_change.statement = ''
);
