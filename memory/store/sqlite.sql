-- The statements that the modules of memory/store run, as SQLite reads them. Those of Postgres have
-- the same names and values (postgres/postgres.sql); statement_file.py says how both are written.
-- A list is one value, a JSON array: SQLite limits how many values a statement may have.


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

-- size_of_turns --
SELECT count(*), coalesce(sum(length(text)), 0), coalesce(max(id), 0) FROM turns WHERE id > :after;

-- count_turns --
SELECT count(*) FROM turns;

-- turns_by_source --
-- The oldest turn of each outside id.
SELECT source, min(id)
FROM turns
WHERE source <> '' AND source IN (SELECT value FROM json_each(:sources))
GROUP BY source;

-- turn_ids_between --
SELECT id FROM turns WHERE id BETWEEN :first AND :last ORDER BY id LIMIT :most;

-- turn_bounds --
-- The first and the last turn that is there between two ids.
SELECT min(id), max(id) FROM turns WHERE id BETWEEN :first AND :last;

-- last_turn --
SELECT coalesce(max(id), 0) FROM turns;

-- count_turns_after --
SELECT count(*) FROM turns WHERE id > :after;

-- texts_of_turns --
SELECT id, text FROM turns WHERE id > :after ORDER BY id LIMIT :most;

-- turns_of_session --
SELECT id, kind, session, speaker, text, said_at, source
FROM turns
WHERE session = :session AND id BETWEEN :first AND :last
ORDER BY id;

-- last_of_session_before --
SELECT max(id) FROM turns WHERE session = :session AND id < :before;

-- first_of_session_after --
SELECT min(id) FROM turns WHERE session = :session AND id > :after;

-- turn_ids_of --
SELECT id FROM turns WHERE id IN (SELECT value FROM json_each(:turn_ids));

-- first_turns_of_sessions --
SELECT min(id)
FROM turns
WHERE session IN (SELECT value FROM json_each(:sessions))
GROUP BY session;

-- ids_of_kind --
SELECT id FROM turns WHERE kind = :kind AND id > :after ORDER BY id;

-- ids_of_source --
SELECT id FROM turns WHERE source = :source AND id > :after ORDER BY id;

-- ids_of_tag --
SELECT turn_id FROM tags WHERE key = :key AND value = :value AND turn_id > :after;

-- delete_turns --
DELETE FROM turns WHERE id IN (SELECT value FROM json_each(:turn_ids));


-- ======== tags (tags.py) ========

-- tags_of_turns --
SELECT turn_id, key, value
FROM tags
WHERE turn_id IN (SELECT value FROM json_each(:turn_ids));

-- count_tags --
SELECT key, value, count(*) FROM tags GROUP BY key, value;


-- ======== settings, and which turns were shown (settings.py) ========

-- settings --
SELECT id, name, value, set_at FROM settings ORDER BY id;

-- settings_of_name --
SELECT id, name, value, set_at FROM settings WHERE name = :name ORDER BY id;

-- insert_setting --
INSERT INTO settings (id, name, value, set_at) VALUES (:id, :name, :value, :set_at);

-- update_setting --
UPDATE settings SET value = :value, set_at = :set_at WHERE name = :name;

-- delete_setting --
DELETE FROM settings WHERE name = :name AND value = :value;

-- embedders --
-- The newest first: that one is in force.
SELECT id, value FROM settings WHERE name = 'embedder' ORDER BY id DESC;

-- settings_of_additions --
-- In one look, because every addition takes it: the newest of each name is in force.
SELECT id, name, value FROM settings WHERE name IN ('embedder', 'timezone') ORDER BY id DESC;

-- shown_turns --
SELECT turn_id, times FROM shown ORDER BY turn_id;

-- count_shown --
-- Somebody may have forgotten some of them meanwhile.
INSERT INTO shown (turn_id, times)
SELECT value, count(*) FROM json_each(:turn_ids) WHERE value IN (SELECT id FROM turns)
GROUP BY value
ON CONFLICT (turn_id) DO UPDATE SET times = times + excluded.times;

-- delete_shown --
DELETE FROM shown WHERE turn_id IN (SELECT value FROM json_each(:turn_ids));


-- ======== tags, attributes, entities and aliases (journaled_rows.py) ========

-- rows_of_change --
SELECT id, table_name, before, after FROM rows_log WHERE change_id = :change_id ORDER BY id;

-- rows_of_other_changes --
SELECT change_id, table_name, before, after
FROM rows_log
WHERE change_id NOT IN (SELECT value FROM json_each(:change_ids))
ORDER BY id;

-- logged_rows --
SELECT id, before, after FROM rows_log WHERE table_name = :table_name ORDER BY id;

-- set_logged_row --
UPDATE rows_log SET before = :before, after = :after WHERE id = :entry_id;

-- delete_logged_row --
DELETE FROM rows_log WHERE id = :entry_id;

