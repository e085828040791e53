// Server-side encryption as S3's requests speak of it: SSE-S3 (the server keeps the keys) and SSE-C (the customer sends
// one with each request). aws:kms and aws:kms:dsse are kNotImplemented.
//
// Every object, and every upload, has a data key of its own; blobstore/sealing.h says what is done with it. It is
// stored wrapped, in ObjectMeta::encryption:
//
//   u8 version (1), u8 kind (SseKind), for kServer 8 bytes: id of the master key, 16 bytes salt, 48 bytes wrapped key
//
// The context of the wrapping is the bucket's id (u32) and the object's key. A customer's key is not stored in any
// form: whether it is the right one shows in whether it unwraps. Codes and statuses are those of the Amazon S3 API
// reference and its user guide ("Using server-side encryption with customer-provided keys").
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "blobstore/sealing.h"
#include "blobstore/store.h"
#include "engine/blob/object.h"
#include "env/random.h"
#include "protocol/s3/error.h"
#include "protocol/s3/master_keys.h"
#include "protocol/s3/request.h"

namespace keelson::s3 {

struct BucketView;
struct Call;

enum class SseKind : uint8_t { kServer = 1, kCustomer = 2 };

// ObjectMeta::encryption, read.
struct StoredKey {
  SseKind kind = SseKind::kServer;
  MasterKeyId master{};
  blob::Salt salt{};
  blobstore::WrappedKey wrapped{};
  [[nodiscard]] std::string text() const;
  static std::optional<StoredKey> parse(std::string_view text);
};

// What is being written is sealed with.
struct Encryption {
  SseKind kind = SseKind::kServer;
  blobstore::SecretKey key;  // the data key
  std::string stored;        // for ObjectMeta::encryption
};

struct CustomerKey {
  blobstore::SecretKey key;
  std::string md5;  // base64, as it was sent and checked
};
// Whose headers: x-amz-server-side-encryption-customer-..., or those of a copy's source.
enum class KeyOf : uint8_t { kObject, kCopySource };
// Nullopt: none of the three headers is there. kInvalidArgument, kInvalidEncryptionAlgorithmError.
[[nodiscard]] S3Result<std::optional<CustomerKey>> read_customer_key(const RequestView& request, KeyOf of);
// x-amz-server-side-encryption: true for AES256. kNotImplemented, kInvalidArgument.
[[nodiscard]] S3Result<bool> wants_server_key(const RequestView& request);
// Does the request say anything of the encryption of what it writes?
[[nodiscard]] bool has_encryption_headers(const RequestView& request);

// Of a new object or upload: draws a data key as the request, or else the bucket, says, and sets call.encryption
// (empty: it is not encrypted).
[[nodiscard]] S3Result<> begin_encryption(Call& call);
// Of a new object that the server writes by itself: a data key if the bucket says so, or if `is_wanted`.
// kInternalError, kServiceUnavailable.
[[nodiscard]] S3Result<std::optional<Encryption>> server_encryption(const BucketView& bucket, std::string_view key,
                                                                    const MasterKeys* masters, env::Random& random,
                                                                    bool is_wanted);
// Of a part of an upload: sets call.encryption to the upload's. kInvalidRequest if the customer's key is missing or
// another.
[[nodiscard]] S3Result<> join_encryption(Call& call, const blob::ObjectMeta& upload);

// The data key of an object that is there; nullopt if it is not encrypted. kInvalidRequest, kAccessDenied (another
// key), kInternalError (a master key that is not there).
[[nodiscard]] S3Result<std::optional<blobstore::SecretKey>> open_key(const Call& call, const blob::ObjectMeta& meta,
                                                                     blob::BucketId bucket, std::string_view key,
                                                                     KeyOf of);
// The same, for the reader that will read it.
[[nodiscard]] S3Result<> unlock(const Call& call, blobstore::Opened& opened, blob::BucketId bucket,
                                std::string_view key, KeyOf of);

// The fields that tell how the object is encrypted.
void add_encryption_fields(Call& call, const blob::ObjectMeta& meta);

// Of content that is encrypted with a customer's key the entity tag is no MD5, as in S3: it would tell what the content
// is. It hangs on the content and the data key.
[[nodiscard]] std::array<unsigned char, 16> etag_md5(const std::optional<Encryption>& encryption,
                                                     const std::array<unsigned char, 16>& md5);

}  // namespace keelson::s3
