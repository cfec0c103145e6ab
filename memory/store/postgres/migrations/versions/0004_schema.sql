-- What an application brings to its memory: as in SQLite, see memory/store/migrations/0008_schema.sql.
CREATE TABLE memory.tags (
    namespace bigint NOT NULL,
    turn_id   bigint NOT NULL,
    key       text COLLATE "C" NOT NULL CHECK (key <> ''),
    value     text COLLATE "C" NOT NULL CHECK (value <> ''),
    PRIMARY KEY (namespace, turn_id, key, value),
    FOREIGN KEY (namespace, turn_id) REFERENCES memory.turns DEFERRABLE
);
CREATE INDEX tags_by_value ON memory.tags (namespace, key, value, turn_id);

CREATE TABLE memory.attributes (
    namespace      bigint NOT NULL,
    name           text COLLATE "C" NOT NULL CHECK (name <> ''),
    other_names    text COLLATE "C" NOT NULL,
    kind           text COLLATE "C" NOT NULL CHECK (kind IN ('one value', 'many', 'event')),
    allowed_values text COLLATE "C" NOT NULL,
    instruction    text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, name)
);

CREATE TABLE memory.entities (
    namespace   bigint NOT NULL,
    name        text COLLATE "C" NOT NULL CHECK (name <> ''),
    description text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, name)
);

CREATE TABLE memory.aliases (
    namespace bigint NOT NULL,
    name      text COLLATE "C" NOT NULL CHECK (name <> ''),
    entity    text COLLATE "C" NOT NULL CHECK (entity <> ''),
    turn_id   bigint NOT NULL,
    PRIMARY KEY (namespace, name, entity, turn_id)
);
CREATE INDEX aliases_by_entity ON memory.aliases (namespace, entity);
CREATE INDEX aliases_by_turn ON memory.aliases (namespace, turn_id);

CREATE TABLE memory.rows_log (
    namespace  bigint NOT NULL,
    id         bigint NOT NULL,
    change_id  bigint NOT NULL,
    table_name text COLLATE "C" NOT NULL,
    turn_id    bigint NOT NULL,
    before     text COLLATE "C",
    after      text COLLATE "C",
    PRIMARY KEY (namespace, id),
    FOREIGN KEY (namespace, change_id) REFERENCES memory.changes DEFERRABLE
);
CREATE INDEX rows_log_by_change ON memory.rows_log (namespace, change_id);
CREATE INDEX rows_log_by_turn ON memory.rows_log (namespace, turn_id);
ALTER TABLE memory.counters ADD COLUMN rows_log bigint NOT NULL DEFAULT 0;

ALTER TABLE memory.facts ADD COLUMN entity text COLLATE "C";
ALTER TABLE memory.facts ADD COLUMN value_entity text COLLATE "C";
CREATE INDEX facts_by_entity ON memory.facts (namespace, entity, attribute);
CREATE INDEX facts_by_value_entity ON memory.facts (namespace, value_entity)
    WHERE value_entity IS NOT NULL;

ALTER TABLE memory.tags ENABLE ROW LEVEL SECURITY;
ALTER TABLE memory.attributes ENABLE ROW LEVEL SECURITY;
ALTER TABLE memory.entities ENABLE ROW LEVEL SECURITY;
ALTER TABLE memory.aliases ENABLE ROW LEVEL SECURITY;
ALTER TABLE memory.rows_log ENABLE ROW LEVEL SECURITY;

CREATE POLICY reads ON memory.tags FOR SELECT TO "MODEL_ROLE"
    USING (namespace = memory.entered('rj'));
CREATE POLICY reads ON memory.entities FOR SELECT TO "MODEL_ROLE"
    USING (namespace = memory.entered('r'));
CREATE POLICY reads ON memory.aliases FOR SELECT TO "MODEL_ROLE"
    USING (namespace = memory.entered('r'));
CREATE POLICY journals ON memory.attributes FOR SELECT TO "MODEL_ROLE"
    USING (namespace = memory.entered('j'));
CREATE POLICY journals ON memory.entities TO "MODEL_ROLE"
    USING (namespace = memory.entered('j')) WITH CHECK (namespace = memory.entered('j'));
CREATE POLICY journals ON memory.aliases TO "MODEL_ROLE"
    USING (namespace = memory.entered('j')) WITH CHECK (namespace = memory.entered('j'));
CREATE POLICY journals ON memory.rows_log TO "MODEL_ROLE"
    USING (namespace = memory.entered('j')) WITH CHECK (namespace = memory.entered('j'));

REVOKE ALL ON memory.tags, memory.attributes, memory.entities, memory.aliases, memory.rows_log
    FROM PUBLIC;
GRANT SELECT ON memory.tags, memory.attributes TO "MODEL_ROLE";
GRANT SELECT, INSERT, DELETE ON memory.entities, memory.aliases TO "MODEL_ROLE";
GRANT SELECT, INSERT ON memory.rows_log TO "MODEL_ROLE";

CREATE OR REPLACE VIEW memory_views.facts WITH (security_invoker = true) AS
    SELECT id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at, entity,
        value_entity
    FROM memory.facts;
CREATE VIEW memory_views.tags WITH (security_invoker = true) AS
    SELECT turn_id, key, value FROM memory.tags;
CREATE VIEW memory_views.entities WITH (security_invoker = true) AS
    SELECT name, description FROM memory.entities;
CREATE VIEW memory_views.aliases WITH (security_invoker = true) AS
    SELECT name, entity, turn_id FROM memory.aliases;
GRANT SELECT ON memory_views.tags, memory_views.entities, memory_views.aliases TO "MODEL_ROLE";