-- delete_rows_of_other_changes --
DELETE FROM rows_log WHERE change_id NOT IN (SELECT value FROM json_each(:change_ids));

-- delete_tags_of_turns --
DELETE FROM tags WHERE turn_id IN (SELECT value FROM json_each(:turn_ids));

-- delete_aliases_of_turns --
DELETE FROM aliases WHERE turn_id IN (SELECT value FROM json_each(:turn_ids));

-- delete_rows_of_turns --
DELETE FROM rows_log WHERE turn_id IN (SELECT value FROM json_each(:turn_ids));


-- ======== the vocabulary (vocabulary_table.py) ========

-- attributes_of_facts --
SELECT DISTINCT attribute FROM facts ORDER BY attribute;

-- facts_of_attributes --
SELECT id, attribute, value
FROM facts
WHERE attribute IN (SELECT value FROM json_each(:names))
ORDER BY id;


-- ======== entities and names (entities.py) ========

-- named_facts --
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM facts JOIN turns ON turns.id = facts.turn_id
WHERE facts.id > :after
ORDER BY facts.id
LIMIT :most;

-- named_facts_of_change --
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM facts JOIN turns ON turns.id = facts.turn_id
WHERE facts.id IN (SELECT fact_id FROM facts_log WHERE change_id = :change_id)
ORDER BY facts.id;

-- unresolved_facts --
-- Those of an older version, and those of which nobody can tell.
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM facts JOIN turns ON turns.id = facts.turn_id
WHERE facts.entity IS NULL AND facts.id > :after
ORDER BY facts.id
LIMIT :most;

-- facts_meant --
-- Whose subject or value is spelled so (in the cases of ASCII), or means one of these entities. It
-- looks at every fact, and only where the aliases of a name have changed.
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM facts JOIN turns ON turns.id = facts.turn_id
WHERE lower(trim(facts.subject)) IN (SELECT value FROM json_each(:spellings))
    OR lower(trim(facts.value)) IN (SELECT value FROM json_each(:spellings))
    OR facts.entity IN (SELECT value FROM json_each(:entities))
    OR facts.value_entity IN (SELECT value FROM json_each(:entities))
ORDER BY facts.id;

-- facts_of_entity --
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM facts JOIN turns ON turns.id = facts.turn_id
WHERE facts.entity = :entity OR facts.value_entity = :entity
ORDER BY facts.id;

-- ids_of_facts_about --
SELECT id FROM facts WHERE entity IN (SELECT value FROM json_each(:entities)) ORDER BY id;

-- set_entities --
UPDATE facts SET entity = :entity, value_entity = :value_entity
WHERE id IN (SELECT value FROM json_each(:fact_ids));

-- has_names --
SELECT 1 FROM aliases LIMIT 1;

-- all_aliases --
SELECT aliases.name, aliases.entity, aliases.turn_id, turns.speaker, turns.session
FROM aliases LEFT JOIN turns ON turns.id = aliases.turn_id
ORDER BY 2, 3, 1;

-- aliases_named --
SELECT aliases.name, aliases.entity, aliases.turn_id, turns.speaker, turns.session
FROM aliases LEFT JOIN turns ON turns.id = aliases.turn_id
WHERE lower(aliases.name) IN (SELECT value FROM json_each(:names))
    OR lower(aliases.entity) IN (SELECT value FROM json_each(:names))
ORDER BY 2, 3, 1;

-- aliases_of_turns --
SELECT name, entity, turn_id FROM aliases WHERE turn_id IN (SELECT value FROM json_each(:turn_ids));

-- all_entities --
SELECT name, description FROM entities ORDER BY name;

-- entities_named --
SELECT name FROM entities WHERE lower(name) IN (SELECT value FROM json_each(:names)) ORDER BY name;

-- entity_spelled --
-- How an entity is spelled: as it is described, else as aliases have it, else as facts do.
SELECT name, place
FROM (
    SELECT 1 AS place, name FROM entities WHERE lower(name) IN (SELECT value FROM json_each(:names))
    UNION ALL SELECT 2, entity FROM aliases
WHERE lower(entity) IN (SELECT value FROM json_each(:names))
    UNION ALL SELECT 3, entity FROM facts WHERE entity IN (SELECT value FROM json_each(:cases))
    UNION ALL SELECT 4, value_entity FROM facts
WHERE value_entity IN (SELECT value FROM json_each(:cases))
) AS spelled
ORDER BY place, name
LIMIT 1;

-- entities_called --
SELECT entity FROM aliases WHERE lower(name) IN (SELECT value FROM json_each(:names))
UNION SELECT name FROM entities WHERE lower(name) IN (SELECT value FROM json_each(:names))
UNION SELECT entity FROM aliases WHERE lower(entity) IN (SELECT value FROM json_each(:names))
UNION SELECT entity FROM facts
WHERE lower(trim(subject)) IN (SELECT value FROM json_each(:names))
    OR lower(entity) IN (SELECT value FROM json_each(:names))
