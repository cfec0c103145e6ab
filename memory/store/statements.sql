-- The statements that the modules of memory/store run, written once for both databases. Postgres
-- runs them as they stand here; SQLite runs them without the schema and the namespace
-- (statement_file.py). A name in braces stands for a text: one that several statements share, or
-- one that each database has in its own words (sqlite/sqlite.sql, postgres/postgres.sql).
--
-- Each table is bound to the namespace in the WHERE of its own SELECT, before all else: row-level
-- security does not bind the owner, who runs these, and where Citus has spread the tables over
-- servers, it plans no join whose tables are not bound (docs/decisions.md). A list is one value.


-- ======== turns (turns_table.py) ========

-- {turns} --
SELECT id, kind, session, speaker, text, said_at, source FROM memory.turns
WHERE namespace = :namespace

-- turns_between --
{turns} AND id BETWEEN :first AND :last
ORDER BY id
LIMIT :most;

-- turns_by_id --
{turns} AND id = ANY (:ids);

-- turns_with_letters --
-- Those with some small letters in a row, in either case, and all whose text is not ASCII: other
-- letters may come to the same ones, of which Python decides.
SELECT id
FROM memory.turns
WHERE namespace = :namespace AND ({has_letters} OR {is_not_ascii})
ORDER BY id;

-- size_of_turns --
SELECT count(*), coalesce(sum(length(text)), 0), coalesce(max(id), 0) FROM memory.turns
WHERE namespace = :namespace AND id > :after;

-- count_turns --
SELECT count(*) FROM memory.turns WHERE namespace = :namespace;

-- turns_by_source --
-- The oldest turn of each outside id.
SELECT source, min(id)
FROM memory.turns
WHERE namespace = :namespace AND source <> '' AND source = ANY (:sources)
GROUP BY source;

-- turn_ids_between --
SELECT id
FROM memory.turns
WHERE namespace = :namespace AND id BETWEEN :first AND :last
ORDER BY id
LIMIT :most;

-- turn_bounds --
-- The first and the last turn that is there between two ids.
SELECT min(id), max(id)
FROM memory.turns
WHERE namespace = :namespace AND id BETWEEN :first AND :last;

-- size --
SELECT
    (SELECT count(*) FROM memory.turns WHERE namespace = :namespace),
    (SELECT count(*) FROM memory.facts WHERE namespace = :namespace);

-- count_names --
SELECT
    (SELECT count(DISTINCT subject) FROM memory.facts WHERE namespace = :namespace),
    (SELECT count(DISTINCT speaker) FROM memory.turns WHERE namespace = :namespace);

-- highest_ids --
SELECT
    (SELECT coalesce(max(id), 0) FROM memory.turns WHERE namespace = :namespace),
    (SELECT coalesce(max(id), 0) FROM memory.facts WHERE namespace = :namespace);

-- ends_of_turns --
-- Dated ones: the first and the last by their ids, which takes no look at all of them.
SELECT
    (
        SELECT said_at FROM memory.turns
        WHERE namespace = :namespace AND said_at <> '' ORDER BY id LIMIT 1
    ),
    (
        SELECT said_at FROM memory.turns
        WHERE namespace = :namespace AND said_at <> '' ORDER BY id DESC LIMIT 1
    );

-- last_turn --
SELECT coalesce(max(id), 0) FROM memory.turns WHERE namespace = :namespace;

-- last_turn_and_embedder --
SELECT
    (SELECT coalesce(max(id), 0) FROM memory.turns WHERE namespace = :namespace),
    (SELECT max(id) FROM memory.settings WHERE namespace = :namespace AND name = 'embedder');

-- count_turns_after --
SELECT count(*) FROM memory.turns WHERE namespace = :namespace AND id > :after;

-- texts_of_turns --
SELECT id, text
FROM memory.turns
WHERE namespace = :namespace AND id > :after
ORDER BY id
LIMIT :most;

-- turns_of_session --
{turns} AND session = :session AND id BETWEEN :first AND :last
ORDER BY id;

-- newest_of_session --
{turns} AND session = :session
ORDER BY id DESC
LIMIT :most;

-- exchange --
-- The message before a turn in its session, and the turns after it.
SELECT * FROM ({turns} AND session = :session AND id < :turn_id AND kind = 'message'
    ORDER BY id DESC LIMIT 1) AS before
UNION ALL
SELECT * FROM ({turns} AND session = :session AND id > :turn_id ORDER BY id LIMIT :most) AS after
ORDER BY 1;

-- last_of_session_before --
SELECT max(id)
FROM memory.turns
WHERE namespace = :namespace AND session = :session AND id < :before;

-- turn_ids_of --
SELECT id FROM memory.turns WHERE namespace = :namespace AND id = ANY (:turn_ids);

-- first_turns_of_sessions --
SELECT min(id)
FROM memory.turns
WHERE namespace = :namespace AND session = ANY (:sessions)
GROUP BY session;

-- ids_of_kind --
SELECT id
FROM memory.turns
WHERE namespace = :namespace AND kind = :kind AND id > :after
ORDER BY id;

-- ids_of_source --
SELECT id
FROM memory.turns
WHERE namespace = :namespace AND source = :source AND id > :after
ORDER BY id;

-- ids_of_tag --
SELECT turn_id
FROM memory.tags
WHERE namespace = :namespace AND key = :key AND value = :value AND turn_id > :after;

-- values_of_tag --
SELECT turn_id, value
FROM memory.tags
WHERE namespace = :namespace AND key = :key AND turn_id > :after;

-- count_turns_of_session --
SELECT count(*) FROM memory.turns WHERE namespace = :namespace AND session = :session;

-- messages_before --
-- What was said in a turn's session before it, the newest first.
SELECT speaker, text
FROM memory.turns
WHERE namespace = :namespace AND kind = 'message' AND id < :turn_id AND session = (
    SELECT session FROM memory.turns WHERE namespace = :namespace AND id = :turn_id
)
ORDER BY id DESC
LIMIT :most;

-- date_of_last_message --
SELECT said_at
FROM memory.turns
WHERE namespace = :namespace AND kind = 'message'
ORDER BY id DESC
LIMIT 1;

-- newest_session --
-- Of the turns after one, the session with the latest date, without the unnamed and another one.
SELECT session
FROM memory.turns
WHERE namespace = :namespace AND id > :after AND session <> '' AND session <> :without
ORDER BY said_at DESC, id DESC
LIMIT 1;

-- sessions_before --
-- The first turn of each and how many it has; those that began last come first.
SELECT session, min(id), count(*)
FROM memory.turns
WHERE namespace = :namespace
GROUP BY session
HAVING min(id) < :before
ORDER BY 2 DESC
LIMIT :most;

-- {passing_turns} --
-- A page's filter. A date less exact than a bound may lie on either side of it.
SELECT id
FROM memory.turns
WHERE namespace = :namespace
    AND (:by_all = 1 OR speaker = ANY (:speakers))
    AND (:key = '' OR id IN (
        SELECT turn_id FROM memory.tags
        WHERE namespace = :namespace AND key = :key AND value = ANY (:values)
    ))
    AND (:since = '' OR (said_at <> '' AND (
        substr(said_at, 1, length(:since)) >= :since OR substr(:since, 1, length(said_at)) = said_at
    )))
    AND (:until = '' OR (said_at <> '' AND substr(said_at, 1, length(:until)) <= :until))
    AND id > :after AND id < :before

-- first_passing_turns --
{passing_turns}
ORDER BY id
LIMIT :most;

-- last_passing_turns --
{passing_turns}
ORDER BY id DESC
LIMIT :most;

-- first_passing_turns_of_sessions --
-- By a statement of its own, which takes the index of sessions.
{passing_turns} AND session = ANY (:sessions)
ORDER BY id
LIMIT :most;

-- last_passing_turns_of_sessions --
{passing_turns} AND session = ANY (:sessions)
ORDER BY id DESC
LIMIT :most;

-- {visible_turns} --
-- Turns without a tag, the newest first.
SELECT id
FROM memory.turns
WHERE namespace = :namespace AND id NOT IN (
    SELECT turn_id FROM memory.tags WHERE namespace = :namespace AND key = :hidden
)

-- visible_turns_of_session --
-- With `marked`, the turns that have that tag.
{visible_turns} AND session = :session AND (:marked = '' OR id IN (
    SELECT turn_id FROM memory.tags WHERE namespace = :namespace AND key = :marked
))
ORDER BY id DESC
LIMIT :most;

-- visible_documents --
{visible_turns} AND kind = 'document' AND session = :session AND speaker = :speaker
ORDER BY id DESC;

-- visible_documents_of_sessions --
-- Whose sessions begin with a text.
{visible_turns} AND kind = 'document' AND substr(session, 1, length(:prefix)) = :prefix
ORDER BY id DESC;

-- versions_of_document --
-- "name@hash", the beginning of a source, in the order in which they came.
SELECT substr(source, 1, length(session) + :hash)
FROM memory.turns
WHERE namespace = :namespace AND kind = 'document' AND session = :session
GROUP BY 1
ORDER BY min(id);

-- turns_of_document --
SELECT id, source, text
FROM memory.turns
WHERE namespace = :namespace AND kind = 'document' AND session = :session
ORDER BY id;

