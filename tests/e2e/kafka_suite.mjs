// The npm package kafkajs, unmodified. Run by test_kafka_clients.py as `node kafka_suite.mjs ENDPOINT [NODES]`.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';
const require = createRequire(process.env.KEELSON_NODE_FOLDER + '/');
const { Kafka, logLevel, CompressionTypes, ConfigResourceTypes } = require('kafkajs');
const [endpoint, nodes = '1'] = process.argv.slice(2);
const kafka = new Kafka({ clientId: 'suite', brokers: endpoint.split(','), logLevel: logLevel.NOTHING });
const admin = kafka.admin();

async function until(holds) {
  for (;;) {
    const value = await holds();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// Reads until `enough` says so; gives all messages in the order in which they came.
async function read(topics, groupId, enough, { fromBeginning = true, ...more } = {}) {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, ...more });
  const got = [];
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning });
  let done;
  const finished = new Promise((resolve) => { done = resolve; });
  await consumer.run({
    eachMessage: async ({ topic, partition, message }) => {
      got.push({ topic, partition, ...message });
      if (enough(got)) done();
    },
  });
  await finished;
  await consumer.disconnect();
  return got;
}

const steps = {
  async admin() {
    assert.equal(await admin.createTopics({ topics: [{ topic: 'js', numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] }), true);
    assert.equal(await admin.createTopics({ topics: [{ topic: 'js' }] }), false);
    await admin.createPartitions({ topicPartitions: [{ topic: 'js', count: 3 }] });
    const told = await until(async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: ['js'] });
      return topics[0].partitions.length === 3 && topics[0];
    });
    assert.deepEqual(told.partitions.map((one) => one.partitionId).sort(), [0, 1, 2]);
    const cluster = await admin.describeCluster();
    assert.equal(cluster.brokers.length, Number(nodes));
    assert.ok(cluster.brokers.some((one) => one.nodeId === cluster.controller));
    const configs = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js', configNames: ['retention.ms', 'cleanup.policy'] }], includeSynonyms: false });
    const values = Object.fromEntries(configs.resources[0].configEntries.map((one) => [one.configName, one.configValue]));
    assert.deepEqual(values, { 'retention.ms': '3600000', 'cleanup.policy': 'delete' });
    await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js', configEntries: [{ name: 'retention.ms', value: '7200000' }] }] });
    const again = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js', configNames: ['retention.ms'] }] });
    assert.equal(again.resources[0].configEntries[0].configValue, '7200000');
    assert.ok((await admin.listTopics()).includes('js'));
  },
  async messages() {
    const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 1 } });
    await producer.connect();
    const [told] = await producer.send({
      topic: 'js', messages: [
        { key: 'a', value: 'one', headers: { kind: 'first', many: ['x', 'y'] }, partition: 1, timestamp: '1700000000000' },
        { key: null, value: null, partition: 1, timestamp: '1700000000001' },
        { key: 'c', value: Buffer.from([0, 255, 1]), partition: 1, timestamp: '1700000000002' },
      ],
    });
    assert.equal(told.errorCode, 0);
    assert.equal(told.baseOffset, '0');
    assert.equal(told.logAppendTime, '-1');
    await producer.sendBatch({ topicMessages: [{ topic: 'js', messages: [{ value: 'd', partition: 1 }] }], compression: CompressionTypes.GZIP });
    await producer.send({ topic: 'js', acks: 0, messages: [{ value: 'e', partition: 1 }] });
    await producer.disconnect();
    const got = await read(['js'], 'js-messages', (all) => all.length === 5);
    assert.deepEqual(got.map((one) => one.offset), ['0', '1', '2', '3', '4']);
    assert.equal(got[0].headers.kind.toString(), 'first');
    assert.deepEqual(got[0].headers.many.map(String), ['x', 'y']);
    assert.equal(got[0].timestamp, '1700000000000');
    assert.equal(got[1].value, null);
    assert.deepEqual([...got[2].value], [0, 255, 1]);
    assert.equal(got[3].value.toString(), 'd');
    await assert.rejects(producer.connect().then(() => producer.send({ topic: 'js-none', messages: [{ value: 'x' }] })));
    await producer.disconnect();
  },
  async group_shares_and_rebalances() {
    await admin.createTopics({ topics: [{ topic: 'js-shared', numPartitions: 4 }] });
    const seen = new Map();
    const joined = [0, 0];
    const consumers = [0, 1].map((number) => {
      const consumer = kafka.consumer({ groupId: 'js-group', maxWaitTimeInMs: 100, sessionTimeout: 10000, heartbeatInterval: 100, rebalanceTimeout: 10000 });
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { joined[number] = Object.values(payload.memberAssignment).flat().length; });
      return consumer;
    });
    const start = async (number) => {
      await consumers[number].connect();
      await consumers[number].subscribe({ topics: ['js-shared'], fromBeginning: true });
      await consumers[number].run({ eachMessage: async ({ message }) => { seen.set(message.value.toString(), number); } });
    };
    await start(0);
    await until(() => joined[0] === 4);
    await start(1);
    await until(() => joined[0] === 2 && joined[1] === 2);
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: 'js-shared', messages: Array.from({ length: 40 }, (_, i) => ({ value: `m${i}`, partition: i % 4 })) });
    await until(() => seen.size === 40);
    assert.equal(new Set(seen.values()).size, 2);
    const group = (await admin.describeGroups(['js-group'])).groups[0];
    assert.equal(group.state, 'Stable');
    assert.equal(group.members.length, 2);
    assert.ok((await admin.listGroups()).groups.some((one) => one.groupId === 'js-group'));
    await consumers[0].disconnect();
    await until(() => joined[1] === 4);
    await producer.send({ topic: 'js-shared', messages: Array.from({ length: 4 }, (_, i) => ({ value: `n${i}`, partition: i })) });
    await until(() => seen.size === 44);
    assert.ok([0, 1, 2, 3].every((i) => seen.get(`n${i}`) === 1));
    await consumers[1].disconnect();
    await producer.disconnect();
  },
  async offsets() {
    const before = await admin.fetchTopicOffsets('js');
    const one = before.find((it) => it.partition === 1);
    assert.equal(one.high, '5');
    assert.equal(one.low, '0');
    const byTime = await admin.fetchTopicOffsetsByTimestamp('js', 1700000000001);
    assert.equal(byTime.find((it) => it.partition === 1).offset, '1');
    assert.deepEqual((await admin.fetchOffsets({ groupId: 'js-messages', topics: ['js'] }))[0].partitions.find((it) => it.partition === 1).offset, '5');
    await admin.setOffsets({ groupId: 'js-messages', topic: 'js', partitions: [{ partition: 1, offset: '3' }] });
    const got = await read(['js'], 'js-messages', (all) => all.length === 2);
    assert.deepEqual(got.map((it) => it.offset), ['3', '4']);
    await admin.resetOffsets({ groupId: 'js-messages', topic: 'js', earliest: true });
    assert.equal((await read(['js'], 'js-messages', (all) => all.length === 5)).length, 5);
    await admin.deleteTopicRecords({ topic: 'js', partitions: [{ partition: 1, offset: '2' }] });
    assert.equal((await admin.fetchTopicOffsets('js')).find((it) => it.partition === 1).low, '2');
  },
  async seek_and_pause() {
    const consumer = kafka.consumer({ groupId: 'js-seek', maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topics: ['js'] });
    const got = [];
    await consumer.run({ autoCommit: false, eachMessage: async ({ partition, message }) => { got.push([partition, message.offset]); } });
    consumer.seek({ topic: 'js', partition: 1, offset: '4' });
    await until(() => got.length === 1);
    assert.deepEqual(got[0], [1, '4']);
    consumer.pause([{ topic: 'js' }]);
    consumer.seek({ topic: 'js', partition: 1, offset: '3' });
    assert.equal(consumer.paused().length, 1);
    consumer.resume([{ topic: 'js' }]);
    await until(() => got.length === 3);
    assert.deepEqual(got.slice(1), [[1, '3'], [1, '4']]);
    await consumer.disconnect();
  },
  async transactions() {
    await admin.createTopics({ topics: [{ topic: 'js-tx', numPartitions: 2 }, { topic: 'js-in' }] });
    const producer = kafka.producer({ transactionalId: 'js-tx-id', maxInFlightRequests: 1, idempotent: true });
    await producer.connect();
    const gone = await producer.transaction();
    await gone.send({ topic: 'js-tx', messages: [{ value: 'aborted', partition: 0 }] });
    await gone.abort();
    const kept = await producer.transaction();
    await kept.send({ topic: 'js-tx', messages: [{ value: 'kept0', partition: 0 }, { value: 'kept1', partition: 1 }] });
    await kept.sendOffsets({ consumerGroupId: 'js-tx-group', topics: [{ topic: 'js-in', partitions: [{ partition: 0, offset: '7' }] }] });
    await kept.commit();
    const got = await read(['js-tx'], 'js-tx-read', (all) => all.length === 2);
    assert.deepEqual(got.map((it) => it.value.toString()).sort(), ['kept0', 'kept1']);
    assert.equal((await admin.fetchOffsets({ groupId: 'js-tx-group', topics: ['js-in'] }))[0].partitions[0].offset, '7');
    await producer.disconnect();
  },
  async deletion() {
    await admin.deleteGroups(['js-messages', 'js-tx-read']);
    assert.ok(!(await admin.listGroups()).groups.some((one) => one.groupId === 'js-messages'));
    await assert.rejects(admin.deleteGroups(['js-none']));
    await admin.deleteTopics({ topics: ['js'] });
    await until(async () => !(await admin.listTopics()).includes('js'));
  },
};

await admin.connect();
for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error.stack}`);
  }
}
await admin.disconnect();