ORDER BY 1;

-- count_facts_by_entity --
SELECT entity, count(*) FROM facts WHERE entity IS NOT NULL GROUP BY entity;

-- count_values_by_entity --
SELECT value_entity, count(*)
FROM facts
WHERE value_entity IS NOT NULL
GROUP BY value_entity;

-- is_named --
SELECT 1 FROM aliases WHERE entity = :name
UNION SELECT 1 FROM facts WHERE entity = :name OR value_entity = :name;

-- speakers_of_turns --
SELECT id, speaker FROM turns WHERE id IN (SELECT value FROM json_each(:turn_ids));

-- first_of_speaker --
SELECT id FROM turns WHERE session = :session AND speaker = :speaker ORDER BY id LIMIT 1;

-- logged_names --
SELECT id, change_id, table_name, before, after
FROM rows_log
WHERE table_name IN ('entities', 'aliases');


-- ======== standing instructions and preferences (standing_facts.py) ========

-- facts_that_subjects_said --
-- In messages. What somebody corrected is theirs, whoever wrote the correction: the journal says
-- that a person did, as anybody may name a session. Other names of a speaker come in pairs.
SELECT facts.id, facts.subject, facts.attribute, facts.value, facts.happened_on, facts.ended_on,
    facts.turn_id, facts.recorded_at, turns.speaker, turns.text
FROM facts JOIN turns ON turns.id = facts.turn_id
WHERE facts.attribute IN (SELECT value FROM json_each(:attributes)) AND turns.kind = 'message'
    AND (:every = 1 OR facts.subject IN (SELECT value FROM json_each(:names)))
    AND (
        turns.speaker = facts.subject
        OR turns.speaker || char(31) || facts.subject IN (SELECT value FROM json_each(:joined))
        OR turns.session = :corrections AND EXISTS (
            SELECT 1 FROM facts_log JOIN changes ON changes.id = facts_log.change_id
            WHERE facts_log.fact_id = facts.id AND substr(changes.cause, 1, 8) = 'edit by '
        )
    )
ORDER BY facts.turn_id DESC, facts.id DESC
LIMIT :most;

-- names_joined_by_persons --
SELECT DISTINCT aliases.name, aliases.entity
FROM aliases
JOIN rows_log ON rows_log.table_name = 'aliases' AND rows_log.turn_id = aliases.turn_id
    AND json_extract(rows_log.after, '$.name') = aliases.name
    AND json_extract(rows_log.after, '$.entity') = aliases.entity
JOIN changes ON changes.id = rows_log.change_id
WHERE substr(changes.cause, 1, 8) = 'edit by ';


-- ======== facts that contradict each other (contradictions.py) ========

-- facts_by_turn --
SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
FROM facts
WHERE turn_id IN (SELECT value FROM json_each(:turn_ids))
ORDER BY turn_id, id;

-- corrected_facts_of_turns --
-- What persons have changed in place of the facts that rest on some turns, oldest first.
SELECT facts_log.fact_id, facts_log.before
FROM facts JOIN facts_log ON facts_log.fact_id = facts.id
    JOIN changes ON changes.id = facts_log.change_id
WHERE facts.turn_id IN (SELECT value FROM json_each(:turn_ids))
    AND facts_log.before IS NOT NULL AND facts_log.after IS NOT NULL
    AND changes.cause LIKE 'edit by %'
ORDER BY facts_log.id;

-- facts_by_id --
SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
FROM facts
WHERE id IN (SELECT value FROM json_each(:fact_ids));

-- contradictions_of_facts --
SELECT first_fact, second_fact, first_turn, turn_id, settled
FROM contradictions
WHERE first_fact IN (SELECT value FROM json_each(:fact_ids))
    OR second_fact IN (SELECT value FROM json_each(:fact_ids));

-- contradictions_of_turns --
SELECT first_fact, second_fact, first_turn, turn_id, settled
FROM contradictions
WHERE first_turn IN (SELECT value FROM json_each(:turn_ids))
    OR turn_id IN (SELECT value FROM json_each(:turn_ids));

-- disputes_of_turns --
-- What is linked to the facts of some turns as stored later, in force and not settled, oldest first.
SELECT contradictions.first_fact, facts.id, facts.subject, facts.attribute, facts.value,
    facts.happened_on, facts.ended_on, facts.turn_id, facts.recorded_at
FROM contradictions JOIN facts ON facts.id = contradictions.second_fact
WHERE contradictions.first_turn IN (SELECT value FROM json_each(:turn_ids))
    AND contradictions.settled = '' AND facts.ended_on IS NULL
ORDER BY facts.id;