-- speakers_of_messages --
SELECT speaker, count(*)
FROM memory.turns
WHERE namespace = :namespace AND kind = 'message'
GROUP BY speaker
ORDER BY 2 DESC, 1
LIMIT :most;

-- {dates} --
-- The beginnings of the dates that are ISO.
SELECT substr(said_at, 1, :characters), count(*)
FROM memory.turns
WHERE namespace = :namespace AND length(said_at) >= :least AND said_at BETWEEN '0' AND ':'
GROUP BY 1

-- dates_in_order --
{dates}
ORDER BY 1
LIMIT :most;

-- commonest_dates --
{dates}
ORDER BY 2 DESC, 1
LIMIT :most;

-- span_of_dates --
-- Of the dates that are ISO.
SELECT min(said_at), max(said_at)
FROM memory.turns
WHERE namespace = :namespace AND said_at BETWEEN '0' AND ':';

-- {is_outlined} --
lower(speaker) = ANY (:assistants) AND length(text) > :outline

-- characters_read --
-- Of the turns between two ids: how many, and the characters that a digest reads of them.
SELECT
    count(*),
    coalesce(sum(
        CASE
            WHEN {is_outlined} THEN :outline
            WHEN kind = 'message' AND length(text) > :longest THEN :longest
            ELSE length(text)
        END
    ), 0)
FROM memory.turns
WHERE namespace = :namespace AND id BETWEEN :first AND :last;

-- delete_turns --
DELETE FROM memory.turns WHERE namespace = :namespace AND id = ANY (:turn_ids);


-- ======== tags (tags.py) ========

-- tags_of_turns --
SELECT turn_id, key, value
FROM memory.tags
WHERE namespace = :namespace AND turn_id = ANY (:turn_ids);

-- count_tags --
SELECT key, value, count(*) FROM memory.tags WHERE namespace = :namespace GROUP BY key, value;

-- expiries --
SELECT turn_id, value
FROM memory.tags
WHERE namespace = :namespace AND key = :key AND value <= :until;

-- next_expiry --
SELECT min(value) FROM memory.tags WHERE namespace = :namespace AND key = :key;

-- turn_with_key --
SELECT turn_id FROM memory.tags WHERE namespace = :namespace AND key = :key LIMIT 1;

-- older_versions_and_one_hidden --
SELECT turn_id, 0 AS is_hidden FROM memory.tags WHERE namespace = :namespace AND key = :older_version
UNION ALL
SELECT turn_id, 1
FROM (
    SELECT turn_id FROM memory.tags WHERE namespace = :namespace AND key = :hidden LIMIT 1
) AS one;

-- turns_with_tag_between --
SELECT turn_id, value
FROM memory.tags
WHERE namespace = :namespace AND key = :key AND value >= :first AND value < :last;


-- ======== settings (settings.py), and how often turns were shown, as versions before counted ========

-- settings --
SELECT id, name, value, set_at FROM memory.settings WHERE namespace = :namespace ORDER BY id;

-- settings_of_name --
SELECT id, name, value, set_at
FROM memory.settings
WHERE namespace = :namespace AND name = :name
ORDER BY id;

-- insert_setting --
INSERT INTO memory.settings (namespace, id, name, value, set_at)
VALUES (:namespace, :id, :name, :value, :set_at);

-- update_setting --
UPDATE memory.settings SET value = :value, set_at = :set_at
WHERE namespace = :namespace AND name = :name;

-- delete_setting --
DELETE FROM memory.settings WHERE namespace = :namespace AND name = :name AND value = :value;

-- embedders --
-- The newest first: that one is in force.
SELECT id, value
FROM memory.settings
WHERE namespace = :namespace AND name = 'embedder'
ORDER BY id DESC;

-- settings_of_additions --
-- In one look, because every addition takes it: the newest of each name is in force.
SELECT id, name, value
FROM memory.settings
WHERE namespace = :namespace AND name IN ('embedder', 'timezone', 'expiry')
ORDER BY id DESC;

-- delete_shown --
DELETE FROM memory.shown WHERE namespace = :namespace AND turn_id = ANY (:turn_ids);


-- ======== what the blocks of replies held (traces.py) ========

-- trace_of_reply --
SELECT shown_turns, shown_facts, left_out
FROM memory.traces
WHERE namespace = :namespace AND turn_id = :turn_id;

-- traces_like --
SELECT turn_id, shown_turns, shown_facts
FROM memory.traces
WHERE namespace = :namespace AND (shown_turns LIKE :turns OR shown_facts LIKE :facts)
ORDER BY turn_id;

-- insert_trace --
-- What a reply saw is said once.
INSERT INTO memory.traces (namespace, turn_id, shown_turns, shown_facts, left_out)
VALUES (:namespace, :turn_id, :shown_turns, :shown_facts, :left_out)
ON CONFLICT (namespace, turn_id) DO NOTHING;

-- set_trace --
UPDATE memory.traces
SET shown_turns = :shown_turns, shown_facts = :shown_facts
WHERE namespace = :namespace AND turn_id = :turn_id;

-- delete_traces --
DELETE FROM memory.traces WHERE namespace = :namespace AND turn_id = ANY (:turn_ids);


-- ======== which later turns change what earlier ones say (newer_words.py) ========

-- newer_words --
SELECT older_turn, fact_id, newer_turn, kind, chance, sentence, value
FROM memory.newer_words
WHERE namespace = :namespace AND older_turn = ANY (:turn_ids);

-- delete_newer_words --
DELETE FROM memory.newer_words
WHERE namespace = :namespace AND (older_turn = ANY (:turn_ids) OR newer_turn = ANY (:turn_ids));

-- newest_facts --
SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
FROM memory.facts
WHERE namespace = :namespace AND ended_on IS NULL
ORDER BY id DESC
LIMIT :most;

-- newest_facts_of_subject --
SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
FROM memory.facts
WHERE namespace = :namespace AND subject = :subject AND ended_on IS NULL
ORDER BY id DESC
LIMIT :most;


-- ======== tags, attributes, entities and aliases (journaled_rows.py) ========

-- rows_of_change --
SELECT id, table_name, before, after
FROM memory.rows_log
WHERE namespace = :namespace AND change_id = :change_id
ORDER BY id;

-- rows_of_other_changes --
SELECT change_id, table_name, before, after
FROM memory.rows_log
WHERE namespace = :namespace AND change_id <> ALL (:change_ids)
ORDER BY id;

-- logged_rows --
SELECT id, change_id, before, after FROM memory.rows_log
WHERE namespace = :namespace AND table_name = :table_name
ORDER BY id;

-- set_logged_row --
UPDATE memory.rows_log SET before = :before, after = :after
WHERE namespace = :namespace AND id = :entry_id;

-- delete_logged_row --
DELETE FROM memory.rows_log WHERE namespace = :namespace AND id = :entry_id;

-- delete_rows_of_other_changes --
DELETE FROM memory.rows_log WHERE namespace = :namespace AND change_id <> ALL (:change_ids);


-- ======== the vocabulary (vocabulary_table.py) ========

-- attributes_of_facts --
SELECT DISTINCT attribute FROM memory.facts WHERE namespace = :namespace ORDER BY attribute;

-- facts_of_attributes --
SELECT id, subject, attribute, value
FROM memory.facts
WHERE namespace = :namespace AND attribute = ANY (:names)
ORDER BY id;


-- ======== entities and names (entities.py) ========

-- {named_facts} --
SELECT facts.id, facts.subject, facts.value, facts.entity, facts.value_entity,
    facts.turn_id, turns.speaker, turns.session
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = :namespace AND turns.namespace = :namespace

-- named_facts --
{named_facts} AND facts.id > :after
ORDER BY facts.id
LIMIT :most;

-- named_facts_of_change --
{named_facts}
    AND facts.id IN (
        SELECT fact_id FROM memory.facts_log
        WHERE namespace = :namespace AND change_id = :change_id
    )
ORDER BY facts.id;

-- unresolved_facts --
-- Those of an older version, and those of which nobody can tell.
{named_facts}
    AND facts.entity IS NULL AND facts.id > :after
ORDER BY facts.id
LIMIT :most;

-- facts_meant --
-- Whose subject or value is spelled so (in the cases of ASCII), or means one of these entities. It
-- looks at every fact, and only where the aliases of a name have changed.
{named_facts}
    AND (
        lower(trim(facts.subject)) = ANY (:spellings)
        OR lower(trim(facts.value)) = ANY (:spellings)
        OR facts.entity = ANY (:entities)
        OR facts.value_entity = ANY (:entities)
    )
ORDER BY facts.id;

-- facts_of_entity --
{named_facts}
    AND (facts.entity = :entity OR facts.value_entity = :entity)
ORDER BY facts.id;

-- {facts} --
SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at FROM memory.facts
WHERE namespace = :namespace

-- facts_of_entities --
{facts} AND entity = ANY (:entities)
ORDER BY id;

-- newest_facts_of_turns --
{facts} AND turn_id = ANY (:turn_ids)
ORDER BY id DESC
LIMIT :most;

-- newest_facts_about --
-- Whose subject is spelled so, in the cases of ASCII.
{facts} AND lower(subject) = ANY (:names)
ORDER BY id DESC
LIMIT :most;

-- newest_facts_with_value --
{facts} AND attribute = :attribute AND lower(value) = ANY (:names)
ORDER BY id DESC
LIMIT :most;

