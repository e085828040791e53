// CORS: preflights, and the fields of answers to requests from other origins (the Fetch standard, "CORS protocol").
#include <algorithm>
#include <optional>

#include "net/http/scan.h"
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

// The names of Access-Control-Request-Headers, in lower case; nullopt behind `wrong` that is none.
std::optional<std::vector<std::string>> header_names(std::string_view text, std::string_view& wrong) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view one = net::http::trim_blanks(text.substr(0, end));
    if (!one.empty() && !net::http::is_token(one)) {
      wrong = text.substr(0, end);
      return std::nullopt;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty()) continue;
    std::string& name = names.emplace_back(one);
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return names;
}

}  // namespace

Task<S3Result<>> answer_preflight(Call& call) {
  const std::string_view origin = call.request.header_or_empty("origin");
  const std::string_view method = call.request.header_or_empty("access-control-request-method");
  if (origin.empty()) {
    co_return s3_fail(ErrorCode::kBadRequest, "Insufficient information. Origin request header needed.");
  }
  if (method.empty()) co_return s3_fail(ErrorCode::kBadRequest, "Invalid Access-Control-Request-Method: null");
  if (!is_cors_method(method)) {
    co_return s3_fail(ErrorCode::kBadRequest, "Invalid Access-Control-Request-Method: " + std::string(method));
  }
  const std::string_view headers = call.request.header_or_empty("access-control-request-headers");
  std::string_view wrong;
  const auto names = header_names(headers, wrong);
  if (!names) {
    co_return s3_fail(ErrorCode::kBadRequest,
                      "Access-Control-Request-Headers \"" + std::string(wrong) + "\" contains invalid character.");
  }
  if (!call.bucket || !call.bucket->cors) {
    co_return s3_fail(ErrorCode::kAccessForbidden, "CORSResponse: CORS is not enabled for this bucket.");
  }
  const CorsRule* rule = call.bucket->cors->find(origin, method, headers);
  if (rule == nullptr) co_return s3_fail(ErrorCode::kAccessForbidden);
  add_origin(call, *rule, origin);
  add_list(call, "Access-Control-Allow-Methods", rule->methods);
  add_list(call, "Access-Control-Allow-Headers", *names);
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
