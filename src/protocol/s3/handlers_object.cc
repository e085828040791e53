// Objects: put, get, head, delete, attributes.
#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "protocol/s3/authorize.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/object_headers.h"
#include "protocol/s3/read_object.h"
#include "protocol/s3/write_object.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

// What is not there: its delete marker, if that is why, and whether the caller may know.
S3Error not_found(Call& call, const blob::Answer& answer, S3Error error) {
  if (answer.object.is_delete_marker) {
    call.exchange.add_field("x-amz-delete-marker", "true");
    add_version_field(call, answer.object);
    if (answer.error == blob::BlobErrc::kIsDeleteMarker) {
      call.exchange.add_field("Last-Modified", format_http_date(answer.object.modified_ms));
      call.exchange.add_field("Allow", "DELETE");
    }
  }
  if (answer.error == blob::BlobErrc::kNoSuchKey &&
      !may(call, {.permission = "s3:ListBucket", .bucket = call.bucket.get()})) {
    return {.code = ErrorCode::kAccessDenied};
  }
  if (error.code == ErrorCode::kNoSuchKey) error.details.emplace_back("Key", call.place.key);
  if (error.code == ErrorCode::kNoSuchVersion) {
    error.details.emplace_back("Key", call.place.key);
    error.details.emplace_back("VersionId", call.query.value("versionId"));
  }
  return error;
}

// Has the request the key of the object, if it needs one? Of what is told without reading the bytes.
S3Result<> check_key(const Call& call, const blob::ObjectMeta& meta) {
  const auto key = open_key(call, meta, call.bucket->id(), call.place.key, KeyOf::kObject);
  if (!key) return std::unexpected(key.error());
  return {};
}

// A read says nothing of how the server encrypts.
S3Result<> refuse_server_header(const Call& call) {
  constexpr std::string_view kHeader = "x-amz-server-side-encryption";
  const auto value = call.header(kHeader);
  if (!value) return {};
  return invalid_argument(std::string(kHeader) + " header is not supported for this operation.", std::string(kHeader),
                          std::string(*value));
}

// The bytes of one part of a multipart object: partNumber of a GET.
S3Result<ByteRange> range_of_part(const blob::ObjectMeta& meta, std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0 || number > blob::kPartNumberMax) {
    return invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber",
                            std::string(text));
  }
  if (meta.parts.empty() && number == 1) return ByteRange{0, meta.payload.size_bytes};
  uint64_t offset = 0;
  for (size_t i = 0; i < meta.parts.size(); ++i) {
    // Parts are counted in the object, whatever their numbers were in the upload.
    if (i + 1 == number) return ByteRange{offset, meta.parts[i].size_bytes};
    offset += meta.parts[i].size_bytes;
  }
  S3Error none{.code = ErrorCode::kInvalidPartNumber};
  none.details.emplace_back("ActualPartCount", std::to_string(std::max<size_t>(meta.parts.size(), 1)));
  none.details.emplace_back("PartNumberRequested", std::to_string(number));
  return std::unexpected(std::move(none));
}

// The part that partNumber of a GET names; null if the object has none, or it names none.
const blob::PartInfo* part_of_query(const Query& query, const blob::ObjectMeta& meta) {
  uint32_t number = 0;
  const std::string_view text = query.value("partNumber");
  (void)std::from_chars(text.data(), text.data() + text.size(), number);
  return number == 0 || number > meta.parts.size() ? nullptr : &meta.parts[number - 1];
}

// A part's own checksum, with the type of the whole object's.
void add_part_checksum_fields(Call& call, const blob::ObjectMeta& meta, const blob::Checksum& checksum) {
  const bool is_composite = !meta.checksums.empty() && meta.checksums.front().is_composite;
  call.exchange.add_field(checksum_header(checksum.algorithm), checksum_text(checksum, 0));
  call.exchange.add_field("x-amz-checksum-type", is_composite ? "COMPOSITE" : "FULL_OBJECT");
}

struct Selection {
  uint16_t status = 200;
  ByteRange range;
};

