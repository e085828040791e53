#include "protocol/s3/sse.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/coding.h"
#include "base/logging.h"
#include "protocol/s3/call.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/documents.h"

namespace keelson::s3 {

namespace {

constexpr std::string_view kAes256 = "AES256";
constexpr std::string_view kServerHeader = "x-amz-server-side-encryption";
// Of a customer's key: as they are looked up, and the one that answers write otherwise.
struct CustomerHeaders {
  std::string_view algorithm;
  std::string_view key;
  std::string_view md5;
  std::string_view md5_written;
};
constexpr CustomerHeaders kObjectHeaders = {
    "x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5", "x-amz-server-side-encryption-customer-key-MD5"};
constexpr CustomerHeaders kSourceHeaders = {"x-amz-copy-source-server-side-encryption-customer-algorithm",
                                            "x-amz-copy-source-server-side-encryption-customer-key",
                                            "x-amz-copy-source-server-side-encryption-customer-key-md5",
                                            "x-amz-copy-source-server-side-encryption-customer-key-MD5"};
constexpr uint8_t kStoredVersion = 1;

std::string context_of(blob::BucketId bucket, std::string_view key) {
  std::string context;
  append_u32(context, bucket);
  return context.append(key);
}

// A customer's key travels in the request: not over a wire that others can read.
S3Result<> check_wire(const Call& call) {
  const net::http::Request& sent = call.exchange.request();
  if (sent.is_tls()) return {};
  switch (call.service.options().customer_keys) {
    case CustomerKeysOver::kAnything:
      return {};
    case CustomerKeysOver::kTlsOrLoopback:
      if (sent.remote().is_loopback()) return {};
      break;
    case CustomerKeysOver::kTls:
      break;
  }
  return s3_fail(ErrorCode::kInvalidRequest,
                 "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure "
                 "connection.");
}

S3Result<std::optional<CustomerKey>> customer_key_of(const Call& call, KeyOf of) {
  auto customer = read_customer_key(call.request, of);
  if (!customer || !*customer) return customer;
  if (auto good = check_wire(call); !good) return std::unexpected(std::move(good.error()));
  return customer;
}

Encryption make_encryption(const std::string& context, env::Random& random, SseKind kind,
                           const blobstore::SecretKey& wrapping, const MasterKeyId& master) {
  Encryption made{.kind = kind, .key = blobstore::SecretKey::draw(random), .stored = {}};
  StoredKey stored{.kind = kind, .master = master, .salt = blobstore::draw_salt(random), .wrapped = {}};
  stored.wrapped = blobstore::wrap_key(wrapping, stored.salt, context, made.key);
  made.stored = stored.text();
  return made;
}

std::unexpected<S3Error> broken_key() {
  return s3_fail(ErrorCode::kInternalError, "What is stored of the object's encryption cannot be read.");
}

// The data key that the server's own keys unwrap.
S3Result<blobstore::SecretKey> open_with_master(const Call& call, const StoredKey& stored, const std::string& context) {
  const auto& masters = call.service.options().master_keys;
  const MasterKey* master = masters ? masters->find(stored.master) : nullptr;
  if (master == nullptr) {
    const std::string id = to_hex({reinterpret_cast<const char*>(stored.master.data()), stored.master.size()});
    log_error("s3", "an object is encrypted with a master key that the server does not have", {{"master_key_id", id}});
    return s3_fail(ErrorCode::kInternalError,
                   "The object is encrypted with a master key that the server does not have: " + id);
  }
  const auto key = blobstore::unwrap_key(master->key, stored.salt, context, stored.wrapped);
  if (!key) return broken_key();
  return *key;
}

}  // namespace

std::string StoredKey::text() const {
  std::string out;
  append_u8(out, kStoredVersion);
  append_u8(out, static_cast<uint8_t>(kind));
  const auto append = [&out](const auto& bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  if (kind == SseKind::kServer) append(master);
  append(salt);
  append(wrapped);
  return out;
}

std::optional<StoredKey> StoredKey::parse(std::string_view text) {
  uint8_t version = 0;
  uint8_t kind = 0;
  if (!read_u8(text, version) || version != kStoredVersion || !read_u8(text, kind) ||
      (kind != static_cast<uint8_t>(SseKind::kServer) && kind != static_cast<uint8_t>(SseKind::kCustomer))) {
    return std::nullopt;
  }
  StoredKey stored;
  stored.kind = static_cast<SseKind>(kind);
  const auto take = [&text](auto& bytes) {
    if (text.size() < bytes.size()) return false;
    std::copy_n(text.begin(), bytes.size(), bytes.begin());
    text.remove_prefix(bytes.size());
    return true;
  };
  if (stored.kind == SseKind::kServer && !take(stored.master)) return std::nullopt;
  if (!take(stored.salt) || !take(stored.wrapped) || !text.empty()) return std::nullopt;
  return stored;
}

S3Result<std::optional<CustomerKey>> read_customer_key(const RequestView& request, KeyOf of) {
  const CustomerHeaders& names = of == KeyOf::kObject ? kObjectHeaders : kSourceHeaders;
  const auto algorithm = request.header(names.algorithm);
  const auto key = request.header(names.key);
  const auto md5 = request.header(names.md5);
  if (!algorithm && !key && !md5) return std::optional<CustomerKey>();
  constexpr std::string_view kMust =
      "Requests specifying Server Side Encryption with Customer provided keys must provide ";
  if (!algorithm) {
    return invalid_argument(std::string(kMust) + "a valid encryption algorithm.", std::string(names.algorithm), "null");
  }
  if (*algorithm != kAes256) return s3_fail(ErrorCode::kInvalidEncryptionAlgorithmError);
  if (!key) return invalid_argument(std::string(kMust) + "an appropriate secret key.", std::string(names.key), "null");
  if (!md5) {
    return invalid_argument(std::string(kMust) + "the client calculated MD5 of the secret key.",
                            std::string(names.md5_written), "null");
  }
  const auto bytes = from_base64(*key);
  const auto secret = bytes ? blobstore::SecretKey::from(*bytes) : std::nullopt;
  // The key itself does not stand in an answer.
  if (!secret) {
    return invalid_argument("The secret key was invalid for the specified algorithm.", std::string(names.algorithm),
                            std::string(kAes256));
  }
  if (!equal_in_constant_time(to_base64(digest_of(DigestKind::kMd5, *bytes)), *md5)) {
    return invalid_argument("The calculated MD5 hash of the key did not match the hash that was provided.",
                            std::string(names.md5_written), std::string(*md5));
  }
  return std::optional<CustomerKey>(CustomerKey{*secret, std::string(*md5)});
}

S3Result<bool> wants_server_key(const RequestView& request) {
  const auto method = request.header(kServerHeader);
  constexpr std::string_view kKms[] = {"x-amz-server-side-encryption-aws-kms-key-id",
                                       "x-amz-server-side-encryption-context"};
  if (method && (*method == "aws:kms" || *method == "aws:kms:dsse")) {
    return s3_fail(ErrorCode::kNotImplemented, "Encryption with keys of a key management service (" +
                                                   std::string(*method) + ") is not implemented; AES256 is.");
  }
  for (const std::string_view name : kKms) {
    if (const auto value = request.header(name)) {
      return invalid_argument(std::string(name) + " is only for the encryption method aws:kms.", std::string(name),
                              std::string(*value));
    }
  }
  if (!method) return false;
  if (*method != kAes256) {
    return invalid_argument("The encryption method specified is not supported", std::string(kServerHeader),
                            std::string(*method));
  }
  return true;
}

bool has_encryption_headers(const RequestView& request) {
  return std::ranges::any_of(request.headers, [](const HeaderView& header) {
    return is_header(header.first.substr(0, kServerHeader.size()), kServerHeader);
  });
}

S3Result<std::optional<Encryption>> server_encryption(const BucketView& bucket, std::string_view key,
                                                      const MasterKeys* masters, env::Random& random, bool is_wanted) {
  if (bucket.has_broken_encryption) {
    return s3_fail(ErrorCode::kInternalError, "The bucket's encryption configuration cannot be read.");
  }
  if (!is_wanted && !(bucket.encryption && bucket.encryption->encrypts)) return std::optional<Encryption>();
  if (masters == nullptr) return s3_fail(ErrorCode::kServiceUnavailable, "The server has no master key.");
  return std::optional<Encryption>(make_encryption(context_of(bucket.id(), key), random, SseKind::kServer,
                                                   masters->newest().key, masters->newest().id));
}

S3Result<> begin_encryption(Call& call) {
  call.encryption.reset();
  const auto by_server = wants_server_key(call.request);
  if (!by_server) return std::unexpected(by_server.error());
  const auto customer = customer_key_of(call, KeyOf::kObject);
  if (!customer) return std::unexpected(customer.error());
  const auto& rule = call.bucket->encryption;
  if (call.bucket->has_broken_encryption) {
    return s3_fail(ErrorCode::kInternalError, "The bucket's encryption configuration cannot be read.");
  }
  if (*customer) {
    if (*by_server) {
      return invalid_argument(
          "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
          std::string(kServerHeader), std::string(kAes256));
    }
    if (rule && rule->blocks_customer_keys) {
      return s3_fail(ErrorCode::kAccessDenied, "The bucket does not take objects that are encrypted with SSE-C.");
    }
    call.encryption = make_encryption(context_of(call.bucket->id(), call.place.key), call.reactor.random(),
                                      SseKind::kCustomer, (*customer)->key, {});
    return {};
  }
  auto made = server_encryption(*call.bucket, call.place.key, call.service.options().master_keys.get(),
                                call.reactor.random(), *by_server);
  if (!made) return std::unexpected(std::move(made.error()));
  call.encryption = std::move(*made);
  return {};
}

S3Result<> join_encryption(Call& call, const blob::ObjectMeta& upload) {
  call.encryption.reset();
  const auto by_server = wants_server_key(call.request);
  if (!by_server) return std::unexpected(by_server.error());
  const auto customer = customer_key_of(call, KeyOf::kObject);
  if (!customer) return std::unexpected(customer.error());
  const auto stored = StoredKey::parse(upload.encryption);
  if (!upload.encryption.empty() && !stored) return broken_key();
  const bool is_customers = stored && stored->kind == SseKind::kCustomer;
  if ((*customer && !is_customers) || (*by_server && (!stored || is_customers))) {
    return s3_fail(ErrorCode::kInvalidRequest,
                   "The multipart upload initiate did not request encryption. Please resend the request without "
                   "sending encryption parameters.");
  }
  if (!stored) return {};
  if (is_customers && !*customer) {
    return s3_fail(ErrorCode::kInvalidRequest,
                   "The multipart upload initiate requested encryption. Subsequent part requests must include the "
                   "appropriate encryption parameters.");
  }
  const auto key = open_key(call, upload, call.bucket->id(), call.place.key, KeyOf::kObject);
  if (!key && key.error().code == ErrorCode::kAccessDenied) {
    return s3_fail(ErrorCode::kInvalidRequest,
                   "The provided encryption parameters did not match the ones used originally.");
  }
  if (!key) return std::unexpected(key.error());
  call.encryption = Encryption{stored->kind, **key, upload.encryption};
  return {};
}

S3Result<std::optional<blobstore::SecretKey>> open_key(const Call& call, const blob::ObjectMeta& meta,
                                                       blob::BucketId bucket, std::string_view key, KeyOf of) {
  const auto customer = customer_key_of(call, of);
  if (!customer) return std::unexpected(customer.error());
  const auto stored = StoredKey::parse(meta.encryption);
  if (!meta.encryption.empty() && !stored) return broken_key();
  if (!stored || stored->kind == SseKind::kServer) {
    if (*customer) {
      return s3_fail(ErrorCode::kInvalidRequest, "The encryption parameters are not applicable to this object.");
    }
    if (!stored) return std::optional<blobstore::SecretKey>();
    auto opened = open_with_master(call, *stored, context_of(bucket, key));
    if (!opened) return std::unexpected(std::move(opened.error()));
    return std::optional<blobstore::SecretKey>(*opened);
  }
  if (!*customer) {
    return s3_fail(ErrorCode::kInvalidRequest,
                   "The object was stored using a form of Server Side Encryption. The correct parameters must be "
                   "provided to retrieve the object.");
  }
  const auto opened = blobstore::unwrap_key((*customer)->key, stored->salt, context_of(bucket, key), stored->wrapped);
  if (!opened) return s3_fail(ErrorCode::kAccessDenied);
  return opened;
}

S3Result<> unlock(const Call& call, blobstore::Opened& opened, blob::BucketId bucket, std::string_view key, KeyOf of) {
  const auto data_key = open_key(call, opened.answer.object.meta, bucket, key, of);
  if (!data_key) return std::unexpected(data_key.error());
  if (*data_key) opened.reader->use_key(**data_key);
  return {};
}

void add_encryption_fields(Call& call, const blob::ObjectMeta& meta) {
  const auto stored = StoredKey::parse(meta.encryption);
  if (!stored) return;
  if (stored->kind == SseKind::kServer) {
    call.exchange.add_field(kServerHeader, kAes256);
    return;
  }
  const auto md5 = call.header(kObjectHeaders.md5);
  if (!md5) return;
  call.exchange.add_field(kObjectHeaders.algorithm, kAes256);
  call.exchange.add_field(kObjectHeaders.md5_written, *md5);
}

std::array<unsigned char, 16> etag_md5(const std::optional<Encryption>& encryption,
                                       const std::array<unsigned char, 16>& md5) {
  if (!encryption || encryption->kind != SseKind::kCustomer) return md5;
  std::string about = "keelson entity tag";
  about.append(reinterpret_cast<const char*>(md5.data()), md5.size());
  const std::string tag = hmac_sha256(encryption->key.view(), about);
  std::array<unsigned char, 16> out{};
  std::copy_n(tag.begin(), out.size(), out.begin());
  return out;
}

}  // namespace keelson::s3