-- newest_facts_of_aliases --
{facts}
    AND entity IN (
        SELECT entity FROM memory.aliases WHERE namespace = :namespace AND lower(name) = ANY (:names)
    )
ORDER BY id DESC
LIMIT :most;

-- set_entities --
UPDATE memory.facts SET entity = :entity, value_entity = :value_entity
WHERE namespace = :namespace AND id = ANY (:fact_ids);

-- has_names --
SELECT 1 FROM memory.aliases WHERE namespace = :namespace LIMIT 1;

-- {aliases} --
SELECT aliases.name, aliases.entity, aliases.turn_id, turns.speaker, turns.session
FROM memory.aliases LEFT JOIN (
    SELECT id, speaker, session FROM memory.turns WHERE namespace = :namespace
) AS turns ON turns.id = aliases.turn_id
WHERE aliases.namespace = :namespace

-- all_aliases --
{aliases}
ORDER BY 2, 3, 1;

-- aliases_named --
{aliases}
    AND (lower(aliases.name) = ANY (:names) OR lower(aliases.entity) = ANY (:names))
ORDER BY 2, 3, 1;

-- aliases_of_turns --
SELECT name, entity, turn_id FROM memory.aliases
WHERE namespace = :namespace AND turn_id = ANY (:turn_ids);

-- all_entities --
SELECT name, description FROM memory.entities WHERE namespace = :namespace ORDER BY name;

-- entities_named --
SELECT name FROM memory.entities
WHERE namespace = :namespace AND lower(name) = ANY (:names)
ORDER BY name;

-- entity_spelled --
-- How an entity is spelled: as it is described, else as aliases have it, else as facts do.
SELECT name, place
FROM (
    SELECT 1 AS place, name FROM memory.entities
    WHERE namespace = :namespace AND lower(name) = ANY (:names)
    UNION ALL SELECT 2, entity FROM memory.aliases
    WHERE namespace = :namespace AND lower(entity) = ANY (:names)
    UNION ALL SELECT 3, entity FROM memory.facts
    WHERE namespace = :namespace AND entity = ANY (:cases)
    UNION ALL SELECT 4, value_entity FROM memory.facts
    WHERE namespace = :namespace AND value_entity = ANY (:cases)
) AS spelled
ORDER BY place, name
LIMIT 1;

-- entities_called --
SELECT entity FROM memory.aliases
    WHERE namespace = :namespace AND lower(name) = ANY (:names)
UNION SELECT name FROM memory.entities
    WHERE namespace = :namespace AND lower(name) = ANY (:names)
UNION SELECT entity FROM memory.aliases
    WHERE namespace = :namespace AND lower(entity) = ANY (:names)
UNION SELECT entity FROM memory.facts
    WHERE namespace = :namespace AND lower(trim(subject)) = ANY (:names)
UNION SELECT entity FROM memory.facts
    WHERE namespace = :namespace AND lower(entity) = ANY (:names)
ORDER BY 1;

-- count_facts_by_entity --
SELECT entity, count(*)
FROM memory.facts
WHERE namespace = :namespace AND entity IS NOT NULL
GROUP BY entity;

-- count_values_by_entity --
SELECT value_entity, count(*)
FROM memory.facts
WHERE namespace = :namespace AND value_entity IS NOT NULL
GROUP BY value_entity;

-- is_named --
SELECT 1 FROM memory.aliases WHERE namespace = :namespace AND entity = :name
UNION SELECT 1 FROM memory.facts
WHERE namespace = :namespace AND (entity = :name OR value_entity = :name);

-- speakers_of_turns --
SELECT id, speaker FROM memory.turns WHERE namespace = :namespace AND id = ANY (:turn_ids);

-- first_of_speaker --
SELECT id FROM memory.turns
WHERE namespace = :namespace AND session = :session AND speaker = :speaker
ORDER BY id
LIMIT 1;


-- ======== standing instructions and preferences (standing_facts.py) ========

-- {standing_facts} --
SELECT {fact}, t.speaker, t.text, t.kind
{dated_facts} AND f.attribute = ANY (:attributes) AND (:every = 1 OR f.subject = ANY (:names))

-- {is_imported} --
EXISTS (
    SELECT 1 FROM memory.tags
    WHERE tags.namespace = :namespace AND tags.turn_id = t.id AND tags.key = 'imported_as'
)

-- {is_a_models} --
-- A model wrote the turn down, and no person wrote or edited the fact.
(NOT {is_edited} AND EXISTS (
    SELECT 1 FROM memory.tags
    WHERE tags.namespace = :namespace AND tags.turn_id = t.id AND tags.key = 'written_by'
))

-- facts_that_subjects_said --
{standing_facts} AND {is_own} AND NOT {is_imported} AND NOT {is_a_models}
ORDER BY f.turn_id DESC, f.id DESC
LIMIT :most;

-- facts_that_others_said --
-- Of the same attributes; they are nobody's to follow.
{standing_facts} AND (NOT {is_own} OR {is_imported} OR {is_a_models}) AND f.ended_on IS NULL
ORDER BY f.turn_id DESC, f.id DESC
LIMIT :most;

-- profile_facts --
-- What persons said of themselves, the newest of each attribute first; past facts are among them.
SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
FROM (
    SELECT said.*, ROW_NUMBER() OVER (
        PARTITION BY attribute ORDER BY turn_id DESC, id DESC
    ) AS number
    FROM ({standing_facts} AND {is_own}) AS said
) AS newest
WHERE number <= :most
ORDER BY turn_id DESC, id DESC;

-- turns_with_text --
SELECT id FROM memory.turns WHERE namespace = :namespace AND text LIKE :pattern;

-- is_said_by_others --
-- Whether somebody else, or a document or a tool, says something like it near a turn.
SELECT id
FROM memory.turns
WHERE namespace = :namespace AND id BETWEEN :first AND :last
    AND (speaker <> :speaker OR kind <> 'message') AND lower(text) LIKE :pattern
LIMIT 1;

-- ======== by which right facts are said (rights.py) ========

-- {is_by_a_person} --
(
    changes.undone_at IS NULL
    AND (substr(changes.cause, 1, 8) = 'edit by ' OR substr(changes.cause, 1, 7) = 'audit: ')
)

-- {is_disguised} --
EXISTS (
    SELECT 1 FROM memory.tags
    WHERE tags.namespace = :namespace AND tags.turn_id = t.id AND {is_tag_of_another}
)

-- edited_facts --
-- The newest that persons edited.
SELECT DISTINCT facts_log.fact_id
FROM memory.changes JOIN memory.facts_log ON facts_log.change_id = changes.id
WHERE changes.namespace = :namespace AND facts_log.namespace = :namespace
    AND {is_by_a_person} AND facts_log.after IS NOT NULL
ORDER BY facts_log.fact_id DESC
LIMIT :most;

-- names_joined_by_persons --
-- Anybody may say that he goes by a name.
SELECT DISTINCT aliases.name, aliases.entity
FROM memory.aliases
JOIN memory.rows_log ON rows_log.table_name = 'aliases' AND rows_log.turn_id = aliases.turn_id
    AND {is_entry_of_alias}
JOIN memory.changes ON changes.id = rows_log.change_id
WHERE aliases.namespace = :namespace AND rows_log.namespace = :namespace
    AND changes.namespace = :namespace AND {is_by_a_person};

-- provenance_of_facts --
-- Whether their person said them, whether a template made them, and when a person edited them last.
SELECT f.id,
    CASE
        WHEN f.attribute = ANY (:standing) AND {is_a_models} THEN 0
        WHEN {is_own} THEN 1
        ELSE 0
    END,
    EXISTS (
        SELECT 1 FROM memory.facts_log JOIN memory.changes ON changes.id = facts_log.change_id
        WHERE facts_log.namespace = :namespace AND changes.namespace = :namespace
            AND facts_log.fact_id = f.id AND facts_log.before IS NULL
            AND substr(changes.cause, 1, length(:template)) = :template
    ), (
        SELECT max(changes.at)
        FROM memory.facts_log JOIN memory.changes ON changes.id = facts_log.change_id
        WHERE facts_log.namespace = :namespace AND changes.namespace = :namespace
            AND facts_log.fact_id = f.id AND {is_by_a_person}
    )
{dated_facts} AND f.id = ANY (:fact_ids)
ORDER BY f.id;


-- ======== the state of facts (facts/state.py) ========

-- {statements_of_facts} --
SELECT {fact}, COALESCE(f.entity, f.subject), t.speaker, t.said_at,
    CASE WHEN {is_own} THEN 1 ELSE 0 END
{dated_facts}

-- statements_of_facts --
{statements_of_facts} AND f.id = ANY (:fact_ids)
ORDER BY f.id;

-- {about_person} --
-- By a name in any case, or another name of the same entity.
SELECT f.id, f.subject, f.attribute, f.value, f.happened_on, f.ended_on, f.turn_id, f.entity,
    t.said_at
{dated_facts} AND f.attribute = ANY (:attributes) AND (
    lower(f.subject) = ANY (:names) OR lower(f.entity) = ANY (:names) OR f.entity IN (
        SELECT entity FROM memory.aliases
        WHERE namespace = :namespace AND lower(name) = ANY (:names)
    )

-- facts_about_person --
{about_person})
ORDER BY f.id
LIMIT :most;

