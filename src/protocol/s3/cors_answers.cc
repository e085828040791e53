// CORS: preflights, and the fields of answers to requests from other origins (the Fetch standard, "CORS protocol").
#include "protocol/s3/handlers.h"

namespace keelson::s3 {

namespace {

void add_list(Call& call, std::string_view field, const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text.append(text.empty() ? "" : ", ").append(value);
  if (!text.empty() && is_field_value(text)) call.exchange.add_field(field, text);
}

void add_origin(Call& call, const CorsRule& rule, std::string_view origin) {
  if (allows_any_origin(rule)) {
    call.exchange.add_field("Access-Control-Allow-Origin", "*");
  } else {
    call.exchange.add_field("Access-Control-Allow-Origin", origin);
    call.exchange.add_field("Access-Control-Allow-Credentials", "true");
  }
  call.exchange.add_field("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

}  // namespace

Task<S3Result<>> answer_preflight(Call& call) {
  const std::string_view origin = call.request.header_or_empty("origin");
  const std::string_view method = call.request.header_or_empty("access-control-request-method");
  if (origin.empty()) {
    co_return s3_fail(ErrorCode::kBadRequest, "Insufficient information. Origin request header needed.");
  }
  if (method.empty()) co_return s3_fail(ErrorCode::kBadRequest, "Invalid Access-Control-Request-Method: null");
  if (!call.bucket || !call.bucket->cors) {
    co_return s3_fail(ErrorCode::kAccessForbidden, "CORSResponse: CORS is not enabled for this bucket.");
  }
  const std::string_view headers = call.request.header_or_empty("access-control-request-headers");
  const CorsRule* rule = call.bucket->cors->find(origin, method, headers);
  if (rule == nullptr) co_return s3_fail(ErrorCode::kAccessForbidden);
  add_origin(call, *rule, origin);
  add_list(call, "Access-Control-Allow-Methods", rule->methods);
  if (!headers.empty()) call.exchange.add_field("Access-Control-Allow-Headers", headers);
  add_list(call, "Access-Control-Expose-Headers", rule->exposed_headers);
  if (rule->max_age_s) call.exchange.add_field("Access-Control-Max-Age", std::to_string(*rule->max_age_s));
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

void add_cors_fields(Call& call) {
  const auto origin = call.header("origin");
  if (!origin || !call.bucket || !call.bucket->cors) return;
  const CorsRule* rule = call.bucket->cors->find(*origin, call.request.method, {});
  if (rule == nullptr) return;
  add_origin(call, *rule, *origin);
  add_list(call, "Access-Control-Allow-Methods", rule->methods);
  add_list(call, "Access-Control-Expose-Headers", rule->exposed_headers);
  if (rule->max_age_s) call.exchange.add_field("Access-Control-Max-Age", std::to_string(*rule->max_age_s));
}

}  // namespace keelson::s3
