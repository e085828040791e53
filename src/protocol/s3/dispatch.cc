// From a request to its handler: the place, the operation, who asks, the bucket, may they, do it.
#include <utility>

#include "base/logging.h"
#include "protocol/s3/access_log_line.h"
#include "protocol/s3/authenticate.h"
#include "protocol/s3/authorize.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/service.h"

namespace keelson::s3 {

namespace {

// In Operation's order.
constexpr Handler kHandlers[] = {
#define S3_YES(name, method, level, parameters, header, permission, note) &handlers::name,
#define S3_NO(name, method, level, parameters, header, note) nullptr,
#include "protocol/s3/operation_table.def"
#undef S3_YES
#undef S3_NO
};

Level level_of(const Place& place) {
  if (place.bucket.empty()) return Level::kService;
  return place.key.empty() ? Level::kBucket : Level::kObject;
}

// Finds the bucket that the request is in, if there is one.
Task<S3Result<>> find_bucket(Call& call) {
  if (call.place.bucket.empty()) co_return S3Result<>();
  auto bucket = co_await call.store().find_bucket(call.reactor, call.place.bucket);
  if (bucket != nullptr) call.bucket = call.local.buckets.view_of(std::move(bucket));
  co_return S3Result<>();
}

S3Error no_such_bucket(const Call& call) {
  S3Error error{.code = ErrorCode::kNoSuchBucket};
  error.details.emplace_back("BucketName", call.place.bucket);
  return error;
}

// x-amz-expected-bucket-owner names the account.
S3Result<> check_expected_owner(const Call& call) {
  const auto owner = call.header("x-amz-expected-bucket-owner");
  if (!owner || *owner == kAccountId || *owner == kOwnerId) return {};
  return s3_fail(ErrorCode::kAccessDenied);
}

Task<S3Result<>> run_operation(Call& call) {
  const Operation operation = call.operation->operation;
  // A form is signed within; whoever sends it needs no header.
  if (operation != Operation::kPostObject) {
    if (auto known = authenticate(call); !known) co_return known;
  }
  if (!call.operation->is_supported) {
    S3Error error{.code = ErrorCode::kNotImplemented};
    error.message = std::string(call.operation->name) + " is not implemented.";
    if (!call.operation->note.empty()) error.message.append(" ").append(call.operation->note);
    co_return std::unexpected(std::move(error));
  }
  if (call.operation->level != Level::kService && operation != Operation::kCreateBucket) {
    if (!call.bucket) co_return std::unexpected(no_such_bucket(call));
    if (auto good = check_expected_owner(call); !good) co_return good;
  }
  // DeleteObjects asks for each key, a form once it has been read.
  if (operation != Operation::kDeleteObjects && operation != Operation::kPostObject) {
    if (operation == Operation::kCreateBucket) {
      if (auto allowed = authorize(call, {.permission = call.operation->permission}); !allowed) co_return allowed;
    } else if (auto allowed = co_await authorize_operation(call); !allowed) {
      co_return allowed;
    }
  }
  co_return co_await handler_of(operation)(call);
}

std::string website_bucket(std::string_view host, const std::vector<std::string>& domains) {
  const auto place = place_of_request(host, "/", domains);
  return place && place->is_virtual_host ? place->bucket : std::string();
}

// A slot of the metrics, and the answer.
Task<S3Result<>> run(Call& call, size_t& slot) {
  const net::http::Request& sent = call.exchange.request();
  const S3Options& options = call.service.options();
  if (!options.website_domains.empty() && !website_bucket(sent.authority(), options.website_domains).empty()) {
    slot = kWebsiteSlot;
    auto place = place_of_request(sent.authority(), sent.raw_path(), options.website_domains);
    if (!place) co_return std::unexpected(std::move(place.error()));
    call.place = std::move(*place);
    if (auto found = co_await find_bucket(call); !found) co_return found;
    co_await answer_website(call);
    co_return S3Result<>();
  }
  auto place = place_of_request(sent.authority(), sent.raw_path(), options.domains);
  if (!place) co_return std::unexpected(std::move(place.error()));
  call.place = std::move(*place);
  auto query = Query::parse(sent.query());
  if (!query) co_return s3_fail(ErrorCode::kInvalidURI);
  call.query = std::move(*query);
  if (auto found = co_await find_bucket(call); !found) co_return found;
  add_cors_fields(call);
  if (call.request.method == "OPTIONS") {
    slot = kPreflightSlot;
    co_return co_await answer_preflight(call);
  }
  const auto operation = find_operation(call.request.method, level_of(call.place), call.query, call.request);
  if (!operation) co_return std::unexpected(operation.error());
  call.operation = *operation;
  slot = static_cast<size_t>((*operation)->operation);
  co_return co_await run_operation(call);
}

// What access logs call the request.
std::string logged_operation(const Call& call, size_t slot) {
  if (slot == kPreflightSlot) return "REST.OPTIONS.PREFLIGHT";
  if (slot == kWebsiteSlot) return std::string("WEBSITE.").append(call.request.method).append(".OBJECT");
  if (call.operation != nullptr) return access_log_operation(call.operation->operation);
  const char* resource = call.place.key.empty() ? ".BUCKET" : ".OBJECT";
  return std::string("REST.").append(call.request.method).append(resource);
}

}  // namespace

Handler handler_of(Operation operation) { return kHandlers[static_cast<size_t>(operation)]; }

Task<void> S3Service::handle(net::http::Exchange& exchange) {
  const int64_t began_ns = clock().monotonic_ns();
  Call call(*this, exchange);
  size_t slot = kOtherSlot;
  S3Result<> done = co_await run(call, slot);
  if (!done && !call.is_answered) {
    if (done.error().spec().status >= 500) {
      log_warn("s3", "a request failed",
               {{"operation", slot_name(slot)},
                {"request_id", call.request_id},
                {"code", done.error().spec().code},
                {"why", done.error().text()}});
    }
    (void)co_await call.respond_error(done.error());
  }
  OperationCounts& counts = call.local.metrics.operations[slot];
  counts.calls.add();
  if (call.status >= 500) {
    counts.server_errors.add();
  } else if (call.status >= 400) {
    counts.client_errors.add();
  }
  counts.bytes_received.add(call.bytes_received);
  counts.bytes_sent.add(call.bytes_sent);
  const int64_t ended_ns = clock().monotonic_ns();
  counts.latency_ns.record(static_cast<uint64_t>(ended_ns - began_ns));
  if (call.is_logged() || call.notes.source_bucket) {
    access_log_->add(call, logged_operation(call, slot), began_ns, ended_ns);
  }
}

}  // namespace keelson::s3
