// The npm package @google-cloud/pubsub, unmodified, with PUBSUB_EMULATOR_HOST. Run by test_pubsub_google.py.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(process.env.KEELSON_NODE_FOLDER + '/');
const { PubSub } = require('@google-cloud/pubsub');
const pubsub = new PubSub({ projectId: 'node' });

async function until(holds) {
  for (;;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// Listens until `count` messages came; `handle` acknowledges.
async function listen(subscription, count, handle = (message) => message.ack()) {
  const got = [];
  const errors = [];
  subscription.on('error', (error) => errors.push(error));
  subscription.on('message', (message) => { got.push(message); handle(message, got); });
  await until(() => got.length >= count || errors.length);
  assert.deepEqual(errors, []);
  await subscription.close();
  return got;
}

const steps = {
  async messages() {
    const [topic] = await pubsub.createTopic('node-basic');
    const [subscription] = await topic.createSubscription('node-basic-sub');
    assert.deepEqual(await topic.exists(), [true]);
    assert.deepEqual(await pubsub.topic('node-none').exists(), [false]);
    const ids = await Promise.all(Array.from({ length: 100 }, (_, i) => topic.publishMessage({ data: Buffer.from(String(i)), attributes: { n: String(i) } })));
    assert.equal(new Set(ids).size, 100);
    const got = await listen(subscription, 100);
    assert.deepEqual(got.map((one) => Number(one.data.toString())).sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i));
    assert.ok(got.every((one) => one.attributes.n === one.data.toString()));
  },
  async redelivery() {
    const [topic] = await pubsub.createTopic('node-again');
    const [subscription] = await topic.createSubscription('node-again-sub');
    await topic.publishMessage({ data: Buffer.from('x') });
    const got = await listen(subscription, 3, (message, all) => (all.length < 3 ? message.nack() : message.ack()));
    assert.ok(got.every((one) => one.id === got[0].id));
  },
  async ordering() {
    const [topic] = await pubsub.createTopic('node-ordered');
    const [subscription] = await topic.createSubscription('node-ordered-sub', { enableMessageOrdering: true });
    const publisher = pubsub.topic('node-ordered', { messageOrdering: true });
    await Promise.all(Array.from({ length: 50 }, (_, i) => publisher.publishMessage({ data: Buffer.from(String(i)), orderingKey: 'k' })));
    const got = await listen(subscription, 50);
    assert.deepEqual(got.map((one) => Number(one.data.toString())), Array.from({ length: 50 }, (_, i) => i));
  },
  async dead_letters() {
    const [dead] = await pubsub.createTopic('node-dead');
    const [letters] = await dead.createSubscription('node-dead-sub');
    const [topic] = await pubsub.createTopic('node-mail');
    const [subscription] = await topic.createSubscription('node-mail-sub', { deadLetterPolicy: { deadLetterTopic: dead.name, maxDeliveryAttempts: 5 } });
    await topic.publishMessage({ data: Buffer.from('hopeless') });
    const attempts = await listen(subscription, 5, (message) => message.nack());
    assert.deepEqual(attempts.map((one) => one.deliveryAttempt), [1, 2, 3, 4, 5]);
    const [letter] = await listen(letters, 1);
    assert.equal(letter.data.toString(), 'hopeless');
  },
  async exactly_once() {
    const [topic] = await pubsub.createTopic('node-once');
    const [subscription] = await topic.createSubscription('node-once-sub', { enableExactlyOnceDelivery: true });
    for (let i = 0; i < 20; i++) await topic.publishMessage({ data: Buffer.from(String(i)) });
    const answers = [];
    const got = await listen(subscription, 20, (message) => answers.push(message.ackWithResponse()));
    assert.equal(new Set(got.map((one) => one.data.toString())).size, 20);
    assert.ok((await Promise.all(answers)).every((answer) => answer === 'SUCCESS'));
  },
  async seek_and_snapshots() {
    const [topic] = await pubsub.createTopic('node-sought');
    const [subscription] = await topic.createSubscription('node-sought-sub', { retainAckedMessages: true });
    const [snapshot] = await subscription.createSnapshot('node-snap');
    await topic.publishMessage({ data: Buffer.from('x') });
    await listen(subscription, 1);
    await pubsub.subscription('node-sought-sub').seek('node-snap');
    await listen(pubsub.subscription('node-sought-sub'), 1);
    await snapshot.delete();
    const [found] = await pubsub.subscription('node-sought-sub').getMetadata();
    assert.equal(found.retainAckedMessages, true);
    await pubsub.subscription('node-sought-sub').setMetadata({ ackDeadlineSeconds: 77 });
    assert.equal((await pubsub.subscription('node-sought-sub').getMetadata())[0].ackDeadlineSeconds, 77);
    await pubsub.subscription('node-sought-sub').delete();
    await topic.delete();
  },
};

for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error.stack}`);
  }
}
await pubsub.close();
