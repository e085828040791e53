// A small S3 in memory, for tests: enough of it for the blob verbs, with faults and habits that servers have. It checks
// signatures, checksums and conditions as S3 does. Every write is one step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/crc32c.h"
#include "base/numbers.h"
#include "env/random.h"
#include "env/reactor.h"
#include "net/http/exchange.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/signature_v4.h"
#include "protocol/s3/tags.h"
#include "protocol/s3/uri.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::cli {

class FakeS3 {
 public:
  struct Object {
    std::string content;
    std::string etag;
    std::string crc32c;  // base64; empty: none is kept
    std::map<std::string, std::string> headers;
    int64_t modified_ms = 0;
  };
  struct Upload {
    std::string bucket;
    std::string key;
    std::map<std::string, std::string> headers;
    std::map<uint32_t, std::string> parts;
  };

  // What the server is like.
  bool keeps_checksums = true;
  size_t page_size = 1000;
  double slow_down_probability = 0;    // 503 before anything is done
  double lost_answer_probability = 0;  // the request is done, and answered with 500
  bool damages_content = false;        // of what is downloaded
  // Bodies from this size on are refused with this status before they are read; once, or always.
  uint64_t large_body_bytes = uint64_t{1} << 20;
  uint16_t large_body_status = 0;
  bool is_refusal_lasting = true;
  std::function<void(const std::string& operation)> before = nullptr;

  std::map<std::string, std::map<std::string, Object>> buckets;
  std::map<std::string, Upload> uploads;
  std::map<std::string, uint64_t> counts;  // by operation: "PutObject", "UploadPart", ...

  explicit FakeS3(env::Reactor& reactor) : reactor_(reactor) {}

  void put(const std::string& bucket, const std::string& key, std::string content) {
    buckets[bucket][key] = make_object(std::move(content));
  }

  Task<void> serve(net::http::Exchange& exchange) {
    const uint64_t announced = exchange.body_length().value_or(0);
    if (announced >= large_body_bytes && large_body_status != 0) {
      Call refused;
      refuse(refused, std::exchange(large_body_status, is_refusal_lasting ? large_body_status : uint16_t{0}),
             "AccessDenied");
      (void)co_await exchange.respond(refused.status, refused.answer_type, refused.answer);
      co_return;
    }
    Result<std::string> body = co_await exchange.read_all(size_t{1} << 30);
    if (!body.ok()) co_return;
    Call call{.method = std::string(exchange.request().method()), .body = std::move(*body)};
    read_target(exchange.request(), call);
    const bool is_slow = chance(slow_down_probability);
    const bool is_lost = chance(lost_answer_probability);
    if (is_slow) {
      refuse(call, 503, "SlowDown");
    } else if (!is_signed(exchange.request(), call)) {
      refuse(call, 403, "SignatureDoesNotMatch");
    } else {
      answer(call);
    }
    if (is_lost && !is_slow) {
      call.answer_headers.clear();
      refuse(call, 500, "InternalError");
    }
    for (const auto& [name, value] : call.answer_headers) exchange.add_field(name, value);
    (void)co_await exchange.respond(call.status, call.answer_type, call.answer);
  }

 private:
  struct Call {
    std::string method = {};
    std::string body = {};
    std::string bucket = {};
    std::string key = {};
    s3::Query query = {};
    std::map<std::string, std::string> headers = {};
    uint16_t status = 200;
    std::string answer = {};
    std::string answer_type = {};
    std::vector<std::pair<std::string, std::string>> answer_headers = {};
    [[nodiscard]] std::string header(const std::string& name) const {
      const auto found = headers.find(name);
      return found == headers.end() ? "" : found->second;
    }
  };

  bool chance(double probability) {
    return probability > 0 && static_cast<double>(reactor_.random().next() % 1'000'000) < probability * 1e6;
  }

