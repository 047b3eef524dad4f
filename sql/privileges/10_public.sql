-- Nothing is granted to PUBLIC: functions and types are, unless taken back.
REVOKE ALL ON SCHEMA workflow FROM PUBLIC;

DO $$
DECLARE
    object text;
BEGIN
    FOR object IN
        SELECT g.object FROM workflow.grantable() g WHERE g.object <> 'SCHEMA workflow'
        UNION ALL
        SELECT format('%s %s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass)
        FROM pg_class c
        WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'p', 'S')
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', object);
    END LOOP;
END
$$;
