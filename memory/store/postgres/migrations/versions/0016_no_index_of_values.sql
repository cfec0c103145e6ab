-- Every index begins with the namespace, and a value may be too long for one that does.
DROP INDEX memory.facts_by_plain_value;
