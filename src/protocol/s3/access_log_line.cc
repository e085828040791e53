#include "protocol/s3/access_log_line.h"

#include "protocol/s3/dates.h"
#include "protocol/s3/uri.h"

namespace keelson::s3 {

namespace {

void add(std::string& out, std::string_view field) {
  out.append(field.empty() ? std::string_view("-") : field).push_back(' ');
}

void add_number(std::string& out, std::optional<uint64_t> value) {
  add(out, value ? std::to_string(*value) : std::string());
}

void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      out.append("\\x").push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
}

void add_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  append_escaped(out, text.empty() ? std::string_view("-") : text);
  out.append("\" ");
}

// A field that a client chose and that is not quoted: blanks would shift what follows.
void add_bare(std::string& out, std::string_view text) {
  if (text.empty()) return add(out, {});
  for (const char c : text) {
    if (c == ' ') {
      out.append("\\x20");
    } else {
      append_escaped(out, {&c, 1});
    }
  }
  out.push_back(' ');
}

// What stands behind "REST.", where it is not what the table's method and parameters say.
struct Resource {
  Operation operation;
  std::string_view name;
};
constexpr Resource kResources[] = {
    {Operation::kListBuckets, "GET.SERVICE"},
    {Operation::kGetBucketPolicy, "GET.BUCKETPOLICY"},
    {Operation::kPutBucketPolicy, "PUT.BUCKETPOLICY"},
    {Operation::kDeleteBucketPolicy, "DELETE.BUCKETPOLICY"},
    {Operation::kGetBucketPolicyStatus, "GET.POLICY_STATUS"},
    {Operation::kGetObjectLockConfiguration, "GET.OBJECT_LOCK_CONFIGURATION"},
    {Operation::kPutObjectLockConfiguration, "PUT.OBJECT_LOCK_CONFIGURATION"},
    {Operation::kGetBucketOwnershipControls, "GET.OWNERSHIP_CONTROLS"},
    {Operation::kPutBucketOwnershipControls, "PUT.OWNERSHIP_CONTROLS"},
    {Operation::kDeleteBucketOwnershipControls, "DELETE.OWNERSHIP_CONTROLS"},
    {Operation::kGetPublicAccessBlock, "GET.PUBLIC_ACCESS_BLOCK"},
    {Operation::kPutPublicAccessBlock, "PUT.PUBLIC_ACCESS_BLOCK"},
    {Operation::kDeletePublicAccessBlock, "DELETE.PUBLIC_ACCESS_BLOCK"},
    {Operation::kGetBucketLogging, "GET.LOGGING_STATUS"},
    {Operation::kPutBucketLogging, "PUT.LOGGING_STATUS"},
    {Operation::kGetBucketRequestPayment, "GET.REQUEST_PAYMENT"},
    {Operation::kPutBucketRequestPayment, "PUT.REQUEST_PAYMENT"},
    {Operation::kListObjectVersions, "GET.BUCKETVERSIONS"},
    {Operation::kListObjectsV2, "GET.BUCKET"},
    {Operation::kDeleteObjects, "POST.MULTI_OBJECT_DELETE"},
    {Operation::kPostObject, "POST.OBJECT"},
    {Operation::kGetObjectTagging, "GET.OBJECT_TAGGING"},
    {Operation::kPutObjectTagging, "PUT.OBJECT_TAGGING"},
    {Operation::kDeleteObjectTagging, "DELETE.OBJECT_TAGGING"},
    {Operation::kGetObjectRetention, "GET.OBJECT_LOCK_RETENTION"},
    {Operation::kPutObjectRetention, "PUT.OBJECT_LOCK_RETENTION"},
    {Operation::kGetObjectLegalHold, "GET.OBJECT_LOCK_LEGALHOLD"},
    {Operation::kPutObjectLegalHold, "PUT.OBJECT_LOCK_LEGALHOLD"},
    {Operation::kGetObjectAttributes, "GET.OBJECT_ATTRIBUTES"},
    {Operation::kUploadPartCopy, "COPY.PART"},
    {Operation::kUploadPart, "PUT.PART"},
    {Operation::kListParts, "GET.UPLOAD"},
    {Operation::kCompleteMultipartUpload, "POST.UPLOAD"},
    {Operation::kAbortMultipartUpload, "DELETE.UPLOAD"},
    {Operation::kCreateMultipartUpload, "POST.UPLOADS"},
    {Operation::kCopyObject, "COPY.OBJECT"},
};

}  // namespace

void append_access_log_line(std::string& out, const AccessLogEntry& entry) {
  add(out, entry.bucket_owner);
  add(out, entry.bucket);
  out.append("[").append(format_log_time(entry.time_ms)).append("] ");
  add(out, entry.remote_address);
  add(out, entry.requester);
  add(out, entry.request_id);
  add(out, entry.operation);
  add(out, uri_encoded(entry.key, Slash::kKeep));
  if (entry.method.empty()) {
    add(out, {});
  } else {
    out.push_back('"');
    append_escaped(out, entry.method);
    out.push_back(' ');
    append_escaped(out, entry.target);
    out.append(" ").append(entry.http_version).append("\" ");
  }
  add_number(out, entry.status == 0 ? std::nullopt : std::optional<uint64_t>(entry.status));
  add(out, entry.error_code);
  add_number(out, entry.bytes_sent == 0 ? std::nullopt : std::optional<uint64_t>(entry.bytes_sent));
  add_number(out, entry.object_bytes);
  add_number(out, entry.total_ms);
  add_number(out, entry.turn_around_ms);
  if (entry.method.empty()) {
    add(out, {});
    add(out, {});
  } else {
    add_quoted(out, entry.referer);
    add_quoted(out, entry.user_agent);
  }
  add_bare(out, entry.version_id);
  add(out, entry.host_id);
  add(out, entry.signature_version);
  add(out, entry.cipher);
  add(out, entry.authentication);
  add_bare(out, entry.host);
  add(out, entry.tls_version);
  add(out, entry.access_point);
  add(out, entry.acl_required ? "Yes" : "");
  add(out, entry.source_region);
  out.back() = '\n';
}

std::string access_log_operation(Operation operation) {
  for (const Resource& resource : kResources) {
    if (resource.operation == operation) return std::string("REST.").append(resource.name);
  }
  const OperationSpec& spec = operation_spec(operation);
  std::string name = std::string("REST.").append(spec.method).append(".");
  std::string_view parameter = spec.parameters.substr(0, spec.parameters.find('&'));
  if (parameter.empty()) parameter = spec.level == Level::kObject ? "object" : "bucket";
  for (const char c : parameter) {
    name.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c == '-' || c == '=' ? '_' : c);
  }
  return name;
}

std::string_view access_log_copy_source(Operation operation) {
  if (operation == Operation::kCopyObject) return "REST.COPY.OBJECT_GET";
  if (operation == Operation::kUploadPartCopy) return "REST.COPY.PART_GET";
  return {};
}

}  // namespace keelson::s3
