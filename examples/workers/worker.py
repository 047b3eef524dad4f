#!/usr/bin/python3
"""A worker in Python: takes tasks of OrderSagaOutside, does them, and answers.

    worker.py [TASK_QUEUE]     (orders)

Connects as PGHOST … say. SIGTERM, or workflow.drain_worker(), ends it when the task in hand is done.
OUTSIDE is a directory that stands for the world: each deed is a file there, named by the task's
idempotency key, so that to do it twice is to do it once."""
import os, pathlib, signal, sys, time
import psycopg2
from psycopg2.extras import Json, NamedTupleCursor

queue = sys.argv[1] if len(sys.argv) > 1 else 'orders'
activities = ['ReserveGoods', 'ReturnGoods', 'ChargeCard', 'RefundCard', 'SendParcel']
me, world = f'python {os.getpid()}', pathlib.Path(os.environ['OUTSIDE'])
connection, stopping = None, False


class CardDeclined(Exception): pass    # what the workflow calls these errors
class NoCarrier(Exception): pass
class Withdrawn(Exception): pass       # the task is no longer ours


# Gives the rows. When the connection is lost, it is made anew, and the query tried again, which
# nothing here is harmed by.
def sql(query, *arguments):
    global connection
    pause = 1
    while True:
        try:
            if connection is None or connection.closed:
                connection = psycopg2.connect('', cursor_factory=NamedTupleCursor)
                connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(query, arguments)
                return cursor.fetchall()
        except psycopg2.OperationalError as error:
            if stopping:
                raise
            print(error, file=sys.stderr)
        except psycopg2.Error as error:
            sys.exit(error.pgcode != 'OW304' and str(error))    # else we are drained
        time.sleep(pause)
        pause = min(pause * 2, 8)


def perform(task):
    if task.compensates:                         # ReturnGoods, RefundCard
        return (world / task.compensates['idempotency_key']).unlink(missing_ok=True)
    if task.activity == 'ChargeCard' and task.input['amount'] > 100:
        raise CardDeclined(f"no credit for {task.input['amount']}")
    if task.activity == 'SendParcel' and task.input['carrier'] == 'phantom':
        raise NoCarrier('phantom never comes')
    if task.activity == 'SendParcel' and task.input['carrier'] == 'tardy':
        for _ in range(2):
            time.sleep(1)
            if not sql('SELECT ok FROM workflow.heartbeat(%s)', task.task_token)[0].ok:
                raise Withdrawn
    (world / task.idempotency_key).write_text(task.activity)


def stop(*_):
    global stopping; stopping = True


signal.signal(signal.SIGTERM, stop)
while not stopping:
    tasks = sql('SELECT * FROM workflow.poll_activity(%s, %s, activities => %s)', queue, me, activities)
    for task in tasks:
        try:
            perform(task)
        except Withdrawn:
            continue
        except Exception as error:
            sql('SELECT workflow.fail_activity(%s, %s, %s)', task.task_token, type(error).__name__, str(error))
        else:
            sql('SELECT workflow.complete_activity(%s, %s)', task.task_token, Json({'by': 'python'}))
    if not tasks:
        sql("CALL workflow.wait_for_activity(%s, '5s', %s, %s)", queue, activities, me)