-- facts_about_relative --
-- Also whom somebody calls "my sister", or has as a sister.
{about_person} OR f.entity IN (
        SELECT a.entity FROM memory.aliases AS a JOIN memory.turns AS s ON s.id = a.turn_id
        WHERE a.namespace = :namespace AND s.namespace = :namespace
            AND lower(s.speaker) = ANY (:owners) AND lower(a.name) = :relative
    ) OR f.entity IN (
        SELECT value_entity FROM memory.facts
        WHERE namespace = :namespace AND lower(subject) = ANY (:owners)
            AND attribute = ANY (:relations) AND ended_on IS NULL
    )
)
ORDER BY f.id
LIMIT :most;


-- ======== facts that contradict each other (contradictions.py) ========

-- facts_by_turn --
{facts} AND turn_id = ANY (:turn_ids)
ORDER BY turn_id, id;

-- corrected_facts_of_turns --
-- What persons have changed in place of the facts that rest on some turns, oldest first.
SELECT facts_log.fact_id, facts_log.before
FROM memory.facts JOIN memory.facts_log ON facts_log.fact_id = facts.id
    JOIN memory.changes ON changes.id = facts_log.change_id
WHERE facts.namespace = :namespace AND facts_log.namespace = :namespace
    AND changes.namespace = :namespace AND facts.turn_id = ANY (:turn_ids)
    AND facts_log.before IS NOT NULL AND facts_log.after IS NOT NULL
    AND substr(changes.cause, 1, 8) = 'edit by '
ORDER BY facts_log.id;

-- facts_of_days --
{facts} AND ended_on IS NULL
    AND (happened_on BETWEEN :first AND :after OR attribute = ANY (:attributes))
ORDER BY id;

-- facts_by_id --
{facts} AND id = ANY (:fact_ids);

-- contradictions_of_facts --
SELECT first_fact, second_fact, first_turn, turn_id, settled
FROM memory.contradictions
WHERE namespace = :namespace AND (first_fact = ANY (:fact_ids) OR second_fact = ANY (:fact_ids));

-- contradictions_of_turns --
SELECT first_fact, second_fact, first_turn, turn_id, settled
FROM memory.contradictions
WHERE namespace = :namespace AND (first_turn = ANY (:turn_ids) OR turn_id = ANY (:turn_ids));

-- {unsettled_pairs} --
SELECT one.id, one.subject, one.attribute, one.value, one.happened_on, one.ended_on, one.turn_id,
    one.recorded_at, first_said.said_at,
    other.id, other.subject, other.attribute, other.value, other.happened_on, other.ended_on,
    other.turn_id, other.recorded_at, second_said.said_at
FROM memory.contradictions
    JOIN memory.facts AS one ON one.id = contradictions.first_fact
    JOIN memory.facts AS other ON other.id = contradictions.second_fact
    JOIN memory.turns AS first_said ON first_said.id = one.turn_id
    JOIN memory.turns AS second_said ON second_said.id = other.turn_id
WHERE contradictions.namespace = :namespace AND one.namespace = :namespace
    AND other.namespace = :namespace AND first_said.namespace = :namespace
    AND second_said.namespace = :namespace AND contradictions.settled = ''

-- unsettled_pairs --
-- The newest first.
{unsettled_pairs}
ORDER BY other.id DESC, one.id DESC;

-- unsettled_pairs_of_turns --
-- The pairs whose first facts are of these turns, the oldest first.
{unsettled_pairs} AND contradictions.first_turn = ANY (:turn_ids)
ORDER BY other.id;


-- ======== facts as the product reads them (fact_reads.py) ========

-- {fact} --
f.id, f.subject, f.attribute, f.value, f.happened_on, f.ended_on, f.turn_id, f.recorded_at

-- facts_of_subjects --
-- Past ones too. Subjects as they are spelled.
SELECT {fact}
{dated_facts} AND f.subject = ANY (:subjects) AND f.attribute = ANY (:attributes)
ORDER BY f.id;

-- {dated_facts} --
FROM memory.facts AS f JOIN memory.turns AS t ON t.id = f.turn_id
WHERE f.namespace = :namespace AND t.namespace = :namespace

-- {current} --
-- From here to {end_of_placed} stand further conditions.
{placed} {dated_facts} AND {is_current}

-- {current_ids} --
SELECT f.id FROM ({current}
    AND (:about = '' OR COALESCE(f.entity, f.subject) = :about)
    AND (:attribute = '' OR f.attribute = :attribute OR f.attribute = ANY (:opposed))
{end_of_placed}) AS f WHERE {is_newest}

-- current_facts --
SELECT {fact} FROM ({current} {end_of_placed}) AS f WHERE {is_newest} ORDER BY f.id;

-- {persons_of_facts} --
SELECT COALESCE(entity, subject) FROM memory.facts
WHERE namespace = :namespace AND id = ANY (:fact_ids)

-- {rivals} --
-- The current facts about the persons of these facts.
{current} AND (
    f.entity IN ({persons_of_facts}) OR (f.entity IS NULL AND f.subject IN ({persons_of_facts}))
)

-- page_of_facts --
-- What has begun and not ended, after one, in the order of ids. Newer facts may have taken the place
-- of some, see current_among.
SELECT {fact}
FROM memory.facts AS f
WHERE f.namespace = :namespace AND f.id > :after AND {is_current}
    AND (:every = 1 OR f.attribute = ANY (:attributes))
ORDER BY f.id
LIMIT :most;

-- page_of_facts_about --
SELECT {fact}
FROM memory.facts AS f
WHERE f.namespace = :namespace AND f.entity = ANY (:entities) AND f.id > :after AND {is_current}
    AND (:every = 1 OR f.attribute = ANY (:attributes))
ORDER BY f.id
LIMIT :most;

-- current_among --
-- Which of these facts are current. A fact that no other can take the place of is not compared.
SELECT f.id
FROM ({rivals} AND (f.id = ANY (:fact_ids) OR {is_contested}) {end_of_placed}) AS f
WHERE {is_newest} AND f.id = ANY (:fact_ids);

-- successors --
-- For each of some facts the newest current one of the same entity and attribute.
SELECT ended.id, {fact}
FROM memory.facts AS ended JOIN (
    {rivals} {end_of_placed}
) AS f ON f.who = COALESCE(ended.entity, ended.subject) AND f.attribute = ended.attribute
WHERE ended.namespace = :namespace AND ended.id = ANY (:fact_ids) AND f.place = 1
ORDER BY ended.id;

-- {listed_facts} --
-- Current ones on a day, or all, of somebody and of an attribute where they are named.
SELECT {fact}
{dated_facts}
    AND (:ended = 1 OR f.id IN ({current_ids}))
    AND (:about = '' OR COALESCE(f.entity, f.subject) = :about)
    AND (:attribute = '' OR f.attribute = :attribute)

-- facts_newest_first --
{listed_facts}
ORDER BY f.id DESC
LIMIT :most OFFSET :first;

-- facts_latest_first --
{listed_facts}
ORDER BY COALESCE(f.happened_on, '') DESC, f.id DESC
LIMIT :most OFFSET :first;

-- facts_by_person --
{listed_facts}
ORDER BY COALESCE(f.entity, f.subject), f.attribute, f.id
LIMIT :most OFFSET :first;

-- facts_by_attribute --
{listed_facts}
ORDER BY f.attribute, COALESCE(f.entity, f.subject), f.id
LIMIT :most OFFSET :first;

-- newest_facts_of_each --
-- Of each of some persons, those with these attributes first.
SELECT who, {fact}
FROM (
    SELECT f.*, COALESCE(f.entity, f.subject) AS who, ROW_NUMBER() OVER (
        PARTITION BY COALESCE(f.entity, f.subject)
        ORDER BY CASE WHEN f.attribute = ANY (:attributes) THEN 0 ELSE 1 END, f.id DESC
    ) AS number
    {dated_facts}
        AND (f.entity = ANY (:about) OR (f.entity IS NULL AND f.subject = ANY (:about)))
        AND (:ended = 1 OR f.id IN (
            SELECT f.id
            FROM ({current}
                AND (f.entity = ANY (:about) OR (f.entity IS NULL AND f.subject = ANY (:about)))
            {end_of_placed}) AS f
            WHERE {is_newest}
        ))
) AS f
WHERE number <= :most
ORDER BY who, number;

-- has_facts --
SELECT 1 FROM memory.facts WHERE namespace = :namespace LIMIT 1;

-- turns_with_value_about --
-- The turns of facts whose value means an entity.
SELECT DISTINCT turn_id
FROM memory.facts
WHERE namespace = :namespace AND value_entity = :entity;

-- count_entities --
SELECT count(DISTINCT COALESCE(entity, subject)) FROM memory.facts WHERE namespace = :namespace;

-- entities_with_most_facts --
SELECT COALESCE(entity, subject), count(*)
FROM memory.facts
WHERE namespace = :namespace
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT :most;

-- entities_after --
SELECT COALESCE(entity, subject), count(*)
FROM memory.facts
WHERE namespace = :namespace AND COALESCE(entity, subject) > :after
GROUP BY 1
ORDER BY 1
LIMIT :most;

