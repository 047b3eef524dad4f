-- Definitions, activities and who may use them: small tables, seldom written, cached by every backend.

-- A workflow's name belongs to the role that first registered it; its runs execute as that role.
CREATE TABLE workflow.workflow_type (
    name            text PRIMARY KEY CHECK (name <> '' AND length(name) <= 400),
    owner           regrole NOT NULL,
    current_version int NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    ramp_version    int,
    ramp_percent    float8 NOT NULL DEFAULT 0 CHECK (ramp_percent BETWEEN 0 AND 100),
    ramped_at       timestamptz,
    retention       text NOT NULL DEFAULT 'normal' CHECK (retention IN ('short', 'normal', 'long', 'forever')),
    log_events      text,
    CHECK ((ramp_version IS NULL) = (ramp_percent = 0) AND (ramp_version IS NULL) = (ramped_at IS NULL))
);
COMMENT ON TABLE workflow.workflow_type IS 'Registered workflow names, their owner and current version';
COMMENT ON COLUMN workflow.workflow_type.ramp_version IS 'What so many percent of the new runs follow instead of the current version; null: none';
COMMENT ON COLUMN workflow.workflow_type.retention IS 'The class that says how long closed runs are kept';
COMMENT ON COLUMN workflow.workflow_type.log_events IS 'Which events of its runs are logged; null: as order_workflow.log_events says';
COMMENT ON COLUMN workflow.workflow_type.ramped_at IS 'Since when any run has been led to it';

-- What a row defines is immutable: a run stays on the definition it started with, and caches need no invalidation.
CREATE SEQUENCE workflow.definition_id_seq AS int;
CREATE TABLE workflow.definition (
    definition_id   int PRIMARY KEY DEFAULT nextval('workflow.definition_id_seq'),
    workflow        text NOT NULL,
    version         int NOT NULL,
    source          text NOT NULL,
    definition      jsonb NOT NULL,
    digest          bytea NOT NULL,
    created_by      regrole NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    deprecated_at   timestamptz,
    retired_at      timestamptz,
    UNIQUE (workflow, version)
);
ALTER SEQUENCE workflow.definition_id_seq OWNED BY workflow.definition.definition_id;
COMMENT ON SEQUENCE workflow.definition_id_seq IS 'Ids of definitions';
COMMENT ON TABLE workflow.definition IS 'Versions of workflow definitions; source is the text as it came';
COMMENT ON COLUMN workflow.definition.deprecated_at IS 'Since when whoever starts it by its number is warned; null: nobody is';
COMMENT ON COLUMN workflow.definition.retired_at IS 'Since when no run can be started on it, or moved to it; null: it can be used';

-- Functions are kept by name: regprocedure columns block pg_upgrade, plain oids do not survive a restore.
CREATE TABLE workflow.activity (
    name               text PRIMARY KEY CHECK (name <> '' AND length(name) <= 200),
    owner              regrole NOT NULL,
    kind               text NOT NULL CHECK (kind IN ('sql', 'queue', 'http')),
    function_schema    text,
    function_name      text,
    function_arguments text,
    task_queue         text,
    options            jsonb NOT NULL DEFAULT '{}',
    registered_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    crashes            int NOT NULL DEFAULT 0,
    quarantined_at     timestamptz,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    function_hash      text
);
COMMENT ON TABLE workflow.activity IS 'Registered activities, their kind and default options';
COMMENT ON COLUMN workflow.activity.created_at IS
    'When the name was first registered: a definition of another owner uses it only if it was there before';
COMMENT ON COLUMN workflow.activity.function_hash IS 'Of the function as it was when it was registered; see workflow.function_hash';
COMMENT ON COLUMN workflow.activity.crashes IS 'Runs left stuck because this activity crashed the server again and again';

-- What activities have been registered as, so that history need not say of each attempt which function it called: whoever finds
-- none there knows that it was the one in force when its run began.  A registration of another function is in force a while after its
-- commit: no run that begins then can have met a session that does not see it yet.
CREATE TABLE workflow.activity_registration (
    activity      text NOT NULL,
    registered_at timestamptz NOT NULL,
    owner         regrole NOT NULL,
    in_force_from timestamptz NOT NULL,
    settled       boolean NOT NULL,
    function_hash text,
    PRIMARY KEY (activity, registered_at)
);
COMMENT ON TABLE workflow.activity_registration IS 'Functions that activities have been registered with, one after the other';
COMMENT ON COLUMN workflow.activity_registration.in_force_from IS
    'Attempts of runs that began since then, and called this function, do not say so';
COMMENT ON COLUMN workflow.activity_registration.registered_at IS 'When it was committed';
COMMENT ON COLUMN workflow.activity_registration.settled IS 'Its times are final; false: its transaction has not committed';
COMMENT ON COLUMN workflow.activity_registration.function_hash IS 'Of the function as it was then; null: it had none';

