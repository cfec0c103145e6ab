-- What SQLite does by triggers, full-text tables and AUTOINCREMENT, and Postgres by statements of
-- ours: the journal, the lists of words, the lock of the one writer. Written as in postgres.sql.


-- ======== one writer, and foreign keys (connection.py) ========

-- lock_writer --
SELECT namespace FROM memory.counters WHERE namespace = %(namespace)s FOR UPDATE;

-- set_keys --
-- For a row of the namespace: it may be on another server, which checks its keys.
SELECT memory.set_keys(%(mode)s) FROM memory.counters WHERE namespace = %(namespace)s;


-- ======== facts and their journal (fact_table.py) ========

-- images_of_some_facts --
SELECT id, memory.json_array(
    id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
)
FROM memory.facts
WHERE namespace = %(namespace)s AND id = ANY (%(fact_ids)s);

-- insert_new_fact --
-- The table says when it was recorded.
INSERT INTO memory.facts
    (namespace, id, subject, attribute, value, happened_on, ended_on, turn_id)
VALUES (
    %(namespace)s, %(id)s, %(subject)s, %(attribute)s, %(value)s, %(happened_on)s, %(ended_on)s,
    %(turn_id)s
)
RETURNING id, memory.json_array(
    id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
);

-- newest_change --
SELECT max(id) FROM memory.changes WHERE namespace = %(namespace)s;

-- insert_entry --
INSERT INTO memory.facts_log (namespace, id, change_id, fact_id, before, after)
VALUES (%(namespace)s, %(id)s, %(change_id)s, %(fact_id)s, %(before)s, %(after)s);


-- ======== lists of words (word_lists.py) ========

-- Words, chunks and lists are one text each: the driver takes ten times as long to write arrays.

-- lists_of_words --
SELECT of, word, chunk, ids
FROM memory.word_lists
WHERE namespace = %(namespace)s AND word = ANY (%(words)s::text[])
ORDER BY word, of, chunk;

-- all_lists --
SELECT chunk, ids FROM memory.word_lists WHERE namespace = %(namespace)s AND of = %(of)s;

-- turns_of_facts --
SELECT id, turn_id FROM memory.facts WHERE namespace = %(namespace)s AND id = ANY (%(fact_ids)s);

-- extend_lists --
-- Turns are added in the order of their ids, so that a list only grows at its end.
INSERT INTO memory.word_lists (namespace, word, of, chunk, ids)
SELECT %(namespace)s, word, %(of)s, chunk, decode(ids, 'hex')
FROM unnest(
    string_to_array(%(words)s, E'\n'),
    string_to_array(%(chunks)s, ' ')::integer[],
    string_to_array(%(lists)s, ' ')
) AS given (word, chunk, ids)
ON CONFLICT (namespace, word, of, chunk) DO UPDATE SET ids = word_lists.ids || excluded.ids;

-- given_lists --
SELECT word, chunk, ids
FROM memory.word_lists AS lists
JOIN unnest(
    string_to_array(%(words)s, E'\n'), string_to_array(%(chunks)s, ' ')::integer[]
) AS given (word, chunk) USING (word, chunk)
WHERE namespace = %(namespace)s AND of = %(of)s;

-- delete_lists --
DELETE FROM memory.word_lists AS lists
USING unnest(
    string_to_array(%(words)s, E'\n'), string_to_array(%(chunks)s, ' ')::integer[]
) AS given (word, chunk)
WHERE namespace = %(namespace)s AND of = %(of)s
    AND lists.word = given.word AND lists.chunk = given.chunk;

-- insert_list --
-- No INSERT ... SELECT: Citus makes a COPY of it, which row-level security refuses.
INSERT INTO memory.word_lists (namespace, of, word, chunk, ids)
VALUES (%(namespace)s, %(of)s, %(word)s, %(chunk)s, %(ids)s);


-- ======== checks (faults.py, receipt_check.py) ========

-- texts_of_facts --
SELECT id, subject || ' ' || attribute || ' ' || value
FROM memory.facts
WHERE namespace = %(namespace)s
ORDER BY id;
