// Buckets themselves: list, create, head, delete, location, versioning.
#include <algorithm>
#include <charconv>
#include <utility>

#include "base/base64.h"
#include "protocol/s3/authorize.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/documents.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/payload.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3::handlers {

namespace {

constexpr uint32_t kBucketsPageMax = 10'000;
constexpr std::string_view kDefaultRegion = "us-east-1";

void write_owner(XmlWriter& xml) {
  xml.open("Owner");
  xml.element("ID", kOwnerId);
  xml.element("DisplayName", kOwnerName);
  xml.close("Owner");
}

S3Result<uint32_t> read_max_buckets(const Query& query) {
  const std::string* text = query.find("max-buckets");
  if (text == nullptr || text->empty()) return kBucketsPageMax;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value == 0 || value > kBucketsPageMax) {
    return invalid_argument("max-buckets must be between 1 and 10000", "max-buckets", *text);
  }
  return value;
}

}  // namespace

Task<S3Result<>> ListBuckets(Call& call) {
  const auto count_max = read_max_buckets(call.query);
  if (!count_max) co_return std::unexpected(count_max.error());
  blob::ListBuckets list;
  list.prefix = call.query.value("prefix");
  list.count_max = *count_max;
  if (const std::string* token = call.query.find("continuation-token"); token != nullptr && !token->empty()) {
    const auto after = from_base64(*token);
    if (!after)
      co_return invalid_argument("The continuation token provided is incorrect", "continuation-token", *token);
    list.after = *after;
  }
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query_buckets(call.reactor, list, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  const std::string_view region = call.query.value("bucket-region");
  XmlWriter xml;
  xml.open_root("ListAllMyBucketsResult");
  write_owner(xml);
  xml.open("Buckets");
  for (const auto& bucket : answer.buckets) {
    if (!region.empty() && bucket->region != region) continue;
    xml.open("Bucket");
    xml.element("Name", bucket->name);
    xml.element("CreationDate", format_iso8601(bucket->created_ms));
    if (call.query.has("max-buckets")) xml.element("BucketRegion", bucket->region);
    xml.close("Bucket");
  }
  xml.close("Buckets");
  if (answer.is_truncated && !answer.buckets.empty()) {
    xml.element("ContinuationToken", to_base64(answer.buckets.back()->name));
  }
  xml.optional_element("Prefix", list.prefix);
  xml.close("ListAllMyBucketsResult");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

namespace {

// Is it a region of Amazon's by its form: letters, words of letters, a number ("us-gov-east-1")?
bool looks_like_region(std::string_view name) {
  const size_t dash = name.rfind('-');
  return dash != std::string_view::npos && name.find('-') == 2 && dash > 3 && dash + 2 == name.size() &&
         name.back() >= '1' && name.back() <= '9' &&
         std::all_of(name.begin(), name.begin() + static_cast<ptrdiff_t>(dash),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

S3Result<> check_location(std::string_view location, const std::string& region) {
  // "EU" is the old name of eu-west-1; us-east-1 is what says nothing.
  if (location == "EU") location = "eu-west-1";
  if (location.empty() || location == region) return {};
  if (!looks_like_region(location)) {
    S3Error error{.code = ErrorCode::kInvalidLocationConstraint};
    error.details.emplace_back("LocationConstraint", location);
    return std::unexpected(std::move(error));
  }
  return s3_fail(ErrorCode::kIllegalLocationConstraintException,
                 "The " + std::string(location) +
                     " location constraint is incompatible for the region specific endpoint this request was sent "
                     "to. This server's region is " +
                     region + ".");
}

S3Result<blob::CreateBucket> read_create(Call& call, const CreateBucketDocument& document) {
  const std::string& region = call.service.options().region;
  if (auto good = check_location(document.location, region); !good) return std::unexpected(std::move(good.error()));
  blob::CreateBucket create;
  create.name = call.place.bucket;
  create.owner = call.user();
  create.region = region;
  if (const auto lock = call.header("x-amz-bucket-object-lock-enabled")) {
    create.has_object_lock = is_header(*lock, "true");
  }
  auto acl = acl_of_headers(call.request);
  if (!acl) return std::unexpected(std::move(acl.error()));
  if (*acl && !(*acl)->is_private()) create.documents.emplace_back(kAclDocument, (*acl)->stored());
  if (const auto ownership = call.header("x-amz-object-ownership")) {
    if (*ownership != "BucketOwnerEnforced" && *ownership != "BucketOwnerPreferred" && *ownership != "ObjectWriter") {
      return invalid_argument("Invalid x-amz-object-ownership header: " + std::string(*ownership),
                              "x-amz-object-ownership", std::string(*ownership));
    }
    if (*ownership == "BucketOwnerEnforced" && *acl && !(*acl)->is_private()) {
      return s3_fail(ErrorCode::kInvalidBucketAclWithObjectOwnership);
    }
    create.documents.emplace_back(kOwnershipDocument, *ownership);
  }
  if (!document.tags.empty()) create.documents.emplace_back(kTaggingDocument, tagging_document(document.tags));
  return create;
}

}  // namespace

Task<S3Result<>> CreateBucket(Call& call) {
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto document = parse_create_bucket(*body);
  if (!document) co_return std::unexpected(document.error());
  const auto create = read_create(call, *document);
  if (!create) co_return std::unexpected(create.error());
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().change_bucket(call.reactor, *create, answer);
  if (outcome == log::LogErrc::kOk && answer.error == blob::BlobErrc::kBucketAlreadyExists) {
    // In us-east-1 creating one's own bucket again is no error, and changes nothing.
    const bool is_own = !answer.buckets.empty() && answer.buckets.front()->owner == call.user();
    if (!is_own && !call.is_root()) co_return s3_fail(ErrorCode::kBucketAlreadyExists);
    S3Error error{.code = ErrorCode::kBucketAlreadyOwnedByYou};
    error.details.emplace_back("BucketName", call.place.bucket);
    if (call.service.options().region != kDefaultRegion || create->has_object_lock) {
      co_return std::unexpected(std::move(error));
    }
  } else if (auto good = check_outcome(outcome, answer); !good) {
    co_return good;
  }
  call.exchange.add_field("Location", "/" + call.place.bucket);
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

Task<S3Result<>> HeadBucket(Call& call) {
  call.exchange.add_field("x-amz-bucket-region", call.bucket->bucket->region);
  call.exchange.add_field("x-amz-access-point-alias", "false");
  (void)co_await call.respond(200, "application/xml", "");
  co_return S3Result<>();
}

Task<S3Result<>> DeleteBucket(Call& call) {
  blob::Answer answer;
  const blob::DeleteBucket remove{call.bucket->id()};
  const log::LogErrc outcome = co_await call.store().change_bucket(call.reactor, remove, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_empty(204);
  co_return S3Result<>();
}

Task<S3Result<>> GetBucketLocation(Call& call) {
  const std::string& region = call.bucket->bucket->region;
  XmlWriter xml;
  xml.open_root("LocationConstraint");
  if (region != kDefaultRegion) xml.text(region);
  xml.close("LocationConstraint");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

Task<S3Result<>> GetBucketVersioning(Call& call) {
  (void)co_await call.respond_xml(versioning_document(call.bucket->bucket->versioning));
  co_return S3Result<>();
}

Task<S3Result<>> PutBucketVersioning(Call& call) {
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto versioning = parse_versioning(*body);
  if (!versioning) co_return std::unexpected(versioning.error());
  if (call.bucket->bucket->has_object_lock && *versioning != blob::Versioning::kEnabled) {
    co_return s3_fail(ErrorCode::kInvalidBucketState,
                      "An Object Lock configuration is present on this bucket, so the "
                      "versioning state cannot be changed.");
  }
  blob::ConfigureBucket change;
  change.bucket = call.bucket->id();
  change.versioning = *versioning;
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().change_bucket(call.reactor, change, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

}  // namespace keelson::s3::handlers
