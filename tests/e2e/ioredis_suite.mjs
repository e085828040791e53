// ioredis, unmodified: each command family. Run by test_tools.py as `node ioredis_suite.mjs PORT [TLS_PORT CA_FILE]`.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const Redis = createRequire(process.env.KEELSON_NODE_FOLDER + '/')('ioredis');
const [port, tlsPort, caFile] = process.argv.slice(2);

const suites = {
  async strings(r) {
    assert.equal(await r.set('k', 'v', 'EX', 100), 'OK');
    assert.equal(await r.get('k'), 'v');
    assert.ok((await r.ttl('k')) > 90);
    assert.equal(await r.incrby('n', 41), 41);
    assert.deepEqual(await r.mget('k', 'n', 'none'), ['v', '41', null]);
    const bytes = Buffer.from([0, 255, 13, 10, 0]);
    await r.set(bytes, bytes);
    assert.deepEqual(await r.getBuffer(bytes), bytes);
  },
  async hashes(r) {
    assert.equal(await r.hset('h', { a: 1, b: 2 }), 2);
    assert.deepEqual(await r.hgetall('h'), { a: '1', b: '2' });
    assert.equal(await r.hincrbyfloat('h', 'a', 0.5), '1.5');
  },
  async lists(r) {
    assert.equal(await r.rpush('l', 'a', 'b', 'c'), 3);
    assert.deepEqual(await r.lrange('l', 0, -1), ['a', 'b', 'c']);
    assert.equal(await r.lmove('l', 'm', 'LEFT', 'RIGHT'), 'a');
  },
  async sets(r) {
    assert.equal(await r.sadd('s', 'a', 'b'), 2);
    assert.deepEqual((await r.smembers('s')).sort(), ['a', 'b']);
    assert.equal(await r.sismember('s', 'a'), 1);
  },
  async sortedSets(r) {
    assert.equal(await r.zadd('z', 1, 'a', 2.5, 'b'), 2);
    assert.deepEqual(await r.zrange('z', 0, -1, 'WITHSCORES'), ['a', '1', 'b', '2.5']);
    assert.deepEqual(await r.zpopmax('z'), ['b', '2.5']);
  },
  async bitmaps(r) {
    await r.setbit('bits', 9, 1);
    assert.equal(await r.bitcount('bits'), 1);
  },
  async keyspace(r) {
    for (let i = 0; i < 300; i++) await r.set(`key:${i}`, i);
    const seen = new Set();
    for await (const keys of r.scanStream({ match: 'key:*', count: 20 })) keys.forEach((key) => seen.add(key));
    assert.equal(seen.size, 300);
    assert.deepEqual(await r.sort('l', 'ALPHA', 'DESC'), ['c', 'b']);
    assert.equal(await r.expire('k', 5), 1);
    assert.equal(await r.type('h'), 'hash');
  },
  async transactions(r) {
    const results = await r.multi().set('a', 1).incr('a').get('a').exec();
    assert.deepEqual(results, [[null, 'OK'], [null, 2], [null, '2']]);
    await r.watch('a');
    const other = r.duplicate();
    await other.set('a', 'changed');
    assert.equal(await r.multi().set('a', 'mine').exec(), null);
    await other.quit();
  },
  async pipelining(r) {
    const pipeline = r.pipeline();
    for (let i = 0; i < 1000; i++) pipeline.set(`p${i}`, i).get(`p${i}`);
    const results = await pipeline.exec();
    assert.equal(results.length, 2000);
    results.forEach(([error, value], i) => { assert.equal(error, null); if (i % 2) assert.equal(value, String((i - 1) / 2)); });
  },
  async errors(r) {
    await assert.rejects(r.lpush('k', 'x'), /WRONGTYPE/);
    await assert.rejects(r.call('NOSUCH'), /unknown command/);
  },
  async publishSubscribe(r) {
    const subscriber = r.duplicate();
    const got = new Promise((resolve) => subscriber.on('message', (channel, message) => resolve([channel, message])));
    const matched = new Promise((resolve) => subscriber.on('pmessage', (pattern, channel, message) => resolve([pattern, channel, message])));
    await subscriber.subscribe('news');
    await subscriber.psubscribe('ne*');
    assert.equal(await r.publish('news', 'hello'), 2);
    assert.deepEqual(await got, ['news', 'hello']);
    assert.deepEqual(await matched, ['ne*', 'news', 'hello']);
    await subscriber.quit();
  },
  async blocking(r) {
    const waiting = r.duplicate();
    const popped = waiting.blpop('queue', 20);
    while (!/blocked_clients:1\r/.test(await r.info('clients'))) await new Promise((resolve) => setTimeout(resolve, 10));
    await r.rpush('queue', 'job');
    assert.deepEqual(await popped, ['queue', 'job']);
    assert.equal(await waiting.blpop('queue', 0.05), null);
    await waiting.quit();
  },
};

const connections = [['plain', { port: Number(port), enableReadyCheck: true }]];
if (tlsPort) {
  connections.push(['tls', { port: Number(tlsPort), tls: { ca: readFileSync(caFile), servername: 'localhost' } }]);
}
let failed = 0;
for (const [kind, options] of connections) {
  const r = new Redis({ host: '127.0.0.1', lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: null, ...options });
  await r.connect();
  await r.flushall();
  for (const [name, suite] of Object.entries(suites)) {
    try {
      await suite(r);
      console.log(`ok ${kind} ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAILED ${kind} ${name}: ${error.stack}`);
    }
  }
  await r.quit();
}
process.exit(failed ? 1 : 0);
