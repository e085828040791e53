// Browser uploads: a form with a policy, whose file is streamed into an object.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/base64.h"
#include "protocol/s3/authenticate.h"
#include "protocol/s3/authorize.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/form_data.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/object_headers.h"
#include "protocol/s3/post_policy.h"
#include "protocol/s3/signature_v2.h"
#include "protocol/s3/write_object.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3::handlers {

namespace {

// Signed by whom? The signature covers the policy as it was sent.
S3Result<> authenticate_form(Call& call, const FormDataParser& form) {
  const std::string* policy = form.find("policy");
  const std::string* v4 = form.find("x-amz-signature");
  const std::string* v2 = form.find("signature");
  if (policy == nullptr && v4 == nullptr && v2 == nullptr) return {};  // anonymous
  if (policy == nullptr || (v4 == nullptr && v2 == nullptr)) {
    return invalid_argument(
        "Bucket POST must contain a field named 'policy' and its signature. If they are specified, "
        "please check the order of the fields.",
        policy == nullptr ? "policy" : "x-amz-signature", "");
  }
  if (v4 != nullptr) {
    const std::string* algorithm = form.find("x-amz-algorithm");
    const std::string* credential = form.find("x-amz-credential");
    const std::string* date = form.find("x-amz-date");
    V4Credentials credentials;
    if (algorithm == nullptr || *algorithm != kV4Algorithm || credential == nullptr || date == nullptr ||
        !parse_credential_v4(*credential, credentials) || !parse_amz_date(*date) ||
        credentials.day != std::string_view(*date).substr(0, 8) ||
        credentials.region != call.service.options().region) {
      return s3_fail(
          ErrorCode::kAuthorizationHeaderMalformed,
          "x-amz-algorithm, x-amz-credential or x-amz-date of the form is missing or not right; the region is " +
              call.service.options().region);
    }
    auto key = find_key(call, credentials.access_key_id);
    if (!key) return std::unexpected(std::move(key.error()));
    const std::string signing_key = signing_key_v4((*key)->secret, credentials.day, credentials.region);
    if (!equal_in_constant_time(signature_v4(signing_key, *policy), *v4)) {
      return std::unexpected(signature_mismatch((*key)->id, *policy, *v4, {}));
    }
    call.key = std::move(*key);
    call.signature_version = kV4Algorithm;
  } else {
    const std::string* id = form.find("awsaccesskeyid");
    auto key = find_key(call, id != nullptr ? std::string_view(*id) : std::string_view());
    if (!key) return std::unexpected(std::move(key.error()));
    if (!equal_in_constant_time(signature_v2((*key)->secret, *policy), *v2)) {
      return std::unexpected(signature_mismatch((*key)->id, *policy, *v2, {}));
    }
    call.key = std::move(*key);
    call.signature_version = "AWS";
  }
  call.auth_type = "POST";
  return {};
}

// The policy's rules on the form. `limits` gets the size that the file may have.
S3Result<> check_policy(Call& call, const FormDataParser& form, PostPolicy& limits) {
  const std::string* text = form.find("policy");
  if (text == nullptr) return {};
  const auto json = from_base64(*text);
  if (!json) return s3_fail(ErrorCode::kInvalidPolicyDocument, "Invalid Policy: it is not base64.");
  auto policy = PostPolicy::parse(*json);
  if (!policy) return std::unexpected(std::move(policy.error()));
  auto fields = form.fields();
  fields.emplace_back("bucket", call.place.bucket);
  if (auto good = policy->check(fields, call.now_ms); !good) return good;
  limits = std::move(*policy);
  return {};
}

// The form's fields as headers, so that they are read as a PUT's are.
void become_headers(Call& call, const FormDataParser& form) {
  call.headers.clear();
  for (const auto& [name, value] : form.fields()) {
    if (name == "acl") {
      call.headers.emplace_back("x-amz-acl", value);
    } else if (name != "policy" && name != "key" && name != "tagging" && name != "file" && is_field_value(value)) {
      call.headers.emplace_back(name, value);
    }
  }
  call.request.headers = call.headers;
}

S3Result<> set_key(Call& call, const FormDataParser& form) {
  const std::string* key = form.find("key");
  if (key == nullptr || key->empty()) {
    return invalid_argument(
        "Bucket POST must contain a field named 'key'. If it is specified, please check the order of "
        "the fields.",
        "key", "");
  }
  constexpr std::string_view kVariable = "${filename}";
  call.place.key = *key;
  for (size_t at = 0; (at = call.place.key.find(kVariable, at)) != std::string::npos; at += form.file_name().size()) {
    call.place.key.replace(at, kVariable.size(), form.file_name());
  }
  if (call.place.key.empty() || call.place.key.size() > kKeyBytesMax) return s3_fail(ErrorCode::kKeyTooLongError);
  return {};
}

struct Upload {
  explicit Upload(std::string_view boundary) : form(boundary) {}
  FormDataParser form;
  PostPolicy limits;
  blob::ObjectMeta meta;
  std::unique_ptr<blobstore::BlobWriter> writer;
  std::optional<Digest> md5;
  std::optional<Checksummer> checksummer;
  std::string checksum_wanted;
  uint64_t size_bytes = 0;
};

S3Result<> read_form_checksum(const Call& call, Upload& upload) {
  for (const ChecksumAlgorithm algorithm : kChecksumAlgorithms) {
    const auto text = call.header(checksum_header(algorithm));
    if (!text) continue;
    auto value = from_base64(*text);
    if (!value || value->size() != checksum_bytes(algorithm) || upload.checksummer) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "Value for " + std::string(checksum_header(algorithm)) + " is invalid.");
    }
    upload.checksum_wanted = std::move(*value);
    upload.checksummer.emplace(algorithm);
  }
  return {};
}

