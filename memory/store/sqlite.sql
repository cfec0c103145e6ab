-- The statements that the modules of memory/store run, as SQLite reads them. Those of Postgres have
-- the same names and values (postgres/postgres.sql); statement_file.py says how both are written.
-- A list of numbers or texts is one value, a JSON array: SQLite limits how many values there may be.


-- ======== turns (turns_table.py) ========

-- turns_between --
SELECT id, kind, session, speaker, text, said_at, source
FROM turns
WHERE id BETWEEN :first AND :last
ORDER BY id
LIMIT :most;

-- turns_by_id --
SELECT id, kind, session, speaker, text, said_at, source
FROM turns
WHERE id IN (SELECT value FROM json_each(:ids));

-- count_turns --
SELECT count(*) FROM turns;

-- turns_by_source --
-- The oldest turn of each outside id.
SELECT source, min(id)
FROM turns
WHERE source <> '' AND source IN (SELECT value FROM json_each(:sources))
GROUP BY source;


-- ======== settings (settings.py) ========

-- settings --
SELECT id, name, value, set_at FROM settings ORDER BY id;

-- settings_of_name --
SELECT id, name, value, set_at FROM settings WHERE name = :name ORDER BY id;

-- insert_setting --
INSERT INTO settings (id, name, value, set_at) VALUES (:id, :name, :value, :set_at);

-- count_shown --
INSERT INTO shown (turn_id, times)
SELECT value, count(*) FROM json_each(:turn_ids) WHERE true GROUP BY value
ON CONFLICT (turn_id) DO UPDATE SET times = times + excluded.times;


-- ======== the catalog (catalog.py) ========

-- catalog_of_turns --
-- A date counts that begins with a year: `said_at` may hold any text.
SELECT count(*), count(DISTINCT session),
    min(said_at) FILTER (WHERE is_dated), max(said_at) FILTER (WHERE is_dated)
FROM (
    SELECT session, said_at, said_at GLOB '[12][0-9][0-9][0-9]*' AS is_dated FROM turns
);

-- catalog_of_speakers --
SELECT speaker, count(*) FROM turns GROUP BY speaker ORDER BY 2 DESC, 1 LIMIT 20;

-- catalog_of_facts --
SELECT subject, attribute, count(*) FROM facts GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2;


-- ======== corrections that were undone (withdrawals.py) ========

-- withdrawn_turns --
-- An undo and a revert are the changes without a statement that touch facts. Edits by a person are
-- few: from them, not from all turns or all of the journal, the way is short (5.4 to .7 ms at
-- 100,000 turns and 50,000 facts). [6] is the turn_id of a fact as the journal writes it.
SELECT id, text
FROM turns
WHERE session = :session AND id IN (
    SELECT json_extract(insertion.after, '$[6]')
    FROM facts_log AS insertion
    JOIN facts_log AS newest
        ON newest.id = (SELECT max(id) FROM facts_log WHERE fact_id = insertion.fact_id)
    JOIN changes AS newest_change ON newest_change.id = newest.change_id
    WHERE insertion.change_id IN (SELECT id FROM changes WHERE substr(cause, 1, 8) = 'edit by ')
        AND insertion.before IS NULL
        AND newest.after IS NULL
        AND newest_change.statement = ''
);
