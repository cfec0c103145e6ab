-- What SQLite does by triggers, full-text tables and AUTOINCREMENT, and Postgres by statements of
-- ours: the journal, the lists of words, the lock of the one writer.


-- ======== one writer, and foreign keys (connection.py) ========

-- lock_writer --
SELECT namespace FROM memory.counters WHERE namespace = :namespace FOR UPDATE;

-- set_keys --
-- For a row of the namespace: it may be on another server, which checks its keys.
SELECT memory.set_keys(:mode) FROM memory.counters WHERE namespace = :namespace;


-- ======== facts and their journal (fact_table.py) ========

-- images_of_some_facts --
SELECT id, {image} FROM memory.facts WHERE namespace = :namespace AND id = ANY (:fact_ids);

-- insert_new_fact --
-- The table says when it was recorded.
INSERT INTO memory.facts
    (namespace, id, subject, attribute, value, happened_on, ended_on, turn_id)
VALUES (:namespace, :id, :subject, :attribute, :value, :happened_on, :ended_on, :turn_id)
{returning_image};

-- newest_change --
SELECT max(id) FROM memory.changes WHERE namespace = :namespace;

-- insert_entry --
INSERT INTO memory.facts_log (namespace, id, change_id, fact_id, before, after)
VALUES (:namespace, :id, :change_id, :fact_id, :before, :after);


-- ======== lists of words (word_lists.py) ========

-- Words, chunks and lists are one text each: the driver takes ten times as long to write arrays.

-- lists_of_words --
SELECT of, word, chunk, ids
FROM memory.word_lists
WHERE namespace = :namespace AND word = ANY (:words::text[])
ORDER BY word, of, chunk;

-- facts_of_words_from --
SELECT chunk, ids
FROM memory.word_lists
WHERE namespace = :namespace AND word >= :first AND word < :beyond AND of = 'f';

-- all_lists --
SELECT chunk, ids FROM memory.word_lists WHERE namespace = :namespace AND of = :of;

-- turns_of_facts --
SELECT id, turn_id FROM memory.facts WHERE namespace = :namespace AND id = ANY (:fact_ids);

-- extend_lists --
-- Turns are added in the order of their ids, so that a list only grows at its end.
INSERT INTO memory.word_lists (namespace, word, of, chunk, ids)
SELECT :namespace, word, :of, chunk, decode(ids, 'hex')
FROM unnest(
    string_to_array(:words, E'\n'),
    string_to_array(:chunks, ' ')::integer[],
    string_to_array(:lists, ' ')
) AS given (word, chunk, ids)
ON CONFLICT (namespace, word, of, chunk) DO UPDATE SET ids = word_lists.ids || excluded.ids;

-- given_lists --
SELECT word, chunk, ids
FROM memory.word_lists AS lists
JOIN unnest(
    string_to_array(:words, E'\n'), string_to_array(:chunks, ' ')::integer[]
) AS given (word, chunk) USING (word, chunk)
WHERE namespace = :namespace AND of = :of;

-- delete_lists --
DELETE FROM memory.word_lists AS lists
USING unnest(
    string_to_array(:words, E'\n'), string_to_array(:chunks, ' ')::integer[]
) AS given (word, chunk)
WHERE namespace = :namespace AND of = :of
    AND lists.word = given.word AND lists.chunk = given.chunk;

-- insert_list --
-- No INSERT ... SELECT: Citus makes a COPY of it, which row-level security refuses.
INSERT INTO memory.word_lists (namespace, of, word, chunk, ids)
VALUES (:namespace, :of, :word, :chunk, :ids);


-- ======== checks (faults.py, receipt_check.py) ========

-- texts_of_facts --
SELECT id, subject || ' ' || attribute || ' ' || value
FROM memory.facts
WHERE namespace = :namespace
ORDER BY id;
