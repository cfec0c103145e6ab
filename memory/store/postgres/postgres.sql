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

-- size_of_turns --
SELECT count(*), coalesce(sum(length(text)), 0), coalesce(max(id), 0) FROM memory.turns
WHERE namespace = %(namespace)s AND id > %(after)s;

-- count_turns --
SELECT count(*) FROM memory.turns WHERE namespace = %(namespace)s;

-- turns_by_source --
-- The oldest turn of each outside id.
SELECT source, min(id)
FROM memory.turns
WHERE namespace = %(namespace)s AND source <> '' AND source = ANY (%(sources)s)
GROUP BY source;

-- turn_ids_between --
SELECT id
FROM memory.turns
WHERE namespace = %(namespace)s AND id BETWEEN %(first)s AND %(last)s
ORDER BY id
LIMIT %(most)s;

-- turn_bounds --
-- The first and the last turn that is there between two ids.
SELECT min(id), max(id)
FROM memory.turns
WHERE namespace = %(namespace)s AND id BETWEEN %(first)s AND %(last)s;

-- last_turn --
SELECT coalesce(max(id), 0) FROM memory.turns WHERE namespace = %(namespace)s;

-- count_turns_after --
SELECT count(*) FROM memory.turns WHERE namespace = %(namespace)s AND id > %(after)s;

-- texts_of_turns --
SELECT id, text
FROM memory.turns
WHERE namespace = %(namespace)s AND id > %(after)s
ORDER BY id
LIMIT %(most)s;

-- turns_of_session --
SELECT id, kind, session, speaker, text, said_at, source
FROM memory.turns
WHERE namespace = %(namespace)s AND session = %(session)s AND id BETWEEN %(first)s AND %(last)s
ORDER BY id;

-- last_of_session_before --
SELECT max(id)
FROM memory.turns
WHERE namespace = %(namespace)s AND session = %(session)s AND id < %(before)s;

-- first_of_session_after --
SELECT min(id)
FROM memory.turns
WHERE namespace = %(namespace)s AND session = %(session)s AND id > %(after)s;

-- turn_ids_of --
SELECT id FROM memory.turns WHERE namespace = %(namespace)s AND id = ANY (%(turn_ids)s);

-- first_turns_of_sessions --
SELECT min(id)
FROM memory.turns
WHERE namespace = %(namespace)s AND session = ANY (%(sessions)s)
GROUP BY session;

-- ids_of_kind --
SELECT id
FROM memory.turns
WHERE namespace = %(namespace)s AND kind = %(kind)s AND id > %(after)s
ORDER BY id;

-- ids_of_source --
SELECT id
FROM memory.turns
WHERE namespace = %(namespace)s AND source = %(source)s AND id > %(after)s
ORDER BY id;

-- ids_of_tag --
SELECT turn_id
FROM memory.tags
WHERE namespace = %(namespace)s
    AND key = %(key)s AND value = %(value)s AND turn_id > %(after)s;

-- delete_turns --
DELETE FROM memory.turns WHERE namespace = %(namespace)s AND id = ANY (%(turn_ids)s);


-- ======== tags (tags.py) ========

-- tags_of_turns --
SELECT turn_id, key, value
FROM memory.tags
WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s);

-- count_tags --
SELECT key, value, count(*)
FROM memory.tags
WHERE namespace = %(namespace)s
GROUP BY key, value;


-- ======== settings, and which turns were shown (settings.py) ========

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

-- update_setting --
UPDATE memory.settings SET value = %(value)s, set_at = %(set_at)s
WHERE namespace = %(namespace)s AND name = %(name)s;

-- delete_setting --
DELETE FROM memory.settings
WHERE namespace = %(namespace)s AND name = %(name)s AND value = %(value)s;

-- embedders --
-- The newest first: that one is in force.
SELECT id, value
FROM memory.settings
WHERE namespace = %(namespace)s AND name = 'embedder'
ORDER BY id DESC;

-- settings_of_additions --
-- In one look, because every addition takes it: the newest of each name is in force.
SELECT id, name, value
FROM memory.settings
WHERE namespace = %(namespace)s AND name IN ('embedder', 'timezone')
ORDER BY id DESC;

-- shown_turns --
SELECT turn_id, times FROM memory.shown WHERE namespace = %(namespace)s ORDER BY turn_id;

-- count_shown --
-- Somebody may have forgotten some of them meanwhile.
INSERT INTO memory.shown (namespace, turn_id, times)
SELECT %(namespace)s, turn_id, count(*)
FROM unnest(%(turn_ids)s::bigint[]) AS shown_turns (turn_id)
WHERE turn_id IN (SELECT id FROM memory.turns WHERE namespace = %(namespace)s)
GROUP BY turn_id
ON CONFLICT (namespace, turn_id) DO UPDATE SET times = shown.times + excluded.times;

-- delete_shown --
DELETE FROM memory.shown WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s);


-- ======== tags, attributes, entities and aliases (journaled_rows.py) ========

-- rows_of_change --
SELECT id, table_name, before, after
FROM memory.rows_log
WHERE namespace = %(namespace)s AND change_id = %(change_id)s
ORDER BY id;

-- rows_of_other_changes --
SELECT change_id, table_name, before, after
FROM memory.rows_log
WHERE namespace = %(namespace)s AND change_id <> ALL (%(change_ids)s)
ORDER BY id;

-- logged_rows --
SELECT id, before, after FROM memory.rows_log
WHERE namespace = %(namespace)s AND table_name = %(table_name)s
ORDER BY id;

-- set_logged_row --
UPDATE memory.rows_log SET before = %(before)s, after = %(after)s
WHERE namespace = %(namespace)s AND id = %(entry_id)s;

-- delete_logged_row --
DELETE FROM memory.rows_log WHERE namespace = %(namespace)s AND id = %(entry_id)s;

-- delete_rows_of_other_changes --
DELETE FROM memory.rows_log
WHERE namespace = %(namespace)s AND change_id <> ALL (%(change_ids)s);

-- delete_tags_of_turns --
DELETE FROM memory.tags WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s);

-- delete_aliases_of_turns --
DELETE FROM memory.aliases WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s);

