// Multipart uploads.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/base64.h"
#include "protocol/s3/acl.h"
#include "protocol/s3/authorize.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/documents.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/multipart.h"
#include "protocol/s3/object_headers.h"
#include "protocol/s3/payload.h"
#include "protocol/s3/write_object.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

S3Result<uint32_t> read_part_number(const Query& query) {
  const std::string_view text = query.value("partNumber");
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0 || number > blob::kPartNumberMax) {
    return invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber",
                            std::string(text));
  }
  return number;
}

Task<S3Result<blob::Answer>> find_upload(Call& call, uint32_t after_number, uint32_t count_max) {
  const std::string id_text(call.query.value("uploadId"));
  const auto id = blob::parse_version(id_text);
  S3Error none{.code = ErrorCode::kNoSuchUpload};
  none.details.emplace_back("UploadId", id_text);
  if (!id) co_return std::unexpected(std::move(none));
  const blob::ListParts list{call.bucket->id(), call.place.key, *id, after_number, count_max};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query(call.reactor, list, answer);
  if (outcome == log::LogErrc::kOk && answer.error == blob::BlobErrc::kNoSuchUpload) {
    co_return std::unexpected(std::move(none));
  }
  if (auto good = check_outcome(outcome, answer); !good) co_return std::unexpected(std::move(good.error()));
  co_return answer;
}

std::optional<ChecksumAlgorithm> algorithm_of(const blob::UploadInfo& upload) {
  if (upload.meta.checksums.empty()) return std::nullopt;
  return upload.meta.checksums.front().algorithm;
}

namespace handlers {

namespace {

// x-amz-checksum-algorithm and x-amz-checksum-type of a new upload.
S3Result<std::optional<blob::Checksum>> read_upload_checksum(const RequestView& request) {
  const auto algorithm = request.header("x-amz-checksum-algorithm");
  const auto type = request.header("x-amz-checksum-type");
  if (!algorithm || algorithm->empty()) {
    if (type) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "The x-amz-checksum-type header can only be used with the "
                     "x-amz-checksum-algorithm header.");
    }
    return std::optional<blob::Checksum>();
  }
  const auto known = parse_checksum_algorithm(*algorithm);
  if (!known) {
    return s3_fail(
        ErrorCode::kInvalidRequest,
        "Checksum algorithm provided is unsupported. Please try again with any of "
        "the valid types: [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]");
  }
  // CRC64NVME is of the whole object alone; what is no CRC cannot be; the other CRCs are of the parts unless it is
  // said.
  blob::Checksum checksum{*known, *known != ChecksumAlgorithm::kCrc64Nvme, {}};
  if (type) {
    checksum.is_composite = is_header(*type, "composite");
    if (!checksum.is_composite && !is_header(*type, "full_object")) {
      return s3_fail(ErrorCode::kInvalidRequest, "Value for x-amz-checksum-type header is invalid.");
    }
    const bool is_good = checksum.is_composite ? *known != ChecksumAlgorithm::kCrc64Nvme : is_crc(*known);
    if (!is_good) {
      return s3_fail(ErrorCode::kInvalidRequest, "The " + std::string(*type) +
                                                     " checksum type cannot be used with the " +
                                                     std::string(checksum_name(*known)) + " checksum algorithm.");
    }
  }
  return std::optional<blob::Checksum>(checksum);
}

}  // namespace

