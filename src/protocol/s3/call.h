// One S3 request on its way: what came, who asks, where it points, and how it is answered.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "net/http/exchange.h"
#include "protocol/s3/bucket_view.h"
#include "protocol/s3/error.h"
#include "protocol/s3/keys.h"
#include "protocol/s3/names.h"
#include "protocol/s3/operations.h"
#include "protocol/s3/request.h"
#include "protocol/s3/service.h"
#include "protocol/s3/signature_v4.h"
#include "protocol/s3/sse.h"
#include "protocol/s3/uri.h"

namespace keelson::s3 {

// What access logs (access_log.h) say of a request beside what the call knows anyway.
struct AccessNotes {
  std::optional<uint64_t> object_bytes;
  std::string_view error_code;  // of the error table
  bool used_acl = false;
  int64_t received_ns = 0;  // 0: with its head
  int64_t answered_ns = 0;
  // DeleteObjects: a line for each key.
  struct Deleted {
    std::string key;
    std::string version_id;
    std::string_view error_code;
    uint16_t status = 0;
  };
  std::vector<Deleted> deleted;
  // Copies: what was read.
  std::shared_ptr<const BucketView> source_bucket;
  std::string source_key;
  std::string source_version_id;
};

struct Call {
  Call(S3Service& of, net::http::Exchange& with);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  S3Service& service;
  net::http::Exchange& exchange;
  S3Local& local;
  env::Reactor& reactor;
  int64_t now_ms;
  std::string request_id;

  std::vector<HeaderView> headers;
  RequestView request;
  Query query;
  Place place;
  const OperationSpec* operation = nullptr;  // null: not known (yet)
  std::shared_ptr<const BucketView> bucket;  // set for what is in a bucket, but for CreateBucket

  // Who asks. Null: anonymous.
  std::shared_ptr<const AccessKey> key;
  std::string_view auth_type;          // "REST-HEADER", "REST-QUERY-STRING", "POST"; empty: anonymous
  std::string_view signature_version;  // "AWS4-HMAC-SHA256", "AWS"
  int64_t signature_age_ms = 0;
  PayloadKind payload = PayloadKind::kUnsigned;
  std::string payload_hash;       // with kHashed
  std::optional<ChunkSeed> seed;  // with kChunks and kChunksTrailer

  // What the payload that is being written is sealed with (sse.h). Empty: it is not.
  std::optional<Encryption> encryption;

  // What has been answered.
  bool is_answered = false;
  uint16_t status = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  mutable AccessNotes notes;

  // Are there lines to be written about this request?
  [[nodiscard]] bool is_logged() const { return bucket && bucket->logging; }
  // The last byte of the request is here; the first one of the answer leaves.
  void note_received() {
    if (is_logged()) notes.received_ns = service.clock().monotonic_ns();
  }
  void note_answered() {
    if (is_logged() && notes.answered_ns == 0) notes.answered_ns = service.clock().monotonic_ns();
  }

  [[nodiscard]] blobstore::Store& store() { return service.store(); }
  [[nodiscard]] std::string_view user() const { return key ? std::string_view(key->user) : std::string_view(); }
  [[nodiscard]] bool is_root() const { return key && key->is_root; }
  [[nodiscard]] std::optional<std::string_view> header(std::string_view lower_name) const {
    return request.header(lower_name);
  }

  // Answers, whole. False: the client is gone; there is nothing to do about it.
  Task<bool> respond(uint16_t answer_status, std::string_view content_type, std::string_view content);
  Task<bool> respond_xml(std::string_view document) { return respond(200, "application/xml", document); }
  Task<bool> respond_empty(uint16_t answer_status) { return respond(answer_status, "", ""); }
  Task<bool> respond_error(const S3Error& error);
};

// A handler answers through the call, or hands back what is wrong, having answered nothing.
using Handler = Task<S3Result<>> (*)(Call&);

// Is the value fit for a field of an HTTP message? Others are left out of answers (RFC 9110, section 5.5).
[[nodiscard]] bool is_field_value(std::string_view value);

// What an outcome of the log or an error of the engine says to a client; kOk of both is success.
[[nodiscard]] S3Result<> check_outcome(log::LogErrc outcome, const blob::Answer& answer);

}  // namespace keelson::s3
