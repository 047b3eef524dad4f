-- Registering workflows and activities.

-- register: stores a definition under a name, as a new version
--   name          the workflow's name, at most 200 characters; it belongs to the role that registers it first
--   definition    Amazon States Language, as text (kept as it came) or jsonb
--   make_current  whether new runs follow this version from now on
-- Returns the version, counted from 1; a definition with the same content gives the version it has already.
-- Warns of what is legal but looks wrong, such as activities that are not registered yet.
-- Raises OW001 with every problem in its detail, insufficient_privilege when the name belongs to somebody
-- else, object_not_in_prerequisite_state when its owner cannot log in or connect: runs execute as the owner.
CREATE FUNCTION workflow.register(name text, definition jsonb, make_current boolean DEFAULT true) RETURNS int
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_register';
COMMENT ON FUNCTION workflow.register(text, jsonb, boolean) IS 'Stores a workflow''s definition; gives its version';

CREATE FUNCTION workflow.register(name text, definition text, make_current boolean DEFAULT true) RETURNS int
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_register_text';
COMMENT ON FUNCTION workflow.register(text, text, boolean) IS 'Stores a workflow''s definition; gives its version';

-- validate: what is wrong with a definition, or looks wrong
-- Gives one row per problem: severity (error or warning), a stable code, where, what, and what to do about
-- it.  As text, duplicate keys and bad syntax are found, too.  Raises nothing for a wrong definition.
CREATE FUNCTION workflow.validate(definition jsonb)
    RETURNS TABLE (severity text, code text, path text, message text, hint text)
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_validate';
COMMENT ON FUNCTION workflow.validate(jsonb) IS 'Errors and warnings about a definition';

CREATE FUNCTION workflow.validate(definition text)
    RETURNS TABLE (severity text, code text, path text, message text, hint text)
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_validate_text';
COMMENT ON FUNCTION workflow.validate(text) IS 'Errors and warnings about a definition';

-- register_activity: gives an activity a name that definitions can use
--   name        at most 200 characters; it belongs to the role that registers it first
--   function    runs in the transaction of the workflow, as the workflow's owner.  Of these forms, each
--               with or without a workflow.activity_context besides:
--                   f(input jsonb)          the whole input
--                   f(one composite type)   filled from the members of the input
--                   f(named arguments)      each from the member of that name; those with defaults may miss
--               A member that nothing takes, a missing one, a value of the wrong type fail as OW.InvalidInput.
--               The result is converted by to_jsonb; void and NULL become null.
--               As text, it is a name with the types of the arguments: 'shop.pay(jsonb)'.
--   task_queue  programs outside do it: they take its tasks from this queue (46_poll.sql).  A task needs
--               StartToCloseSeconds or HeartbeatSeconds, from its state, Defaults or these options.
--   url         not supported yet
--   options     fields of a Task that say how it is run, as defaults: Retry, StartToCloseSeconds …; and Input,
--               the type of its input: a composite type's qualified name, or a JSON Schema.  What is not of it
--               fails as OW.InvalidInput before the function is called.
-- Registering again replaces function and options, for running workflows too; a quarantine stays.
-- Raises invalid_parameter_value for none or several kinds and for bad options (all in the detail),
-- undefined_function for a function that is not there, or is named without its types (the hint lists those of the
-- name), invalid_function_definition for procedures, sets, temporary or polymorphic functions,
-- insufficient_privilege without EXECUTE on the function, or when the name belongs to somebody else.
CREATE FUNCTION workflow.register_activity(name text, function text, task_queue text DEFAULT NULL,
                                           url text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_register_activity_text';
COMMENT ON FUNCTION workflow.register_activity(text, text, text, text, jsonb) IS
    'Gives a function, or what programs outside do, a name that definitions can use';

CREATE FUNCTION workflow.register_activity(name text, function regprocedure DEFAULT NULL, task_queue text DEFAULT NULL,
                                           url text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_register_activity';
COMMENT ON FUNCTION workflow.register_activity(text, regprocedure, text, text, jsonb) IS
    'Gives a function, or what programs outside do, a name that definitions can use';

-- release_activity: lifts the quarantine of an activity that crashed the server
-- Returns whether there was anything to lift.  Runs that got stuck at it go on by workflow.retry.
-- Raises OW003 for an unknown activity, insufficient_privilege for others than its owner.
CREATE FUNCTION workflow.release_activity(name text) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_release_activity';
COMMENT ON FUNCTION workflow.release_activity(text) IS 'Lifts the quarantine of an activity that crashed the server';
