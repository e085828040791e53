#include "monitor/endpoints.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"

namespace keelson::monitor {

namespace {

constexpr std::string_view kPlain = "text/plain; charset=utf-8";

}  // namespace

bool equal_secrets(std::string_view given, std::string_view secret) {
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const char other = secret.empty() ? '\0' : secret[i % secret.size()];
    difference |= static_cast<unsigned>(static_cast<unsigned char>(given[i] ^ other));
  }
  return difference == 0;
}

bool basic_password(const net::http::Fields& fields, std::string& password) {
  constexpr std::string_view kScheme = "Basic ";
  const std::optional<std::string_view> field = fields.find("Authorization");
  if (!field || !net::http::equal_ignoring_case(field->substr(0, kScheme.size()), kScheme)) return false;
  const std::optional<std::string> pair = from_base64(field->substr(kScheme.size()));
  if (!pair) return false;
  const size_t colon = pair->find(':');
  if (colon == std::string::npos) return false;
  password = pair->substr(colon + 1);
  return true;
}

bool Endpoints::is_allowed(const net::http::Exchange& exchange) const {
  if (password_.empty()) return true;
  std::string given;
  return basic_password(exchange.request().fields(), given) && equal_secrets(given, password_);
}

std::string Endpoints::index() const {
  std::string text = "Keelson\n\n";
  for (const Endpoint& endpoint : endpoints_) {
    text.append(endpoint.method).append(" ").append(endpoint.path).append("  ").append(endpoint.summary).append("\n");
  }
  return text;
}

Task<void> Endpoints::handle(net::http::Exchange& exchange) {
  const net::http::Request& request = exchange.request();
  const std::string_view method = request.method() == "HEAD" ? std::string_view("GET") : request.method();
  const std::string_view path = request.path();
  exchange.add_field("Cache-Control", "no-store");
  exchange.add_field("X-Content-Type-Options", "nosniff");
  std::string methods;
  const Endpoint* found = nullptr;
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.path != path) continue;
    if (endpoint.method == method) found = &endpoint;
    methods.append(methods.empty() ? "" : ", ").append(endpoint.method == "GET" ? "GET, HEAD" : endpoint.method);
  }
  if (found == nullptr && methods.empty() && path == "/" && method == "GET") {
    (void)co_await exchange.respond(200, kPlain, index());
    co_return;
  }
  if (found == nullptr) {
    if (!methods.empty()) exchange.add_field("Allow", methods);
    std::string why =
        methods.empty() ? "there is nothing at " + std::string(path) + "; see /\n" : "this takes " + methods + "\n";
    (void)co_await exchange.respond(methods.empty() ? 404 : 405, kPlain, why);
    co_return;
  }
  if (found->access == Access::kPassword && !is_allowed(exchange)) {
    exchange.add_field("WWW-Authenticate", "Basic realm=\"keelson\", charset=\"UTF-8\"");
    (void)co_await exchange.respond(401, kPlain, "a password is needed (HTTP Basic, any user name)\n");
    co_return;
  }
  co_await found->handler(exchange);
}

}  // namespace keelson::monitor