-- delete_rows_of_turns --
DELETE FROM memory.rows_log WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s);


-- ======== the vocabulary (vocabulary_table.py) ========

-- attributes_of_facts --
SELECT DISTINCT attribute FROM memory.facts
WHERE namespace = %(namespace)s
ORDER BY attribute;

-- facts_of_attributes --
SELECT id, attribute, value
FROM memory.facts
WHERE namespace = %(namespace)s AND attribute = ANY (%(names)s)
ORDER BY id;


-- ======== entities and names (entities.py) ========

-- named_facts --
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = %(namespace)s AND turns.namespace = %(namespace)s AND facts.id > %(after)s
ORDER BY facts.id
LIMIT %(most)s;

-- named_facts_of_change --
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = %(namespace)s AND turns.namespace = %(namespace)s
    AND facts.id IN (
        SELECT fact_id FROM memory.facts_log
        WHERE namespace = %(namespace)s AND change_id = %(change_id)s
    )
ORDER BY facts.id;

-- unresolved_facts --
-- Those of an older version, and those of which nobody can tell.
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = %(namespace)s AND turns.namespace = %(namespace)s
    AND facts.entity IS NULL AND facts.id > %(after)s
ORDER BY facts.id
LIMIT %(most)s;

-- facts_meant --
-- Whose subject or value is spelled so (in the cases of ASCII), or means one of these entities. It
-- looks at every fact, and only where the aliases of a name have changed.
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = %(namespace)s AND turns.namespace = %(namespace)s
    AND (
        lower(trim(facts.subject)) = ANY (%(spellings)s)
        OR lower(trim(facts.value)) = ANY (%(spellings)s)
        OR facts.entity = ANY (%(entities)s)
        OR facts.value_entity = ANY (%(entities)s)
    )
ORDER BY facts.id;

-- facts_of_entity --
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = %(namespace)s AND turns.namespace = %(namespace)s
    AND (facts.entity = %(entity)s OR facts.value_entity = %(entity)s)
ORDER BY facts.id;

-- ids_of_facts_about --
SELECT id FROM memory.facts
WHERE namespace = %(namespace)s AND entity = ANY (%(entities)s)
ORDER BY id;

-- set_entities --
UPDATE memory.facts SET entity = %(entity)s, value_entity = %(value_entity)s
WHERE namespace = %(namespace)s AND id = ANY (%(fact_ids)s);

-- has_names --
SELECT 1 FROM memory.aliases WHERE namespace = %(namespace)s LIMIT 1;

-- all_aliases --
SELECT aliases.name, aliases.entity, aliases.turn_id, turns.speaker, turns.session
FROM memory.aliases LEFT JOIN (
    SELECT id, speaker, session FROM memory.turns WHERE namespace = %(namespace)s
) AS turns ON turns.id = aliases.turn_id
WHERE aliases.namespace = %(namespace)s
ORDER BY 2, 3, 1;

-- aliases_named --
SELECT aliases.name, aliases.entity, aliases.turn_id, turns.speaker, turns.session
FROM memory.aliases LEFT JOIN (
    SELECT id, speaker, session FROM memory.turns WHERE namespace = %(namespace)s
) AS turns ON turns.id = aliases.turn_id
WHERE aliases.namespace = %(namespace)s
    AND (lower(aliases.name) = ANY (%(names)s) OR lower(aliases.entity) = ANY (%(names)s))
ORDER BY 2, 3, 1;

-- aliases_of_turns --
SELECT name, entity, turn_id FROM memory.aliases
WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s);

-- all_entities --
SELECT name, description FROM memory.entities WHERE namespace = %(namespace)s ORDER BY name;

-- entities_named --
SELECT name FROM memory.entities
WHERE namespace = %(namespace)s AND lower(name) = ANY (%(names)s)
ORDER BY name;

-- entity_spelled --
-- How an entity is spelled: as it is described, else as aliases have it, else as facts do.
SELECT name, place
FROM (
    SELECT 1 AS place, name FROM memory.entities
    WHERE namespace = %(namespace)s AND lower(name) = ANY (%(names)s)
    UNION ALL SELECT 2, entity FROM memory.aliases
    WHERE namespace = %(namespace)s AND lower(entity) = ANY (%(names)s)
    UNION ALL SELECT 3, entity FROM memory.facts
    WHERE namespace = %(namespace)s AND entity = ANY (%(cases)s)
    UNION ALL SELECT 4, value_entity FROM memory.facts
    WHERE namespace = %(namespace)s AND value_entity = ANY (%(cases)s)
) AS spelled
ORDER BY place, name
LIMIT 1;

-- entities_called --
SELECT entity FROM memory.aliases
    WHERE namespace = %(namespace)s AND lower(name) = ANY (%(names)s)
UNION SELECT name FROM memory.entities
    WHERE namespace = %(namespace)s AND lower(name) = ANY (%(names)s)
UNION SELECT entity FROM memory.aliases
    WHERE namespace = %(namespace)s AND lower(entity) = ANY (%(names)s)
UNION SELECT entity FROM memory.facts
WHERE namespace = %(namespace)s
    AND (lower(trim(subject)) = ANY (%(names)s) OR lower(entity) = ANY (%(names)s))
ORDER BY 1;

-- count_facts_by_entity --
SELECT entity, count(*)
FROM memory.facts
WHERE namespace = %(namespace)s AND entity IS NOT NULL
GROUP BY entity;

-- count_values_by_entity --
SELECT value_entity, count(*)
FROM memory.facts
WHERE namespace = %(namespace)s AND value_entity IS NOT NULL
GROUP BY value_entity;

-- is_named --
SELECT 1 FROM memory.aliases WHERE namespace = %(namespace)s AND entity = %(name)s
UNION SELECT 1 FROM memory.facts
WHERE namespace = %(namespace)s AND (entity = %(name)s OR value_entity = %(name)s);

-- speakers_of_turns --
SELECT id, speaker FROM memory.turns WHERE namespace = %(namespace)s AND id = ANY (%(turn_ids)s);