-- open_contradictions --
-- The newest first.
SELECT one.id, one.subject, one.attribute, one.value, one.happened_on, one.ended_on, one.turn_id,
    one.recorded_at, first_said.said_at,
    other.id, other.subject, other.attribute, other.value, other.happened_on, other.ended_on,
    other.turn_id, other.recorded_at, second_said.said_at
FROM contradictions
    JOIN facts AS one ON one.id = contradictions.first_fact
    JOIN facts AS other ON other.id = contradictions.second_fact
    JOIN turns AS first_said ON first_said.id = one.turn_id
    JOIN turns AS second_said ON second_said.id = other.turn_id
WHERE contradictions.settled = ''
    AND one.ended_on IS NULL AND other.ended_on IS NULL
ORDER BY other.id DESC, one.id DESC
LIMIT :most;


-- ======== facts: the journal follows each write of them (FactTable in database.py) ========

-- insert_fact --
-- Triggers write the journal and the index of words (migrations/0002_lookup.sql).
INSERT INTO facts
    (id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)
VALUES
    (:id, :subject, :attribute, :value, :happened_on, :ended_on, :turn_id, :recorded_at);

-- end_fact --
UPDATE facts SET ended_on = :ended_on WHERE id = :fact_id;

-- restate_fact --
UPDATE facts SET attribute = :attribute, value = :value WHERE id = :fact_id;

-- delete_facts --
DELETE FROM facts WHERE id IN (SELECT value FROM json_each(:fact_ids));


-- ======== changes and the journal (journal.py) ========

-- insert_change --
INSERT INTO changes (id, at, cause, statement, undoes, first_turn, last_turn)
VALUES (:id, :at, :cause, :statement, :undoes, :first_turn, :last_turn)
RETURNING id;

-- change --
SELECT id, at, cause, statement, undone_at, first_turn, last_turn,
    (SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = changes.id),
    (SELECT count(*) FROM rows_log WHERE change_id = changes.id)
FROM changes
WHERE id = :change_id;

-- changes_before --
SELECT id, at, cause, statement, undone_at, first_turn, last_turn,
    (SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = changes.id),
    (SELECT count(*) FROM rows_log WHERE change_id = changes.id)
FROM changes
WHERE id < :before
ORDER BY id DESC
LIMIT :most;

-- changes_after --
SELECT id, at, cause, statement, undone_at, first_turn, last_turn,
    (SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = changes.id),
    (SELECT count(*) FROM rows_log WHERE change_id = changes.id)
FROM changes
WHERE id > :after
ORDER BY id
LIMIT :most;

-- count_facts_of_change --
SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = :change_id;

-- entries_of_change --
SELECT fact_id, before, after FROM facts_log WHERE change_id = :change_id ORDER BY id;

-- entries_after --
SELECT fact_id, before, after FROM facts_log WHERE change_id = :change_id AND id > :since ORDER BY id;

-- entries_of_fact --
SELECT id, change_id, before, after FROM facts_log WHERE fact_id = :fact_id ORDER BY id;

-- last_entry --
SELECT coalesce(max(id), 0) FROM facts_log;

-- undos --
SELECT id, at, undoes FROM changes WHERE undoes IS NOT NULL ORDER BY id DESC;

-- clear_undone --
UPDATE changes SET undone_at = NULL WHERE undone_at IS NOT NULL;

-- mark_undone --
UPDATE changes SET undone_at = :at WHERE id = :change_id;

-- image_of_fact --
SELECT json_array(id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)
FROM facts
WHERE id = :fact_id;


-- ======== facts and changes at a point in time (history.py) ========

-- images_of_facts --
SELECT id, json_array(id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)
FROM facts
ORDER BY id;

-- images_after_changes --
-- The facts as these changes left them, without those that they deleted.
SELECT fact_id, after
FROM facts_log
WHERE after IS NOT NULL AND id IN (
    SELECT max(id) FROM facts_log
    WHERE change_id IN (SELECT value FROM json_each(:change_ids))
    GROUP BY fact_id
)
ORDER BY fact_id;

-- moments_of_changes --
-- The date of the last dated turn of a change's window, or of the turn that a template stored it
-- from. What counts as dated is what `date_key` can read: the patterns here and its regular
-- expression begin alike.
SELECT id, at, (
    SELECT said_at FROM turns
    WHERE id BETWEEN coalesce(first_turn, stated_in) AND coalesce(last_turn, stated_in)
        AND (said_at GLOB '[12][0-9][0-9][0-9]' OR said_at GLOB '[12][0-9][0-9][0-9][^0-9]*')
    ORDER BY id DESC LIMIT 1
)
FROM (
    SELECT *, CASE WHEN cause GLOB 'stated in turn *'
        THEN CAST(substr(cause, length('stated in turn ') + 1) AS INTEGER) END AS stated_in
    FROM changes
)
ORDER BY id;