// Which bytes are asked for; the fields that tell it are added.
S3Result<Selection> select_bytes(Call& call, const blob::ObjectInfo& object) {
  const blob::ObjectMeta& meta = object.meta;
  const uint64_t whole = meta.payload.size_bytes;
  Selection selection{200, {0, whole}};
  auto range_field = call.header("range");
  if (const std::string* part = call.query.find("partNumber")) {
    if (range_field) {
      return s3_fail(ErrorCode::kInvalidRequest, "Cannot specify both Range header and partNumber query parameter");
    }
    auto range = range_of_part(meta, *part);
    if (!range) return std::unexpected(std::move(range.error()));
    selection = {206, *range};
    if (!meta.parts.empty()) call.exchange.add_field("x-amz-mp-parts-count", std::to_string(meta.parts.size()));
    if (whole == 0) selection.status = 200;
  } else {
    const auto if_range = call.header("if-range");
    if (if_range && !range_applies(*if_range, object)) range_field.reset();
    // As S3 does: several ranges are ignored, like those that cannot be read.
    std::vector<net::http::ByteRange> ranges;
    const auto outcome = net::http::parse_range(range_field.value_or(""), whole, 1, ranges);
    if (outcome == net::http::RangeOutcome::kUnsatisfiable) {
      call.exchange.add_field("Content-Range", "bytes */" + std::to_string(whole));
      S3Error error{.code = ErrorCode::kInvalidRange};
      error.details.emplace_back("RangeRequested", *range_field);
      error.details.emplace_back("ActualObjectSize", std::to_string(whole));
      return std::unexpected(std::move(error));
    }
    if (outcome == net::http::RangeOutcome::kSome) selection = {206, {ranges[0].first, ranges[0].size()}};
  }
  if (selection.status == 206) {
    const ByteRange& range = selection.range;
    const uint64_t last = range.size == 0 ? range.offset : range.offset + range.size - 1;
    call.exchange.add_field("Content-Range", "bytes " + std::to_string(range.offset) + "-" + std::to_string(last) +
                                                 "/" + std::to_string(whole));
  }
  return selection;
}

S3Result<> check_overrides(const Call& call) {
  if (call.key) return {};
  for (const auto& [name, value] : call.query.pairs()) {
    if (name.starts_with("response-")) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "Request specific response headers cannot be used for anonymous GET requests.");
    }
  }
  return {};
}

// Everything of the answer but its bytes. `object` is the one that was found.
S3Result<Selection> prepare(Call& call, const blob::ObjectInfo& object) {
  switch (check_preconditions(precondition_fields(call.request), true, object)) {
    case net::http::Precondition::kHolds:
      break;
    case net::http::Precondition::kNotModified:
      call.exchange.add_field("ETag", quoted(object.meta.etag));
      call.exchange.add_field("Last-Modified", format_http_date(object.modified_ms));
      return s3_fail(ErrorCode::kNotModified);
    case net::http::Precondition::kFailed: {
      S3Error error{.code = ErrorCode::kPreconditionFailed};
      error.details.emplace_back("Condition", call.header("if-match") ? "If-Match" : "If-Unmodified-Since");
      return std::unexpected(std::move(error));
    }
  }
  call.notes.object_bytes = object.meta.payload.size_bytes;
  auto selection = select_bytes(call, object);
  if (!selection) return selection;
  add_object_fields(call, object);
  if (is_header(call.request.header_or_empty("x-amz-checksum-mode"), "enabled")) {
    const bool is_whole = selection->range.size == object.meta.payload.size_bytes;
    const blob::PartInfo* part = part_of_query(call.query, object.meta);
    if (part != nullptr && part->checksum) {
      add_part_checksum_fields(call, object.meta, *part->checksum);
    } else if (is_whole) {
      add_checksum_fields(call, object.meta);
    }
  }
  return selection;
}

}  // namespace

Task<S3Result<>> send_object(Call& call, blobstore::BlobReader& reader, ByteRange range, uint16_t status) {
  // The content type is among the fields already.
  call.is_answered = true;
  call.status = status;
  call.note_answered();
  if (range.size == 0) {
    (void)co_await call.exchange.respond(status, "", "");
    co_return S3Result<>();
  }
  reader.seek(range.offset, range.size);
  // The first piece is read before the head leaves, so that what cannot be read is still an error to the client.
  auto piece = co_await reader.next();
  if (!piece.ok()) {
    call.is_answered = false;
    co_return std::unexpected(storage_error(piece.error()));
  }
  if (!co_await call.exchange.begin(status, "", range.size)) co_return S3Result<>();
  while (!piece->empty()) {
    if (!co_await call.exchange.send(*piece)) co_return S3Result<>();
    call.bytes_sent += piece->size();
    piece = co_await reader.next();
    if (!piece.ok()) {
      // Too late for an answer: the connection is broken off before its announced length, and the client can tell.
      (void)storage_error(piece.error());
      co_return S3Result<>();
    }
  }
  (void)co_await call.exchange.end();
  co_return S3Result<>();
}