-- first_of_speaker --
SELECT id FROM memory.turns
WHERE namespace = %(namespace)s AND session = %(session)s AND speaker = %(speaker)s
ORDER BY id
LIMIT 1;

-- logged_names --
SELECT id, change_id, table_name, before, after
FROM memory.rows_log
WHERE namespace = %(namespace)s AND table_name IN ('entities', 'aliases');


-- ======== standing instructions and preferences (standing_facts.py) ========

-- facts_that_subjects_said --
-- In messages. What somebody corrected is theirs, whoever wrote the correction: the journal says
-- that a person did, as anybody may name a session. Other names of a speaker come in pairs.
SELECT facts.id, facts.subject, facts.attribute, facts.value, facts.happened_on, facts.ended_on,
    facts.turn_id, facts.recorded_at, turns.speaker, turns.text
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = %(namespace)s AND turns.namespace = %(namespace)s
    AND facts.attribute = ANY (%(attributes)s::text[]) AND turns.kind = 'message'
    AND (%(every)s = 1 OR facts.subject = ANY (%(names)s::text[]))
    AND (
        turns.speaker = facts.subject
        OR concat(turns.speaker, chr(31), facts.subject) = ANY (%(joined)s::text[])
        OR turns.session = %(corrections)s AND facts.id IN (
            SELECT facts_log.fact_id
            FROM memory.facts_log JOIN memory.changes ON changes.id = facts_log.change_id
            WHERE facts_log.namespace = %(namespace)s AND changes.namespace = %(namespace)s
                AND substr(changes.cause, 1, 8) = 'edit by '
        )
    )
ORDER BY facts.turn_id DESC, facts.id DESC
LIMIT %(most)s;

-- names_joined_by_persons --
SELECT DISTINCT aliases.name, aliases.entity
FROM memory.aliases
JOIN memory.rows_log ON rows_log.namespace = aliases.namespace
    AND rows_log.table_name = 'aliases' AND rows_log.turn_id = aliases.turn_id
    AND (rows_log.after::jsonb ->> 'name') = aliases.name
    AND (rows_log.after::jsonb ->> 'entity') = aliases.entity
JOIN memory.changes ON changes.namespace = aliases.namespace AND changes.id = rows_log.change_id
WHERE aliases.namespace = %(namespace)s AND rows_log.namespace = %(namespace)s
    AND changes.namespace = %(namespace)s AND substr(changes.cause, 1, 8) = 'edit by ';


-- ======== facts that contradict each other (contradictions.py) ========

-- facts_by_turn --
SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
FROM memory.facts
WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s)
ORDER BY turn_id, id;

-- corrected_facts_of_turns --
-- What persons have changed in place of the facts that rest on some turns, oldest first.
SELECT facts_log.fact_id, facts_log.before
FROM memory.facts JOIN memory.facts_log
        ON facts_log.namespace = facts.namespace AND facts_log.fact_id = facts.id
    JOIN memory.changes
        ON changes.namespace = facts.namespace AND changes.id = facts_log.change_id
WHERE facts.namespace = %(namespace)s AND facts_log.namespace = %(namespace)s
    AND changes.namespace = %(namespace)s
    AND facts.turn_id = ANY (%(turn_ids)s)
    AND facts_log.before IS NOT NULL AND facts_log.after IS NOT NULL
    AND changes.cause LIKE 'edit by %%'
ORDER BY facts_log.id;

-- facts_by_id --
SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
FROM memory.facts
WHERE namespace = %(namespace)s AND id = ANY (%(fact_ids)s::bigint[]);

-- contradictions_of_facts --
SELECT first_fact, second_fact, first_turn, turn_id, settled
FROM memory.contradictions
WHERE namespace = %(namespace)s AND (
    first_fact = ANY (%(fact_ids)s::bigint[]) OR second_fact = ANY (%(fact_ids)s::bigint[])
);

-- contradictions_of_turns --
SELECT first_fact, second_fact, first_turn, turn_id, settled
FROM memory.contradictions
WHERE namespace = %(namespace)s AND (
    first_turn = ANY (%(turn_ids)s::bigint[]) OR turn_id = ANY (%(turn_ids)s::bigint[])
);

-- disputes_of_turns --
-- What is linked to the facts of some turns as stored later, in force and not settled, oldest first.
SELECT contradictions.first_fact, facts.id, facts.subject, facts.attribute, facts.value,
    facts.happened_on, facts.ended_on, facts.turn_id, facts.recorded_at
FROM memory.contradictions JOIN memory.facts ON facts.id = contradictions.second_fact
WHERE contradictions.namespace = %(namespace)s AND facts.namespace = %(namespace)s
    AND contradictions.first_turn = ANY (%(turn_ids)s)
    AND contradictions.settled = '' AND facts.ended_on IS NULL
ORDER BY facts.id;

-- open_contradictions --
SELECT one.id, one.subject, one.attribute, one.value, one.happened_on, one.ended_on, one.turn_id,
    one.recorded_at, first_said.said_at,
    other.id, other.subject, other.attribute, other.value, other.happened_on, other.ended_on,
    other.turn_id, other.recorded_at, second_said.said_at
FROM memory.contradictions
    JOIN memory.facts AS one ON one.id = contradictions.first_fact
    JOIN memory.facts AS other ON other.id = contradictions.second_fact
    JOIN memory.turns AS first_said ON first_said.id = one.turn_id
    JOIN memory.turns AS second_said ON second_said.id = other.turn_id
WHERE contradictions.namespace = %(namespace)s AND one.namespace = %(namespace)s
    AND other.namespace = %(namespace)s AND first_said.namespace = %(namespace)s
    AND second_said.namespace = %(namespace)s AND contradictions.settled = ''
    AND one.ended_on IS NULL AND other.ended_on IS NULL
ORDER BY other.id DESC, one.id DESC
LIMIT %(most)s;


-- ======== facts: the journal follows each write of them (FactTable in database.py) ========

-- insert_fact --
-- What is returned is how the journal writes the fact (fact_table.py).
INSERT INTO memory.facts
    (namespace, id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)