  static void read_target(const net::http::Request& request, Call& call) {
    std::string path = s3::uri_decoded(request.raw_path()).value_or("/").substr(1);
    const size_t slash = std::min(path.find('/'), path.size());
    call.bucket = path.substr(0, slash);
    call.key = path.substr(std::min(slash + 1, path.size()));
    call.query = s3::Query::parse(request.query()).value_or(s3::Query());
    for (const net::http::Field& field : request.fields()) {
      std::string name(field.name);
      for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      call.headers[name] = field.value;
    }
  }

  bool is_signed(const net::http::Request& request, const Call& call) {
    std::vector<s3::HeaderView> headers;
    for (const net::http::Field& field : request.fields()) headers.emplace_back(field.name, field.value);
    const s3::RequestView view{
        .method = request.method(), .raw_path = request.raw_path(), .raw_query = request.query(), .headers = headers};
    const auto credentials = s3::parse_v4(view);
    if (!credentials || credentials->access_key_id != "AKID") return false;
    if (credentials->payload == s3::PayloadKind::kHashed &&
        credentials->payload_hash != s3::to_hex(s3::digest_of(s3::DigestKind::kSha256, call.body))) {
      return false;
    }
    return s3::verify_v4(view, *credentials, "secret", "us-east-1", reactor_.clock().wall_ms()).has_value();
  }

  static void refuse(Call& call, uint16_t status, const std::string& code) {
    call.status = status;
    call.answer_type = "application/xml";
    call.answer = "<Error><Code>" + code + "</Code><Message>That is why.</Message></Error>";
  }

  static std::string crc32c_text(std::string_view content) {
    const uint32_t crc = crc32c(0, content);
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(crc >> shift & 255);
    return to_base64(bytes);
  }

