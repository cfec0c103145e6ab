-- Two namespaces, in columns that no revision has renamed.
INSERT INTO memory.namespaces (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'anna'), (2, 'ben');
SELECT setval('memory.namespaces_id_seq', 2);
INSERT INTO memory.counters (namespace, turns, facts, changes, facts_log, settings)
VALUES (1, 2, 0, 1, 0, 1), (2, 1, 0, 0, 0, 0);
INSERT INTO memory.turns (namespace, id, kind, session, speaker, text, said_at, source) VALUES
    (1, 1, 'message', '', 'Anna', 'I moved to Oslo.', '2017-05-06', ''),
    (1, 2, 'message', '', 'Anna', 'I have a cat.', '2017-05-07', ''),
    (2, 1, 'message', '', 'Ben', 'Mine alone.', '2017-05-07', '');
INSERT INTO memory.changes (namespace, id, at, cause, statement)
VALUES (1, 1, '2017-05-08T00:00:00.000Z', 'test', 'INSERT');
INSERT INTO memory.facts (namespace, id, subject, attribute, value, turn_id, recorded_at)
VALUES (1, 1, 'Anna', 'lives_in', 'Oslo', 1, '2017-05-08T00:00:00.000Z');
INSERT INTO memory.facts_log (namespace, id, change_id, fact_id, after)
SELECT 1, 1, 1, 1, '[1,"Anna","lives_in","Oslo",null,null,1,"2017-05-08T00:00:00.000Z"]'
WHERE NOT EXISTS (SELECT FROM memory.facts_log);
UPDATE memory.counters SET facts = 1, facts_log = 1 WHERE namespace = 1;
INSERT INTO memory.settings (namespace, id, name, value, set_at)
VALUES (1, 1, 'user', '"Anna"', '2017-05-08T00:00:00.000Z');
INSERT INTO memory.pending
    (namespace, first_turn, last_turn, error, attempts, claimed_by, claimed_until)
VALUES (1, 2, 2, 'no model', 1, '', 0);