-- newest_with_reasons --
-- The newest values of an attribute that have not ended, each with the value of another attribute of
-- which it is the subject, both of messages by some speakers.
SELECT f.value, f.turn_id, reasons.value
FROM memory.facts AS f
    JOIN memory.turns AS t ON t.id = f.turn_id
    LEFT JOIN (
        SELECT b.subject, b.value
        FROM memory.facts AS b JOIN memory.turns AS said ON said.id = b.turn_id
        WHERE b.namespace = :namespace AND said.namespace = :namespace
            AND b.attribute = :reason AND said.kind = 'message' AND said.speaker = ANY (:speakers)
    ) AS reasons ON reasons.subject = f.value
WHERE f.namespace = :namespace AND t.namespace = :namespace
    AND f.attribute = :attribute AND f.ended_on IS NULL
    AND t.kind = 'message' AND t.speaker = ANY (:speakers)
ORDER BY t.said_at DESC, f.id DESC
LIMIT :most;

-- facts_now_about --
-- As `facts_now` has them, about these entities, or with these subjects where that is unclear.
SELECT {fact}
FROM (
    {current} AND (f.entity = ANY (:about) OR (f.entity IS NULL AND f.subject = ANY (:about)))
    {end_of_placed}
) AS f
WHERE {is_newest}
ORDER BY f.attribute, f.id;

-- facts_about --
{facts} AND (entity = ANY (:about) OR (entity IS NULL AND subject = ANY (:about)))
ORDER BY attribute, id;

-- attributes_by_name --
SELECT attribute, count(*)
FROM memory.facts
WHERE namespace = :namespace
GROUP BY attribute
ORDER BY attribute;

-- subject_spelled --
-- The commonest spelling, in any case.
SELECT subject
FROM memory.facts
WHERE namespace = :namespace AND (subject = :name OR lower(subject) = :lower_name)
GROUP BY subject
ORDER BY count(*) DESC, subject
LIMIT 1;

-- speaker_spelled --
SELECT speaker
FROM memory.turns
WHERE namespace = :namespace AND (speaker = :name OR lower(speaker) = :lower_name)
GROUP BY speaker
ORDER BY count(*) DESC, speaker
LIMIT 1;


-- ======== facts: the journal follows each write of them (FactTable in database.py) ========

-- {image} --
-- A fact as the journal writes it, byte by byte the same in both databases.
memory.json_array(id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)

-- insert_fact --
INSERT INTO memory.facts
    (namespace, id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)
VALUES (
    :namespace, :id, :subject, :attribute, :value, :happened_on, :ended_on, :turn_id, :recorded_at
)
{returning_image};

-- end_fact --
UPDATE memory.facts SET ended_on = :ended_on WHERE namespace = :namespace AND id = :fact_id
{returning_image};

-- date_fact --
UPDATE memory.facts SET happened_on = :happened_on, ended_on = :ended_on
WHERE namespace = :namespace AND id = :fact_id
{returning_image};

-- restate_fact --
UPDATE memory.facts SET subject = :subject, attribute = :attribute, value = :value
WHERE namespace = :namespace AND id = :fact_id
{returning_image};

-- delete_facts --
DELETE FROM memory.facts WHERE namespace = :namespace AND id = ANY (:fact_ids)
{returning_image};


-- ======== changes and the journal (journal.py) ========

-- insert_change --
INSERT INTO memory.changes
    (namespace, id, at, cause, statement, undoes, first_turn, last_turn)
VALUES (:namespace, :id, :at, :cause, :statement, :undoes, :first_turn, :last_turn)
RETURNING id;

-- {change} --
-- With how many facts and rows it touched.
id, at, cause, statement, undone_at, first_turn, last_turn, (
    SELECT count(DISTINCT fact_id) FROM memory.facts_log
    WHERE namespace = :namespace AND change_id = changes.id
), (
    SELECT count(*) FROM memory.rows_log
    WHERE namespace = :namespace AND change_id = changes.id
)

-- change --
SELECT {change} FROM memory.changes WHERE namespace = :namespace AND id = :change_id;

-- changes_before --
SELECT {change}
FROM memory.changes
WHERE namespace = :namespace AND id < :before
ORDER BY id DESC
LIMIT :most;

-- changes_after --
SELECT {change}
FROM memory.changes
WHERE namespace = :namespace AND id > :after
ORDER BY id
LIMIT :most;

-- count_facts_of_change --
SELECT count(DISTINCT fact_id)
FROM memory.facts_log
WHERE namespace = :namespace AND change_id = :change_id;

-- entries_of_change --
SELECT fact_id, before, after
FROM memory.facts_log
WHERE namespace = :namespace AND change_id = :change_id
ORDER BY id;

-- entries_of_fact --
SELECT id, change_id, before, after
FROM memory.facts_log
WHERE namespace = :namespace AND fact_id = :fact_id
ORDER BY id;

-- last_entry --
SELECT coalesce(max(id), 0) FROM memory.facts_log WHERE namespace = :namespace;

-- undos --
SELECT id, at, undoes
FROM memory.changes
WHERE namespace = :namespace AND undoes IS NOT NULL
ORDER BY id DESC;

-- clear_undone --
UPDATE memory.changes SET undone_at = NULL WHERE namespace = :namespace AND undone_at IS NOT NULL;

-- mark_undone --
UPDATE memory.changes SET undone_at = :at WHERE namespace = :namespace AND id = :change_id;

-- image_of_fact --
SELECT {image} FROM memory.facts WHERE namespace = :namespace AND id = :fact_id;


-- ======== facts and changes at a point in time (history.py) ========

-- images_of_facts --
SELECT id, {image} FROM memory.facts WHERE namespace = :namespace ORDER BY id;

-- images_after_changes --
-- The facts as these changes and entries left them, without those that they deleted.
SELECT fact_id, after
FROM memory.facts_log
WHERE namespace = :namespace AND after IS NOT NULL AND NOT fact_id = ANY (:later_facts)
    AND id IN (
        SELECT max(id) FROM memory.facts_log
        WHERE namespace = :namespace
            AND (change_id = ANY (:change_ids) OR id = ANY (:entry_ids))
        GROUP BY fact_id
    )
ORDER BY fact_id;

-- entries_of_new_facts --
-- What changes with a window did to facts that they inserted, with the date of the fact's turn, or
-- of the dated turn before that in the window.
SELECT entry.id, entry.change_id, entry.fact_id, changes.at, (
    SELECT said_at FROM memory.turns
    WHERE namespace = :namespace AND {is_dated}
        AND id BETWEEN changes.first_turn AND memory.json_extract(insertion.after, '$[6]')
    ORDER BY id DESC LIMIT 1
)
FROM memory.changes
    JOIN memory.facts_log AS insertion ON insertion.change_id = changes.id
    JOIN memory.facts_log AS entry
        ON entry.change_id = changes.id AND entry.fact_id = insertion.fact_id
WHERE changes.namespace = :namespace AND insertion.namespace = :namespace
    AND entry.namespace = :namespace AND changes.first_turn IS NOT NULL
    AND insertion.before IS NULL;

-- {moment} --
-- The date of the last dated turn of a change's window, or of the turn that a template stored it
-- from. What counts as dated is what `date_key` can read: the patterns of {is_dated} and its
-- regular expression begin alike.
(
    SELECT said_at FROM memory.turns
    WHERE namespace = :namespace
        AND id BETWEEN coalesce(first_turn, stated_in) AND coalesce(last_turn, stated_in)
        AND {is_dated}
    ORDER BY id DESC LIMIT 1
)

-- {changes} --
(SELECT *, {stated_in} AS stated_in FROM memory.changes WHERE namespace = :namespace) AS changes

-- moments_of_changes --
SELECT id, at, {moment} FROM {changes} ORDER BY id;

-- {edits} --
SELECT change_id, fact_id, before, after, at, coalesce((
    SELECT said_at FROM memory.turns
    WHERE namespace = :namespace AND facts_log.before IS NULL AND {is_dated}
        AND id BETWEEN first_turn AND memory.json_extract(facts_log.after, '$[6]')
    ORDER BY id DESC LIMIT 1
), {moment})
FROM memory.facts_log JOIN {changes} ON changes.id = change_id
WHERE facts_log.namespace = :namespace

-- edits --
{edits}
ORDER BY facts_log.id;

-- edits_of_change --
{edits} AND change_id = :change_id
ORDER BY facts_log.id;

-- ends_by_templates --
-- What templates that read these turns did to these facts.
{edits} AND fact_id = ANY (:fact_ids) AND stated_in BETWEEN :first AND :last
    AND before IS NOT NULL AND after IS NOT NULL
ORDER BY facts_log.id;

-- edits_of_fact --
{edits} AND fact_id = :fact_id
ORDER BY facts_log.id;


-- ======== corrections that were undone (journal.py) ========

-- withdrawn_turns --
-- An undo and a revert are the changes without a statement that touch facts. Edits by a person are
-- few: from them, not from all turns or all of the journal, the way is short (5.4 to .7 ms at
-- 100,000 turns and 50,000 facts). [6] is the turn_id of a fact as the journal writes it.
SELECT id, text
FROM memory.turns
WHERE namespace = :namespace AND session = :session AND id IN (
    SELECT memory.json_extract(insertion.after, '$[6]')
    FROM memory.facts_log AS insertion
    JOIN memory.facts_log AS newest ON newest.id = (
        SELECT max(id) FROM memory.facts_log
        WHERE namespace = :namespace AND fact_id = insertion.fact_id
    )
    JOIN memory.changes AS newest_change ON newest_change.id = newest.change_id
    WHERE insertion.namespace = :namespace AND newest.namespace = :namespace
        AND newest_change.namespace = :namespace
        AND insertion.change_id IN (
            SELECT id FROM memory.changes
            WHERE namespace = :namespace AND substr(cause, 1, 8) = 'edit by '
        )
        AND insertion.before IS NULL AND newest.after IS NULL AND newest_change.statement = ''
);