// Everything in front of the file has been read: who, what, may they.
S3Result<> begin_file(Call& call, Upload& upload) {
  const FormDataParser& form = upload.form;
  if (auto good = authenticate_form(call, form); !good) return good;
  if (auto good = check_policy(call, form, upload.limits); !good) return good;
  if (auto good = set_key(call, form); !good) return good;
  become_headers(call, form);
  Wish wish{.permission = "s3:PutObject", .bucket = call.bucket.get(), .key = call.place.key};
  if (auto allowed = authorize(call, wish); !allowed) return allowed;
  auto meta = read_object_meta(call);
  if (!meta) return std::unexpected(std::move(meta.error()));
  upload.meta = std::move(*meta);
  if (const std::string* tagging = form.find("tagging")) {
    auto tags = parse_tagging_document(*tagging, kObjectTagsMax);
    if (!tags) return std::unexpected(std::move(tags.error()));
    wish.permission = "s3:PutObjectTagging";
    if (auto allowed = authorize(call, wish); !allowed) return allowed;
    upload.meta.tags = std::move(*tags);
  }
  if (auto good = read_form_checksum(call, upload); !good) return good;
  upload.writer =
      call.store().new_writer(call.reactor, call.bucket->id(), call.place.key, writer_options(call, std::nullopt));
  upload.md5.emplace(DigestKind::kMd5);
  return {};
}

Task<S3Result<>> take_piece(Call& call, Upload& upload) {
  const std::string_view piece = upload.form.piece();
  upload.size_bytes += piece.size();
  call.bytes_received += piece.size();
  const uint64_t most = std::min(upload.limits.content_bytes_max, kSinglePutBytesMax);
  if (upload.size_bytes > most) {
    S3Error error{.code = ErrorCode::kEntityTooLarge};
    error.details.emplace_back("ProposedSize", std::to_string(upload.size_bytes));
    error.details.emplace_back("MaxSizeAllowed", std::to_string(most));
    co_return std::unexpected(std::move(error));
  }
  upload.md5->update(piece);
  if (upload.checksummer) upload.checksummer->update(piece);
  if (Status taken = co_await upload.writer->append(piece); !taken.ok()) {
    co_return std::unexpected(storage_error(taken.error()));
  }
  co_return S3Result<>();
}

// Reads the form to its end.
Task<S3Result<>> read_form(Call& call, Upload& upload) {
  while (true) {
    const auto event = upload.form.next();
    if (!event) co_return std::unexpected(event.error());
    if (*event == FormDataParser::Event::kFile) {
      if (auto good = begin_file(call, upload); !good) co_return good;
    } else if (*event == FormDataParser::Event::kFileData) {
      if (auto good = co_await take_piece(call, upload); !good) co_return good;
    } else if (*event == FormDataParser::Event::kMore) {
      auto bytes = co_await call.exchange.read_body();
      if (!bytes.ok()) co_return s3_fail(ErrorCode::kIncompleteBody);
      if (bytes->empty()) {
        if (upload.form.is_done()) co_return S3Result<>();
        co_return s3_fail(ErrorCode::kMalformedPOSTRequest);
      }
      upload.form.feed(*bytes);
    }
  }
}

