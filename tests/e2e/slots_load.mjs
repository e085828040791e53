// ioredis's cluster client, unmodified, counts keys up until its input ends, then says what it saw as JSON. Run by test_slots.py as
// `node slots_load.mjs PORT...`.
import { createRequire } from 'node:module';

const { Cluster } = createRequire(process.env.KEELSON_NODE_FOLDER + '/')('ioredis');
const cluster = new Cluster(process.argv.slice(2).map((port) => ({ host: '127.0.0.1', port: Number(port) })));
cluster.on('error', () => {});

const seen = { acknowledged: 0, failed: 0, longest_ms: 0, wrong: [] };
let isEnding = false;
process.stdin.on('data', () => { isEnding = true; });
process.stdin.on('end', () => { isEnding = true; });

async function count(worker) {
  const counts = new Map();
  for (let i = 0; !isEnding; ++i) {
    const key = `ioredis:${worker}:${i % 100}`;
    const began = Date.now();
    try {
      const answer = await cluster.incr(key);
      counts.set(key, (counts.get(key) ?? 0) + 1);
      if (answer !== counts.get(key)) seen.wrong.push(`${key} is ${answer}, not ${counts.get(key)}`);
      ++seen.acknowledged;
    } catch (error) {
      ++seen.failed;
      seen.wrong.push(String(error));
    }
    seen.longest_ms = Math.max(seen.longest_ms, Date.now() - began);
  }
  for (const [key, expected] of counts) {
    const answer = Number(await cluster.get(key));
    if (answer !== expected) seen.wrong.push(`${key} is ${answer} in the end, not ${expected}`);
  }
}

await Promise.all([0, 1, 2].map(count));
seen.wrong = seen.wrong.slice(0, 5);
console.log(JSON.stringify(seen));
cluster.disconnect();
process.exit(0);