-- ======== facts that turns assert in templates (assertions.py) ========

-- digested_windows --
SELECT first_turn, last_turn
FROM memory.changes
WHERE namespace = :namespace AND last_turn >= :first AND first_turn <= :last
    AND undone_at IS NULL;

-- facts_under_attributes --
SELECT facts.id, facts.subject, facts.attribute, facts.value, facts.happened_on, facts.ended_on,
    facts.turn_id, facts.recorded_at, turns.said_at
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = :namespace AND turns.namespace = :namespace
    AND (facts.entity = :entity OR (facts.entity IS NULL AND facts.subject = :subject))
    AND facts.attribute = ANY (:attributes)
ORDER BY facts.id;

-- facts_of_cause --
SELECT facts_log.after
FROM memory.changes JOIN memory.facts_log ON facts_log.change_id = changes.id
WHERE changes.namespace = :namespace AND facts_log.namespace = :namespace
    AND changes.cause = :cause AND facts_log.after IS NOT NULL;

-- change_of_cause --
SELECT id FROM memory.changes WHERE namespace = :namespace AND cause = :cause LIMIT 1;

-- causes_of_facts --
SELECT facts_log.fact_id, changes.cause, changes.at
FROM memory.facts_log JOIN memory.changes ON changes.id = facts_log.change_id
WHERE facts_log.namespace = :namespace AND changes.namespace = :namespace
    AND facts_log.fact_id = ANY (:fact_ids)
ORDER BY facts_log.id;

-- deletions_by_persons --
-- The newest facts that persons deleted as never true.
SELECT facts_log.before
FROM memory.changes JOIN memory.facts_log ON facts_log.change_id = changes.id
WHERE changes.namespace = :namespace AND facts_log.namespace = :namespace
    AND {is_by_a_person} AND facts_log.before IS NOT NULL AND facts_log.after IS NULL
ORDER BY facts_log.id DESC
LIMIT :most;

-- removals_by_persons --
SELECT facts_log.before, changes.at, facts_log.after IS NULL
FROM memory.changes JOIN memory.facts_log ON facts_log.change_id = changes.id
WHERE changes.namespace = :namespace AND facts_log.namespace = :namespace
    AND facts_log.before IS NOT NULL AND (
        substr(changes.cause, 1, 8) = 'edit by '
        OR substr(changes.cause, 1, 5) = 'undo '
        OR substr(changes.cause, 1, 7) = 'revert '
    ) AND NOT EXISTS (
        SELECT 1 FROM memory.facts WHERE namespace = :namespace AND {is_as_before}
    )
ORDER BY facts_log.id DESC
LIMIT :most;


-- ======== what digests may do to facts (digest_rights.py) ========

-- edits_by_persons --
SELECT facts_log.before, facts_log.after, changes.at, changes.cause
FROM memory.changes JOIN memory.facts_log ON facts_log.change_id = changes.id
WHERE changes.namespace = :namespace AND facts_log.namespace = :namespace
    AND {is_by_a_person}
ORDER BY facts_log.id DESC
LIMIT :most;


-- ======== facts that a digest writes although they are there (repeated_facts.py) ========

-- facts_beside --
-- The facts under some attributes about whom these facts are about, with the day of their turn.
SELECT facts.id, facts.subject, facts.attribute, facts.value, facts.happened_on, facts.ended_on,
    facts.turn_id, facts.recorded_at, turns.said_at, coalesce(facts.entity, facts.subject)
FROM memory.facts JOIN memory.turns ON turns.id = facts.turn_id
WHERE facts.namespace = :namespace AND turns.namespace = :namespace
    AND facts.attribute = ANY (:attributes)
    AND coalesce(facts.entity, facts.subject) IN (
        SELECT coalesce(entity, subject) FROM memory.facts
        WHERE namespace = :namespace AND id = ANY (:fact_ids)
    )
ORDER BY facts.id;


-- ======== windows that wait to be digested (pending_windows.py) ========

-- last_turn_taken --
-- Windows are claimed in order, so all turns up to the last one of a change or of a pending window
-- are taken. No high-water mark is stored that could disagree with the journal.
SELECT coalesce(max(last_turn), 0)
FROM (
    SELECT max(last_turn) AS last_turn FROM memory.changes WHERE namespace = :namespace
    UNION ALL
    SELECT max(last_turn) FROM memory.pending WHERE namespace = :namespace
) AS windows;

-- pending_windows --
-- One whose facts a change has stored waits only for what is held of it.
SELECT first_turn, last_turn, error, attempts, statement, EXISTS (
    SELECT 1 FROM memory.changes
    WHERE namespace = :namespace
        AND changes.first_turn = pending.first_turn AND changes.last_turn = pending.last_turn
        AND changes.undone_at IS NULL
)
FROM memory.pending
WHERE namespace = :namespace
ORDER BY first_turn;

-- digests_of_turns --
-- The changes that have digested one of these turns, and the windows that wait for one.
SELECT id, first_turn, last_turn
FROM memory.changes
WHERE namespace = :namespace AND last_turn >= :first AND first_turn <= :last
    AND undone_at IS NULL
UNION ALL
SELECT 0, first_turn, last_turn
FROM memory.pending
WHERE namespace = :namespace AND last_turn >= :first AND first_turn <= :last
ORDER BY 1;

-- window_of_undone --
-- The window of the digest that a change took back.
SELECT digest.first_turn, digest.last_turn
FROM memory.changes AS undoing JOIN memory.changes AS digest ON digest.id = undoing.undoes
WHERE undoing.namespace = :namespace AND digest.namespace = :namespace
    AND undoing.id = :change_id AND digest.first_turn IS NOT NULL
    AND substr(digest.cause, 1, 7) = 'digest ';

-- pending_window --
SELECT error, attempts, statement, claimed_by, claimed_until
FROM memory.pending
WHERE namespace = :namespace AND first_turn = :first AND last_turn = :last;

-- insert_window --
INSERT INTO memory.pending
    (namespace, first_turn, last_turn, error, attempts, statement, claimed_by, claimed_until)
VALUES (
    :namespace, :first, :last, :error, :attempts, :statement, :claimed_by, :claimed_until
);

-- claim_window --
-- What is held is of the whole window: a part of it is asked for anew.
UPDATE memory.pending
SET statement = CASE WHEN last_turn = :new_last THEN statement ELSE '' END,
    last_turn = :new_last, claimed_by = :claimed_by, claimed_until = :claimed_until
WHERE namespace = :namespace AND first_turn = :first AND last_turn = :last;

-- fail_window --
-- Only where the claim is still ours: a slow process must not end the claim of its successor. An
-- interruption leaves the statement that is held: nothing was decided.
UPDATE memory.pending
SET error = :error, attempts = attempts + :attempts, claimed_until = 0,
    statement = CASE WHEN :attempts > 0 THEN :statement ELSE statement END
WHERE namespace = :namespace AND first_turn = :first AND last_turn = :last
    AND claimed_by = :claimed_by;

-- delete_window --
DELETE FROM memory.pending
WHERE namespace = :namespace AND first_turn = :first AND last_turn = :last;


-- ======== the tasks of `memory serve worker` (work.py) ========

-- work --
SELECT task, served_at, due_at, held_by, held_until, failures, error, position, day, calls, tokens
FROM memory.work
WHERE namespace = :namespace
ORDER BY task;

-- add_task --
INSERT INTO memory.work (namespace, task) VALUES (:namespace, :task)
ON CONFLICT (namespace, task) DO NOTHING;

-- claim_task --
UPDATE memory.work
SET served_at = :now, held_by = :held_by, held_until = :held_until
WHERE namespace = :namespace AND task = :task AND NOT {is_put_off}
    AND (NOT {is_held} OR held_by = ANY (:dead))
RETURNING task, served_at, due_at, held_by, held_until, failures, error, position, day, calls,
    tokens;

-- end_task --
-- Only where the claim is still ours. Served until now: who has looked at what waits meanwhile has
-- seen what is done.
UPDATE memory.work
SET held_until = 0, served_at = :now, due_at = :due_at, failures = :failures, error = :error
WHERE namespace = :namespace AND task = :task AND held_by = :held_by;

-- move_task --
UPDATE memory.work SET position = :position
WHERE namespace = :namespace AND task = :task AND held_by = :held_by;

-- {is_counted} --
day = ANY (:days)

-- spend_on_task --
UPDATE memory.work
SET calls = CASE WHEN {is_counted} THEN calls ELSE 0 END + :calls,
    tokens = CASE WHEN {is_counted} THEN tokens ELSE 0 END + :tokens,
    day = CASE WHEN {is_counted} THEN day ELSE :day END
WHERE namespace = :namespace AND task = :task;

