-- The extension's tables hold users' data: dump all of them, but who has polled lately.
DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT c.oid::pg_catalog.regclass
        FROM pg_catalog.pg_class c
        WHERE c.relnamespace = 'workflow'::pg_catalog.regnamespace AND c.relkind IN ('r', 'S')
          AND c.relname NOT IN ('worker', 'drained_worker')
    LOOP
        PERFORM pg_catalog.pg_extension_config_dump(relation, '');
    END LOOP;
END
$$;
