#!/usr/bin/env python3
"""A worker in Python: takes tasks of OrderSagaOutside, does them, and answers.

    worker.py [TASK_QUEUE]     (orders)

Connects as PGHOST, PGDATABASE, PGUSER … say. SIGTERM ends it when the task in hand is done.
OUTSIDE is a directory that stands for the world: each deed is a file there, named by the task's
idempotency key, so that to do it twice is to do it once.
"""
import os, pathlib, signal, sys, time
import psycopg2
from psycopg2.extras import Json, NamedTupleCursor

queue = sys.argv[1] if len(sys.argv) > 1 else 'orders'
world = pathlib.Path(os.environ['OUTSIDE'])
connection = None
stopping = False


class Failure(Exception):
    """Fails the task with an error that the workflow knows, and a message."""


class Withdrawn(Exception):
    """The task is no longer ours: it took too long, or the run was canceled."""


def sql(query, *arguments):
    """Gives the rows. When the connection is lost, it is made anew, and the query tried again,
    which nothing here is harmed by."""
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
        except psycopg2.OperationalError:
            if stopping:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 8)


def do(task):
    def beat():
        if not sql('SELECT ok FROM workflow.heartbeat(%s)', task.task_token)[0].ok:
            raise Withdrawn

    if task.compensates:                         # ReturnGoods, RefundCard
        (world / task.compensates['idempotency_key']).unlink(missing_ok=True)
        return
    if task.activity == 'ChargeCard' and task.input['amount'] > 100:
        raise Failure('CardDeclined', f"no credit for {task.input['amount']}")
    if task.activity == 'SendParcel' and task.input['carrier'] == 'phantom':
        raise Failure('NoCarrier', 'phantom never comes')
    if task.activity == 'SendParcel' and task.input['carrier'] == 'tardy':
        for _ in range(2):
            time.sleep(1)
            beat()
    (world / task.idempotency_key).write_text(task.activity)


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
while not stopping:
    tasks = sql('SELECT * FROM workflow.poll_activity(%s, %s, activities => %s)', queue, f'python {os.getpid()}',
                ['ReserveGoods', 'ReturnGoods', 'ChargeCard', 'RefundCard', 'SendParcel'])
    for task in tasks:
        try:
            do(task)
            sql('SELECT workflow.complete_activity(%s, %s)', task.task_token, Json({'by': 'python'}))
        except Failure as failure:
            sql('SELECT workflow.fail_activity(%s, %s, %s)', task.task_token, *failure.args)
        except Withdrawn:
            pass
    if not tasks:
        sql("CALL workflow.wait_for_activity(%s, '5s')", queue)