-- waiting_work --
-- The last turn, the last that a digest has taken, windows that a digest may try, those that wait
-- for a person, whose windows are under way, summaries to be told, turns to be forgotten, how
-- long turns stay, when the next expires. Postgres has `waiting_work_of_all` beside it.
SELECT
    (SELECT coalesce(max(id), 0) FROM memory.turns WHERE namespace = :namespace),
    {greatest}(
        (SELECT coalesce(max(last_turn), 0) FROM memory.changes WHERE namespace = :namespace),
        (SELECT coalesce(max(last_turn), 0) FROM memory.pending WHERE namespace = :namespace)
    ),
    (
        SELECT count(*) FROM memory.pending
        WHERE namespace = :namespace
            AND NOT {is_claimed} AND attempts < :attempts AND statement = ''
    ),
    (
        SELECT count(*) FROM memory.pending
        WHERE namespace = :namespace AND (attempts >= :attempts OR statement <> '')
    ),
    (
        SELECT coalesce({claimants}, '') FROM memory.pending
        WHERE namespace = :namespace AND {is_claimed}
    ),
    (SELECT count(*) FROM memory.summaries WHERE namespace = :namespace AND summary = ''),
    (SELECT count(*) FROM memory.settings WHERE namespace = :namespace AND name = 'forgetting'),
    coalesce((
        SELECT value FROM memory.settings
        WHERE namespace = :namespace AND name = 'retention_days' ORDER BY id DESC LIMIT 1
    ), ''),
    coalesce((
        SELECT min(value) FROM memory.tags WHERE namespace = :namespace AND key = 'forget_after'
    ), '');


-- ======== columns and vectors of turns (search_tables.py) ========

-- speakers_by_name --
SELECT id, name FROM memory.speakers WHERE namespace = :namespace AND name = ANY (:names);

-- last_speaker --
SELECT coalesce(max(id), 0) FROM memory.speakers WHERE namespace = :namespace;

-- speakers_after --
SELECT id, name FROM memory.speakers WHERE namespace = :namespace AND id > :after ORDER BY id;

-- newest_summaries --
-- Of sessions; a line without a text waits to be told anew.
SELECT turn_id, last_turn_id, kind, summary
FROM memory.summaries
WHERE namespace = :namespace AND kind = 'session' AND summary <> '' AND last_turn_id < :before
ORDER BY turn_id DESC, last_turn_id DESC
LIMIT :most;

-- owner_and_unnamed --
SELECT 0 AS is_speaker, id, value AS text
FROM memory.settings WHERE namespace = :namespace AND name = :owner
UNION ALL
SELECT 1, id, name FROM memory.speakers
WHERE namespace = :namespace AND lower(trim(name)) = :unnamed
ORDER BY 1, 2;

-- speakers_named --
SELECT DISTINCT speaker FROM ({speakers}) AS spoken
WHERE lower(trim(speaker)) = ANY (:names)
ORDER BY 1;

-- speakers_spelled --
-- Which of these names speakers have, letter by letter.
SELECT DISTINCT speaker FROM ({speakers}) AS spoken
WHERE speaker = ANY (:names)
ORDER BY 1;

-- imported_people --
-- The ids in other programs that speakers have, the first of each name first.
SELECT tags.value AS identity, turns.speaker
FROM memory.tags JOIN memory.turns ON turns.id = tags.turn_id
WHERE tags.namespace = :namespace AND turns.namespace = :namespace AND tags.key = :imported_as
GROUP BY tags.value, turns.speaker
ORDER BY min(turns.id);

-- speakers_not_imported --
-- Which of these names have turns that no import brought.
SELECT DISTINCT turns.speaker
FROM memory.turns
WHERE turns.namespace = :namespace AND turns.speaker = ANY (:names)
    AND NOT EXISTS (
        SELECT 1 FROM memory.tags
        WHERE tags.namespace = :namespace AND tags.turn_id = turns.id AND tags.key = :imported_as
    );

-- speakers_of_all_turns --
SELECT DISTINCT speaker FROM memory.turns WHERE namespace = :namespace ORDER BY 1;

-- insert_speaker --
INSERT INTO memory.speakers (namespace, id, name) VALUES (:namespace, :id, :name);

-- delete_unused_speaker --
DELETE FROM memory.speakers
WHERE namespace = :namespace AND name = :name AND NOT EXISTS (
    SELECT 1 FROM memory.turns WHERE namespace = :namespace AND speaker = :name
);

-- count_recent --
SELECT count(*) FROM memory.recent WHERE namespace = :namespace;

-- oldest_recent --
SELECT turn_id, columns, vector
FROM memory.recent
WHERE namespace = :namespace
ORDER BY turn_id
LIMIT :most;

-- recent_after --
SELECT columns, vector
FROM memory.recent
WHERE namespace = :namespace AND turn_id > :after
ORDER BY turn_id;

-- recent_turn --
SELECT columns, vector FROM memory.recent WHERE namespace = :namespace AND turn_id = :turn_id;

-- delete_recent --
DELETE FROM memory.recent WHERE namespace = :namespace AND turn_id <= :last;

-- {last_in_blocks} --
SELECT last_turn FROM memory.blocks WHERE namespace = :namespace ORDER BY first_turn DESC LIMIT 1

-- last_in_blocks --
SELECT coalesce(({last_in_blocks}), 0);

-- last_with_columns --
SELECT coalesce(
    (SELECT max(turn_id) FROM memory.recent WHERE namespace = :namespace), ({last_in_blocks}), 0
);

-- first_turns_of_blocks --
SELECT first_turn FROM memory.blocks WHERE namespace = :namespace ORDER BY first_turn;

-- insert_block --
INSERT INTO memory.blocks (namespace, first_turn, last_turn, columns, codes)
VALUES (:namespace, :first, :last, :columns, :codes);

-- blocks_after --
SELECT first_turn, columns, codes
FROM memory.blocks
WHERE namespace = :namespace AND last_turn > :after
ORDER BY first_turn;

-- block_of_turn --
SELECT first_turn, columns
FROM memory.blocks
WHERE namespace = :namespace AND first_turn <= :turn_id
ORDER BY first_turn DESC
LIMIT 1;

-- delete_blocks --
DELETE FROM memory.blocks WHERE namespace = :namespace AND first_turn >= :first;

-- delete_block --
DELETE FROM memory.blocks WHERE namespace = :namespace AND first_turn = :first;

-- pieces --
-- In one statement: a search reads hundreds in a large memory, and a server may be far away.
SELECT first_turn, vectors
FROM memory.pieces
WHERE namespace = :namespace AND first_turn = ANY (:first_turns);

-- piece_of_turn --
SELECT first_turn, vectors
FROM memory.pieces
WHERE namespace = :namespace AND first_turn <= :turn_id
ORDER BY first_turn DESC
LIMIT 1;

-- delete_pieces_between --
DELETE FROM memory.pieces
WHERE namespace = :namespace AND first_turn >= :first AND first_turn <= :last;

-- delete_pieces --
DELETE FROM memory.pieces WHERE namespace = :namespace AND first_turn >= :first;


-- ======== vectors by another embedder, until it has made all of them (vectors.py) ========

-- last_staged --
SELECT coalesce(max(turn_id), 0)
FROM memory.staged_vectors
WHERE namespace = :namespace AND embedder = :embedder;

-- staged_width --
-- Numbers in a vector, four bytes each.
SELECT length(vector) / 4
FROM memory.staged_vectors
WHERE namespace = :namespace AND embedder = :embedder
LIMIT 1;

-- staged_vectors --
SELECT vector
FROM memory.staged_vectors
WHERE namespace = :namespace AND embedder = :embedder AND turn_id BETWEEN :first AND :last
ORDER BY turn_id;

-- delete_staged --
DELETE FROM memory.staged_vectors
WHERE namespace = :namespace AND embedder = :embedder AND turn_id BETWEEN :first AND :last;

-- delete_staged_of_turns --
DELETE FROM memory.staged_vectors WHERE namespace = :namespace AND turn_id = ANY (:turn_ids);


-- ======== what goes with a turn (forgetting/) ========

-- facts_of_turns --
-- Facts that rest on the turns, and those that are gone and rested on them: [6] is the turn_id of a
-- fact as the journal writes it.
SELECT id FROM memory.facts WHERE namespace = :namespace AND turn_id = ANY (:turn_ids)
UNION
SELECT fact_id FROM memory.facts_log
WHERE namespace = :namespace
    AND (
        memory.json_extract(before, '$[6]') = ANY (:turn_ids)
        OR memory.json_extract(after, '$[6]') = ANY (:turn_ids)
    )
    AND fact_id NOT IN (SELECT id FROM memory.facts WHERE namespace = :namespace);

-- entries_of_facts_and_turns --
SELECT change_id, before, after
FROM memory.facts_log
WHERE namespace = :namespace
    AND (
        fact_id = ANY (:fact_ids)
        OR memory.json_extract(before, '$[6]') = ANY (:turn_ids)
        OR memory.json_extract(after, '$[6]') = ANY (:turn_ids)
    );

-- delete_entries_of_facts --
DELETE FROM memory.facts_log WHERE namespace = :namespace AND fact_id = ANY (:fact_ids);

-- blank_images_before --
UPDATE memory.facts_log SET before = NULL
WHERE namespace = :namespace AND memory.json_extract(before, '$[6]') = ANY (:turn_ids);

