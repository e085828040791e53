// A bucket's inventory configurations: put, got, listed and deleted.
#include <utility>

#include "protocol/s3/authorize.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/inventory.h"
#include "protocol/s3/own_object.h"
#include "protocol/s3/payload.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3::handlers {

namespace {

// S3 lists so many at a time.
constexpr size_t kListMax = 100;

std::string document_name(std::string_view id) { return std::string(kInventoryDocumentPrefix).append(id); }

S3Result<std::string> id_of(const Call& call) {
  std::string id(call.query.value("id"));
  if (!is_inventory_id(id)) return invalid_argument("The inventory's id is not valid", "id", id);
  return id;
}

// As with access logs (handlers_logging.cc): the destination's policy lets the service in, or whoever asks may put
// there himself.
Task<S3Result<>> check_destination(Call& call, const InventoryConfiguration& configuration) {
  const auto refuse = [&](const char* message) {
    S3Error error{.code = ErrorCode::kInvalidS3DestinationBucket, .message = message};
    error.details.emplace_back("Bucket", configuration.destination_bucket);
    return std::unexpected(std::move(error));
  };
  auto bucket = co_await call.store().find_bucket(call.reactor, configuration.destination_bucket);
  if (bucket == nullptr) co_return refuse("The destination bucket does not exist.");
  const auto target = call.local.buckets.view_of(std::move(bucket));
  const std::string key = inventory_place(configuration, call.place.bucket, call.now_ms).manifest_key();
  const Decision decision = decide_delivery(*target, kInventoryService, key, call.place.bucket);
  if (decision == Decision::kAllow) co_return S3Result<>();
  if (decision == Decision::kNone && may(call, {.permission = "s3:PutObject", .bucket = target.get(), .key = key})) {
    co_return S3Result<>();
  }
  co_return refuse("The destination bucket's policy does not allow s3:PutObject to s3.amazonaws.com.");
}

Task<S3Result<>> change(Call& call, blob::ConfigureBucket command, uint16_t status) {
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().change_bucket(call.reactor, command, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_empty(status);
  co_return S3Result<>();
}

}  // namespace

Task<S3Result<>> GetBucketInventoryConfiguration(Call& call) {
  const auto id = id_of(call);
  if (!id) co_return std::unexpected(id.error());
  const std::string* text = call.bucket->document(document_name(*id));
  if (text == nullptr) co_return s3_fail(ErrorCode::kNoSuchConfiguration);
  (void)co_await call.respond_xml(*text);
  co_return S3Result<>();
}

Task<S3Result<>> ListBucketInventoryConfigurations(Call& call) {
  const std::string token(call.query.value("continuation-token"));
  const auto& documents = call.bucket->bucket->documents;
  auto at =
      token.empty() ? documents.lower_bound(kInventoryDocumentPrefix) : documents.upper_bound(document_name(token));
  const auto is_one = [&] { return at != documents.end() && at->first.starts_with(kInventoryDocumentPrefix); };
  XmlWriter xml;
  xml.open_root("ListInventoryConfigurationsResult");
  std::string last;
  for (size_t count = 0; count < kListMax && is_one(); ++count, ++at) {
    const auto configuration = InventoryConfiguration::parse(at->second);
    if (!configuration) co_return std::unexpected(configuration.error());
    xml.open("InventoryConfiguration");
    configuration->write(xml);
    xml.close("InventoryConfiguration");
    last = configuration->id;
  }
  xml.optional_element("ContinuationToken", token);
  xml.element("IsTruncated", is_one());
  if (is_one()) xml.element("NextContinuationToken", last);
  xml.close("ListInventoryConfigurationsResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

Task<S3Result<>> PutBucketInventoryConfiguration(Call& call) {
  const auto id = id_of(call);
  if (!id) co_return std::unexpected(id.error());
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto configuration = InventoryConfiguration::parse(*body);
  if (!configuration) co_return std::unexpected(configuration.error());
  if (configuration->id != *id) co_return s3_fail(ErrorCode::kIdMismatch);
  const auto& documents = call.bucket->bucket->documents;
  size_t count = 0;
  for (auto at = documents.lower_bound(kInventoryDocumentPrefix);
       at != documents.end() && at->first.starts_with(kInventoryDocumentPrefix); ++at) {
    ++count;
  }
  if (count >= InventoryConfiguration::kConfigurationsMax && !documents.contains(document_name(*id))) {
    co_return s3_fail(ErrorCode::kTooManyConfigurations);
  }
  if (auto good = co_await check_destination(call, *configuration); !good) co_return good;
  blob::ConfigureBucket command;
  command.bucket = call.bucket->id();
  command.set_documents.emplace_back(document_name(*id), configuration->document());
  co_return co_await change(call, std::move(command), 200);
}

Task<S3Result<>> DeleteBucketInventoryConfiguration(Call& call) {
  const auto id = id_of(call);
  if (!id) co_return std::unexpected(id.error());
  if (call.bucket->document(document_name(*id)) == nullptr) co_return s3_fail(ErrorCode::kNoSuchConfiguration);
  blob::ConfigureBucket command;
  command.bucket = call.bucket->id();
  command.remove_documents.push_back(document_name(*id));
  command.remove_documents.push_back(std::string(kInventoryRunPrefix) + *id);
  co_return co_await change(call, std::move(command), 204);
}

}  // namespace keelson::s3::handlers