Task<S3Result<>> finish_file(Call& call, Upload& upload) {
  if (upload.size_bytes < upload.limits.content_bytes_min) {
    S3Error error{.code = ErrorCode::kEntityTooSmall,
                  .message =
                      "Your proposed upload is smaller than the minimum "
                      "allowed size"};
    error.details.emplace_back("ProposedSize", std::to_string(upload.size_bytes));
    error.details.emplace_back("MinSizeAllowed", std::to_string(upload.limits.content_bytes_min));
    co_return std::unexpected(std::move(error));
  }
  auto payload = co_await upload.writer->finish();
  if (!payload.ok()) co_return std::unexpected(storage_error(payload.error()));
  upload.meta.payload = std::move(*payload);
  const std::string md5 = upload.md5->finish();
  std::memcpy(upload.meta.etag.md5.data(), md5.data(), md5.size());
  upload.meta.etag.md5 = etag_md5(call.encryption, upload.meta.etag.md5);
  if (upload.checksummer) {
    blob::Checksum checksum{upload.checksummer->algorithm(), false, upload.checksummer->finish()};
    if (checksum.value != upload.checksum_wanted) co_return s3_fail(ErrorCode::kBadDigest);
    upload.meta.checksums.push_back(std::move(checksum));
  }
  co_return S3Result<>();
}

Task<S3Result<>> respond_posted(Call& call, const FormDataParser& form, const blob::ETag& etag) {
  const net::http::Request& sent = call.exchange.request();
  std::string location(sent.is_tls() ? "https://" : "http://");
  location.append(sent.authority()).append("/");
  if (!call.place.is_virtual_host) location.append(call.place.bucket).append("/");
  append_uri_encoded(location, call.place.key, Slash::kKeep);
  call.exchange.add_field("ETag", quoted(etag));
  const std::string* redirect = form.find("success_action_redirect");
  if (redirect == nullptr) redirect = form.find("redirect");
  if (redirect != nullptr && redirect->starts_with("http") && is_field_value(*redirect)) {
    std::string target = *redirect;
    target += target.find('?') == std::string::npos ? '?' : '&';
    target.append("bucket=").append(uri_encoded(call.place.bucket)).append("&key=").append(uri_encoded(call.place.key));
    target.append("&etag=").append(uri_encoded(quoted(etag)));
    call.exchange.add_field("Location", target);
    (void)co_await call.respond_empty(303);
    co_return S3Result<>();
  }
  call.exchange.add_field("Location", location);
  const std::string* status = form.find("success_action_status");
  if (status != nullptr && *status == "201") {
    XmlWriter xml;
    xml.open("PostResponse");
    xml.element("Location", location);
    xml.element("Bucket", call.place.bucket);
    xml.element("Key", call.place.key);
    xml.element("ETag", quoted(etag));
    xml.close("PostResponse");
    (void)co_await call.respond(201, "application/xml", xml.take());
    co_return S3Result<>();
  }
  (void)co_await call.respond_empty(status != nullptr && *status == "200" ? 200 : 204);
  co_return S3Result<>();
}

}  // namespace

Task<S3Result<>> PostObject(Call& call) {
  const std::string_view type = call.request.header_or_empty("content-type");
  constexpr std::string_view kFormData = "multipart/form-data";
  if (!is_header(type.substr(0, kFormData.size()), kFormData)) {
    S3Error error{.code = ErrorCode::kPreconditionFailed};
    error.details.emplace_back("Condition", "Bucket POST must be of the enclosure-type multipart/form-data");
    co_return std::unexpected(std::move(error));
  }
  const auto boundary = form_data_boundary(type);
  if (!boundary) {
    co_return s3_fail(ErrorCode::kMalformedPOSTRequest,
                      "A POST of a bucket needs the content type multipart/form-data with a boundary.");
  }
  Upload upload(*boundary);
  if (auto good = co_await read_form(call, upload); !good) co_return good;
  if (auto good = co_await finish_file(call, upload); !good) co_return good;
  const blob::PutObject put{call.bucket->id(), call.place.key, std::move(upload.meta), {}};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, put, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  add_written_version_field(call, answer.object);
  add_encryption_fields(call, put.meta);
  add_checksum_fields(call, put.meta);
  co_return co_await respond_posted(call, upload.form, put.meta.etag);
}

}  // namespace keelson::s3::handlers
