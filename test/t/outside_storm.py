#!/usr/bin/python3
"""A worker of outside_storm.pl: one connection that takes tasks and answers in whatever way it feels like.

    outside_storm.py NAME SEED

It may forget tasks it took, answer twice, answer too late, fail, or beat in between; each task it completes it tells
of on its output, unless it asks for more at once. What goes wrong with the connection it mends; it ends when it is killed.
"""
import random, sys, time
import psycopg2

name = sys.argv[1]
dice = random.Random(int(sys.argv[2]))
connection = None
late = []                       # answers kept back until their attempts have timed out


def sql(query, *arguments):
    global connection
    if connection is None or connection.closed:
        connection = psycopg2.connect('')
        connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchall()


def tell(tokens, taken):
    for token, was_taken in zip(tokens, taken):
        if was_taken:
            print(token, flush=True)


def complete(tokens):
    tell(tokens, sql('SELECT workflow.complete_activities(%s::uuid[], array_fill(%s::jsonb, ARRAY[%s]))', tokens, f'"{name}"',
                     len(tokens))[0][0])


def work(tokens):
    global late
    way = dice.randrange(20)
    if way == 0:                # forgotten
        return
    if way == 1:
        late += tokens
        return
    if way == 2:
        for token in tokens:
            sql("SELECT workflow.fail_activity(%s, 'Broken')", token)
    elif way == 3:
        for token in tokens:
            sql('SELECT ok FROM workflow.heartbeat(%s, %s)', token, f'"{name}"')
    elif way == 4:              # one by one, twice
        for token in tokens + tokens:
            tell([token], [sql('SELECT workflow.complete_activity(%s, %s)', token, f'"{name}"')[0][0]])
        return
    complete(tokens)
    if way == 5 and late:
        complete(late)
        late = []


def answer_and_take(tokens):
    """Others with them: twice, or too late. Nobody is told which were accepted."""
    global late
    tokens, late = tokens + tokens[:1] + late, []
    return sql('SELECT task_token::text FROM workflow.complete_and_poll(%s::uuid[], array_fill(%s::jsonb, ARRAY[%s]), %s, %s, %s)', tokens,
               f'"{name}"', len(tokens), 'work', name, dice.randrange(1, 40))


while True:
    try:
        tasks = sql('SELECT task_token::text FROM workflow.poll_activity(%s, %s, %s, %s)', 'work', name, dice.randrange(1, 40), '1 s')
        while tasks and dice.randrange(4) == 0:
            tasks = answer_and_take([task[0] for task in tasks])
        if tasks:
            work([task[0] for task in tasks])
    except psycopg2.Error:
        connection = None
        time.sleep(dice.random() / 10)