VALUES (
    %(namespace)s, %(id)s, %(subject)s, %(attribute)s, %(value)s, %(happened_on)s, %(ended_on)s,
    %(turn_id)s, %(recorded_at)s
)
RETURNING id, memory.json_array(
    id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
);

-- end_fact --
UPDATE memory.facts SET ended_on = %(ended_on)s
WHERE namespace = %(namespace)s AND id = %(fact_id)s
RETURNING id, memory.json_array(
    id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
);

-- restate_fact --
UPDATE memory.facts SET attribute = %(attribute)s, value = %(value)s
WHERE namespace = %(namespace)s AND id = %(fact_id)s
RETURNING id, memory.json_array(
    id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
);

-- delete_facts --
DELETE FROM memory.facts
WHERE namespace = %(namespace)s AND id = ANY (%(fact_ids)s)
RETURNING id, memory.json_array(
    id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
);


-- ======== changes and the journal (journal.py) ========

-- insert_change --
INSERT INTO memory.changes
    (namespace, id, at, cause, statement, undoes, first_turn, last_turn)
VALUES (
    %(namespace)s, %(id)s, %(at)s, %(cause)s, %(statement)s, %(undoes)s, %(first_turn)s,
    %(last_turn)s
)
RETURNING id;

-- change --
SELECT id, at, cause, statement, undone_at, first_turn, last_turn, (
    SELECT count(DISTINCT fact_id) FROM memory.facts_log
    WHERE namespace = %(namespace)s AND change_id = changes.id
), (
    SELECT count(*) FROM memory.rows_log
    WHERE namespace = %(namespace)s AND change_id = changes.id
)
FROM memory.changes
WHERE namespace = %(namespace)s AND id = %(change_id)s;

-- changes_before --
SELECT id, at, cause, statement, undone_at, first_turn, last_turn, (
    SELECT count(DISTINCT fact_id) FROM memory.facts_log
    WHERE namespace = %(namespace)s AND change_id = changes.id
), (
    SELECT count(*) FROM memory.rows_log
    WHERE namespace = %(namespace)s AND change_id = changes.id
)
FROM memory.changes
WHERE namespace = %(namespace)s AND id < %(before)s
ORDER BY id DESC
LIMIT %(most)s;

-- changes_after --
SELECT id, at, cause, statement, undone_at, first_turn, last_turn, (
    SELECT count(DISTINCT fact_id) FROM memory.facts_log
    WHERE namespace = %(namespace)s AND change_id = changes.id
), (
    SELECT count(*) FROM memory.rows_log
    WHERE namespace = %(namespace)s AND change_id = changes.id
)
FROM memory.changes
WHERE namespace = %(namespace)s AND id > %(after)s
ORDER BY id
LIMIT %(most)s;

-- count_facts_of_change --
SELECT count(DISTINCT fact_id)
FROM memory.facts_log
WHERE namespace = %(namespace)s AND change_id = %(change_id)s;

-- entries_of_change --
SELECT fact_id, before, after
FROM memory.facts_log
WHERE namespace = %(namespace)s AND change_id = %(change_id)s
ORDER BY id;

-- entries_after --
SELECT fact_id, before, after
FROM memory.facts_log
WHERE namespace = %(namespace)s AND change_id = %(change_id)s AND id > %(since)s
ORDER BY id;

-- entries_of_fact --
SELECT id, change_id, before, after
FROM memory.facts_log
WHERE namespace = %(namespace)s AND fact_id = %(fact_id)s
ORDER BY id;

-- last_entry --
SELECT coalesce(max(id), 0) FROM memory.facts_log WHERE namespace = %(namespace)s;

-- undos --
SELECT id, at, undoes
FROM memory.changes
WHERE namespace = %(namespace)s AND undoes IS NOT NULL
ORDER BY id DESC;

-- clear_undone --
UPDATE memory.changes SET undone_at = NULL
WHERE namespace = %(namespace)s AND undone_at IS NOT NULL;

-- mark_undone --
UPDATE memory.changes SET undone_at = %(at)s
WHERE namespace = %(namespace)s AND id = %(change_id)s;

-- image_of_fact --
SELECT memory.json_array(id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)
FROM memory.facts
WHERE namespace = %(namespace)s AND id = %(fact_id)s;


-- ======== facts and changes at a point in time (history.py) ========

-- images_of_facts --
-- As SQLite's json_array writes them: images of both databases are compared.
SELECT id, memory.json_array(
    id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
)
FROM memory.facts
WHERE namespace = %(namespace)s
ORDER BY id;

-- images_after_changes --
-- The facts as these changes left them, without those that they deleted.
SELECT fact_id, after
FROM memory.facts_log
WHERE namespace = %(namespace)s AND after IS NOT NULL AND id IN (
    SELECT max(id) FROM memory.facts_log
    WHERE namespace = %(namespace)s AND change_id = ANY (%(change_ids)s)
    GROUP BY fact_id
)
ORDER BY fact_id;

-- moments_of_changes --
-- The date of the last dated turn of a change's window, or of the turn that a template stored it
-- from. What counts as dated is what `date_key` can read: the patterns here and its regular
-- expression begin alike.
SELECT id, at, (
    SELECT said_at FROM memory.turns
    WHERE namespace = %(namespace)s
        AND id BETWEEN coalesce(first_turn, stated_in) AND coalesce(last_turn, stated_in)
        AND said_at ~ '^[12][0-9]{3}($|[^0-9])'
    ORDER BY id DESC LIMIT 1
)
FROM (
    SELECT *, CASE WHEN cause ~ '^stated in turn [0-9]{1,18}$'
        THEN substr(cause, length('stated in turn ') + 1)::bigint END AS stated_in
    FROM memory.changes
    WHERE namespace = %(namespace)s
) AS changes
ORDER BY id;

