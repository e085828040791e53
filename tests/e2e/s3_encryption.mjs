// Encryption at rest with @aws-sdk/client-s3, unmodified.
// Run by test_s3_encryption.py as `node s3_encryption.mjs ENDPOINT KEY SECRET`.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { createHash, randomBytes } from 'node:crypto';

const require = createRequire(process.env.KEELSON_NODE_FOLDER + '/');
const s3 = require('@aws-sdk/client-s3');
const { Upload } = require('@aws-sdk/lib-storage');
const [endpoint, accessKeyId, secretAccessKey] = process.argv.slice(2);
const client = new s3.S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
const Bucket = 'sealed-from-javascript';
const key = randomBytes(32);
const customer = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key.toString('base64'), SSECustomerKeyMD5: createHash('md5').update(key).digest('base64') };
const bytes = async (answer) => Buffer.from(await answer.Body.transformToByteArray());

const steps = {
  async serverKeys() {
    await client.send(new s3.CreateBucketCommand({ Bucket }));
    const ServerSideEncryptionConfiguration = { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }] };
    await client.send(new s3.PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }));
    const put = await client.send(new s3.PutObjectCommand({ Bucket, Key: 'server', Body: 'x' }));
    assert.equal(put.ServerSideEncryption, 'AES256');
    const got = await client.send(new s3.GetObjectCommand({ Bucket, Key: 'server' }));
    assert.equal(got.ServerSideEncryption, 'AES256');
    assert.equal((await bytes(got)).toString(), 'x');
  },
  async customerKeys() {
    const Body = randomBytes(11 << 20);
    await new Upload({ client, params: { Bucket, Key: 'customer', Body, ...customer } }).done();
    await assert.rejects(client.send(new s3.GetObjectCommand({ Bucket, Key: 'customer' })), { name: 'InvalidRequest' });
    const got = await client.send(new s3.GetObjectCommand({ Bucket, Key: 'customer', Range: 'bytes=5242000-', ...customer }));
    assert.deepEqual(await bytes(got), Body.subarray(5242000));
    assert.equal(got.SSECustomerKeyMD5, customer.SSECustomerKeyMD5);
  },
  async cleanUp() {
    for (const Key of ['server', 'customer']) await client.send(new s3.DeleteObjectCommand({ Bucket, Key }));
    await client.send(new s3.DeleteBucketCommand({ Bucket }));
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(name, 'good');
}