-- edits --
-- The date is that of `moments_of_changes`.
SELECT change_id, fact_id, before, after, at, (
    SELECT said_at FROM turns
    WHERE id BETWEEN coalesce(first_turn, stated_in) AND coalesce(last_turn, stated_in)
        AND (said_at GLOB '[12][0-9][0-9][0-9]' OR said_at GLOB '[12][0-9][0-9][0-9][^0-9]*')
    ORDER BY id DESC LIMIT 1
)
FROM facts_log JOIN (
    SELECT *, CASE WHEN cause GLOB 'stated in turn *'
        THEN CAST(substr(cause, length('stated in turn ') + 1) AS INTEGER) END AS stated_in
    FROM changes
) AS changes ON changes.id = change_id
ORDER BY facts_log.id;

-- edits_of_change --
SELECT change_id, fact_id, before, after, at, (
    SELECT said_at FROM turns
    WHERE id BETWEEN coalesce(first_turn, stated_in) AND coalesce(last_turn, stated_in)
        AND (said_at GLOB '[12][0-9][0-9][0-9]' OR said_at GLOB '[12][0-9][0-9][0-9][^0-9]*')
    ORDER BY id DESC LIMIT 1
)
FROM facts_log JOIN (
    SELECT *, CASE WHEN cause GLOB 'stated in turn *'
        THEN CAST(substr(cause, length('stated in turn ') + 1) AS INTEGER) END AS stated_in
    FROM changes
) AS changes ON changes.id = change_id
WHERE change_id = :change_id
ORDER BY facts_log.id;

-- edits_of_fact --
SELECT change_id, fact_id, before, after, at, (
    SELECT said_at FROM turns
    WHERE id BETWEEN coalesce(first_turn, stated_in) AND coalesce(last_turn, stated_in)
        AND (said_at GLOB '[12][0-9][0-9][0-9]' OR said_at GLOB '[12][0-9][0-9][0-9][^0-9]*')
    ORDER BY id DESC LIMIT 1
)
FROM facts_log JOIN (
    SELECT *, CASE WHEN cause GLOB 'stated in turn *'
        THEN CAST(substr(cause, length('stated in turn ') + 1) AS INTEGER) END AS stated_in
    FROM changes
) AS changes ON changes.id = change_id
WHERE fact_id = :fact_id
ORDER BY facts_log.id;


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


-- ======== facts that turns assert in templates (assertions.py) ========

-- digested_windows --
SELECT first_turn, last_turn FROM changes WHERE last_turn >= :first AND first_turn <= :last;

-- facts_under_attributes --
SELECT facts.id, facts.subject, facts.attribute, facts.value, facts.happened_on, facts.ended_on,
    facts.turn_id, facts.recorded_at, turns.said_at
FROM facts JOIN turns ON turns.id = facts.turn_id
WHERE (facts.entity = :entity OR (facts.entity IS NULL AND facts.subject = :subject))
    AND facts.attribute IN (SELECT value FROM json_each(:attributes))
ORDER BY facts.id;

-- facts_of_cause --
SELECT facts_log.after
FROM changes JOIN facts_log ON facts_log.change_id = changes.id
WHERE changes.cause = :cause AND facts_log.after IS NOT NULL;

-- change_of_cause --
SELECT id FROM changes WHERE cause = :cause LIMIT 1;

-- causes_of_facts --
SELECT facts_log.fact_id, changes.cause, changes.at
FROM facts_log JOIN changes ON changes.id = facts_log.change_id
WHERE facts_log.fact_id IN (SELECT value FROM json_each(:fact_ids))
ORDER BY facts_log.id;

-- removals_by_persons --
SELECT facts_log.before, changes.at, facts_log.after IS NULL
FROM changes JOIN facts_log ON facts_log.change_id = changes.id
WHERE facts_log.before IS NOT NULL AND (
    substr(changes.cause, 1, 8) = 'edit by '
    OR substr(changes.cause, 1, 5) = 'undo '
    OR substr(changes.cause, 1, 7) = 'revert '
) AND NOT EXISTS (
    SELECT 1 FROM facts
    WHERE facts.subject = json_extract(facts_log.before, '$[1]')
        AND facts.attribute = json_extract(facts_log.before, '$[2]')
        AND facts.value = json_extract(facts_log.before, '$[3]')
)
ORDER BY facts_log.id DESC
LIMIT :most;

-- ids_of_facts_of_turns --
SELECT id FROM facts WHERE turn_id BETWEEN :first AND :last ORDER BY id;

-- edits_by_causes --
SELECT facts_log.fact_id, facts_log.before, facts_log.after
FROM changes JOIN facts_log ON facts_log.change_id = changes.id
WHERE changes.cause IN (SELECT value FROM json_each(:causes))
    AND facts_log.before IS NOT NULL AND facts_log.after IS NOT NULL
ORDER BY facts_log.id;


-- ======== windows that wait to be digested (pending_windows.py) ========

