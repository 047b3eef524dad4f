#!/usr/bin/env node
// A worker in Node: takes tasks of OrderSagaOutside, does them, and answers.
//
//   worker.js [TASK_QUEUE]     (orders)
//
// Connects as PGHOST … say. SIGTERM, or workflow.drain_worker(), ends it when the task in hand is done.
// OUTSIDE is a directory that stands for the world: each deed is a file there, named by the task's
// idempotency key, so that to do it twice is to do it once.
'use strict';
const fs = require('fs/promises');
const { setTimeout: sleep } = require('timers/promises');
const { Client } = require('pg');

const queue = process.argv[2] ?? 'orders';
const activities = ['ReserveGoods', 'ReturnGoods', 'ChargeCard', 'RefundCard', 'SendParcel'];
const me = `node ${process.pid}`;
const world = process.env.OUTSIDE;
let [client, stopping] = [null, false];

class Failure extends Error {                   // an error that the workflow knows, and a message
    constructor(name, message) { super(message); this.name = name; } }
class Withdrawn extends Error {}                // the task is no longer ours

async function connect() {
    client = new Client();
    client.on('error', () => { client = null; });
    await client.connect();
}

// Gives the rows. When the connection is lost, it is made anew, and the query tried again, which
// nothing here is harmed by.
async function sql(query, ...values) {
    for (let pause = 1; ; pause = Math.min(pause * 2, 8)) {
        try {
            if (!client) await connect();
            return (await client.query(query, values)).rows;
        } catch (error) {
            if (error.code === 'OW304') return (stopping = true, []);      // we are drained
            if (error.severity === 'ERROR' || stopping) throw error;
            console.error(error.message);
            client?.end().catch(() => {});
            client = null;
        }
        await sleep(pause * 1000);
    }
}

async function perform(task) {
    if (task.compensates)                       // ReturnGoods, RefundCard
        return fs.rm(`${world}/${task.compensates.idempotency_key}`, { force: true });
    if (task.activity === 'ChargeCard' && task.input.amount > 100)
        throw new Failure('CardDeclined', `no credit for ${task.input.amount}`);
    if (task.activity === 'SendParcel' && task.input.carrier === 'phantom')
        throw new Failure('NoCarrier', 'phantom never comes');
    for (let i = 0; task.activity === 'SendParcel' && task.input.carrier === 'tardy' && i < 2; i++) {
        await sleep(1000);
        const [beat] = await sql('SELECT ok FROM workflow.heartbeat($1)', task.task_token);
        if (!beat.ok) throw new Withdrawn();
    }
    return fs.writeFile(`${world}/${task.idempotency_key}`, task.activity);
}

async function work() {
    while (!stopping) {
        const tasks = await sql('SELECT * FROM workflow.poll_activity($1, $2, activities => $3)', queue, me,
            activities);
        for (const task of tasks) {
            const token = task.task_token;
            await perform(task).then(
                () => sql('SELECT workflow.complete_activity($1, $2)', token, { by: 'node' }),
                (error) => error instanceof Withdrawn ||
                    sql('SELECT workflow.fail_activity($1, $2, $3)', token, error.name, error.message));
        }
        if (!tasks.length) await sql("CALL workflow.wait_for_activity($1, '5s', $2, $3)", queue, activities, me);
    }
}

process.on('SIGTERM', () => { stopping = true; });
work().then(() => client.end());