-- edits --
-- The date is that of `moments_of_changes`.
SELECT change_id, fact_id, before, after, at, (
    SELECT said_at FROM memory.turns
    WHERE namespace = %(namespace)s
        AND id BETWEEN coalesce(first_turn, stated_in) AND coalesce(last_turn, stated_in)
        AND said_at ~ '^[12][0-9]{3}($|[^0-9])'
    ORDER BY id DESC LIMIT 1
)
FROM memory.facts_log JOIN (
    SELECT *, CASE WHEN cause ~ '^stated in turn [0-9]{1,18}$'
        THEN substr(cause, length('stated in turn ') + 1)::bigint END AS stated_in
    FROM memory.changes
    WHERE namespace = %(namespace)s
) AS changes ON changes.id = change_id
WHERE facts_log.namespace = %(namespace)s
ORDER BY facts_log.id;

-- edits_of_change --
SELECT change_id, fact_id, before, after, at, (
    SELECT said_at FROM memory.turns
    WHERE namespace = %(namespace)s
        AND id BETWEEN coalesce(first_turn, stated_in) AND coalesce(last_turn, stated_in)
        AND said_at ~ '^[12][0-9]{3}($|[^0-9])'
    ORDER BY id DESC LIMIT 1
)
FROM memory.facts_log JOIN (
    SELECT *, CASE WHEN cause ~ '^stated in turn [0-9]{1,18}$'
        THEN substr(cause, length('stated in turn ') + 1)::bigint END AS stated_in
    FROM memory.changes
    WHERE namespace = %(namespace)s
) AS changes ON changes.id = change_id
WHERE facts_log.namespace = %(namespace)s
    AND change_id = %(change_id)s
ORDER BY facts_log.id;

-- edits_of_fact --
SELECT change_id, fact_id, before, after, at, (
    SELECT said_at FROM memory.turns
    WHERE namespace = %(namespace)s
        AND id BETWEEN coalesce(first_turn, stated_in) AND coalesce(last_turn, stated_in)
        AND said_at ~ '^[12][0-9]{3}($|[^0-9])'
    ORDER BY id DESC LIMIT 1
)
FROM memory.facts_log JOIN (
    SELECT *, CASE WHEN cause ~ '^stated in turn [0-9]{1,18}$'
        THEN substr(cause, length('stated in turn ') + 1)::bigint END AS stated_in
    FROM memory.changes
    WHERE namespace = %(namespace)s
) AS changes ON changes.id = change_id
WHERE facts_log.namespace = %(namespace)s
    AND fact_id = %(fact_id)s
ORDER BY facts_log.id;


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


-- ======== facts that turns assert in templates (assertions.py) ========

-- digested_windows --
SELECT first_turn, last_turn
FROM memory.changes
WHERE namespace = %(namespace)s AND last_turn >= %(first)s AND first_turn <= %(last)s;

-- facts_under_attributes --
SELECT facts.id, facts.subject, facts.attribute, facts.value, facts.happened_on, facts.ended_on,
    facts.turn_id, facts.recorded_at, turns.said_at
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = %(namespace)s AND turns.namespace = %(namespace)s
    AND (
        facts.entity = %(entity)s OR (facts.entity IS NULL AND facts.subject = %(subject)s)
    )
    AND facts.attribute = ANY (%(attributes)s::text[])
ORDER BY facts.id;

-- facts_of_cause --
SELECT facts_log.after
FROM memory.changes JOIN memory.facts_log ON facts_log.change_id = changes.id
WHERE changes.namespace = %(namespace)s AND facts_log.namespace = %(namespace)s
    AND changes.cause = %(cause)s AND facts_log.after IS NOT NULL;

-- change_of_cause --
SELECT id FROM memory.changes
WHERE namespace = %(namespace)s AND cause = %(cause)s LIMIT 1;

-- causes_of_facts --
SELECT facts_log.fact_id, changes.cause, changes.at
FROM memory.facts_log JOIN memory.changes ON changes.id = facts_log.change_id
WHERE facts_log.namespace = %(namespace)s AND changes.namespace = %(namespace)s
    AND facts_log.fact_id = ANY (%(fact_ids)s::bigint[])
ORDER BY facts_log.id;

-- removals_by_persons --
SELECT facts_log.before, changes.at, facts_log.after IS NULL
FROM memory.changes JOIN memory.facts_log ON facts_log.change_id = changes.id
WHERE changes.namespace = %(namespace)s AND facts_log.namespace = %(namespace)s
    AND facts_log.before IS NOT NULL AND (
        left(changes.cause, 8) = 'edit by '
        OR left(changes.cause, 5) = 'undo '
        OR left(changes.cause, 7) = 'revert '
    ) AND NOT EXISTS (
        SELECT 1 FROM memory.facts
        WHERE namespace = %(namespace)s
            AND facts.subject = facts_log.before::json ->> 1
            AND facts.attribute = facts_log.before::json ->> 2
            AND facts.value = facts_log.before::json ->> 3
    )
ORDER BY facts_log.id DESC
LIMIT %(most)s;

-- ids_of_facts_of_turns --
SELECT id FROM memory.facts
WHERE namespace = %(namespace)s AND turn_id BETWEEN %(first)s AND %(last)s
ORDER BY id;

-- edits_by_causes --
SELECT facts_log.fact_id, facts_log.before, facts_log.after
FROM memory.changes JOIN memory.facts_log ON facts_log.change_id = changes.id
WHERE changes.namespace = %(namespace)s AND facts_log.namespace = %(namespace)s
    AND changes.cause = ANY (%(causes)s::text[])
    AND facts_log.before IS NOT NULL AND facts_log.after IS NOT NULL
ORDER BY facts_log.id;


-- ======== windows that wait to be digested (pending_windows.py) ========

-- last_turn_taken --
-- Windows are claimed in order, so all turns up to the last one of a change or of a pending window
-- are taken. No high-water mark is stored that could disagree with the journal.
SELECT coalesce(max(last_turn), 0)
FROM (
    SELECT max(last_turn) AS last_turn FROM memory.changes WHERE namespace = %(namespace)s
    UNION ALL
    SELECT max(last_turn) FROM memory.pending WHERE namespace = %(namespace)s
) AS windows;

-- pending_windows --
SELECT first_turn, last_turn, error, attempts, statement
FROM memory.pending
WHERE namespace = %(namespace)s
ORDER BY first_turn;

-- pending_window --
SELECT error, attempts, statement, claimed_by, claimed_until
FROM memory.pending
WHERE namespace = %(namespace)s AND first_turn = %(first)s AND last_turn = %(last)s;

