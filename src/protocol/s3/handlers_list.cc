// Listings: objects in both versions of the protocol, object versions, uploads.
#include <algorithm>
#include <charconv>
#include <utility>

#include "base/base64.h"
#include "protocol/s3/acl.h"
#include "protocol/s3/authorize.h"
#include "protocol/s3/checksum.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/object_headers.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3::handlers {

namespace {

// S3: "up to 1,000 key names"; more may be asked for and are not given.
constexpr uint32_t kPageMax = 1000;

struct ListQuery {
  std::string prefix;
  std::string delimiter;
  uint32_t count_max = kPageMax;
  bool encodes = false;

  // A key or prefix as it is written.
  [[nodiscard]] std::string shown(std::string_view text) const {
    return encodes ? list_encoded(text) : std::string(text);
  }
};

S3Result<ListQuery> read_list_query(const Query& query, std::string_view count_name) {
  ListQuery list;
  list.prefix = query.value("prefix");
  list.delimiter = query.value("delimiter");
  if (const std::string* text = query.find(count_name); text != nullptr && !text->empty()) {
    int32_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size() || value < 0) {
      return invalid_argument("Argument " + std::string(count_name) + " must be an integer between 0 and 2147483647",
                              std::string(count_name), *text);
    }
    list.count_max = std::min(static_cast<uint32_t>(value), kPageMax);
  }
  if (const std::string* text = query.find("encoding-type"); text != nullptr && !text->empty()) {
    if (*text != "url") return invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", *text);
    list.encodes = true;
  }
  return list;
}

void write_owner(XmlWriter& xml, std::string_view element) {
  xml.open(element);
  xml.element("ID", kOwnerId);
  xml.element("DisplayName", kOwnerName);
  xml.close(element);
}

void write_prefixes(XmlWriter& xml, const ListQuery& list, const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) {
    xml.open("CommonPrefixes");
    xml.element("Prefix", list.shown(prefix));
    xml.close("CommonPrefixes");
  }
}

