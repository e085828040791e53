// @aws-sdk/client-s3, unmodified: bodies without a known end, which it sends as aws-chunked with a trailer, and what goes wrong.
// Run by test_s3_more.py as `node s3_streams.mjs ENDPOINT KEY SECRET`.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

const require = createRequire(process.env.KEELSON_NODE_FOLDER + '/');
const s3 = require('@aws-sdk/client-s3');
const [endpoint, accessKeyId, secretAccessKey] = process.argv.slice(2);
const client = new s3.S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
const Bucket = 'streams';
const bytes = async (answer) => Buffer.from(await answer.Body.transformToByteArray());
let sent;
client.middlewareStack.add((next) => (call) => { sent = call.request.headers; return next(call); }, { step: 'finalizeRequest', priority: 'low' });

const steps = {
  async chunkedWithTrailer() {
    await client.send(new s3.CreateBucketCommand({ Bucket }));
    for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
      const data = randomBytes(1_000_003);
      const pieces = Readable.from([data.subarray(0, 7), data.subarray(7, 300_000), data.subarray(300_000)]);
      const put = await client.send(new s3.PutObjectCommand({ Bucket, Key: algorithm, Body: pieces, ContentLength: data.length, ChecksumAlgorithm: algorithm }));
      assert.match(sent['content-encoding'], /aws-chunked/, JSON.stringify(sent));
      assert.equal(sent['x-amz-trailer'], `x-amz-checksum-${algorithm.toLowerCase()}`);
      assert.ok(put[`Checksum${algorithm}`]);
      const got = await client.send(new s3.GetObjectCommand({ Bucket, Key: algorithm, ChecksumMode: 'ENABLED' }));
      assert.equal(got[`Checksum${algorithm}`], put[`Checksum${algorithm}`]);
      assert.equal(got.ContentEncoding, undefined);
      assert.deepEqual(await bytes(got), data);   // the client checks the sum on the way
    }
  },
  async emptyStream() {
    await client.send(new s3.PutObjectCommand({ Bucket, Key: 'empty', Body: Readable.from([]), ContentLength: 0 }));
    assert.equal((await bytes(await client.send(new s3.GetObjectCommand({ Bucket, Key: 'empty' })))).length, 0);
  },
  async partsFromStreams() {
    const data = randomBytes((5 << 20) + 10);
    const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand({ Bucket, Key: 'parts', ChecksumAlgorithm: 'CRC32' }));
    const Parts = [];
    for (const [PartNumber, piece] of [[1, data.subarray(0, 5 << 20)], [2, data.subarray(5 << 20)]]) {
      const part = await client.send(new s3.UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber, Body: Readable.from([piece]), ContentLength: piece.length, ChecksumAlgorithm: 'CRC32' }));
      Parts.push({ PartNumber, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 });
    }
    const done = await client.send(new s3.CompleteMultipartUploadCommand({ Bucket, Key: 'parts', UploadId, MultipartUpload: { Parts } }));
    assert.match(done.ETag, /-2"$/);
    assert.deepEqual(await bytes(await client.send(new s3.GetObjectCommand({ Bucket, Key: 'parts' }))), data);
  },
  async conditionsAndVersions() {
    await assert.rejects(client.send(new s3.PutObjectCommand({ Bucket, Key: 'parts', Body: 'x', IfNoneMatch: '*' })), { name: 'PreconditionFailed' });
    await client.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    const { VersionId } = await client.send(new s3.PutObjectCommand({ Bucket, Key: 'v', Body: 'one' }));
    await client.send(new s3.DeleteObjectCommand({ Bucket, Key: 'v' }));
    await assert.rejects(client.send(new s3.GetObjectCommand({ Bucket, Key: 'v' })), { name: 'NoSuchKey' });
    assert.equal((await bytes(await client.send(new s3.GetObjectCommand({ Bucket, Key: 'v', VersionId })))).toString(), 'one');
    const { Versions, DeleteMarkers } = await client.send(new s3.ListObjectVersionsCommand({ Bucket, Prefix: 'v' }));
    assert.equal(Versions.length + DeleteMarkers.length, 2);
    await assert.rejects(client.send(new s3.PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules: [] } })));
  },
  async waiters() {
    await s3.waitUntilObjectExists({ client, maxWaitTime: 10 }, { Bucket, Key: 'parts' });
    await s3.waitUntilBucketNotExists({ client, maxWaitTime: 10 }, { Bucket: 'no-such-bucket' });
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(name, 'good');
}