-- insert_window --
INSERT INTO memory.pending
    (namespace, first_turn, last_turn, error, attempts, claimed_by, claimed_until)
VALUES (
    %(namespace)s, %(first)s, %(last)s, %(error)s, %(attempts)s, %(claimed_by)s, %(claimed_until)s
);

-- claim_window --
-- What is held is of the whole window: a part of it is asked for anew.
UPDATE memory.pending
SET statement = CASE WHEN last_turn = %(new_last)s THEN statement ELSE '' END,
    last_turn = %(new_last)s, claimed_by = %(claimed_by)s, claimed_until = %(claimed_until)s
WHERE namespace = %(namespace)s AND first_turn = %(first)s AND last_turn = %(last)s;

-- fail_window --
-- Only where the claim is still ours: a slow process must not end the claim of its successor. An
-- interruption leaves the statement that is held: nothing was decided.
UPDATE memory.pending
SET error = %(error)s, attempts = attempts + %(attempts)s, claimed_until = 0,
    statement = CASE WHEN %(attempts)s > 0 THEN %(statement)s ELSE statement END
WHERE namespace = %(namespace)s AND first_turn = %(first)s AND last_turn = %(last)s
    AND claimed_by = %(claimed_by)s;

-- delete_window --
DELETE FROM memory.pending
WHERE namespace = %(namespace)s AND first_turn = %(first)s AND last_turn = %(last)s;


-- ======== the tasks of `memory serve worker` (work.py) ========

-- work --
SELECT task, served_at, due_at, held_by, held_until, failures, error, position, day, calls, tokens
FROM memory.work
WHERE namespace = %(namespace)s
ORDER BY task;

-- add_task --
INSERT INTO memory.work (namespace, task) VALUES (%(namespace)s, %(task)s)
ON CONFLICT (namespace, task) DO NOTHING;

-- claim_task --
UPDATE memory.work
SET served_at = %(now)s, held_by = %(held_by)s, held_until = %(held_until)s
WHERE namespace = %(namespace)s AND task = %(task)s AND due_at <= %(now)s
    AND (held_until <= %(now)s OR held_by = ANY (%(dead)s::text[]))
RETURNING task, served_at, due_at, held_by, held_until, failures, error, position, day, calls,
    tokens;

-- end_task --
-- Only where the claim is still ours. Served until now: who has looked at what waits meanwhile has
-- seen what is done.
UPDATE memory.work
SET held_until = 0, served_at = %(now)s, due_at = %(due_at)s, failures = %(failures)s, error = %(error)s
WHERE namespace = %(namespace)s AND task = %(task)s AND held_by = %(held_by)s;

-- move_task --
UPDATE memory.work SET position = %(position)s
WHERE namespace = %(namespace)s AND task = %(task)s AND held_by = %(held_by)s;

-- spend_on_task --
UPDATE memory.work
SET calls = CASE WHEN day = %(day)s THEN calls ELSE 0 END + %(calls)s,
    tokens = CASE WHEN day = %(day)s THEN tokens ELSE 0 END + %(tokens)s,
    day = %(day)s
WHERE namespace = %(namespace)s AND task = %(task)s;

-- waiting_work --
-- As in SQLite; for all memories at once see `waiting_work_of_all`.
SELECT
    (SELECT coalesce(max(id), 0) FROM memory.turns WHERE namespace = %(namespace)s),
    greatest(
        (SELECT coalesce(max(last_turn), 0) FROM memory.changes WHERE namespace = %(namespace)s),
        (SELECT coalesce(max(last_turn), 0) FROM memory.pending WHERE namespace = %(namespace)s)
    ),
    (
        SELECT count(*) FROM memory.pending
        WHERE namespace = %(namespace)s
            AND claimed_until <= %(now)s AND attempts < %(attempts)s AND statement = ''
    ),
    (
        SELECT count(*) FROM memory.pending
        WHERE namespace = %(namespace)s AND (attempts >= %(attempts)s OR statement <> '')
    ),
    (
        SELECT coalesce(string_agg(DISTINCT claimed_by, ','), '') FROM memory.pending
        WHERE namespace = %(namespace)s AND claimed_until > %(now)s
    ),
    (SELECT count(*) FROM memory.summaries WHERE namespace = %(namespace)s AND summary = ''),
    (SELECT count(*) FROM memory.settings WHERE namespace = %(namespace)s AND name = 'forgetting'),
    (SELECT coalesce(max(id), 0) FROM memory.changes WHERE namespace = %(namespace)s),
    coalesce(
        (
            SELECT value FROM memory.settings
            WHERE namespace = %(namespace)s AND name = 'refine'
            ORDER BY id DESC LIMIT 1
        ),
        ''
    ),
    coalesce(
        (
            SELECT value FROM memory.settings
            WHERE namespace = %(namespace)s AND name = 'retention_days'
            ORDER BY id DESC LIMIT 1
        ),
        ''
    );


-- ======== columns and vectors of turns (search_tables.py) ========

-- speakers_after --
SELECT id, name
FROM memory.speakers
WHERE namespace = %(namespace)s AND id > %(after)s
ORDER BY id;

-- insert_speaker --
INSERT INTO memory.speakers (namespace, id, name) VALUES (%(namespace)s, %(id)s, %(name)s);

-- delete_unused_speaker --
DELETE FROM memory.speakers
WHERE namespace = %(namespace)s AND name = %(name)s AND NOT EXISTS (
    SELECT 1 FROM memory.turns WHERE namespace = %(namespace)s AND speaker = %(name)s
);

-- count_recent --
SELECT count(*) FROM memory.recent WHERE namespace = %(namespace)s;

-- oldest_recent --
SELECT turn_id, columns, vector
FROM memory.recent
WHERE namespace = %(namespace)s
ORDER BY turn_id
LIMIT %(most)s;

-- recent_after --
SELECT columns, vector
FROM memory.recent
WHERE namespace = %(namespace)s AND turn_id > %(after)s
ORDER BY turn_id;

