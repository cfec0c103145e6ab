-- Statements of the kinds that models write, one on each line: all are allowed and run.
SELECT 1
SELECT summary FROM summaries WHERE last_turn_id >= 3 AND last_turn_id < 9 ORDER BY last_turn_id LIMIT 5
SELECT * FROM facts
SELECT t.* FROM turns t
SELECT COUNT(*) FROM turns
SELECT COUNT(DISTINCT subject) FROM facts
SELECT text FROM turns WHERE id = 3
SELECT text FROM turns WHERE id IN (1, 2, 3) ORDER BY id
SELECT text FROM turns WHERE id NOT IN (1, 2) AND id > -1
SELECT text FROM turns WHERE id BETWEEN 2 AND 5
SELECT text FROM turns WHERE id NOT BETWEEN 2 AND 5
select Text from Turns where Speaker = 'Anna'
SELECT speaker, text FROM turns WHERE lower(text) LIKE '%beach%'
SELECT speaker, text FROM turns WHERE text LIKE '%Beach%' OR text LIKE '%sea%'
SELECT text FROM turns WHERE LOWER(text) LIKE LOWER('%Beach%')
SELECT text FROM turns WHERE text NOT LIKE '%beach%'
SELECT text FROM turns WHERE text LIKE '100\%%' ESCAPE '\'
SELECT text FROM turns WHERE text NOT LIKE '100!%' ESCAPE '!'
SELECT value FROM facts WHERE subject = 'Anna' AND attribute = 'pet'
SELECT value FROM facts WHERE subject = 'Anna' AND (attribute LIKE '%job%' OR attribute LIKE '%work%')
SELECT value FROM facts WHERE subject = 'Anna' AND ended_on IS NULL
SELECT value FROM facts WHERE subject = 'Anna' AND NOT (ended_on IS NULL OR ended_on = '')
SELECT value FROM facts WHERE happened_on >= '2023-05' AND happened_on < '2023-06'
SELECT value FROM facts WHERE substr(happened_on, 1, 4) = '2023'
SELECT value, happened_on FROM facts WHERE happened_on LIKE '2023-05%' ORDER BY happened_on DESC LIMIT 1
SELECT value FROM facts WHERE happened_on IS NOT NULL ORDER BY happened_on ASC, id DESC LIMIT 5 OFFSET 2
SELECT text FROM turns ORDER BY said_at DESC NULLS LAST LIMIT 3, 5
SELECT DISTINCT speaker FROM turns ORDER BY speaker
SELECT DISTINCT session, substr(said_at, 1, 10) AS day FROM turns ORDER BY day
SELECT subject, COUNT(*) AS n FROM facts GROUP BY subject ORDER BY n DESC
SELECT subject, attribute, COUNT(*) FROM facts GROUP BY subject, attribute HAVING COUNT(*) > 1
SELECT substr(said_at, 1, 7) AS month, COUNT(*) AS n FROM turns GROUP BY month ORDER BY 1
SELECT substr(said_at, 1, 7), COUNT(*) FROM turns GROUP BY substr(said_at, 1, 7)
SELECT speaker, MIN(said_at), MAX(said_at) FROM turns GROUP BY 1
SELECT MIN(said_at) AS "First day", MAX(said_at) AS "Last day" FROM turns
SELECT AVG(length(text)) FROM turns
SELECT round(AVG(length(text)), 1) AS mean FROM turns
SELECT SUM(CAST(value AS INTEGER)) FROM facts WHERE attribute = 'children'
SELECT SUM(CASE WHEN speaker = 'Anna' THEN 1 ELSE 0 END) AS anna FROM turns
SELECT CAST(COUNT(*) AS REAL) / 2, COUNT(*) / 2, (1 + 2) * 3 - 4 FROM turns
SELECT abs(-3), length('x'), upper('a'), trim('  a '), trim('xax', 'x'), nullif(1, 1)
SELECT COALESCE(ended_on, 'now') FROM facts
SELECT value FROM facts WHERE ended_on = '' OR happened_on <> ''
SELECT value, days_between(happened_on, '2017-06-30') AS days FROM facts ORDER BY days
SELECT t.speaker, DAYS_BETWEEN(MIN(t.said_at), MAX(t.said_at)) FROM turns t GROUP BY t.speaker
SELECT text FROM turns WHERE days_between('2017-06', said_at) BETWEEN -7 AND 7
SELECT * FROM facts_now
SELECT COUNT(*) FROM facts_now
SELECT f.value, t.text FROM facts_now f JOIN turns t ON t.id = f.turn_id WHERE f.subject = 'Anna'
SELECT Value FROM Facts_Now WHERE attribute = 'pet' AND id IN (SELECT id FROM facts_now) ORDER BY id
SELECT f.value FROM search('dog', 5) s JOIN facts_now f ON f.turn_id = s.turn_id
WITH pets AS (SELECT subject, value FROM facts_now WHERE attribute = 'pet') SELECT * FROM pets
SELECT subject, value, ROW_NUMBER() OVER (PARTITION BY subject ORDER BY happened_on DESC) AS n FROM facts
WITH r AS (SELECT subject, value, ROW_NUMBER() OVER (PARTITION BY subject, attribute ORDER BY happened_on DESC, id DESC) AS n FROM facts) SELECT subject, value FROM r WHERE n = 1
SELECT value, RANK() OVER (ORDER BY subject), DENSE_RANK() OVER (ORDER BY subject) FROM facts
SELECT said_at, LAG(said_at) OVER (ORDER BY id), LEAD(said_at, 2, 'none') OVER (ORDER BY id) FROM turns
SELECT id, days_between(LAG(said_at) OVER (ORDER BY id), said_at) AS gap FROM turns ORDER BY gap DESC
SELECT FIRST_VALUE(value) OVER (PARTITION BY subject ORDER BY turn_id DESC) FROM facts
SELECT id, SUM(length(text)) OVER (ORDER BY id), AVG(length(text)) OVER (PARTITION BY speaker) FROM turns
SELECT speaker, COUNT(*) AS n, RANK() OVER (ORDER BY COUNT(*) DESC) AS place FROM turns GROUP BY speaker
SELECT text FROM turns ORDER BY COUNT(*) OVER (PARTITION BY speaker) DESC, id
SELECT IFNULL(ended_on, '') FROM facts
SELECT speaker || ': ' || text AS line FROM turns
SELECT text, length(text) - length(trim(text)) AS blanks FROM turns ORDER BY length(text) DESC
SELECT CASE subject WHEN 'Anna' THEN 'her' ELSE 'other' END FROM facts
SELECT f.value, t.text FROM facts f JOIN turns t ON t.id = f.turn_id WHERE f.subject = 'Anna'
SELECT facts.value, turns.said_at FROM facts INNER JOIN turns ON turns.id = facts.turn_id
SELECT t.text, f.value FROM turns t LEFT JOIN facts f ON f.turn_id = t.id WHERE f.id IS NULL
SELECT t.text FROM turns AS t LEFT OUTER JOIN facts AS f ON f.turn_id = t.id AND f.subject = 'Ben'
SELECT f.value, t.text FROM facts f, turns t WHERE t.id = f.turn_id
SELECT a.value, b.value FROM facts a CROSS JOIN facts b WHERE a.id < b.id AND a.subject = b.subject
SELECT n.text FROM turns t JOIN turns n ON n.session = t.session AND n.id = t.id + 1 WHERE t.text LIKE '%?'
SELECT text FROM turns WHERE id IN (SELECT turn_id FROM facts WHERE subject = 'Anna')
SELECT text FROM turns t WHERE EXISTS (SELECT 1 FROM facts f WHERE f.turn_id = t.id)
SELECT text FROM turns t WHERE NOT EXISTS (SELECT * FROM facts WHERE turn_id = t.id)
SELECT value FROM facts WHERE happened_on = (SELECT MAX(happened_on) FROM facts WHERE subject = 'Anna')
SELECT subject, (SELECT COUNT(*) FROM turns t WHERE t.speaker = f.subject) AS said FROM facts f
SELECT s.n FROM (SELECT speaker, COUNT(*) AS n FROM turns GROUP BY speaker) AS s WHERE s.n > 1
SELECT day, COUNT(*) FROM (SELECT substr(said_at, 1, 10) AS day FROM turns) d GROUP BY day
SELECT t.id, t.text, COUNT(f.id) FROM turns t LEFT JOIN facts f ON f.turn_id = t.id GROUP BY t.id
SELECT value FROM facts UNION SELECT text FROM turns
SELECT subject AS name FROM facts UNION ALL SELECT speaker FROM turns ORDER BY name LIMIT 10
SELECT speaker FROM turns EXCEPT SELECT subject FROM facts
SELECT speaker FROM turns INTERSECT SELECT subject FROM facts ORDER BY 1
SELECT 1 UNION SELECT 2 EXCEPT SELECT 3
WITH pets AS (SELECT value, turn_id FROM facts WHERE attribute = 'pet') SELECT p.value, t.text FROM pets p JOIN turns t ON t.id = p.turn_id
WITH a AS (SELECT subject, COUNT(*) AS n FROM facts GROUP BY subject), b AS (SELECT MAX(n) AS top FROM a) SELECT a.subject FROM a JOIN b ON a.n = b.top
WITH c(who, what) AS (SELECT subject, value FROM facts) SELECT who, what FROM c WHERE what <> 'cat'
SELECT turn_id, score FROM search('beach trip', 20)
SELECT s.turn_id FROM search('move to Oslo', 20, '{"session": "private"}') s
SELECT t.text FROM search('it''s', 20, '{"speaker": ["Anna", "O''Neil"], "since": "2017-05", "tags": {"a b": "c"}}') s JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC
SELECT a.turn_id FROM search('x', 5, '{}') a JOIN search('y', 5, '{"kind": "tool"}') b ON a.turn_id = b.turn_id
SELECT turn_id FROM search('beach trip')
SELECT t.said_at, t.speaker, t.text FROM search('beach trip', 20) s JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC
SELECT t.text FROM turns t JOIN search('Anna''s dog', 5) AS s ON s.turn_id = t.id WHERE t.speaker = 'Anna'
SELECT turns.text FROM search('job', 10) JOIN turns ON turns.id = search.turn_id
SELECT text FROM turns WHERE id IN (SELECT turn_id FROM search('beach; trip -- now', 3))
WITH hits AS (SELECT turn_id, score FROM search('work', 30)) SELECT t.text FROM hits h JOIN turns t ON t.id = h.turn_id ORDER BY h.score DESC LIMIT 5
SELECT a.turn_id FROM search('beach', 20) a JOIN search('dog', 20) b ON a.turn_id = b.turn_id WHERE a.score > 0.1
SELECT turn_id FROM search('beach', 200) UNION SELECT turn_id FROM facts WHERE subject = 'Anna'
SELECT f.value, f.happened_on FROM search('nothing like this', 20) s JOIN facts f ON f.turn_id = s.turn_id
SELECT t.text FROM (SELECT turn_id FROM search('dog', 9)) x JOIN turns t ON t.id = x.turn_id
SELECT id AS "order", text AS "user" FROM turns ORDER BY "order"
SELECT value AS month, subject AS name, attribute AS type, COUNT(*) AS total FROM facts GROUP BY value, subject, attribute
SELECT kind, session, source FROM turns WHERE source = 'D1:3' AND kind <> 'tool'
SELECT recorded_at FROM facts WHERE TRUE AND id != 1 ORDER BY recorded_at
SELECT text FROM turns WHERE text = 'naïve café 🐕 -- not; a comment /* here */'
SELECT value FROM facts WHERE value IN ('it''s', 'a "quoted" word', 'x?', '$1', ':y', '```')
SELECT id, - -id, -(id + 1) FROM turns WHERE (id + 1) * 2 <= 10 AND 1.5e0 > .5
SELECT MAX(id), COUNT(id) + 1 FROM turns HAVING COUNT(*) > 0
SELECT DATE('now')
SELECT text FROM turns WHERE date(said_at) = '2017-05-07'
SELECT text FROM turns WHERE said_at > datetime('now', '-7 days')
SELECT strftime('%Y', said_at) FROM turns
SELECT EXTRACT(YEAR FROM said_at) FROM turns
SELECT date_trunc('month', said_at) FROM turns
SELECT text FROM turns WHERE said_at < CURRENT_DATE
SELECT CURRENT_TIMESTAMP
SELECT to_char(said_at, 'YYYY') FROM turns
SELECT now()
SELECT MONTH(said_at), DAY(said_at) FROM turns
SELECT YEAR(said_at) FROM turns
SELECT text FROM turns WHERE text ILIKE '%beach%'
SELECT text FROM turns WHERE speaker = 'anna' COLLATE NOCASE
SELECT text FROM turns WHERE instr(text, 'beach') > 0
SELECT text FROM turns WHERE POSITION('beach' IN text) > 0
SELECT MAX(id, turn_id) FROM facts
SELECT value FROM facts WHERE (subject, value) IN (('a', 'b'))
SELECT value::int FROM facts
SELECT CAST(said_at AS DATE) FROM turns
SELECT CAST(id AS VARCHAR(10)) FROM turns
SELECT lower(value) AS v FROM facts WHERE v = 'x'
SELECT text LIKE '%a%' FROM turns
SELECT SUM(value = 'x') FROM facts
SELECT text FROM turns ORDER BY speaker = 'Anna'
SELECT TRUE
SELECT IIF(id > 1, 'a', 'b') FROM turns
SELECT COUNT(*) FILTER (WHERE id > 1) FROM turns
SELECT value FROM (SELECT value FROM facts)
(SELECT id FROM turns LIMIT 3) UNION (SELECT id FROM turns LIMIT 4)
(SELECT id FROM facts)
(SELECT 1)
SELECT id FROM turns UNION (SELECT id FROM facts)
SELECT CONCAT(speaker, ': ', text) FROM turns
SELECT LEFT(said_at, 4) FROM turns
SELECT SUM(number(value)), AVG(number(value)), MIN(number(value)) FROM facts WHERE attribute = 'spent'
SELECT value FROM facts WHERE number(value) > 100 ORDER BY number(value) DESC
SELECT SUM(number(value)) OVER (PARTITION BY subject ORDER BY id), AVG(number(value)) OVER (ORDER BY id) FROM facts
SELECT SUM(DISTINCT number(value)), AVG(DISTINCT number(value)), round(SUM(number(value)) / 3, 2) FROM facts
WITH number AS (SELECT number(value) AS number FROM facts) SELECT SUM(number.number) AS number FROM number ORDER BY number
SELECT NUMBER('1.5k'), number(id), number(NULL), CAST(value AS REAL), CAST(value AS INTEGER) FROM facts
SELECT replace(replace(value, '$', ''), ',', ''), instr(lower(text), 'beach'), instr(text, UPPER('b')) FROM facts, turns
SELECT value FROM facts WHERE (subject, happened_on) IN (SELECT subject, MAX(happened_on) FROM facts GROUP BY subject)
SELECT value FROM facts WHERE (subject, attribute) NOT IN (('Anna', 'pet'), ('Ben', 'pet'))
SELECT MIN(happened_on, ended_on), GREATEST(id, turn_id), LEAST(value, subject) FROM facts
SELECT COUNT(*) FILTER (WHERE value LIKE '%x%'), SUM(id) FILTER (WHERE id > 1) OVER (ORDER BY id) FROM facts GROUP BY id
SELECT COUNT(*) FROM (SELECT DISTINCT value FROM facts) JOIN (SELECT 1 AS n) ON n = 1
(SELECT text FROM turns ORDER BY id LIMIT 2) UNION ALL (SELECT value FROM facts)
SELECT EXISTS(SELECT 1 FROM facts WHERE value = 'Rex') AS known, NOT EXISTS(SELECT 1 FROM facts) AS empty
SELECT julianday('now') - julianday(happened_on), ended_on - happened_on, DATEDIFF(ended_on, happened_on) FROM facts
SELECT value FROM facts WHERE happened_on BETWEEN date('now', '-1 year', 'start of month') AND CURRENT_DATE - INTERVAL '7 days'
SELECT EXTRACT(DAY FROM CURRENT_DATE - happened_on), date_part('month', said_at) FROM facts f JOIN turns t ON t.id = f.turn_id
SELECT subject, COUNT(*) AS n FROM facts GROUP BY subject HAVING n > 1 ORDER BY n * 2 DESC
SELECT value FROM facts FETCH FIRST 5 ROWS ONLY
SELECT RIGHT(value, 3), LEFT(value, 3), TOTAL(number(value)) FROM facts GROUP BY value
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'pet', 'a dog called Rex', 1)
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'pet', 'Rex', 1), ('Ben', 'job', 'nurse', 2)
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'said', 'it''s fine; really -- yes', 1)
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'likes', 'naïve café 🐕 שלום', 1)
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'age', 31, 1)
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'debt', -20.5, 1)
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'note', '', 1)
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'note', 'C:\dir', 1)
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'quote', 'she said "hi"', 1)
INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'code', '```sql SELECT 1;```', 1)
insert into facts (subject, attribute, value, turn_id) values ('Anna', 'pet', 'cat', 2)
INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES ('Anna', 'moved to', 'Oslo', '2023-05-07', 1)
INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES ('Anna', 'moved to', 'Oslo', '2023-05', 1)
INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES ('Anna', 'moved to', 'Oslo', NULL, 1)
INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES ('Anna', 'moved to', 'Oslo', 2023, 1)
INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES ('Anna', 'trip', 'Rome', '2022', 1), ('Ben', 'trip', 'Paris', '2021-08', 2)
INSERT INTO facts ("subject", "attribute", "value", "turn_id") VALUES ('a', 'b', 'c', 1)
INSERT INTO facts (turn_id, value, attribute, subject, ended_on) VALUES (3, 'nurse', 'job', 'Ben', '2023-01-31')
UPDATE facts SET ended_on = '2023-06' WHERE id = 1
UPDATE facts SET value = 'Bergen', turn_id = 2 WHERE subject = 'Anna' AND attribute = 'city'
UPDATE facts SET ended_on = NULL WHERE subject = 'Anna'
UPDATE facts SET value = 5 WHERE id = 1
UPDATE facts SET value = value || ' and tea' WHERE attribute LIKE '%Likes%'
UPDATE facts SET subject = 'Anna' WHERE lower(subject) IN ('anna', 'ana')
UPDATE facts SET value = trim(value) WHERE length(value) > 20
UPDATE facts AS f SET value = 'x' WHERE f.id = 1
UPDATE facts SET ended_on = '2023' WHERE facts.id = 2 AND ended_on IS NULL
UPDATE facts SET happened_on = substr(happened_on, 1, 7) WHERE happened_on <> ''
UPDATE facts SET value = CASE WHEN value = 'a' THEN 'b' ELSE value END WHERE id > 0
UPDATE facts SET ended_on = '2023-05' WHERE id = (SELECT MAX(id) FROM facts WHERE subject = 'Anna')
UPDATE facts SET value = (SELECT speaker FROM turns t WHERE t.id = turn_id) WHERE value = ''
DELETE FROM facts WHERE id = 1
DELETE FROM facts WHERE id IN (1, 2)
DELETE FROM facts WHERE subject = 'Anna' AND attribute = 'pet' AND value = 'Rex'
DELETE FROM facts WHERE turn_id IN (SELECT id FROM turns WHERE speaker = 'Ben')
DELETE FROM facts AS f WHERE f.value LIKE '%cat%' AND NOT f.ended_on IS NULL
DELETE FROM facts WHERE EXISTS (SELECT 1 FROM turns t WHERE t.id = facts.turn_id AND t.id > 9)
UPDATE facts SET value = replace(value, 'cat', 'dog') WHERE instr(value, 'cat') > 0
UPDATE facts SET turn_id = 1 WHERE number(value) > 3 AND value ILIKE '%x%'
DELETE FROM facts WHERE (subject, attribute) IN (('Anna', 'pet'), ('Ben', 'pet'))
