-- What is kept of runs: append-only, LIST-partitioned on bucket over a fixed ring of leaves.
--
-- A run's bucket is chosen when it starts, from the retention class of its workflow and the start time
-- (src/store/retention.h); a run that outlives its leaf moves on to another.  The leaves are made here, once: partitions
-- made at run time would be lost or doubled by dump and restore, and would lock the parent.

CREATE TABLE workflow.closed_execution (
    shard_key     int NOT NULL,
    bucket        smallint NOT NULL,
    run_id        uuid NOT NULL,
    workflow_id   text COLLATE "C" NOT NULL,
    definition_id int NOT NULL,
    owner         regrole NOT NULL,
    started_by    regrole NOT NULL,
    started_at    timestamptz NOT NULL,
    closed_at     timestamptz NOT NULL,
    status        text NOT NULL,
    state         text,
    events        int NOT NULL,
    input         jsonb NOT NULL,
    output        jsonb,
    error         text,
    cause         text,
    public_error  jsonb,
    memo          jsonb,
    request_id    text,
    chain_id      uuid NOT NULL,
    root_run_id   uuid NOT NULL,
    machine       jsonb,
    traceparent   text,
    run_attempt   int NOT NULL DEFAULT 1,
    next_run_id   uuid,
    schedule      jsonb,
    parent_workflow_id text COLLATE "C",
    parent_run_id uuid,
    deadline      timestamptz,
    execution_deadline timestamptz,
    options       jsonb,
    PRIMARY KEY (shard_key, bucket, run_id)
) PARTITION BY LIST (bucket);
CREATE INDEX closed_execution_workflow_id ON workflow.closed_execution (shard_key, workflow_id);
CREATE INDEX closed_execution_request ON workflow.closed_execution (shard_key, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX closed_execution_parent ON workflow.closed_execution (parent_workflow_id) WHERE parent_workflow_id IS NOT NULL;
CREATE INDEX closed_execution_closed_at ON workflow.closed_execution USING brin (closed_at) WITH (autosummarize = on);
CREATE INDEX closed_execution_not_undone ON workflow.closed_execution (closed_at) WHERE machine IS NOT NULL;
COMMENT ON TABLE workflow.closed_execution IS 'Closed runs';
COMMENT ON COLUMN workflow.closed_execution.next_run_id IS 'The run in its place: it was continued as new, or is retried';
COMMENT ON COLUMN workflow.closed_execution.options IS 'As in execution: what its start said, for a run that takes its place';
COMMENT ON COLUMN workflow.closed_execution.machine IS 'State needed to run failed compensations again, when there are any';

-- One row per transaction that drove the run: its events side by side, ids counting up from first_event_id.
CREATE TABLE workflow.history_batch (
    shard_key      int NOT NULL,
    bucket         smallint NOT NULL,
    run_id         uuid NOT NULL,
    first_event_id int NOT NULL,
    owner          regrole NOT NULL,
    started_by     regrole NOT NULL,
    event_times    timestamptz[] NOT NULL,
    event_types    text[] NOT NULL,
    states         text[] NOT NULL,
    branches       int[],
    attributes     jsonb[] NOT NULL,
    PRIMARY KEY (shard_key, bucket, run_id, first_event_id)
) PARTITION BY LIST (bucket);
COMMENT ON TABLE workflow.history_batch IS 'History events, packed one row per transition batch';
COMMENT ON COLUMN workflow.history_batch.branches IS 'Ids of branches; null when no event is of a branch';

CREATE TABLE workflow.compensation (
    shard_key   int NOT NULL,
    bucket      smallint NOT NULL,
    run_id      uuid NOT NULL,
    sequence    int NOT NULL,
    owner       regrole NOT NULL,
    started_by  regrole NOT NULL,
    branch      text,
    state       text NOT NULL,
    activity    text NOT NULL,
    status      text NOT NULL CHECK (status IN ('Recorded', 'Completed', 'Failed')),
    attempts    int NOT NULL,
    recorded_at timestamptz NOT NULL,
    closed_at   timestamptz,
    input       jsonb NOT NULL,
    compensates jsonb NOT NULL,
    failure     jsonb,
    PRIMARY KEY (shard_key, bucket, run_id, sequence)
) PARTITION BY LIST (bucket);
-- What runs are found by, open and closed: a row for each value (of a list, for each element), with a column of its type.
CREATE TABLE workflow.search_attribute (
    shard_key      int NOT NULL,
    bucket         smallint NOT NULL,
    run_id         uuid NOT NULL,
    name           text COLLATE "C" NOT NULL,
    position       smallint NOT NULL,
    workflow_id    text COLLATE "C" NOT NULL,
    definition_id  int NOT NULL,
    owner          regrole NOT NULL,
    started_by     regrole NOT NULL,
    type           text NOT NULL,
    keyword_value  text COLLATE "C",
    text_value     text,
    int_value      bigint,
    double_value   double precision,
    bool_value     boolean,
    datetime_value timestamptz,
    PRIMARY KEY (shard_key, bucket, run_id, name, position)
) PARTITION BY LIST (bucket);
CREATE INDEX search_attribute_keyword ON workflow.search_attribute (name, keyword_value) WHERE keyword_value IS NOT NULL;
CREATE INDEX search_attribute_int ON workflow.search_attribute (name, int_value) WHERE int_value IS NOT NULL;
CREATE INDEX search_attribute_double ON workflow.search_attribute (name, double_value) WHERE double_value IS NOT NULL;
CREATE INDEX search_attribute_bool ON workflow.search_attribute (name, bool_value) WHERE bool_value IS NOT NULL;
CREATE INDEX search_attribute_datetime ON workflow.search_attribute (name, datetime_value) WHERE datetime_value IS NOT NULL;
COMMENT ON TABLE workflow.search_attribute IS 'Search attributes of runs';
COMMENT ON COLUMN workflow.search_attribute.position IS 'In a KeywordList, from 0';
COMMENT ON COLUMN workflow.search_attribute.definition_id IS 'Of a version of its workflow: who was granted that sees it';

COMMENT ON COLUMN workflow.compensation.branch IS 'Path of the branch that recorded it';
COMMENT ON TABLE workflow.compensation IS 'Recorded compensations of open runs, and those that ran';

DO $$
DECLARE
    parent text;
    leaf   text;
    packed text;
    lz4    boolean := EXISTS (SELECT FROM pg_catalog.pg_settings
                              WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals));
BEGIN
    FOREACH parent IN ARRAY ARRAY['closed_execution', 'history_batch', 'compensation', 'search_attribute'] LOOP
        FOR bucket IN 0..15 LOOP
            leaf := parent || '_' || bucket;
            EXECUTE pg_catalog.format('CREATE TABLE workflow.%I PARTITION OF workflow.%I FOR VALUES IN (%s)',
                                      leaf, parent, bucket);
            -- Compress in line whatever is worth it: history is written once and read seldom.
            IF parent = 'history_batch' THEN
                EXECUTE pg_catalog.format('ALTER TABLE workflow.%I SET (toast_tuple_target = 256)', leaf);
                FOREACH packed IN ARRAY ARRAY['event_types', 'states', 'attributes'] LOOP
                    EXECUTE pg_catalog.format('ALTER TABLE workflow.%I ALTER COLUMN %I SET STORAGE MAIN', leaf, packed);
                    IF lz4 THEN
                        EXECUTE pg_catalog.format('ALTER TABLE workflow.%I ALTER COLUMN %I SET COMPRESSION lz4',
                                                  leaf, packed);
                    END IF;
                END LOOP;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