-- last_turn_taken --
-- Windows are claimed in order, so all turns up to the last one of a change or of a pending window
-- are taken. No high-water mark is stored that could disagree with the journal.
SELECT coalesce(max(last_turn), 0)
FROM (
    SELECT max(last_turn) AS last_turn FROM changes
    UNION ALL
    SELECT max(last_turn) FROM pending
);

-- pending_windows --
SELECT first_turn, last_turn, error, attempts, statement FROM pending ORDER BY first_turn;

-- pending_window --
SELECT error, attempts, statement, claimed_by, claimed_until
FROM pending
WHERE first_turn = :first AND last_turn = :last;

-- insert_window --
INSERT INTO pending (first_turn, last_turn, error, attempts, claimed_by, claimed_until)
VALUES (:first, :last, :error, :attempts, :claimed_by, :claimed_until);

-- claim_window --
-- What is held is of the whole window: a part of it is asked for anew.
UPDATE pending
SET statement = CASE WHEN last_turn = :new_last THEN statement ELSE '' END,
    last_turn = :new_last, claimed_by = :claimed_by, claimed_until = :claimed_until
WHERE first_turn = :first AND last_turn = :last;

-- fail_window --
-- Only where the claim is still ours: a slow process must not end the claim of its successor. An
-- interruption leaves the statement that is held: nothing was decided.
UPDATE pending
SET error = :error, attempts = attempts + :attempts, claimed_until = 0,
    statement = CASE WHEN :attempts > 0 THEN :statement ELSE statement END
WHERE first_turn = :first AND last_turn = :last AND claimed_by = :claimed_by;

-- delete_window --
DELETE FROM pending WHERE first_turn = :first AND last_turn = :last;


-- ======== the tasks of `memory serve worker` (work.py) ========

-- work --
SELECT task, served_at, due_at, held_by, held_until, failures, error, position, day, calls, tokens
FROM work
ORDER BY task;

-- add_task --
INSERT INTO work (task) VALUES (:task) ON CONFLICT (task) DO NOTHING;

-- claim_task --
UPDATE work
SET served_at = :now, held_by = :held_by, held_until = :held_until
WHERE task = :task AND due_at <= :now
    AND (held_until <= :now OR held_by IN (SELECT value FROM json_each(:dead)))
RETURNING task, served_at, due_at, held_by, held_until, failures, error, position, day, calls,
    tokens;

-- end_task --
-- Only where the claim is still ours. Served until now: who has looked at what waits meanwhile has
-- seen what is done.
UPDATE work
SET held_until = 0, served_at = :now, due_at = :due_at, failures = :failures, error = :error
WHERE task = :task AND held_by = :held_by;

-- move_task --
UPDATE work SET position = :position WHERE task = :task AND held_by = :held_by;

-- spend_on_task --
UPDATE work
SET calls = CASE WHEN day = :day THEN calls ELSE 0 END + :calls,
    tokens = CASE WHEN day = :day THEN tokens ELSE 0 END + :tokens,
    day = :day
WHERE task = :task;

-- waiting_work --
-- The last turn, the last that a digest has taken, windows that a digest may try, those that wait
-- for a person, whose windows are under way, summaries to be told, turns to be forgotten, the last
-- change, how often to refine, how long turns stay.
SELECT
    (SELECT coalesce(max(id), 0) FROM turns),
    max(
        (SELECT coalesce(max(last_turn), 0) FROM changes),
        (SELECT coalesce(max(last_turn), 0) FROM pending)
    ),
    (
        SELECT count(*) FROM pending
        WHERE claimed_until <= :now AND attempts < :attempts AND statement = ''
    ),
    (SELECT count(*) FROM pending WHERE attempts >= :attempts OR statement <> ''),
    (SELECT coalesce(group_concat(DISTINCT claimed_by), '') FROM pending WHERE claimed_until > :now),
    (SELECT count(*) FROM summaries WHERE summary = ''),
    (SELECT count(*) FROM settings WHERE name = 'forgetting'),
    (SELECT coalesce(max(id), 0) FROM changes),
    (SELECT coalesce(max(value), '') FROM settings
        WHERE id = (SELECT max(id) FROM settings WHERE name = 'refine')),
    (SELECT coalesce(max(value), '') FROM settings
        WHERE id = (SELECT max(id) FROM settings WHERE name = 'retention_days'));


-- ======== columns and vectors of turns (search_tables.py) ========

-- speakers_after --
SELECT id, name FROM speakers WHERE id > :after ORDER BY id;

-- insert_speaker --
INSERT INTO speakers (id, name) VALUES (:id, :name);

-- delete_unused_speaker --
DELETE FROM speakers
WHERE name = :name AND NOT EXISTS (SELECT 1 FROM turns WHERE speaker = :name);

-- count_recent --
SELECT count(*) FROM recent;