-- blank_images_after --
UPDATE memory.facts_log SET after = NULL
WHERE namespace = :namespace AND memory.json_extract(after, '$[6]') = ANY (:turn_ids);

-- delete_blank_entries --
DELETE FROM memory.facts_log WHERE namespace = :namespace AND before IS NULL AND after IS NULL;

-- removal_of_fact --
-- The newest entry that says that the fact went.
SELECT id, before
FROM memory.facts_log
WHERE namespace = :namespace AND fact_id = :fact_id AND after IS NULL
ORDER BY id DESC
LIMIT 1;

-- repeats --
-- Facts that a window's change added and, as they repeat others, removed (repeated_facts.py).
SELECT added.after
FROM memory.facts_log AS added
    JOIN memory.facts_log AS removed
    ON removed.change_id = added.change_id AND removed.fact_id = added.fact_id
    JOIN memory.changes ON changes.id = added.change_id
WHERE added.namespace = :namespace AND removed.namespace = :namespace
    AND changes.namespace = :namespace
    AND added.before IS NULL AND removed.after IS NULL AND removed.id > added.id
    AND changes.first_turn IS NOT NULL AND changes.undone_at IS NULL
ORDER BY added.id;

-- delete_removal --
DELETE FROM memory.facts_log
WHERE namespace = :namespace AND fact_id = :fact_id AND (id > :last_entry OR id = :removal);

-- set_image_before --
UPDATE memory.facts_log SET before = :image WHERE namespace = :namespace AND id = :entry_id;

-- set_image_after --
UPDATE memory.facts_log SET after = :image WHERE namespace = :namespace AND id = :entry_id;

-- delete_empty_entries --
DELETE FROM memory.facts_log
WHERE namespace = :namespace AND fact_id = :fact_id AND (id > :last_entry OR before = after);

-- delete_tags_of_turns --
DELETE FROM memory.tags WHERE namespace = :namespace AND turn_id = ANY (:turn_ids);

-- delete_aliases_of_turns --
DELETE FROM memory.aliases WHERE namespace = :namespace AND turn_id = ANY (:turn_ids);

-- delete_rows_of_turns --
DELETE FROM memory.rows_log WHERE namespace = :namespace AND turn_id = ANY (:turn_ids);

-- windows_of_changes --
SELECT id, first_turn, last_turn
FROM memory.changes
WHERE namespace = :namespace AND first_turn IS NOT NULL;

-- set_window_of_change --
UPDATE memory.changes SET first_turn = :first, last_turn = :last
WHERE namespace = :namespace AND id = :change_id;

-- shrink_window --
UPDATE memory.pending
SET first_turn = :new_first, last_turn = :new_last,
    error = '', statement = '', claimed_by = '', claimed_until = 0
WHERE namespace = :namespace AND first_turn = :first AND last_turn = :last;

-- blank_window --
UPDATE memory.pending SET error = '', statement = ''
WHERE namespace = :namespace AND first_turn = :first AND last_turn = :last;

-- texts_of_changes --
SELECT id, cause, statement FROM memory.changes WHERE namespace = :namespace;

-- set_cause --
UPDATE memory.changes SET cause = :cause WHERE namespace = :namespace AND id = :change_id;

-- set_statement --
UPDATE memory.changes SET statement = :statement WHERE namespace = :namespace AND id = :change_id;


-- ======== a dump, read into a memory (dump.py) ========

-- delete_entries_after --
DELETE FROM memory.facts_log WHERE namespace = :namespace AND id > :last_entry;

-- count_dumped_rows --
SELECT 'turns', count(*) FROM memory.turns WHERE namespace = :namespace
UNION ALL SELECT 'facts', count(*) FROM memory.facts WHERE namespace = :namespace
UNION ALL SELECT 'changes', count(*) FROM memory.changes WHERE namespace = :namespace
UNION ALL SELECT 'facts_log', count(*) FROM memory.facts_log WHERE namespace = :namespace
UNION ALL SELECT 'pending', count(*) FROM memory.pending WHERE namespace = :namespace
UNION ALL SELECT 'shown', count(*) FROM memory.shown WHERE namespace = :namespace
UNION ALL SELECT 'traces', count(*) FROM memory.traces WHERE namespace = :namespace
UNION ALL SELECT 'newer_words', count(*) FROM memory.newer_words WHERE namespace = :namespace
UNION ALL SELECT 'tags', count(*) FROM memory.tags WHERE namespace = :namespace
UNION ALL SELECT 'attributes', count(*) FROM memory.attributes WHERE namespace = :namespace
UNION ALL SELECT 'entities', count(*) FROM memory.entities WHERE namespace = :namespace
UNION ALL SELECT 'aliases', count(*) FROM memory.aliases WHERE namespace = :namespace
UNION ALL SELECT 'contradictions', count(*) FROM memory.contradictions WHERE namespace = :namespace
UNION ALL SELECT 'summaries', count(*) FROM memory.summaries WHERE namespace = :namespace
UNION ALL SELECT 'rows_log', count(*) FROM memory.rows_log WHERE namespace = :namespace
UNION ALL SELECT 'settings', count(*) FROM memory.settings
WHERE namespace = :namespace AND name <> ALL (:hidden_settings);


-- ======== what a receipt names (forgetting/receipt_check.py) ========

-- rows_of_receipt --
-- Numbered, so that the lines of the check are in this order.
SELECT 1 AS number, 'turns', count(*) FROM memory.turns
WHERE namespace = :namespace AND id = ANY (:turn_ids)
UNION ALL
SELECT 2, 'recent', count(*) FROM memory.recent
WHERE namespace = :namespace AND turn_id = ANY (:turn_ids)
UNION ALL
SELECT 3, 'shown', count(*) FROM memory.shown
WHERE namespace = :namespace AND turn_id = ANY (:turn_ids)
UNION ALL
SELECT 4, 'staged_vectors', count(*) FROM memory.staged_vectors
WHERE namespace = :namespace AND turn_id = ANY (:turn_ids)
UNION ALL
SELECT 5, 'facts', count(*) FROM memory.facts
WHERE namespace = :namespace AND turn_id = ANY (:turn_ids)
UNION ALL
SELECT 6, 'facts', count(*) FROM memory.facts
WHERE namespace = :namespace AND id = ANY (:fact_ids)
UNION ALL
SELECT 7, 'facts_log', count(*) FROM memory.facts_log
WHERE namespace = :namespace AND fact_id = ANY (:fact_ids)
UNION ALL
SELECT 8, 'newer_words', count(*) FROM memory.newer_words
WHERE namespace = :namespace AND (older_turn = ANY (:turn_ids) OR newer_turn = ANY (:turn_ids))
UNION ALL
SELECT 9, 'traces', count(*) FROM memory.traces
WHERE namespace = :namespace AND turn_id = ANY (:turn_ids)
ORDER BY 1;

-- count_statements --
SELECT count(*)
FROM memory.changes
WHERE namespace = :namespace AND id = ANY (:change_ids) AND statement NOT IN ('', :blanked);


-- ======== whether a memory is whole (integrity.py) ========

-- piece_sizes --
SELECT first_turn, length(vectors) FROM memory.pieces WHERE namespace = :namespace;

-- facts_with_empty_dates --
SELECT id
FROM memory.facts
WHERE namespace = :namespace AND (happened_on = '' OR ended_on = '')
LIMIT :most;

-- facts_unlike_journal --
SELECT id
FROM memory.facts
WHERE namespace = :namespace
    AND {image}
    <> coalesce(
        (
            SELECT after FROM memory.facts_log
            WHERE namespace = :namespace AND fact_id = facts.id
            ORDER BY facts_log.id DESC LIMIT 1
        ),
        ''
    )
LIMIT :most;

-- facts_only_in_journal --
SELECT fact_id
FROM memory.facts_log
WHERE namespace = :namespace
    AND id IN (
        SELECT max(id) FROM memory.facts_log WHERE namespace = :namespace GROUP BY fact_id
    )
    AND after IS NOT NULL
    AND fact_id NOT IN (SELECT id FROM memory.facts WHERE namespace = :namespace)
LIMIT :most;

-- entries_that_do_not_follow --
SELECT id, fact_id
FROM (
    SELECT id, fact_id, before, lag(after) OVER (PARTITION BY fact_id ORDER BY id) AS last
    FROM memory.facts_log
    WHERE namespace = :namespace
) AS entries
-- NULL and '' differ.
WHERE (before IS NULL) <> (last IS NULL) OR before <> last
LIMIT :most;


-- ======== the catalog (catalog.py) ========

-- catalog_of_turns --
-- A date counts that begins with a year: `said_at` may hold any text.
SELECT count(*), count(DISTINCT session),
    min(said_at) FILTER (WHERE is_dated), max(said_at) FILTER (WHERE is_dated)
FROM (
    SELECT session, said_at, {begins_with_year} AS is_dated
    FROM memory.turns
    WHERE namespace = :namespace
) AS dates;

-- catalog_of_speakers --
SELECT speaker, count(*)
FROM memory.turns
WHERE namespace = :namespace
GROUP BY speaker
ORDER BY 2 DESC, 1
LIMIT 20;

-- catalog_of_facts --
SELECT subject, attribute, count(*)
FROM memory.facts
WHERE namespace = :namespace
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2;
