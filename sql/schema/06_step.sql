-- Everything in these scripts is named with its schema, so that nothing that lay in wait in a schema
-- "workflow" made beforehand is called while they run.  And whoever owned that schema could put functions
-- beside ours later.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
BEGIN
    PERFORM FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
    WHERE n.nspname = 'workflow' AND (r.rolsuper OR r.rolname = current_user);
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'schema "workflow" belongs to a role that is not a superuser',
            HINT = 'Run ALTER SCHEMA workflow OWNER TO CURRENT_USER, after a look at what is in it.';
    END IF;
END
$$;

CREATE TYPE workflow.step AS (
    activity text,
    undo     text,
    options  jsonb
);
COMMENT ON TYPE workflow.step IS
    'A step of workflow.sequence: an activity, the activity that undoes it, and Task fields';
