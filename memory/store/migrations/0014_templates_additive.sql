-- The templates of an attribute, and the form of its values in them, as a JSON object: see
-- memory/vocabulary/attributes.py.
ALTER TABLE attributes ADD COLUMN templates TEXT NOT NULL DEFAULT '{}';
