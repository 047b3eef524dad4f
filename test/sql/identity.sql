-- A database belongs to the cluster that it was first used in, however that went: only a copy runs nothing.
\set definition '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regress_identity;
CREATE DATABASE regress_identity;
\c regress_identity
CREATE EXTENSION order_workflow;

-- What is rolled back has not been remembered
BEGIN;
SELECT workflow.register('one', :'definition');
SELECT workflow.register('two', :'definition');
ROLLBACK;
BEGIN;
SAVEPOINT before;
SELECT workflow.register('one', :'definition');
SELECT workflow.register('two', :'definition');
ROLLBACK TO before;
SELECT workflow.register('one', :'definition');
COMMIT;
SELECT workflow.start('one') IS NOT NULL AS started;
SELECT workflow.engine_status(), (SELECT count(*) FROM workflow.engine_identity) AS claims;

-- Nor what was of an extension that is gone
DROP EXTENSION order_workflow;
CREATE EXTENSION order_workflow;
SELECT workflow.register('one', :'definition');
SELECT workflow.start('one') IS NOT NULL AS started;
SELECT workflow.engine_status(), (SELECT count(*) FROM workflow.engine_identity) AS claims;

-- A copy is told by its claim
UPDATE workflow.engine_identity SET database_oid = 1;
\c -
SELECT workflow.start('one') IS NOT NULL AS started;
SELECT workflow.engine_status();
\c regress
DROP DATABASE regress_identity WITH (FORCE);