-- recent_turn --
SELECT columns, vector
FROM memory.recent
WHERE namespace = %(namespace)s AND turn_id = %(turn_id)s;

-- delete_recent --
DELETE FROM memory.recent WHERE namespace = %(namespace)s AND turn_id <= %(last)s;

-- last_with_columns --
SELECT coalesce(
    (SELECT max(turn_id) FROM memory.recent WHERE namespace = %(namespace)s),
    (
        SELECT last_turn FROM memory.blocks
        WHERE namespace = %(namespace)s
        ORDER BY first_turn DESC LIMIT 1
    ),
    0
);

-- insert_block --
INSERT INTO memory.blocks (namespace, first_turn, last_turn, columns, codes)
VALUES (%(namespace)s, %(first)s, %(last)s, %(columns)s, %(codes)s);

-- blocks_after --
SELECT first_turn, columns, codes
FROM memory.blocks
WHERE namespace = %(namespace)s AND last_turn > %(after)s
ORDER BY first_turn;

-- block_of_turn --
SELECT first_turn, columns
FROM memory.blocks
WHERE namespace = %(namespace)s AND first_turn <= %(turn_id)s
ORDER BY first_turn DESC
LIMIT 1;

-- delete_blocks --
DELETE FROM memory.blocks WHERE namespace = %(namespace)s AND first_turn >= %(first)s;

-- pieces --
-- In one statement: a search reads hundreds in a large memory, and a server may be far away.
SELECT first_turn, vectors
FROM memory.pieces
WHERE namespace = %(namespace)s AND first_turn = ANY (%(first_turns)s);

-- pieces_from --
SELECT vectors
FROM memory.pieces
WHERE namespace = %(namespace)s AND first_turn >= %(first)s
ORDER BY first_turn;

-- piece_of_turn --
SELECT first_turn, vectors
FROM memory.pieces
WHERE namespace = %(namespace)s AND first_turn <= %(turn_id)s
ORDER BY first_turn DESC
LIMIT 1;

-- delete_pieces --
DELETE FROM memory.pieces WHERE namespace = %(namespace)s AND first_turn >= %(first)s;


-- ======== vectors by another embedder, until it has made all of them (vectors.py) ========

-- last_staged --
SELECT coalesce(max(turn_id), 0)
FROM memory.staged_vectors
WHERE namespace = %(namespace)s AND embedder = %(embedder)s;

-- staged_width --
-- Numbers in a vector, four bytes each.
SELECT length(vector) / 4
FROM memory.staged_vectors
WHERE namespace = %(namespace)s AND embedder = %(embedder)s
LIMIT 1;

-- staged_vectors --
SELECT vector
FROM memory.staged_vectors
WHERE namespace = %(namespace)s AND embedder = %(embedder)s
    AND turn_id BETWEEN %(first)s AND %(last)s
ORDER BY turn_id;

-- delete_staged --
DELETE FROM memory.staged_vectors
WHERE namespace = %(namespace)s AND embedder = %(embedder)s
    AND turn_id BETWEEN %(first)s AND %(last)s;

-- delete_staged_of_turns --
DELETE FROM memory.staged_vectors
WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s);


-- ======== what goes with a turn (turn_removal.py, derived_facts.py, derived_ends.py) ========

-- facts_of_turns --
-- Facts that rest on the turns, and those that are gone and rested on them: [6] is the turn_id of a
-- fact as the journal writes it.
SELECT id FROM memory.facts WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s)
UNION
SELECT fact_id FROM memory.facts_log
WHERE namespace = %(namespace)s
    AND (
        memory.json_extract(before, '$[6]') = ANY (%(turn_ids)s)
        OR memory.json_extract(after, '$[6]') = ANY (%(turn_ids)s)
    )
    AND fact_id NOT IN (SELECT id FROM memory.facts WHERE namespace = %(namespace)s);

-- entries_of_facts_and_turns --
SELECT change_id, before, after
FROM memory.facts_log
WHERE namespace = %(namespace)s
    AND (
        fact_id = ANY (%(fact_ids)s)
        OR memory.json_extract(before, '$[6]') = ANY (%(turn_ids)s)
        OR memory.json_extract(after, '$[6]') = ANY (%(turn_ids)s)
    );

-- delete_entries_of_facts --
DELETE FROM memory.facts_log WHERE namespace = %(namespace)s AND fact_id = ANY (%(fact_ids)s);

-- blank_images_before --
UPDATE memory.facts_log SET before = NULL
WHERE namespace = %(namespace)s AND memory.json_extract(before, '$[6]') = ANY (%(turn_ids)s);

-- blank_images_after --
UPDATE memory.facts_log SET after = NULL
WHERE namespace = %(namespace)s AND memory.json_extract(after, '$[6]') = ANY (%(turn_ids)s);

-- delete_blank_entries --
DELETE FROM memory.facts_log
WHERE namespace = %(namespace)s AND before IS NULL AND after IS NULL;

-- removal_of_fact --
-- The newest entry that says that the fact went.
SELECT id, before
FROM memory.facts_log
WHERE namespace = %(namespace)s AND fact_id = %(fact_id)s AND after IS NULL
ORDER BY id DESC
LIMIT 1;

-- delete_removal --
DELETE FROM memory.facts_log
WHERE namespace = %(namespace)s AND fact_id = %(fact_id)s
    AND (id > %(last_entry)s OR id = %(removal)s);

-- set_image_before --
UPDATE memory.facts_log SET before = %(image)s
WHERE namespace = %(namespace)s AND id = %(entry_id)s;

-- set_image_after --
UPDATE memory.facts_log SET after = %(image)s
WHERE namespace = %(namespace)s AND id = %(entry_id)s;

-- delete_empty_entries --
DELETE FROM memory.facts_log
WHERE namespace = %(namespace)s AND fact_id = %(fact_id)s
    AND (id > %(last_entry)s OR before = after);

-- windows_of_changes --
SELECT id, first_turn, last_turn
FROM memory.changes
WHERE namespace = %(namespace)s AND first_turn IS NOT NULL;

-- set_window_of_change --
UPDATE memory.changes SET first_turn = %(first)s, last_turn = %(last)s
WHERE namespace = %(namespace)s AND id = %(change_id)s;

