// @aws-sdk/client-s3, unmodified. Run by test_s3_clients.py as `node s3_suite.mjs ENDPOINT KEY SECRET`.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

const require = createRequire(process.env.KEELSON_NODE_FOLDER + '/');
const s3 = require('@aws-sdk/client-s3');
const { Upload } = require('@aws-sdk/lib-storage');
const { getSignedUrl } = require('@aws-sdk/s3-request-presigner');
const [endpoint, accessKeyId, secretAccessKey] = process.argv.slice(2);
const client = new s3.S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
const Bucket = 'from-javascript';

const steps = {
  async buckets() {
    await client.send(new s3.CreateBucketCommand({ Bucket }));
    const { Buckets } = await client.send(new s3.ListBucketsCommand({}));
    assert.ok(Buckets.some((bucket) => bucket.Name === Bucket));
    await client.send(new s3.HeadBucketCommand({ Bucket }));
  },
  async objects() {
    const Body = randomBytes(100_000);
    const put = await client.send(new s3.PutObjectCommand({ Bucket, Key: 'a b/ü+%', Body, Metadata: { m: '1' } }));
    assert.ok(put.ChecksumCRC32);
    const got = await client.send(new s3.GetObjectCommand({ Bucket, Key: 'a b/ü+%' }));
    assert.deepEqual(Buffer.from(await got.Body.transformToByteArray()), Body);
    assert.equal(got.Metadata.m, '1');
    await assert.rejects(client.send(new s3.GetObjectCommand({ Bucket, Key: 'none' })), { name: 'NoSuchKey' });
    await assert.rejects(client.send(new s3.HeadObjectCommand({ Bucket, Key: 'none' })), { name: 'NotFound' });
  },
  async streams() {
    const data = randomBytes(11 << 20);
    const upload = new Upload({ client, params: { Bucket, Key: 'stream', Body: Readable.from(data) } });
    await upload.done();
    const head = await client.send(new s3.HeadObjectCommand({ Bucket, Key: 'stream' }));
    assert.equal(head.ContentLength, data.length);
    const got = await client.send(new s3.GetObjectCommand({ Bucket, Key: 'stream', Range: 'bytes=10000000-' }));
    assert.deepEqual(Buffer.from(await got.Body.transformToByteArray()), data.subarray(10000000));
  },
  async listsCopiesAndDeletes() {
    await client.send(new s3.CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/stream` }));
    const keys = [];
    for await (const page of s3.paginateListObjectsV2({ client, pageSize: 1 }, { Bucket })) keys.push(...page.Contents.map((one) => one.Key));
    assert.deepEqual(keys, ['a b/ü+%', 'copy', 'stream']);
    await client.send(new s3.PutObjectTaggingCommand({ Bucket, Key: 'copy', Tagging: { TagSet: [{ Key: 'k', Value: 'v' }] } }));
    const { TagSet } = await client.send(new s3.GetObjectTaggingCommand({ Bucket, Key: 'copy' }));
    assert.deepEqual(TagSet, [{ Key: 'k', Value: 'v' }]);
  },
  async presigned() {
    const url = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: 'a b/ü+%' }), { expiresIn: 60 });
    assert.equal((await (await fetch(url)).arrayBuffer()).byteLength, 100_000);
    const to = await getSignedUrl(client, new s3.PutObjectCommand({ Bucket, Key: 'put' }), { expiresIn: 60 });
    assert.equal((await fetch(to, { method: 'PUT', body: 'x' })).status, 200);
  },
  async cleanUp() {
    const { Contents } = await client.send(new s3.ListObjectsV2Command({ Bucket }));
    const { Deleted } = await client.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } }));
    assert.equal(Deleted.length, 4);
    await client.send(new s3.DeleteBucketCommand({ Bucket }));
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(name, 'good');
}
