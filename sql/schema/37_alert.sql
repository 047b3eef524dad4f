-- Alerts: what somebody should look at, from when it was found until it was found no more.
--
-- They are about queues, versions and the database as much as about runs, so they have no shard.

-- Of rules that come with the extension, what somebody has set otherwise; of others, all of them.
CREATE TABLE workflow.alert_rule (
    name        text PRIMARY KEY CHECK (name <> '' AND length(name) <= 200),
    owner       regrole NOT NULL,
    query       text,
    severity    text CHECK (severity IN ('Critical', 'Warning', 'Info')),
    description text,
    hint        text,
    settings    jsonb NOT NULL DEFAULT '{}',
    enabled     boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE workflow.alert_rule IS 'Rules of alerts: own ones, and settings of those that come with the extension';
COMMENT ON COLUMN workflow.alert_rule.query IS 'What it finds; null: it comes with the extension';
COMMENT ON COLUMN workflow.alert_rule.severity IS 'Null: as it comes';

-- Updated in place by each check that finds it still so.
CREATE TABLE workflow.alert (
    alert_id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    rule            text NOT NULL,
    owner           regrole NOT NULL,
    subject         text NOT NULL,
    workflow        text,
    severity        text NOT NULL,
    since           timestamptz NOT NULL,
    opened_at       timestamptz NOT NULL,
    last_seen_at    timestamptz NOT NULL,
    checked_at      timestamptz NOT NULL,
    times_seen      int NOT NULL DEFAULT 1,
    resolved_at     timestamptz,
    message         text NOT NULL,
    facts           jsonb NOT NULL,
    hint            text,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX alert_open ON workflow.alert (rule, owner, subject) WHERE resolved_at IS NULL;
CREATE INDEX alert_resolved ON workflow.alert (resolved_at) WHERE resolved_at IS NOT NULL;
COMMENT ON TABLE workflow.alert IS 'Alerts, open and resolved';
COMMENT ON COLUMN workflow.alert.checked_at IS 'When the check that saw it last began, by the real clock: one that began before does not resolve it';