-- oldest_recent --
SELECT turn_id, columns, vector FROM recent ORDER BY turn_id LIMIT :most;

-- recent_after --
SELECT columns, vector FROM recent WHERE turn_id > :after ORDER BY turn_id;

-- recent_turn --
SELECT columns, vector FROM recent WHERE turn_id = :turn_id;

-- delete_recent --
DELETE FROM recent WHERE turn_id <= :last;

-- last_with_columns --
SELECT coalesce(
    (SELECT max(turn_id) FROM recent),
    (SELECT last_turn FROM blocks ORDER BY first_turn DESC LIMIT 1),
    0
);

-- insert_block --
INSERT INTO blocks (first_turn, last_turn, columns, codes)
VALUES (:first, :last, :columns, :codes);

-- blocks_after --
SELECT first_turn, columns, codes FROM blocks WHERE last_turn > :after ORDER BY first_turn;

-- block_of_turn --
SELECT first_turn, columns
FROM blocks
WHERE first_turn <= :turn_id
ORDER BY first_turn DESC
LIMIT 1;

-- delete_blocks --
DELETE FROM blocks WHERE first_turn >= :first;

-- pieces --
-- In one statement: a search reads hundreds in a large memory, and a server may be far away.
SELECT first_turn, vectors
FROM pieces
WHERE first_turn IN (SELECT value FROM json_each(:first_turns));

-- pieces_from --
SELECT vectors FROM pieces WHERE first_turn >= :first ORDER BY first_turn;

-- piece_of_turn --
SELECT first_turn, vectors
FROM pieces
WHERE first_turn <= :turn_id
ORDER BY first_turn DESC
LIMIT 1;

-- delete_pieces --
DELETE FROM pieces WHERE first_turn >= :first;


-- ======== vectors by another embedder, until it has made all of them (vectors.py) ========

-- last_staged --
SELECT coalesce(max(turn_id), 0) FROM staged_vectors WHERE embedder = :embedder;

-- staged_width --
-- Numbers in a vector, four bytes each.
SELECT length(vector) / 4 FROM staged_vectors WHERE embedder = :embedder LIMIT 1;

-- staged_vectors --
SELECT vector
FROM staged_vectors
WHERE embedder = :embedder AND turn_id BETWEEN :first AND :last
ORDER BY turn_id;

-- delete_staged --
DELETE FROM staged_vectors
WHERE embedder = :embedder AND turn_id BETWEEN :first AND :last;

-- delete_staged_of_turns --
DELETE FROM staged_vectors WHERE turn_id IN (SELECT value FROM json_each(:turn_ids));


-- ======== what goes with a turn (turn_removal.py, derived_facts.py, derived_ends.py) ========

-- facts_of_turns --
-- Facts that rest on the turns, and those that are gone and rested on them: [6] is the turn_id of a
-- fact as the journal writes it.
SELECT id FROM facts WHERE turn_id IN (SELECT value FROM json_each(:turn_ids))
UNION
SELECT fact_id FROM facts_log
WHERE (
        json_extract(before, '$[6]') IN (SELECT value FROM json_each(:turn_ids))
        OR json_extract(after, '$[6]') IN (SELECT value FROM json_each(:turn_ids))
    )
    AND fact_id NOT IN (SELECT id FROM facts);

-- entries_of_facts_and_turns --
SELECT change_id, before, after
FROM facts_log
WHERE fact_id IN (SELECT value FROM json_each(:fact_ids))
    OR json_extract(before, '$[6]') IN (SELECT value FROM json_each(:turn_ids))
    OR json_extract(after, '$[6]') IN (SELECT value FROM json_each(:turn_ids));

-- delete_entries_of_facts --
DELETE FROM facts_log WHERE fact_id IN (SELECT value FROM json_each(:fact_ids));

-- blank_images_before --
UPDATE facts_log SET before = NULL
WHERE json_extract(before, '$[6]') IN (SELECT value FROM json_each(:turn_ids));

-- blank_images_after --
UPDATE facts_log SET after = NULL
WHERE json_extract(after, '$[6]') IN (SELECT value FROM json_each(:turn_ids));

-- delete_blank_entries --
DELETE FROM facts_log WHERE before IS NULL AND after IS NULL;

-- removal_of_fact --
-- The newest entry that says that the fact went.
SELECT id, before
FROM facts_log
WHERE fact_id = :fact_id AND after IS NULL
ORDER BY id DESC
LIMIT 1;

-- delete_removal --
DELETE FROM facts_log WHERE fact_id = :fact_id AND (id > :last_entry OR id = :removal);

-- set_image_before --
UPDATE facts_log SET before = :image WHERE id = :entry_id;

-- set_image_after --
UPDATE facts_log SET after = :image WHERE id = :entry_id;

-- delete_empty_entries --
DELETE FROM facts_log WHERE fact_id = :fact_id AND (id > :last_entry OR before = after);

