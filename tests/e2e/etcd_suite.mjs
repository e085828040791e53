// The npm package etcd3, unmodified. Run by test_etcd_clients.py as `node etcd_suite.mjs ENDPOINT`.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';

const require = createRequire(process.env.KEELSON_NODE_FOLDER + '/');
const { Etcd3 } = require('etcd3');
const [endpoint] = process.argv.slice(2);
const client = new Etcd3({ hosts: `http://${endpoint}` });

async function until(holds) {
  for (;;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const steps = {
  async keys() {
    await client.put('ship').value('keelson');
    assert.equal(await client.get('ship'), 'keelson');
    assert.equal(await client.get('none'), null);
    await client.put('number').value(7);
    assert.equal(await client.get('number').number(), 7);
    assert.deepEqual(await client.getAll().prefix('n').strings(), { number: '7' });
    for (let i = 0; i < 20; i++) await client.put(`many/${String(i).padStart(2, '0')}`).value(String(20 - i));
    assert.deepEqual(await client.getAll().prefix('many/').limit(2).sort('Key', 'Descend').keys(), ['many/19', 'many/18']);
    assert.equal(await client.getAll().prefix('many/').count(), 20);
    assert.equal((await client.delete().prefix('many/').exec()).deleted, '20');
    const before = await client.delete().key('ship').getPrevious();
    assert.equal(before[0].value.toString(), 'keelson');
  },
  async transactions() {
    await client.put('a').value('1');
    const yes = await client.if('a', 'Value', '==', '1').then(client.put('a').value('2'), client.get('a')).else(client.get('a')).commit();
    assert.equal(yes.succeeded, true);
    assert.equal(yes.responses[1].response_range.kvs[0].value.toString(), '2');
    const no = await client.if('a', 'Version', '>', 99).then(client.put('a').value('9')).else(client.get('a')).commit();
    assert.equal(no.succeeded, false);
    await Promise.all(Array.from({ length: 8 }, () => client.stm({ retries: 50 }).transact(async (tx) => {
      const value = Number((await tx.get('sum')) ?? 0);
      await tx.put('sum').value(value + 1);
    })));
    assert.equal(await client.get('sum').number(), 8);
  },
  async watching() {
    const watcher = await client.watch().prefix('w/').withPreviousKV().create();
    const seen = [];
    watcher.on('put', (kv, before) => seen.push(['put', kv.key.toString(), kv.value.toString(), before?.value?.toString() ?? '']));
    watcher.on('delete', (kv, before) => seen.push(['delete', kv.key.toString(), '', before?.value?.toString() ?? '']));
    await client.put('w/1').value('x');
    await client.put('w/1').value('y');
    await client.delete().key('w/1');
    await until(() => seen.length === 3);
    assert.deepEqual(seen, [['put', 'w/1', 'x', ''], ['put', 'w/1', 'y', 'x'], ['delete', 'w/1', '', 'y']]);
    await watcher.cancel();
    const { header } = await client.put('w/2').value('1').exec();
    const late = await client.watch().key('w/2').startRevision(header.revision).create();
    const [kv] = await once(late, 'put');
    assert.equal(kv.mod_revision, header.revision);
    await late.cancel();
  },
  async leases() {
    const lease = client.lease(10);
    await lease.put('leased').value('x');
    assert.equal(await client.get('leased'), 'x');
    await lease.keepaliveOnce();
    await lease.revoke();
    assert.equal(await client.get('leased'), null);
    const lost = client.lease(2, { autoKeepAlive: false });
    await lost.put('short').value('x');
    await until(async () => (await client.get('short')) === null);
    lost.release();
  },
  async locks() {
    const held = client.lock('door');
    await held.acquire();
    await assert.rejects(client.lock('door').acquire(), /Failed to acquire a lock/);
    await held.release();
    await client.lock('door').do(async () => {});
  },
  async elections() {
    const election = client.election('chair', 5);
    const observer = await election.observe();
    const one = election.campaign('one');
    await one.wait();
    await until(() => observer.leader() === 'one');
    const two = election.campaign('two');
    two.on('error', () => {});
    await one.resign();
    await two.wait();
    await until(() => observer.leader() === 'two');
    assert.equal(await election.leader(), 'two');
    await two.resign();
    await observer.cancel();
  },
  async namespaces() {
    const inner = client.namespace('app/');
    await inner.put('k').value('v');
    assert.equal(await client.get('app/k'), 'v');
    assert.deepEqual(await inner.getAll().keys(), ['k']);
  },
  async maintenance() {
    const { members } = await client.cluster.memberList({});
    assert.equal(members.length, 1);
    const status = await client.maintenance.status({});
    assert.equal(status.leader, members[0].ID);
    await assert.rejects(client.getAll().prefix('').revision(999999), /future revision/);
  },
  async users() {
    const role = await client.role('r').create();
    await role.grant({ permission: 'Readwrite', range: client.range({ prefix: 'u/' }) });
    const root = await client.role('root').create();
    const user = await client.user('root').create('pw');
    await user.addRole(root);
    await client.user('ann').create('pw').then((ann) => ann.addRole('r'));
    await client.auth.authEnable({});
    const ann = new Etcd3({ hosts: `http://${endpoint}`, auth: { username: 'ann', password: 'pw' } });
    await ann.put('u/1').value('x');
    await assert.rejects(ann.put('other').value('x').exec(), /permission denied/i);
    ann.close();
    const admin = new Etcd3({ hosts: `http://${endpoint}`, auth: { username: 'root', password: 'pw' } });
    await admin.auth.authDisable({});
    admin.close();
  },
};

for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error.stack}`);
    process.exitCode = 1;
  }
}
client.close();
process.exit();
