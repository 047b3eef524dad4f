-- What those are told who govern task queues, or take tasks from them, as they should not.

CREATE ROLE regress_flow LOGIN;
SELECT workflow.grant_usage('regress_flow');
SET ROLE regress_flow;

-- A name that is not that of any queue yet may be misspelt
SELECT workflow.pause_task_queue('parcls');
SELECT workflow.resume_task_queue('parcls');
SELECT workflow.resume_task_queue('letters', owner => 'regress_flow');

-- What is in flight is not seen under an old snapshot
SELECT workflow.set_task_queue('parcels', max_in_flight => 1);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT task_token FROM workflow.poll_activity('parcels', 'worker');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT task_token FROM workflow.poll_activity('parcels', 'worker');
ROLLBACK;
SELECT workflow.set_task_queue('parcels', rate_limit => 1);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT task_token FROM workflow.poll_activity('parcels', 'worker');
ROLLBACK;

RESET ROLE;
DELETE FROM workflow.task_queue;
DELETE FROM workflow.worker;
REVOKE ALL ON SCHEMA workflow FROM regress_flow;
DROP OWNED BY regress_flow;
DROP ROLE regress_flow;