-- windows_of_changes --
SELECT id, first_turn, last_turn FROM changes WHERE first_turn IS NOT NULL;

-- set_window_of_change --
UPDATE changes SET first_turn = :first, last_turn = :last WHERE id = :change_id;

-- shrink_window --
UPDATE pending
SET first_turn = :new_first, last_turn = :new_last,
    error = '', statement = '', claimed_by = '', claimed_until = 0
WHERE first_turn = :first AND last_turn = :last;

-- blank_window --
UPDATE pending SET error = '', statement = '' WHERE first_turn = :first AND last_turn = :last;

-- texts_of_changes --
SELECT id, cause, statement FROM changes;

-- set_cause --
UPDATE changes SET cause = :cause WHERE id = :change_id;

-- set_statement --
UPDATE changes SET statement = :statement WHERE id = :change_id;


-- ======== a dump, read into a memory (dump.py) ========

-- delete_entries_after --
DELETE FROM facts_log WHERE id > :last_entry;

-- count_dumped_rows --
SELECT 'turns', count(*) FROM turns
UNION ALL SELECT 'facts', count(*) FROM facts
UNION ALL SELECT 'changes', count(*) FROM changes
UNION ALL SELECT 'facts_log', count(*) FROM facts_log
UNION ALL SELECT 'pending', count(*) FROM pending
UNION ALL SELECT 'shown', count(*) FROM shown
UNION ALL SELECT 'tags', count(*) FROM tags
UNION ALL SELECT 'attributes', count(*) FROM attributes
UNION ALL SELECT 'entities', count(*) FROM entities
UNION ALL SELECT 'aliases', count(*) FROM aliases
UNION ALL SELECT 'contradictions', count(*) FROM contradictions
UNION ALL SELECT 'summaries', count(*) FROM summaries
UNION ALL SELECT 'rows_log', count(*) FROM rows_log
UNION ALL SELECT 'settings', count(*) FROM settings
WHERE name NOT IN (SELECT value FROM json_each(:hidden_settings));


-- ======== what a receipt names (receipt_check.py) ========

-- rows_of_receipt --
-- Numbered, so that the lines of the check are in this order.
SELECT 1 AS number, 'turns', count(*) FROM turns
WHERE id IN (SELECT value FROM json_each(:turn_ids))
UNION ALL
SELECT 2, 'recent', count(*) FROM recent
WHERE turn_id IN (SELECT value FROM json_each(:turn_ids))
UNION ALL
SELECT 3, 'shown', count(*) FROM shown
WHERE turn_id IN (SELECT value FROM json_each(:turn_ids))
UNION ALL
SELECT 4, 'staged_vectors', count(*) FROM staged_vectors
WHERE turn_id IN (SELECT value FROM json_each(:turn_ids))
UNION ALL
SELECT 5, 'facts', count(*) FROM facts
WHERE turn_id IN (SELECT value FROM json_each(:turn_ids))
UNION ALL
SELECT 6, 'facts', count(*) FROM facts
WHERE id IN (SELECT value FROM json_each(:fact_ids))
UNION ALL
SELECT 7, 'facts_log', count(*) FROM facts_log
WHERE fact_id IN (SELECT value FROM json_each(:fact_ids))
ORDER BY 1;

-- count_statements --
SELECT count(*)
FROM changes
WHERE id IN (SELECT value FROM json_each(:change_ids)) AND statement NOT IN ('', :blanked);

-- count_rows_with_text --
SELECT (SELECT count(*) FROM turns WHERE instr(lower(text), lower(:text)) > 0)
    + (SELECT count(*) FROM facts WHERE instr(lower(value), lower(:text)) > 0);


-- ======== whether a memory is whole (integrity.py) ========

-- piece_sizes --
SELECT first_turn, length(vectors) FROM pieces;

-- facts_with_empty_dates --
SELECT id
FROM facts
WHERE happened_on = '' OR ended_on = ''
LIMIT :most;

-- facts_unlike_journal --
SELECT id
FROM facts
WHERE json_array(id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)
    <> coalesce(
        (SELECT after FROM facts_log WHERE fact_id = facts.id ORDER BY facts_log.id DESC LIMIT 1),
        ''
    )
LIMIT :most;

-- facts_only_in_journal --
SELECT fact_id
FROM facts_log
WHERE id IN (SELECT max(id) FROM facts_log GROUP BY fact_id)
    AND after IS NOT NULL
    AND fact_id NOT IN (SELECT id FROM facts)
LIMIT :most;

-- entries_that_do_not_follow --
SELECT id, fact_id
FROM (
    SELECT id, fact_id, before, lag(after) OVER (PARTITION BY fact_id ORDER BY id) AS last
    FROM facts_log
)
WHERE coalesce(before, '') <> coalesce(last, '')
LIMIT :most;


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