void write_object_members(XmlWriter& xml, const blob::ObjectInfo& object) {
  xml.element("LastModified", format_iso8601(object.modified_ms));
  xml.element("ETag", quoted(object.meta.etag));
  for (const blob::Checksum& checksum : object.meta.checksums) {
    xml.element("ChecksumAlgorithm", checksum_name(checksum.algorithm));
    xml.element("ChecksumType", checksum.is_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  xml.element("Size", object.meta.payload.size_bytes);
  xml.element("StorageClass", object.meta.storage_class.empty() ? std::string_view("STANDARD")
                                                                : std::string_view(object.meta.storage_class));
}

void write_contents(XmlWriter& xml, const ListQuery& list, const std::vector<blob::ObjectInfo>& entries,
                    bool with_owner) {
  for (const blob::ObjectInfo& object : entries) {
    xml.open("Contents");
    xml.element("Key", list.shown(object.key));
    write_object_members(xml, object);
    if (with_owner) write_owner(xml, "Owner");
    xml.close("Contents");
  }
}

Task<S3Result<blob::ListPage>> fetch(Call& call, const ListQuery& list, std::string after) {
  if (list.count_max == 0) co_return blob::ListPage{};
  blob::ListObjects what;
  what.bucket = call.bucket->id();
  what.prefix = list.prefix;
  what.delimiter = list.delimiter;
  what.after = std::move(after);
  what.count_max = list.count_max;
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().list(call.reactor, std::move(what), answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return std::unexpected(std::move(good.error()));
  co_return std::move(answer.page);
}

}  // namespace

Task<S3Result<>> ListObjects(Call& call) {
  const auto list = read_list_query(call.query, "max-keys");
  if (!list) co_return std::unexpected(list.error());
  const std::string marker(call.query.value("marker"));
  const auto page = co_await fetch(call, *list, marker);
  if (!page) co_return std::unexpected(page.error());
  XmlWriter xml;
  xml.open_root("ListBucketResult");
  xml.element("Name", call.place.bucket);
  xml.element("Prefix", list->shown(list->prefix));
  xml.element("Marker", list->shown(marker));
  xml.element("MaxKeys", uint64_t{list->count_max});
  if (!list->delimiter.empty()) xml.element("Delimiter", list->shown(list->delimiter));
  if (list->encodes) xml.element("EncodingType", "url");
  xml.element("IsTruncated", page->is_truncated);
  // Without a delimiter the last key is the next marker, and S3 does not say it twice.
  if (page->is_truncated && !list->delimiter.empty()) xml.element("NextMarker", list->shown(page->next_after));
  write_contents(xml, *list, page->entries, true);
  write_prefixes(xml, *list, page->prefixes);
  xml.close("ListBucketResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

Task<S3Result<>> ListObjectsV2(Call& call) {
  const auto list = read_list_query(call.query, "max-keys");
  if (!list) co_return std::unexpected(list.error());
  const std::string start_after(call.query.value("start-after"));
  std::string after = start_after;
  const std::string* token = call.query.find("continuation-token");
  if (token != nullptr) {
    auto decoded = from_base64(*token);
    if (!decoded || decoded->empty()) {
      co_return invalid_argument("The continuation token provided is incorrect", "continuation-token", *token);
    }
    after = std::move(*decoded);
  }
  const auto page = co_await fetch(call, *list, std::move(after));
  if (!page) co_return std::unexpected(page.error());
  XmlWriter xml;
  xml.open_root("ListBucketResult");
  xml.element("Name", call.place.bucket);
  xml.element("Prefix", list->shown(list->prefix));
  if (!list->delimiter.empty()) xml.element("Delimiter", list->shown(list->delimiter));
  xml.element("MaxKeys", uint64_t{list->count_max});
  if (list->encodes) xml.element("EncodingType", "url");
  xml.element("KeyCount", uint64_t{page->entries.size() + page->prefixes.size()});
  xml.element("IsTruncated", page->is_truncated);
  if (token != nullptr) xml.element("ContinuationToken", *token);
  if (page->is_truncated) xml.element("NextContinuationToken", to_base64(page->next_after));
  if (!start_after.empty()) xml.element("StartAfter", list->shown(start_after));
  write_contents(xml, *list, page->entries, call.query.value("fetch-owner") == "true");
  write_prefixes(xml, *list, page->prefixes);
  xml.close("ListBucketResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

namespace {

void write_versions(XmlWriter& xml, const ListQuery& list, const std::vector<blob::ObjectInfo>& entries) {
  for (const blob::ObjectInfo& object : entries) {
    const std::string_view element = object.is_delete_marker ? "DeleteMarker" : "Version";
    xml.open(element);
    xml.element("Key", list.shown(object.key));
    xml.element("VersionId", object.version_id());
    xml.element("IsLatest", object.is_latest);
    if (object.is_delete_marker) {
      xml.element("LastModified", format_iso8601(object.modified_ms));
    } else {
      write_object_members(xml, object);
    }
    write_owner(xml, "Owner");
    xml.close(element);
  }
}

// The version that a page of a key goes on behind. "null" is a version too, whose number must be asked for.
Task<S3Result<blob::Version>> marker_version(Call& call, std::string key, std::string_view text) {
  const auto wish = parse_version_id(text);
  if (!wish) co_return std::unexpected(wish.error());
  if (!wish->is_null) co_return wish->version.value_or(0);
  const blob::HeadObject head{call.bucket->id(), std::move(key), {}, true};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query(call.reactor, head, answer);
  if (outcome != log::LogErrc::kOk) co_return std::unexpected(check_outcome(outcome, answer).error());
  // Without a null version its place in the order is unknown: the page goes on with the next key.
  co_return answer.object.version;
}

}  // namespace

Task<S3Result<>> ListObjectVersions(Call& call) {
  const auto list = read_list_query(call.query, "max-keys");
  if (!list) co_return std::unexpected(list.error());
  blob::ListObjects what;
  what.bucket = call.bucket->id();
  what.prefix = list->prefix;
  what.delimiter = list->delimiter;
  what.after = call.query.value("key-marker");
  what.with_versions = true;
  what.count_max = list->count_max;
  const std::string version_marker(call.query.value("version-id-marker"));
  if (!version_marker.empty()) {
    if (what.after.empty()) {
      co_return invalid_argument("A version-id marker cannot be specified without a key marker.", "version-id-marker",
                                 version_marker);
    }
    const auto version = co_await marker_version(call, what.after, version_marker);
    if (!version) co_return std::unexpected(version.error());
    what.after_version = *version;
  }
  const std::string key_marker = what.after;
  blob::Answer answer;
  if (list->count_max != 0) {
    const log::LogErrc outcome = co_await call.store().list(call.reactor, std::move(what), answer);
    if (auto good = check_outcome(outcome, answer); !good) co_return good;
  }
  const blob::ListPage& page = answer.page;
  XmlWriter xml;
  xml.open_root("ListVersionsResult");
  xml.element("Name", call.place.bucket);
  xml.element("Prefix", list->shown(list->prefix));
  xml.element("KeyMarker", list->shown(key_marker));
  xml.element("VersionIdMarker", version_marker);
  xml.element("MaxKeys", uint64_t{list->count_max});
  if (!list->delimiter.empty()) xml.element("Delimiter", list->shown(list->delimiter));
  if (list->encodes) xml.element("EncodingType", "url");
  xml.element("IsTruncated", page.is_truncated);
  if (page.is_truncated) {
    xml.element("NextKeyMarker", list->shown(page.next_after));
    if (page.next_after_version != 0) xml.element("NextVersionIdMarker", blob::version_text(page.next_after_version));
  }
  write_versions(xml, *list, page.entries);
  write_prefixes(xml, *list, page.prefixes);
  xml.close("ListVersionsResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

namespace {

void write_uploads(XmlWriter& xml, const ListQuery& list, const std::vector<blob::UploadInfo>& uploads) {
  for (const blob::UploadInfo& upload : uploads) {
    xml.open("Upload");
    xml.element("Key", list.shown(upload.key));
    xml.element("UploadId", blob::version_text(upload.id));
    write_owner(xml, "Initiator");
    write_owner(xml, "Owner");
    xml.element("StorageClass", upload.meta.storage_class.empty() ? std::string_view("STANDARD")
                                                                  : std::string_view(upload.meta.storage_class));
    xml.element("Initiated", format_iso8601(upload.initiated_ms));
    for (const blob::Checksum& checksum : upload.meta.checksums) {
      xml.element("ChecksumAlgorithm", checksum_name(checksum.algorithm));
      xml.element("ChecksumType", checksum.is_composite ? "COMPOSITE" : "FULL_OBJECT");
    }
    xml.close("Upload");
  }
}

}  // namespace

Task<S3Result<>> ListMultipartUploads(Call& call) {
  const auto list = read_list_query(call.query, "max-uploads");
  if (!list) co_return std::unexpected(list.error());
  blob::ListUploads what;
  what.bucket = call.bucket->id();
  what.prefix = list->prefix;
  what.delimiter = list->delimiter;
  what.after = call.query.value("key-marker");
  what.count_max = list->count_max;
  const std::string id_marker(call.query.value("upload-id-marker"));
  if (!id_marker.empty() && !what.after.empty()) {
    const auto id = blob::parse_version(id_marker);
    if (!id) co_return invalid_argument("Invalid uploadId marker", "upload-id-marker", id_marker);
    what.after_upload = *id;
  }
  const std::string key_marker = what.after;
  blob::Answer answer;
  if (list->count_max != 0) {
    const log::LogErrc outcome = co_await call.store().list_uploads(call.reactor, std::move(what), answer);
    if (auto good = check_outcome(outcome, answer); !good) co_return good;
  }
  XmlWriter xml;
  xml.open_root("ListMultipartUploadsResult");
  xml.element("Bucket", call.place.bucket);
  xml.element("KeyMarker", list->shown(key_marker));
  xml.element("UploadIdMarker", id_marker);
  if (answer.is_truncated) {
    const std::string_view last_key = answer.uploads.empty() ? std::string_view() : answer.uploads.back().key;
    const std::string_view last_prefix = answer.prefixes.empty() ? std::string_view() : answer.prefixes.back();
    xml.element("NextKeyMarker", list->shown(std::max(last_key, last_prefix)));
    if (last_key > last_prefix) xml.element("NextUploadIdMarker", blob::version_text(answer.uploads.back().id));
  }
  xml.element("Prefix", list->shown(list->prefix));
  if (!list->delimiter.empty()) xml.element("Delimiter", list->shown(list->delimiter));
  if (list->encodes) xml.element("EncodingType", "url");
  xml.element("MaxUploads", uint64_t{list->count_max});
  xml.element("IsTruncated", answer.is_truncated);
  write_uploads(xml, *list, answer.uploads);
  write_prefixes(xml, *list, answer.prefixes);
  xml.close("ListMultipartUploadsResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

}  // namespace keelson::s3::handlers