-- shrink_window --
UPDATE memory.pending
SET first_turn = %(new_first)s, last_turn = %(new_last)s,
    error = '', statement = '', claimed_by = '', claimed_until = 0
WHERE namespace = %(namespace)s AND first_turn = %(first)s AND last_turn = %(last)s;

-- blank_window --
UPDATE memory.pending SET error = '', statement = ''
WHERE namespace = %(namespace)s AND first_turn = %(first)s AND last_turn = %(last)s;

-- texts_of_changes --
SELECT id, cause, statement FROM memory.changes WHERE namespace = %(namespace)s;

-- set_cause --
UPDATE memory.changes SET cause = %(cause)s
WHERE namespace = %(namespace)s AND id = %(change_id)s;

-- set_statement --
UPDATE memory.changes SET statement = %(statement)s
WHERE namespace = %(namespace)s AND id = %(change_id)s;


-- ======== a dump, read into a memory (dump.py) ========

-- delete_entries_after --
DELETE FROM memory.facts_log WHERE namespace = %(namespace)s AND id > %(last_entry)s;

-- count_dumped_rows --
SELECT 'turns', count(*) FROM memory.turns WHERE namespace = %(namespace)s
UNION ALL SELECT 'facts', count(*) FROM memory.facts WHERE namespace = %(namespace)s
UNION ALL SELECT 'changes', count(*) FROM memory.changes WHERE namespace = %(namespace)s
UNION ALL SELECT 'facts_log', count(*) FROM memory.facts_log WHERE namespace = %(namespace)s
UNION ALL SELECT 'pending', count(*) FROM memory.pending WHERE namespace = %(namespace)s
UNION ALL SELECT 'shown', count(*) FROM memory.shown WHERE namespace = %(namespace)s
UNION ALL SELECT 'tags', count(*) FROM memory.tags WHERE namespace = %(namespace)s
UNION ALL SELECT 'attributes', count(*) FROM memory.attributes WHERE namespace = %(namespace)s
UNION ALL SELECT 'entities', count(*) FROM memory.entities WHERE namespace = %(namespace)s
UNION ALL SELECT 'aliases', count(*) FROM memory.aliases WHERE namespace = %(namespace)s
UNION ALL SELECT 'contradictions', count(*) FROM memory.contradictions
WHERE namespace = %(namespace)s
UNION ALL SELECT 'summaries', count(*) FROM memory.summaries WHERE namespace = %(namespace)s
UNION ALL SELECT 'rows_log', count(*) FROM memory.rows_log WHERE namespace = %(namespace)s
UNION ALL SELECT 'settings', count(*) FROM memory.settings
WHERE namespace = %(namespace)s AND name <> ALL (%(hidden_settings)s);


-- ======== what a receipt names (receipt_check.py) ========

-- rows_of_receipt --
-- Numbered, so that the lines of the check are in this order.
SELECT 1 AS number, 'turns', count(*) FROM memory.turns
WHERE namespace = %(namespace)s AND id = ANY (%(turn_ids)s)
UNION ALL
SELECT 2, 'recent', count(*) FROM memory.recent
WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s)
UNION ALL
SELECT 3, 'shown', count(*) FROM memory.shown
WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s)
UNION ALL
SELECT 4, 'staged_vectors', count(*) FROM memory.staged_vectors
WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s)
UNION ALL
SELECT 5, 'facts', count(*) FROM memory.facts
WHERE namespace = %(namespace)s AND turn_id = ANY (%(turn_ids)s)
UNION ALL
SELECT 6, 'facts', count(*) FROM memory.facts
WHERE namespace = %(namespace)s AND id = ANY (%(fact_ids)s)
UNION ALL
SELECT 7, 'facts_log', count(*) FROM memory.facts_log
WHERE namespace = %(namespace)s AND fact_id = ANY (%(fact_ids)s)
ORDER BY 1;

-- count_statements --
SELECT count(*)
FROM memory.changes
WHERE namespace = %(namespace)s AND id = ANY (%(change_ids)s)
    AND statement NOT IN ('', %(blanked)s);

-- count_rows_with_text --
SELECT (
    SELECT count(*) FROM memory.turns
    WHERE namespace = %(namespace)s
        AND position(lower(%(text)s COLLATE "C") IN lower(text)) > 0
) + (
    SELECT count(*) FROM memory.facts
    WHERE namespace = %(namespace)s
        AND position(lower(%(text)s COLLATE "C") IN lower(value)) > 0
);


-- ======== whether a memory is whole (integrity.py) ========

-- piece_sizes --
SELECT first_turn, length(vectors) FROM memory.pieces WHERE namespace = %(namespace)s;

-- facts_with_empty_dates --
SELECT id
FROM memory.facts
WHERE namespace = %(namespace)s AND (happened_on = '' OR ended_on = '')
LIMIT %(most)s;

-- facts_unlike_journal --
SELECT id
FROM memory.facts
WHERE namespace = %(namespace)s
    AND memory.json_array(
        id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
    )
    <> coalesce(
        (
            SELECT after FROM memory.facts_log
            WHERE namespace = %(namespace)s AND fact_id = facts.id
            ORDER BY facts_log.id DESC LIMIT 1
        ),
        ''
    )
LIMIT %(most)s;

-- facts_only_in_journal --
SELECT fact_id
FROM memory.facts_log
WHERE namespace = %(namespace)s
    AND id IN (
        SELECT max(id) FROM memory.facts_log WHERE namespace = %(namespace)s GROUP BY fact_id
    )
    AND after IS NOT NULL
    AND fact_id NOT IN (SELECT id FROM memory.facts WHERE namespace = %(namespace)s)
LIMIT %(most)s;

-- entries_that_do_not_follow --
SELECT id, fact_id
FROM (
    SELECT id, fact_id, before, lag(after) OVER (PARTITION BY fact_id ORDER BY id) AS last
    FROM memory.facts_log
    WHERE namespace = %(namespace)s
) AS entries
WHERE coalesce(before, '') <> coalesce(last, '')
LIMIT %(most)s;


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