  Object make_object(std::string content) {
    Object object;
    object.etag = s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, content));
    if (keeps_checksums) object.crc32c = crc32c_text(content);
    object.content = std::move(content);
    object.modified_ms = reactor_.clock().wall_ms();
    return object;
  }

  void took(const std::string& operation) {
    ++counts[operation];
    if (before) before(operation);
  }

  void answer(Call& call) {
    if (call.bucket.empty()) return list_buckets(call);
    if (call.method == "PUT" && call.key.empty()) return make_bucket(call);
    if (!buckets.contains(call.bucket)) return refuse(call, 404, "NoSuchBucket");
    if (call.key.empty()) return answer_bucket(call);
    if (call.query.has("uploads") || call.query.has("uploadId")) return answer_upload(call);
    if (call.method == "PUT") return call.headers.contains("x-amz-copy-source") ? copy(call) : put(call);
    if (call.method == "DELETE") {
      took("DeleteObject");
      buckets[call.bucket].erase(call.key);
      call.status = 204;
      return;
    }
    call.query.has("tagging") ? tell_tags(call) : get(call);
  }

  void tell_tags(Call& call) {
    took("GetObjectTagging");
    const auto tags = s3::parse_tagging_header(buckets[call.bucket][call.key].headers["x-amz-tagging"]);
    call.answer = s3::tagging_document(tags.value_or(s3::Tags{}));
  }

  void answer_bucket(Call& call) {
    if (call.method == "DELETE") {
      took("DeleteBucket");
      if (!buckets[call.bucket].empty()) return refuse(call, 409, "BucketNotEmpty");
      buckets.erase(call.bucket);
      call.status = 204;
    } else if (call.method == "POST") {
      delete_objects(call);
    } else if (call.query.has("uploads")) {
      list_uploads(call);
    } else if (call.query.has("versioning")) {
      call.answer = "<VersioningConfiguration/>";
    } else if (call.query.has("versions") || call.query.has("list-type")) {
      list(call);
    }
  }

  void list_buckets(Call& call) {
    took("ListBuckets");
    s3::XmlWriter xml;
    xml.open_root("ListAllMyBucketsResult");
    xml.open("Buckets");
    for (const auto& [name, objects] : buckets) {
      xml.open("Bucket");
      xml.element("Name", name);
      xml.element("CreationDate", "2024-05-01T12:30:00.000Z");
      xml.close("Bucket");
    }
    xml.close("Buckets");
    xml.close("ListAllMyBucketsResult");
    call.answer = xml.take();
  }

  void make_bucket(Call& call) {
    took("CreateBucket");
    if (buckets.contains(call.bucket)) return refuse(call, 409, "BucketAlreadyOwnedByYou");
    buckets[call.bucket];
  }

  void list(Call& call) {
    took("ListObjects");
    const bool is_versions = call.query.has("versions");
    const std::string prefix(call.query.value("prefix"));
    const std::string delimiter(call.query.value("delimiter"));
    const std::string after(call.query.value(is_versions ? "key-marker" : "continuation-token"));
    const char* root = is_versions ? "ListVersionsResult" : "ListBucketResult";
    s3::XmlWriter xml;
    xml.open_root(root);
    xml.element("EncodingType", "url");
    size_t count = 0;
    std::string last;
    bool is_truncated = false;
    for (const auto& [key, object] : buckets[call.bucket]) {
      if (!key.starts_with(prefix) || (!after.empty() && key <= after)) continue;
      const size_t end = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
      const std::string common = end == std::string::npos ? "" : key.substr(0, end + delimiter.size());
      if (!common.empty() && (common == last || (!after.empty() && after.starts_with(common)))) continue;
      if (count++ == page_size) {
        is_truncated = true;
        break;
      }
      last = common.empty() ? key : common;
      if (!common.empty()) {
        xml.open("CommonPrefixes");
        xml.element("Prefix", s3::list_encoded(common));
        xml.close("CommonPrefixes");
        continue;
      }
      xml.open(is_versions ? "Version" : "Contents");
      xml.element("Key", s3::list_encoded(key));
      xml.element("Size", uint64_t{object.content.size()});
      xml.element("LastModified", s3::format_iso8601(object.modified_ms));
      xml.element("ETag", "\"" + object.etag + "\"");
      if (is_versions) xml.element("VersionId", "null");
      xml.close(is_versions ? "Version" : "Contents");
    }
    xml.element("IsTruncated", is_truncated);
    if (is_truncated) {
      xml.element(is_versions ? "NextKeyMarker" : "NextContinuationToken", is_versions ? s3::list_encoded(last) : last);
    }
    xml.close(root);
    call.answer = xml.take();
  }

  void delete_objects(Call& call) {
    took("DeleteObjects");
    const auto document = s3::parse_xml(call.body);
    if (!document) return refuse(call, 400, "MalformedXML");
    for (const s3::XmlElement& one : document->children) {
      if (one.name == "Object") buckets[call.bucket].erase(std::string(one.child_text("Key").value_or("")));
    }
    call.answer = "<DeleteResult/>";
  }

  // Does the body have the checksum that was sent with it?
  static bool is_whole(const Call& call) {
    const std::string sent = call.header("x-amz-checksum-crc32c");
    return sent.empty() || sent == crc32c_text(call.body);
  }

  static std::map<std::string, std::string> kept_headers(const Call& call) {
    std::map<std::string, std::string> kept;
    for (const auto& [name, value] : call.headers) {
      if (name == "content-type" || name == "cache-control" || name == "x-amz-tagging" ||
          name.starts_with("x-amz-meta-")) {
        kept[name] = value;
      }
    }
    return kept;
  }

  void put(Call& call) {
    took("PutObject");
    if (call.header("if-none-match") == "*" && buckets[call.bucket].contains(call.key)) {
      return refuse(call, 412, "PreconditionFailed");
    }
    if (!is_whole(call)) return refuse(call, 400, "BadDigest");
    Object object = make_object(std::move(call.body));
    object.headers = kept_headers(call);
    call.answer_headers.emplace_back("ETag", "\"" + object.etag + "\"");
    if (keeps_checksums) call.answer_headers.emplace_back("x-amz-checksum-crc32c", object.crc32c);
    buckets[call.bucket][call.key] = std::move(object);
  }

  const Object* find_source(const Call& call) {
    const std::string source = s3::uri_decoded(call.header("x-amz-copy-source")).value_or("").substr(1);
    const size_t slash = source.find('/');
    auto& bucket = buckets[source.substr(0, slash)];
    const auto found = bucket.find(source.substr(slash + 1));
    return found == bucket.end() ? nullptr : &found->second;
  }

  void copy(Call& call) {
    took("CopyObject");
    const Object* from = find_source(call);
    if (from == nullptr) return refuse(call, 404, "NoSuchKey");
    Object object = *from;
    if (call.header("x-amz-metadata-directive") == "REPLACE") object.headers = kept_headers(call);
    object.modified_ms = reactor_.clock().wall_ms();
    call.answer = "<CopyObjectResult><ETag>\"" + object.etag + "\"</ETag></CopyObjectResult>";
    buckets[call.bucket][call.key] = std::move(object);
  }

  void get(Call& call) {
    took(call.method == "HEAD" ? "HeadObject" : "GetObject");
    const auto found = buckets[call.bucket].find(call.key);
    if (found == buckets[call.bucket].end()) return refuse(call, 404, "NoSuchKey");
    const Object& object = found->second;
    const std::string wanted = call.header("if-match");
    if (!wanted.empty() && wanted != "\"" + object.etag + "\"") return refuse(call, 412, "PreconditionFailed");
    call.answer = object.content;
    if (const std::string range = call.header("range"); !range.empty()) {
      const size_t dash = range.find('-');
      const uint64_t first = parse_uint64(range.substr(6, dash - 6)).value_or(0);
      const uint64_t last = parse_uint64(range.substr(dash + 1)).value_or(0);
      call.status = 206;
      call.answer = object.content.substr(first, last - first + 1);
    }
    if (damages_content && !call.answer.empty() && call.method == "GET") call.answer[0] ^= 1;
    call.answer_headers.emplace_back("ETag", "\"" + object.etag + "\"");
    call.answer_headers.emplace_back("Last-Modified", s3::format_http_date(object.modified_ms));
    if (!object.crc32c.empty() && call.header("x-amz-checksum-mode") == "ENABLED") {
      call.answer_headers.emplace_back("x-amz-checksum-crc32c", object.crc32c);
      call.answer_headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
    }
    for (const auto& [name, value] : object.headers) {
      if (name == "content-type") {
        call.answer_type = value;
      } else if (name != "x-amz-tagging") {
        call.answer_headers.emplace_back(name, value);
      }
    }
  }

  void answer_upload(Call& call) {
    if (call.query.has("uploads")) {
      took("CreateMultipartUpload");
      const std::string id = "upload-" + std::to_string(++last_upload_);
      uploads[id] = {.bucket = call.bucket, .key = call.key, .headers = kept_headers(call), .parts = {}};
      if (keeps_checksums) {
        call.answer_headers.emplace_back("x-amz-checksum-algorithm", "CRC32C");
        call.answer_headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
      }
      call.answer = "<InitiateMultipartUploadResult><UploadId>" + id + "</UploadId></InitiateMultipartUploadResult>";
      return;
    }
    const auto found = uploads.find(std::string(call.query.value("uploadId")));
    if (found == uploads.end()) return refuse(call, 404, "NoSuchUpload");
    if (call.method == "PUT") return put_part(call, found->second);
    if (call.method == "GET") return list_parts(call, found->second);
    if (call.method == "DELETE") {
      took("AbortMultipartUpload");
      uploads.erase(found);
      call.status = 204;
      return;
    }
    complete(call, found->first, found->second);
  }

  void put_part(Call& call, Upload& upload) {
    const bool is_copy = call.headers.contains("x-amz-copy-source");
    took(is_copy ? "UploadPartCopy" : "UploadPart");
    if (!is_whole(call)) return refuse(call, 400, "BadDigest");
    if (is_copy) {
      const Object* from = find_source(call);
      if (from == nullptr) return refuse(call, 404, "NoSuchKey");
      const std::string range = call.header("x-amz-copy-source-range");
      const size_t dash = range.find('-');
      const uint64_t first = parse_uint64(range.substr(6, dash - 6)).value_or(0);
      call.body = from->content.substr(first, parse_uint64(range.substr(dash + 1)).value_or(0) - first + 1);
      call.answer = "<CopyPartResult><ETag>\"" + s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, call.body)) +
                    "\"</ETag></CopyPartResult>";
    }
    const auto number = static_cast<uint32_t>(parse_uint64(call.query.value("partNumber")).value_or(0));
    call.answer_headers.emplace_back("ETag", "\"" + s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, call.body)) + "\"");
    if (keeps_checksums) call.answer_headers.emplace_back("x-amz-checksum-crc32c", crc32c_text(call.body));
    upload.parts[number] = std::move(call.body);
  }

  void list_parts(Call& call, const Upload& upload) {
    took("ListParts");
    const uint64_t after = parse_uint64(call.query.value("part-number-marker")).value_or(0);
    s3::XmlWriter xml;
    xml.open_root("ListPartsResult");
    if (keeps_checksums) xml.element("ChecksumAlgorithm", "CRC32C");
    if (keeps_checksums) xml.element("ChecksumType", "FULL_OBJECT");
    size_t count = 0;
    uint64_t last = 0;
    bool is_truncated = false;
    for (const auto& [number, content] : upload.parts) {
      if (number <= after) continue;
      if (count++ == page_size) {
        is_truncated = true;
        break;
      }
      last = number;
      xml.open("Part");
      xml.element("PartNumber", uint64_t{number});
      xml.element("Size", uint64_t{content.size()});
      xml.element("ETag", "\"" + s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, content)) + "\"");
      if (keeps_checksums) xml.element("ChecksumCRC32C", crc32c_text(content));
      xml.close("Part");
    }
    xml.element("IsTruncated", is_truncated);
    if (is_truncated) xml.element("NextPartNumberMarker", last);
    xml.close("ListPartsResult");
    call.answer = xml.take();
  }

  void list_uploads(Call& call) {
    took("ListMultipartUploads");
    s3::XmlWriter xml;
    xml.open_root("ListMultipartUploadsResult");
    for (const auto& [id, upload] : uploads) {
      if (upload.bucket != call.bucket || !upload.key.starts_with(call.query.value("prefix"))) continue;
      xml.open("Upload");
      xml.element("Key", upload.key);
      xml.element("UploadId", id);
      xml.element("Initiated", "2024-05-01T12:30:00.000Z");
      xml.close("Upload");
    }
    xml.element("IsTruncated", false);
    xml.close("ListMultipartUploadsResult");
    call.answer = xml.take();
  }

  void complete(Call& call, const std::string& id, Upload& upload) {
    took("CompleteMultipartUpload");
    const auto document = s3::parse_xml(call.body);
    if (!document) return refuse(call, 400, "MalformedXML");
    std::string content;
    std::string md5s;
    uint64_t count = 0;
    for (const s3::XmlElement& one : document->children) {
      const auto number = static_cast<uint32_t>(parse_uint64(one.child_text("PartNumber").value_or("")).value_or(0));
      const auto part = upload.parts.find(number);
      if (part == upload.parts.end()) return refuse(call, 400, "InvalidPart");
      const std::string md5 = s3::digest_of(s3::DigestKind::kMd5, part->second);
      if (one.child_text("ETag").value_or("") != "\"" + s3::to_hex(md5) + "\"") return refuse(call, 400, "InvalidPart");
      content += part->second;
      md5s += md5;
      ++count;
    }
    const std::string whole = call.header("x-amz-checksum-crc32c");
    if (!whole.empty() && whole != crc32c_text(content)) return refuse(call, 400, "BadDigest");
    Object object = make_object(std::move(content));
    object.etag = s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, md5s)) + "-" + std::to_string(count);
    object.headers = upload.headers;
    buckets[upload.bucket][upload.key] = std::move(object);
    uploads.erase(id);
    // As S3 does while it assembles: blanks before the document.
    call.answer = "   <CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>";
  }

  env::Reactor& reactor_;
  uint64_t last_upload_ = 0;
};

}  // namespace keelson::cli