namespace handlers {

Task<S3Result<>> GetObject(Call& call) {
  const auto version = parse_version_id(call.query.value("versionId"));
  if (!version) co_return std::unexpected(version.error());
  if (auto good = check_overrides(call); !good) co_return good;
  if (auto good = refuse_server_header(call); !good) co_return good;
  blob::HeadObject head{call.bucket->id(), call.place.key, version->version, version->is_null};
  blobstore::Opened opened = co_await call.store().open_object(call.reactor, std::move(head));
  if (auto good = check_outcome(opened.outcome, opened.answer); !good) {
    co_return std::unexpected(not_found(call, opened.answer, std::move(good.error())));
  }
  if (auto good = unlock(call, opened, call.bucket->id(), call.place.key, KeyOf::kObject); !good) co_return good;
  const auto selection = prepare(call, opened.answer.object);
  if (!selection) co_return std::unexpected(selection.error());
  co_return co_await send_object(call, *opened.reader, selection->range, selection->status);
}

Task<S3Result<>> HeadObject(Call& call) {
  const auto version = parse_version_id(call.query.value("versionId"));
  if (!version) co_return std::unexpected(version.error());
  if (auto good = check_overrides(call); !good) co_return good;
  if (auto good = refuse_server_header(call); !good) co_return good;
  const blob::HeadObject head{call.bucket->id(), call.place.key, version->version, version->is_null};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query(call.reactor, head, answer);
  if (auto good = check_outcome(outcome, answer); !good) {
    co_return std::unexpected(not_found(call, answer, std::move(good.error())));
  }
  if (auto good = check_key(call, answer.object.meta); !good) co_return good;
  const auto selection = prepare(call, answer.object);
  if (!selection) co_return std::unexpected(selection.error());
  call.is_answered = true;
  call.status = selection->status;
  if (co_await call.exchange.begin(selection->status, "", selection->range.size)) (void)co_await call.exchange.end();
  co_return S3Result<>();
}

Task<S3Result<>> PutObject(Call& call) {
  if (auto good = check_not_a_part(call.query); !good) co_return good;
  auto meta = read_object_meta(call);
  if (!meta) co_return std::unexpected(std::move(meta.error()));
  const auto condition = read_write_condition(call.request);
  if (!condition) co_return std::unexpected(condition.error());
  if (auto good = co_await foresee_condition(call, *condition); !good) co_return good;
  auto reader = PayloadReader::open(call, true);
  if (!reader) co_return std::unexpected(std::move(reader.error()));
  auto written = co_await write_payload(call, std::move(*reader), call.place.key);
  if (!written) co_return std::unexpected(std::move(written.error()));
  meta->payload = std::move(written->payload);
  meta->etag = written->etag;
  if (written->checksum) meta->checksums.push_back(*written->checksum);
  blob::PutObject put{call.bucket->id(), call.place.key, std::move(*meta), *condition};
  if (call.service.options().faults.checks_condition_early_only) put.condition = {};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, put, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  call.exchange.add_field("ETag", quoted(put.meta.etag));
  add_checksum_fields(call, put.meta);
  add_encryption_fields(call, put.meta);
  add_written_version_field(call, answer.object);
  answer.object.meta.tags = put.meta.tags;
  answer.object.meta.payload.size_bytes = put.meta.payload.size_bytes;
  add_expiration_field(call, answer.object);
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

Task<S3Result<>> DeleteObject(Call& call) {
  const auto version = parse_version_id(call.query.value("versionId"));
  if (!version) co_return std::unexpected(version.error());
  const auto condition = read_write_condition(call.request);
  if (!condition) co_return std::unexpected(condition.error());
  blob::DeleteObject remove;
  remove.bucket = call.bucket->id();
  remove.key = call.place.key;
  remove.version = version->version;
  remove.is_null_version = version->is_null;
  remove.condition = *condition;
  remove.bypasses_governance =
      wants_bypass(call) &&
      may(call, {.permission = "s3:BypassGovernanceRetention", .bucket = call.bucket.get(), .key = call.place.key});
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, remove, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  if (answer.object.is_delete_marker) call.exchange.add_field("x-amz-delete-marker", "true");
  if (answer.object.version != 0 && call.bucket->is_versioned()) {
    call.exchange.add_field("x-amz-version-id", answer.object.version_id());
  }
  (void)co_await call.respond_empty(204);
  co_return S3Result<>();
}

namespace {

void write_attribute_parts(XmlWriter& xml, const Call& call, const blob::ObjectMeta& meta) {
  uint32_t after = 0;
  uint32_t count_max = 1000;
  const auto read = [&](std::string_view header, uint32_t& into) {
    const std::string_view text = call.request.header_or_empty(header);
    (void)std::from_chars(text.data(), text.data() + text.size(), into);
  };
  read("x-amz-part-number-marker", after);
  read("x-amz-max-parts", count_max);
  count_max = std::min<uint32_t>(count_max, 1000);
  // Each part is shown only where parts have checksums of their own, as in S3.
  const bool has_checksums = !meta.parts.empty() && meta.parts.front().checksum.has_value();
  xml.open("ObjectParts");
  xml.element("PartsCount", uint64_t{meta.parts.size()});
  if (has_checksums) {
    const auto count = static_cast<uint32_t>(meta.parts.size());
    after = std::min(after, count);
    const uint32_t last = after + std::min(count_max, count - after);
    const bool is_truncated = last < count;
    xml.element("PartNumberMarker", uint64_t{after});
    xml.element("NextPartNumberMarker", uint64_t{last});
    xml.element("MaxParts", uint64_t{count_max});
    xml.element("IsTruncated", is_truncated);
    for (uint32_t i = after; i < last; ++i) {
      xml.open("Part");
      xml.element("PartNumber", uint64_t{i} + 1);
      xml.element("Size", meta.parts[i].size_bytes);
      const auto& checksum = meta.parts[i].checksum;
      if (checksum) xml.element(checksum_element(checksum->algorithm), checksum_text(*checksum, 0));
      xml.close("Part");
    }
  }
  xml.close("ObjectParts");
}

constexpr std::string_view kAttributesHeader = "x-amz-object-attributes";

S3Result<> check_attribute_names(const RequestView& request) {
  constexpr std::string_view kKnown[] = {"etag", "checksum", "objectparts", "storageclass", "objectsize"};
  bool has_any = false;
  for (const auto& [name, value] : request.headers) {
    if (!is_header(name, kAttributesHeader)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(','), rest.size());
      const std::string_view one = net::http::trim_blanks(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (one.empty()) continue;
      has_any = true;
      const bool is_known = std::any_of(std::begin(kKnown), std::end(kKnown),
                                        [&](std::string_view known) { return is_header(one, known); });
      if (!is_known) {
        return invalid_argument("Invalid attribute name specified.", std::string(kAttributesHeader), std::string(one));
      }
    }
  }
  if (has_any) return {};
  return s3_fail(ErrorCode::kInvalidRequest,
                 "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or "
                 "empty");
}

}  // namespace

Task<S3Result<>> GetObjectAttributes(Call& call) {
  const auto version = parse_version_id(call.query.value("versionId"));
  if (!version) co_return std::unexpected(version.error());
  const net::http::Fields& fields = call.exchange.request().fields();
  const auto wants = [&](std::string_view attribute) { return fields.lists(kAttributesHeader, attribute); };
  if (auto good = check_attribute_names(call.request); !good) co_return good;
  const blob::HeadObject head{call.bucket->id(), call.place.key, version->version, version->is_null};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query(call.reactor, head, answer);
  if (auto good = check_outcome(outcome, answer); !good) {
    co_return std::unexpected(not_found(call, answer, std::move(good.error())));
  }
  const blob::ObjectMeta& meta = answer.object.meta;
  if (auto good = check_key(call, meta); !good) co_return good;
  call.exchange.add_field("Last-Modified", format_http_date(answer.object.modified_ms));
  add_version_field(call, answer.object);
  XmlWriter xml;
  xml.open_root("GetObjectAttributesResponse");
  if (wants("ETag")) xml.element("ETag", meta.etag.text());
  if (wants("Checksum") && !meta.checksums.empty()) {
    xml.open("Checksum");
    for (const blob::Checksum& checksum : meta.checksums) {
      // Without the number of parts, which S3 puts behind it everywhere else.
      xml.element(checksum_element(checksum.algorithm), to_base64(checksum.value));
      xml.element("ChecksumType", checksum.is_composite ? "COMPOSITE" : "FULL_OBJECT");
    }
    xml.close("Checksum");
  }
  if (wants("ObjectParts") && !meta.parts.empty()) write_attribute_parts(xml, call, meta);
  if (wants("StorageClass")) {
    xml.element("StorageClass",
                meta.storage_class.empty() ? std::string_view("STANDARD") : std::string_view(meta.storage_class));
  }
  if (wants("ObjectSize")) xml.element("ObjectSize", meta.payload.size_bytes);
  xml.close("GetObjectAttributesResponse");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

}  // namespace handlers
}  // namespace keelson::s3
