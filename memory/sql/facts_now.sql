-- What is current on :day, for the `facts_now` of a model's SELECT (in_force.py) and for the
-- product's own reads (memory/store/statements.sql). `f` is the fact, `t` the turn it came from.
-- memory/facts/state.py says the same in Python, for facts of the past.

-- {is_current} --
-- Said, and not ended. Only a state (:states, by the vocabulary) waits for its beginning: the date
-- of a plan is its day or its deadline. Of a span, its first day or month counts.
(f.ended_on IS NULL OR f.ended_on > :day) AND (
    f.happened_on IS NULL OR f.attribute <> ALL (:states)
    OR substr(f.happened_on, 1, 10) <= :day OR substr(f.happened_on, 1, 8) = :month_of_span
)

-- {topic} --
-- What a newer fact of the same person may take the place of: another value of the attribute,
-- another opinion of one thing (:opposed are attributes with an opposite), or another of the values
-- that exclude each other (:exclusive). A date in the future is none: it would outrank all that is
-- said until then.
COALESCE(f.entity, f.subject) AS who,
CASE WHEN f.attribute = ANY (:opposed) THEN '=' || lower(f.value)
    WHEN {excludes_others} THEN f.attribute || '=' ELSE f.attribute END AS topic,
CASE WHEN substr(t.said_at, 1, 1) IN ('1', '2') AND substr(t.said_at, 1, 10) <= :latest_day
    THEN substr(t.said_at, 1, 19) ELSE '' END AS said,
CASE WHEN {is_own} THEN 1 ELSE 0 END AS own

-- {excludes_others} --
f.attribute || '=' || lower(f.value) = ANY (:exclusive)

-- {is_own} --
-- What somebody says of themselves, or what a person wrote or edited: others' words take the place
-- of none of these. Persons join names of one person.
(
    {is_edited} OR (
        t.kind = 'message'
        AND (t.speaker = f.subject OR t.speaker || ' = ' || f.subject = ANY (:joined))
        AND NOT {is_disguised}
    )
)

-- {is_tag_of_another} --
-- Of a speaker who spells a name with a letter that no reader sees, or who is of an import and not
-- the person that imported it, nor a name that a person joined to another.
(tags.key = 'written_as' OR (
    tags.key = 'imported_as' AND tags.value <> 'me' AND t.speaker <> ALL (:joined_names)
))

-- {latest} --
-- The date of the last dated turn so far.
MAX(f.said) OVER (PARTITION BY f.who, f.topic ORDER BY f.turn_id, f.id) AS latest

-- {place} --
-- Of what a person says themselves, or else of all, the newest is what was said last. A turn without
-- a date, or on the same day without a time, was said after the dated ones added before it.
ROW_NUMBER() OVER (
    PARTITION BY f.who, f.topic
    ORDER BY
        f.own DESC,
        CASE WHEN substr(f.latest, 1, length(f.said)) = f.said THEN f.latest ELSE f.said END DESC,
        f.turn_id DESC, f.id DESC
) AS place

-- {placed} --
-- From here to {end_of_placed} stand the tables and further conditions.
SELECT f.*, {place} FROM (SELECT f.*, {latest} FROM (SELECT f.*, {topic}

-- {end_of_placed} --
) AS f) AS f

-- {is_newest} --
-- Of an attribute with one value at a time, of opposites, and of values that exclude each other, only
-- the newest fact.
(f.place = 1 OR NOT {is_contested})

-- {is_contested} --
(f.attribute = ANY (:one_valued) OR f.attribute = ANY (:opposed) OR {excludes_others})
