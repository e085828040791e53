// DeleteObjects: up to a thousand keys in one request, each authorised and answered by itself.
#include <utility>
#include <vector>

#include "protocol/s3/authorize.h"
#include "protocol/s3/documents.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/payload.h"
#include "protocol/s3/read_object.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3::handlers {

namespace {

// Deletions under way at a time: they share syncs of the log, so a batch is about as quick as one.
constexpr size_t kDeletionsMax = 128;

struct Deleted {
  S3Result<> outcome;
  blob::ObjectInfo object;
};

Task<void> delete_one(Call& call, const DeleteDocument::Object& wanted, bool bypasses, Deleted& deleted) {
  if (wanted.key.size() > kKeyBytesMax) {
    deleted.outcome = s3_fail(ErrorCode::kKeyTooLongError);
    co_return;
  }
  const auto version = parse_version_id(wanted.version_id);
  if (!version) {
    deleted.outcome = s3_fail(ErrorCode::kNoSuchVersion);
    co_return;
  }
  const std::string_view permission = wanted.version_id.empty() ? "s3:DeleteObject" : "s3:DeleteObjectVersion";
  deleted.outcome = co_await authorize_object(call, permission, call.bucket, wanted.key, wanted.version_id);
  if (!deleted.outcome) co_return;
  blob::DeleteObject remove;
  remove.bucket = call.bucket->id();
  remove.key = wanted.key;
  remove.version = version->version;
  remove.is_null_version = version->is_null;
  remove.bypasses_governance =
      bypasses &&
      may(call, {.permission = "s3:BypassGovernanceRetention", .bucket = call.bucket.get(), .key = wanted.key});
  if (wanted.etag) {
    remove.condition.if_match = blob::ETag::parse(*wanted.etag);
    if (!remove.condition.if_match) {
      deleted.outcome = s3_fail(ErrorCode::kPreconditionFailed);
      co_return;
    }
  }
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, remove, answer);
  deleted.outcome = check_outcome(outcome, answer);
  deleted.object = std::move(answer.object);
}

void write_deleted(XmlWriter& xml, const Call& call, const DeleteDocument::Object& wanted, const Deleted& deleted) {
  xml.open("Deleted");
  xml.element("Key", wanted.key);
  xml.optional_element("VersionId", wanted.version_id);
  if (deleted.object.is_delete_marker && deleted.object.version != 0 && call.bucket->is_versioned()) {
    xml.element("DeleteMarker", true);
    xml.element("DeleteMarkerVersionId", deleted.object.version_id());
  }
  xml.close("Deleted");
}

void write_error(XmlWriter& xml, const DeleteDocument::Object& wanted, const S3Error& error) {
  xml.open("Error");
  xml.element("Key", wanted.key);
  xml.optional_element("VersionId", wanted.version_id);
  xml.element("Code", error.spec().code);
  xml.element("Message", error.text());
  xml.close("Error");
}

void note_deleted(Call& call, const std::vector<DeleteDocument::Object>& objects, const std::vector<Deleted>& results) {
  for (size_t i = 0; i < objects.size(); ++i) {
    AccessNotes::Deleted& note = call.notes.deleted.emplace_back();
    note.key = objects[i].key;
    note.version_id = objects[i].version_id;
    note.status = 204;
    if (results[i].outcome) continue;
    const ErrorSpec& error = results[i].outcome.error().spec();
    note.status = error.status;
    note.error_code = error.code;
  }
}

}  // namespace

Task<S3Result<>> DeleteObjects(Call& call) {
  auto body = co_await read_document(call, kLargeDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto document = parse_delete(*body);
  if (!document) co_return std::unexpected(document.error());
  const bool bypasses = wants_bypass(call);
  const auto& objects = document->objects;
  std::vector<Deleted> results(objects.size());
  for (size_t begin = 0; begin < objects.size(); begin += kDeletionsMax) {
    env::TaskScope scope(call.reactor);
    const size_t end = std::min(begin + kDeletionsMax, objects.size());
    for (size_t i = begin; i < end; ++i) scope.spawn(delete_one(call, objects[i], bypasses, results[i]));
    co_await scope.join();
  }
  if (call.is_logged()) note_deleted(call, objects, results);
  XmlWriter xml;
  xml.open_root("DeleteResult");
  for (size_t i = 0; i < objects.size(); ++i) {
    if (!results[i].outcome) {
      write_error(xml, objects[i], results[i].outcome.error());
    } else if (!document->is_quiet) {
      write_deleted(xml, call, objects[i], results[i]);
    }
  }
  xml.close("DeleteResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

}  // namespace keelson::s3::handlers