Task<S3Result<>> CreateMultipartUpload(Call& call) {
  auto meta = read_object_meta(call);
  if (!meta) co_return std::unexpected(std::move(meta.error()));
  const auto checksum = read_upload_checksum(call.request);
  if (!checksum) co_return std::unexpected(checksum.error());
  if (*checksum) meta->checksums.push_back(**checksum);
  const blob::CreateUpload create{call.bucket->id(), call.place.key, std::string(call.user()), std::move(*meta)};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, create, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  add_encryption_fields(call, create.meta);
  if (*checksum) {
    call.exchange.add_field("x-amz-checksum-algorithm", checksum_name((*checksum)->algorithm));
    call.exchange.add_field("x-amz-checksum-type", (*checksum)->is_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  XmlWriter xml;
  xml.open_root("InitiateMultipartUploadResult");
  xml.element("Bucket", call.place.bucket);
  xml.element("Key", call.place.key);
  xml.element("UploadId", blob::version_text(answer.upload.id));
  xml.close("InitiateMultipartUploadResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

Task<S3Result<>> UploadPart(Call& call) {
  const auto number = read_part_number(call.query);
  if (!number) co_return std::unexpected(number.error());
  const auto upload = co_await find_upload(call, 0, 1);
  if (!upload) co_return std::unexpected(upload.error());
  if (auto good = join_encryption(call, upload->upload.meta); !good) co_return good;
  const auto algorithm = algorithm_of(upload->upload);
  auto reader = PayloadReader::open(call, true, algorithm);
  if (!reader) co_return std::unexpected(std::move(reader.error()));
  auto written = co_await write_payload(call, std::move(*reader), call.place.key, true);
  if (!written) co_return std::unexpected(std::move(written.error()));
  blob::PutPart put{call.bucket->id(), call.place.key,    upload->upload.id,          *number,
                    written->etag,     written->checksum, std::move(written->payload)};
  if (algorithm && put.checksum && put.checksum->algorithm != *algorithm) {
    co_return s3_fail(
        ErrorCode::kInvalidRequest,
        "Checksum Type mismatch occurred, expected checksum Type: " + std::string(checksum_name(*algorithm)) +
            ", actual checksum Type: " + std::string(checksum_name(put.checksum->algorithm)));
  }
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, put, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  call.exchange.add_field("ETag", quoted(put.etag));
  add_encryption_fields(call, upload->upload.meta);
  if (put.checksum) {
    call.exchange.add_field(checksum_header(put.checksum->algorithm), checksum_text(*put.checksum, 0));
  }
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

Task<S3Result<>> AbortMultipartUpload(Call& call) {
  const std::string id_text(call.query.value("uploadId"));
  const auto id = blob::parse_version(id_text);
  if (!id) co_return s3_fail(ErrorCode::kNoSuchUpload);
  const blob::AbortUpload abort{call.bucket->id(), call.place.key, *id};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, abort, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_empty(204);
  co_return S3Result<>();
}

namespace {

void write_party(XmlWriter& xml, std::string_view element) {
  xml.open(element);
  xml.element("ID", kOwnerId);
  xml.element("DisplayName", kOwnerName);
  xml.close(element);
}

S3Result<uint32_t> read_count(const Query& query, std::string_view name, uint32_t otherwise, uint32_t most) {
  const std::string* text = query.find(name);
  if (text == nullptr || text->empty()) return otherwise;
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < 0) {
    return invalid_argument("Argument " + std::string(name) + " must be an integer between 0 and 2147483647",
                            std::string(name), *text);
  }
  return std::min(static_cast<uint32_t>(value), most);
}

}  // namespace

Task<S3Result<>> ListParts(Call& call) {
  constexpr uint32_t kPartsPageMax = 1000;
  const auto count_max = read_count(call.query, "max-parts", kPartsPageMax, kPartsPageMax);
  if (!count_max) co_return std::unexpected(count_max.error());
  const auto marker = read_count(call.query, "part-number-marker", 0, UINT32_MAX);
  if (!marker) co_return std::unexpected(marker.error());
  auto answer = co_await find_upload(call, *marker, std::max<uint32_t>(*count_max, 1));
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  if (*count_max == 0) {
    answer->is_truncated = false;
    answer->parts.clear();
  }
  const auto& parts = answer->parts;
  XmlWriter xml;
  xml.open_root("ListPartsResult");
  xml.element("Bucket", call.place.bucket);
  xml.element("Key", call.place.key);
  xml.element("UploadId", call.query.value("uploadId"));
  write_party(xml, "Initiator");
  write_party(xml, "Owner");
  const std::string& storage_class = answer->upload.meta.storage_class;
  xml.element("StorageClass", storage_class.empty() ? std::string_view("STANDARD") : std::string_view(storage_class));
  xml.element("PartNumberMarker", uint64_t{*marker});
  xml.element("NextPartNumberMarker", uint64_t{parts.empty() ? 0 : parts.back().info.number});
  xml.element("MaxParts", uint64_t{*count_max});
  xml.element("IsTruncated", answer->is_truncated);
  for (const blob::Checksum& checksum : answer->upload.meta.checksums) {
    xml.element("ChecksumAlgorithm", checksum_name(checksum.algorithm));
    xml.element("ChecksumType", checksum.is_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  for (const blob::UploadPart& part : parts) {
    xml.open("Part");
    xml.element("PartNumber", uint64_t{part.info.number});
    xml.element("LastModified", format_iso8601(part.modified_ms));
    xml.element("ETag", quoted(part.etag));
    xml.element("Size", part.info.size_bytes);
    const auto& checksum = part.info.checksum;
    if (checksum) xml.element(checksum_element(checksum->algorithm), checksum_text(*checksum, 0));
    xml.close("Part");
  }
  xml.close("ListPartsResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

namespace {

blob::ETag etag_of_parts(const std::vector<CompleteDocument::Part>& parts) {
  Digest digest(DigestKind::kMd5);
  for (const auto& part : parts) {
    digest.update({reinterpret_cast<const char*>(part.etag.md5.data()), part.etag.md5.size()});
  }
  blob::ETag etag;
  etag.part_count = static_cast<uint32_t>(parts.size());
  const std::string value = digest.finish();
  std::memcpy(etag.md5.data(), value.data(), etag.md5.size());
  return etag;
}

// What the completing request says of a part's checksum, against what came with the part and what the upload wants.
S3Result<> check_part_checksum(const CompleteDocument::Part& named, const std::optional<blob::Checksum>& stored,
                               const std::vector<blob::Checksum>& wanted) {
  if (!named.checksum) {
    if (wanted.empty() || !wanted.front().is_composite) return {};
    return s3_fail(ErrorCode::kInvalidRequest,
                   "The upload was created using a " + std::string(checksum_name(wanted.front().algorithm)) +
                       " checksum. The complete request must include the checksum for each part. It was missing for "
                       "part " +
                       std::to_string(named.number) + " in the request.");
  }
  const blob::Checksum& given = *named.checksum;
  if (!stored || (given.algorithm == stored->algorithm && given.value == stored->value)) return {};
  if (given.algorithm == stored->algorithm) {
    return s3_fail(ErrorCode::kInvalidPart,
                   "The checksum of part " + std::to_string(named.number) + " is not the one that was uploaded.");
  }
  return s3_fail(ErrorCode::kBadDigest, "The " + std::string(checksum_name(given.algorithm)) +
                                            " you specified for part " + std::to_string(named.number) +
                                            " did not match what we received.");
}

// Of the whole object, from the parts that are named; nullopt if the upload asked for none or a part has none.
S3Result<std::optional<blob::Checksum>> checksum_of_parts(const CompleteDocument& document,
                                                          const blob::Answer& upload) {
  const auto& wanted = upload.upload.meta.checksums;
  std::vector<PartChecksum> values;
  for (const auto& named : document.parts) {
    const auto found =
        std::lower_bound(upload.parts.begin(), upload.parts.end(), named.number,
                         [](const blob::UploadPart& part, uint32_t number) { return part.info.number < number; });
    if (found == upload.parts.end() || found->info.number != named.number) {
      S3Error error{.code = ErrorCode::kInvalidPart};
      error.details.emplace_back("PartNumber", std::to_string(named.number));
      error.details.emplace_back("ETag", named.etag.text());
      return std::unexpected(std::move(error));
    }
    const auto& stored = found->info.checksum;
    if (auto good = check_part_checksum(named, stored, wanted); !good) return std::unexpected(std::move(good.error()));
    if (stored) values.push_back({stored->value, found->info.size_bytes});
  }
  if (wanted.empty() || values.size() != document.parts.size()) return std::optional<blob::Checksum>();
  blob::Checksum checksum = wanted.front();
  if (checksum.is_composite) {
    checksum.value = composite_checksum(checksum.algorithm, values);
  } else if (auto value = full_object_checksum(checksum.algorithm, values)) {
    checksum.value = std::move(*value);
  } else {
    return std::optional<blob::Checksum>();
  }
  return std::optional<blob::Checksum>(checksum);
}

// A checksum of the completing request: base64, with "-<number of parts>" behind it or not.
bool is_checksum_text(ChecksumAlgorithm algorithm, std::string_view text) {
  const size_t dash = std::min(text.find('-'), text.size());
  const std::string_view count = text.substr(std::min(dash + 1, text.size()));
  const auto value = from_base64(text.substr(0, dash));
  const bool is_count =
      std::all_of(count.begin(), count.end(), [](char c) { return c >= '0' && c <= '9'; }) && !count.empty();
  return value && value->size() == checksum_bytes(algorithm) && (dash == text.size() || is_count);
}

S3Result<> check_completion_checksum(const Call& call, const CompleteDocument& document, const blob::Answer& upload,
                                     const std::optional<blob::Checksum>& checksum) {
  const auto& wanted = upload.upload.meta.checksums;
  if (const auto type = call.header("x-amz-checksum-type"); type && !type->empty()) {
    if (!is_header(*type, "composite") && !is_header(*type, "full_object")) {
      return s3_fail(ErrorCode::kInvalidRequest, "Value for x-amz-checksum-type header is invalid.");
    }
    if (!wanted.empty() && is_header(*type, "composite") != wanted.front().is_composite) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "The upload was created using the " +
                         std::string(wanted.front().is_composite ? "COMPOSITE" : "FULL_OBJECT") +
                         " checksum mode. The complete request must use the same checksum mode.");
    }
  }
  size_t count = 0;
  for (const ChecksumAlgorithm algorithm : kChecksumAlgorithms) {
    const auto text = call.header(checksum_header(algorithm));
    if (text && ++count > 1) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    }
    if (text && !is_checksum_text(algorithm, *text)) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "Value for " + std::string(checksum_header(algorithm)) + " header is invalid.");
    }
  }
  for (const ChecksumAlgorithm algorithm : kChecksumAlgorithms) {
    const auto text = call.header(checksum_header(algorithm));
    if (!text) continue;
    if (!checksum || checksum->algorithm != algorithm) {
      return s3_fail(ErrorCode::kInvalidRequest, "The upload was not created with the " +
                                                     std::string(checksum_name(algorithm)) + " checksum algorithm.");
    }
    const std::string computed = checksum_text(*checksum, document.parts.size());
    if (*text != computed && *text != to_base64(checksum->value)) {
      return s3_fail(ErrorCode::kBadDigest, "The " + std::string(checksum_name(algorithm)) +
                                                " you specified did not match the calculated checksum.");
    }
  }
  return {};
}

// x-amz-checksum- and x-amz-mp-object-size of the completing request must be what has come.
S3Result<> check_completion(const Call& call, const CompleteDocument& document, const blob::Answer& upload,
                            const std::optional<blob::Checksum>& checksum) {
  if (auto good = check_completion_checksum(call, document, upload, checksum); !good) return good;
  if (const auto text = call.header("x-amz-mp-object-size")) {
    uint64_t total = 0;
    for (const auto& named : document.parts) {
      for (const auto& part : upload.parts) total += part.info.number == named.number ? part.info.size_bytes : 0;
    }
    if (*text != std::to_string(total)) {
      return s3_fail(ErrorCode::kInvalidRequest, "The provided 'x-amz-mp-object-size' header value " +
                                                     std::string(*text) +
                                                     " does not match what was computed: " + std::to_string(total));
    }
  }
  return {};
}

Task<S3Result<>> respond_completed(Call& call, const blob::ETag& etag, const std::optional<blob::Checksum>& checksum,
                                   const blob::ObjectInfo& object) {
  add_written_version_field(call, object);
  const std::string_view host = call.exchange.request().authority();
  std::string location(call.exchange.request().is_tls() ? "https://" : "http://");
  location.append(host).append("/");
  if (!call.place.is_virtual_host) location.append(call.place.bucket).append("/");
  append_uri_encoded(location, call.place.key, Slash::kKeep);
  XmlWriter xml;
  xml.open_root("CompleteMultipartUploadResult");
  xml.element("Location", location);
  xml.element("Bucket", call.place.bucket);
  xml.element("Key", call.place.key);
  xml.element("ETag", quoted(etag));
  if (checksum) {
    xml.element(checksum_element(checksum->algorithm), checksum_text(*checksum, etag.part_count));
    xml.element("ChecksumType", checksum->is_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  xml.close("CompleteMultipartUploadResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

// Completing again what is complete (a client that has not heard the answer) is answered as the first time.
Task<S3Result<>> respond_if_completed(Call& call, const blob::ETag& etag, S3Error otherwise) {
  const blob::HeadObject head{call.bucket->id(), call.place.key, {}, false};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query(call.reactor, head, answer);
  if (outcome != log::LogErrc::kOk || !answer.ok() || answer.object.meta.etag != etag) {
    co_return std::unexpected(std::move(otherwise));
  }
  const auto& checksums = answer.object.meta.checksums;
  add_encryption_fields(call, answer.object.meta);
  co_return co_await respond_completed(
      call, etag, checksums.empty() ? std::nullopt : std::optional<blob::Checksum>(checksums.front()), answer.object);
}

// A planted defect (S3Faults): between the two the object is nowhere.
Task<log::LogErrc> complete_in_two_steps(Call& call, const blob::CompleteUpload& complete, const blob::Answer& upload,
                                         blob::Answer& answer) {
  blob::PutObject put{complete.bucket, complete.key, upload.upload.meta, complete.condition};
  put.meta.etag = complete.etag;
  for (const blob::UploadPart& part : upload.parts) {
    if (std::ranges::find(complete.parts, part.info.number, &blob::CompleteUpload::Part::number) ==
        complete.parts.end()) {
      continue;
    }
    put.meta.payload.size_bytes += part.payload.size_bytes;
    const auto& extents = part.payload.extents;
    put.meta.payload.extents.insert(put.meta.payload.extents.end(), extents.begin(), extents.end());
    put.meta.parts.push_back(part.info);
  }
  const blob::AbortUpload abort{complete.bucket, complete.key, complete.upload};
  blob::Answer aborted;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, abort, aborted);
  if (outcome != log::LogErrc::kOk) co_return outcome;
  co_return co_await call.store().apply(call.reactor, put, answer);
}

}  // namespace

Task<S3Result<>> CompleteMultipartUpload(Call& call) {
  const auto condition = read_write_condition(call.request);
  if (!condition) co_return std::unexpected(condition.error());
  // The checksum headers of this request are the object's, not the body's.
  auto body = co_await read_document(call, kLargeDocumentBytesMax, false);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto document = parse_complete(*body);
  if (!document) co_return std::unexpected(document.error());
  const blob::ETag etag = etag_of_parts(document->parts);
  const auto upload = co_await find_upload(call, 0, blob::kPartNumberMax);
  if (!upload) co_return co_await respond_if_completed(call, etag, upload.error());
  for (size_t i = 1; i < document->parts.size(); ++i) {
    if (document->parts[i].number <= document->parts[i - 1].number) co_return s3_fail(ErrorCode::kInvalidPartOrder);
  }
  // A customer's key is not needed here; one that is sent must be right.
  if (has_encryption_headers(call.request)) {
    if (auto good = join_encryption(call, upload->upload.meta); !good) co_return good;
  }
  const auto checksum = checksum_of_parts(*document, *upload);
  if (!checksum) co_return std::unexpected(checksum.error());
  if (auto good = check_completion(call, *document, *upload, *checksum); !good) co_return good;
  blob::CompleteUpload complete;
  complete.bucket = call.bucket->id();
  complete.key = call.place.key;
  complete.upload = upload->upload.id;
  for (const auto& part : document->parts) complete.parts.push_back({part.number, part.etag});
  complete.part_bytes_min = call.service.options().part_bytes_min;
  complete.etag = etag;
  if (*checksum) complete.checksums.push_back(**checksum);
  complete.condition = *condition;
  blob::Answer answer;
  const log::LogErrc outcome = call.service.options().faults.completes_in_two_steps
                                   ? co_await complete_in_two_steps(call, complete, *upload, answer)
                                   : co_await call.store().apply(call.reactor, complete, answer);
  if (auto good = check_outcome(outcome, answer); !good) {
    // Another request may have completed it meanwhile.
    if (good.error().code != ErrorCode::kNoSuchUpload) co_return good;
    co_return co_await respond_if_completed(call, etag, std::move(good.error()));
  }
  add_encryption_fields(call, upload->upload.meta);
  co_return co_await respond_completed(call, etag, *checksum, answer.object);
}

}  // namespace handlers
}  // namespace keelson::s3
