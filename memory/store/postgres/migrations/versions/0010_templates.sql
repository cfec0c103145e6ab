-- The templates of an attribute: as in SQLite, see memory/store/migrations/0014_templates_additive.sql.
ALTER TABLE memory.attributes ADD COLUMN templates text COLLATE "C" NOT NULL DEFAULT '{}';
