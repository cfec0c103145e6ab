-- What is current on :day, for the `facts_now` of a model's SELECT (in_force.py) and for the
-- product's own reads (memory/store/statements.sql). `f` is the fact, `t` the turn it came from.
-- memory/facts/current.py says the same in Python, for facts of the past.

-- {is_current} --
-- Said, and not ended. Only a state (:states, by the vocabulary) waits for its beginning: the date
-- of a plan is its day or its deadline. Of a span, its first day or month counts.
(f.ended_on IS NULL OR f.ended_on > :day) AND (
    f.happened_on IS NULL OR f.attribute <> ALL (:states)
    OR substr(f.happened_on, 1, 10) <= :day OR substr(f.happened_on, 1, 8) = :month_of_span
)

-- {topic} --
-- What a newer fact of the same person may take the place of: another value of the attribute, or
-- another opinion of one thing (:opposed are attributes with an opposite).
COALESCE(f.entity, f.subject) AS who,
CASE WHEN f.attribute = ANY (:opposed) THEN '=' || lower(f.value) ELSE f.attribute END AS topic,
CASE WHEN substr(t.said_at, 1, 1) IN ('1', '2') THEN substr(t.said_at, 1, 19) ELSE '' END AS said

-- {latest} --
-- The date of the last dated turn so far.
MAX(f.said) OVER (PARTITION BY f.who, f.topic ORDER BY f.turn_id, f.id) AS latest

-- {place} --
-- The newest is what was said last. A turn without a date, or on the same day without a time, was
-- said after the dated ones that were added before it.
ROW_NUMBER() OVER (
    PARTITION BY f.who, f.topic
    ORDER BY
        CASE WHEN substr(f.latest, 1, length(f.said)) = f.said THEN f.latest ELSE f.said END DESC,
        f.turn_id DESC, f.id DESC
) AS place

-- {placed} --
-- From here to {end_of_placed} stand the tables and further conditions.
SELECT f.*, {place} FROM (SELECT f.*, {latest} FROM (SELECT f.*, {topic}

-- {end_of_placed} --
) AS f) AS f

-- {is_newest} --
-- Of an attribute with one value at a time, and of opposites, only the newest fact.
(f.place = 1 OR (f.attribute <> ALL (:one_valued) AND f.attribute <> ALL (:opposed)))
