// One line of a server access log, to the letter of "Amazon S3 server access log format" (Amazon S3 user guide): fields
// with one blank between, "-" for what is not there or not known.
//
//   1 bucket owner  2 bucket  3 [time]  4 remote address  5 requester  6 request id  7 operation  8 key, URL-encoded
//   9 "request line"  10 status  11 error code  12 bytes sent  13 object size  14 total ms  15 turn-around ms
//   16 "referer"  17 "user agent"  18 version id  19 host id  20 SigV2, SigV4  21 cipher  22 authentication
//   23 host  24 TLS version  25 access point  26 "Yes" if an ACL let it in  27 source region
//
// What a client chose (request line, referer, user agent) stands between quotes; a quote, a backslash and bytes that
// are no printable ASCII become \xHH there, so that a line is always one line and its quotes match. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/s3/operations.h"

namespace keelson::s3 {

// Views are used up by append_access_log_line(). Empty: "-".
struct AccessLogEntry {
  std::string_view bucket_owner;
  std::string_view bucket;
  int64_t time_ms = 0;  // when the request was received
  std::string_view remote_address;
  std::string_view requester;
  std::string_view request_id;
  std::string_view operation;  // "REST.GET.OBJECT"
  std::string_view key;        // as it is, not encoded
  // Of the request line. An empty method: the line is about a part of a request (BATCH.DELETE.OBJECT), and request
  // line, referer and user agent are bare dashes.
  std::string_view method;
  std::string_view target;
  std::string_view http_version;  // "HTTP/1.1"
  uint16_t status = 0;
  std::string_view error_code;
  uint64_t bytes_sent = 0;
  std::optional<uint64_t> object_bytes;
  std::optional<int64_t> total_ms;
  std::optional<int64_t> turn_around_ms;
  std::string_view referer;
  std::string_view user_agent;
  std::string_view version_id;
  std::string_view host_id;
  std::string_view signature_version;  // "SigV4"
  std::string_view cipher;
  std::string_view authentication;  // "AuthHeader", "QueryString"
  std::string_view host;
  std::string_view tls_version;  // "TLSv1.3"
  std::string_view access_point = {};
  bool acl_required = false;
  std::string_view source_region = {};
};

// With the newline at its end.
void append_access_log_line(std::string& out, const AccessLogEntry& entry);

// "REST.GET.OBJECT", for each operation of the table.
[[nodiscard]] std::string access_log_operation(Operation operation);
// What the source of a copy is logged as; empty if the operation is no copy.
[[nodiscard]] std::string_view access_log_copy_source(Operation operation);

}  // namespace keelson::s3