-- settle_registration: a registration counts from its commit, and is in force 10 s later
CREATE FUNCTION workflow.settle_registration() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE workflow.activity_registration r
    SET registered_at = t.at, in_force_from = t.at + interval '10 s', settled = true
    FROM (SELECT greatest(workflow.now(), NEW.registered_at) AS at) t
    WHERE r.activity = NEW.activity AND r.registered_at = NEW.registered_at;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION workflow.settle_registration() IS 'Has a registration count from its commit on';
CREATE CONSTRAINT TRIGGER settle AFTER INSERT ON workflow.activity_registration DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NOT NEW.settled) EXECUTE FUNCTION workflow.settle_registration();

CREATE TABLE workflow.workflow_grant (
    workflow  text NOT NULL,
    grantee   regrole NOT NULL,
    privilege text NOT NULL CHECK (privilege IN ('start', 'signal', 'cancel', 'read')),
    PRIMARY KEY (workflow, grantee, privilege)
);
COMMENT ON TABLE workflow.workflow_grant IS 'Privileges on workflows given to roles other than their owner';

CREATE TABLE workflow.activity_grant (
    activity text NOT NULL,
    grantee  regrole NOT NULL,
    PRIMARY KEY (activity, grantee)
);
COMMENT ON TABLE workflow.activity_grant IS 'Roles that may use an activity in their own definitions';

-- A flag is for the runs of one owner: nobody sets what somebody else's runs read.
CREATE TABLE workflow.flag (
    owner   regrole NOT NULL,
    name    text NOT NULL,
    value   jsonb NOT NULL,
    percent float8 NOT NULL CHECK (percent BETWEEN 0 AND 100),
    set_by  regrole NOT NULL,
    set_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (owner, name)
);
COMMENT ON TABLE workflow.flag IS 'Feature flags, which Version states read';

-- Task queues are names and nothing else: what is granted are the tasks of one owner's runs in the queue.
CREATE TABLE workflow.worker_grant (
    task_queue text NOT NULL,
    owner      regrole NOT NULL,
    grantee    regrole NOT NULL,
    PRIMARY KEY (task_queue, owner, grantee)
);
COMMENT ON TABLE workflow.worker_grant IS 'Roles that may take tasks of an owner''s runs from a task queue';

-- Whose runs have, or have had, tasks in a queue, and what governs them.  If anything does, be it only that
-- tasks have fairness keys, whoever takes such tasks locks the row, so that limits are exact.
--   pass     virtual time: that of the key which was served last
--   full_at  when the bucket of its rate is full again: with each task that is taken it moves on by 1 / rate
CREATE TABLE workflow.task_queue (
    task_queue        text NOT NULL,
    owner             regrole NOT NULL,
    has_keys          boolean NOT NULL DEFAULT false,
    rate_limit        float8,
    max_in_flight     int,
    key_rate_limit    float8,
    key_max_in_flight int,
    paused_until      timestamptz,
    pause_reason      text,
    pass              float8 NOT NULL DEFAULT 0,
    full_at           timestamptz NOT NULL DEFAULT '-infinity',
    swept_at          timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (task_queue, owner)
) WITH (fillfactor = 50);
COMMENT ON TABLE workflow.task_queue IS 'Whose tasks are in a task queue, their limits and pauses';

-- The same of one fairness key; '' stands for tasks without.  Rows that say nothing (any more) are deleted.
CREATE TABLE workflow.task_queue_key (
    task_queue    text NOT NULL,
    owner         regrole NOT NULL,
    fairness_key  text COLLATE "C" NOT NULL,
    weight        real NOT NULL DEFAULT 1,
    rate_limit    float8,
    max_in_flight int,
    paused_until  timestamptz,
    pause_reason  text,
    pass          float8 NOT NULL DEFAULT 0,
    full_at       timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (task_queue, owner, fairness_key)
) WITH (fillfactor = 50);
COMMENT ON TABLE workflow.task_queue_key IS 'Weights, limits and pauses of fairness keys, and how much they have had';

-- Which cluster and database this copy of the data belongs to.  A restored or cloned copy does not
-- match and stays quiet until workflow.resume_engine().
CREATE TABLE workflow.engine_identity (
    singleton         boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    system_identifier bigint NOT NULL,
    database_oid      bigint NOT NULL,
    instance          text NOT NULL,
    epoch             uuid NOT NULL DEFAULT gen_random_uuid(),
    claimed_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE workflow.engine_identity IS 'The cluster and database whose workers may run these workflows';
COMMENT ON COLUMN workflow.engine_identity.epoch IS
    'Mixed into the task tokens that are handed out; changed by resume_engine and advance_epoch';

-- How long retention classes keep closed runs, where it is not as it was at first (src/store/retention.c).
CREATE TABLE workflow.retention_class (
    class      text PRIMARY KEY CHECK (class IN ('short', 'normal', 'long')),
    keep       interval NOT NULL CHECK (keep > interval '0'),
    changed_at timestamptz NOT NULL
);
COMMENT ON TABLE workflow.retention_class IS 'How long retention classes keep closed runs, where somebody has set it';
