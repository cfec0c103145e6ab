-- Citus hands the servers that hold the rows what SET LOCAL says, and not what set_config() does.
CREATE FUNCTION memory.spread_ticket(ticket text) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE pg_catalog.format('SET LOCAL memory.ticket = %L', ticket);
END
$$;
REVOKE ALL ON FUNCTION memory.spread_ticket FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memory.spread_ticket TO "MODEL_ROLE";

-- Called for a row, so that it runs on the server that has it.
CREATE FUNCTION memory.set_keys(mode text) RETURNS void LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    IF mode = 'DEFERRED' THEN
        SET CONSTRAINTS ALL DEFERRED;
    ELSE
        SET CONSTRAINTS ALL IMMEDIATE;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION memory.set_keys FROM PUBLIC;
