// /admin/s3/keys: access keys of S3 listed, made, changed and removed, as JSON; `keelson blob keys` is its client.
//
//   GET            [KEY, ...]; with ?id=... that KEY
//   POST           {"id": "", "secret": "", "user": "", "policy": "readwrite", "expires": "2027-01-01T00:00:00Z"}; what
//   is
//                  empty is made or left out; the answer is the KEY with its secret, which is told nowhere else. 409 if
//                  there is one with this id, unless "replace" is true
//   PATCH ?id=...  {"policy": "...", "enabled": false, "expires": "never"}; what is left out stays; the answer is the
//   KEY DELETE ?id=...
//
// KEY is {"id", "user", "policy", "enabled", "root", "created", "expires"}; times in ISO 8601, or null. Instead of
// "expires" there may be "expires_in_s", from now on. Errors are {"error": "..."}.
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "net/http/server.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/service.h"
#include "server/node.h"

namespace keelson::server {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kJson = "application/json";
constexpr size_t kBodyBytesMax = 64 << 10;

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

Task<void> refuse(net::http::Exchange& exchange, uint16_t status, std::string why) {
  const std::string text = dump({{"error", std::move(why)}});
  (void)co_await exchange.respond(status, kJson, text);
}

std::string word(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end()) return {};
  // A policy may be given as the object that it is.
  if (found->is_object()) return found->dump();
  return found->is_string() ? found->get<std::string>() : std::string();
}

Json time_of(int64_t time_ms) { return time_ms == 0 ? Json() : Json(s3::format_iso8601(time_ms)); }

Json json_of(const s3::AccessKey& key) {
  return {{"id", key.id},
          {"user", key.user},
          {"policy", key.policy},
          {"enabled", key.is_enabled},
          {"root", key.is_root},
          {"created", time_of(key.created_ms)},
          {"expires", time_of(key.expires_ms)}};
}

// "expires" or "expires_in_s"; 0: never; nullopt in the value: nothing is said. False: it makes no sense.
bool read_expiry(const Json& json, int64_t now_ms, std::optional<int64_t>& expires_ms) {
  // A century, so that sums stay far from the end of 64 bits.
  constexpr int64_t kSecondsMax = int64_t{100} * 366 * 86'400;
  if (const auto in_s = json.find("expires_in_s"); in_s != json.end()) {
    if (!in_s->is_number_integer() || in_s->get<int64_t>() < 1 || in_s->get<int64_t>() > kSecondsMax) return false;
    expires_ms = now_ms + in_s->get<int64_t>() * 1000;
    return true;
  }
  const auto at = json.find("expires");
  if (at == json.end()) return true;
  if (at->is_null() || *at == "never") {
    expires_ms = 0;
    return true;
  }
  if (!at->is_string()) return false;
  expires_ms = s3::parse_iso8601(at->get_ref<const std::string&>());
  return expires_ms && *expires_ms > now_ms;
}

constexpr std::string_view kBadExpiry =
    "expires is a time to come, such as 2027-01-01T00:00:00Z, or \"never\"; expires_in_s a number of seconds";

Task<void> refuse(net::http::Exchange& exchange, const s3::S3Error& error) {
  return refuse(exchange, error.spec().status, std::string(error.text()));
}

// A body that is no object comes back as null.
Task<Json> read_object(net::http::Exchange& exchange) {
  auto body = co_await exchange.read_all(kBodyBytesMax);
  if (!body.ok()) co_return Json();
  Json json = Json::parse(*body, nullptr, false);
  co_return json.is_object() ? json : Json();
}

}  // namespace

Task<void> Node::answer_keys(net::http::Exchange& exchange) {
  if (state_ != State::kReady) co_return co_await refuse(exchange, 503, "the server is not ready");
  const auto id = exchange.request().parameter("id");
  Json list = Json::array();
  for (const auto& key : s3_->keys()) {
    if (!id || *id == key->id) list.push_back(json_of(*key));
  }
  if (id && list.empty()) co_return co_await refuse(exchange, {.code = s3::ErrorCode::kNoSuchAccessKey});
  const std::string text = dump(id ? list.front() : list);
  (void)co_await exchange.respond(200, kJson, text);
}

Task<void> Node::answer_put_key(net::http::Exchange& exchange) {
  if (state_ != State::kReady) co_return co_await refuse(exchange, 503, "the server is not ready");
  const Json json = co_await read_object(exchange);
  if (json.is_null()) co_return co_await refuse(exchange, 400, "the body must be a JSON object");
  std::string policy = word(json, "policy");
  if (policy.empty()) policy = "readwrite";
  std::optional<int64_t> expires_ms;
  if (!read_expiry(json, env_.clock().wall_ms(), expires_ms)) {
    co_return co_await refuse(exchange, 400, std::string(kBadExpiry));
  }
  using PutKey = s3::S3Service::PutKey;
  const auto replace = json.find("replace");
  const PutKey how = replace != json.end() && *replace == true ? PutKey::kMakeOrReplace : PutKey::kMake;
  auto made = co_await s3_->put_key(word(json, "id"), word(json, "secret"), word(json, "user"), std::move(policy), how,
                                    expires_ms.value_or(0));
  if (!made) co_return co_await refuse(exchange, made.error());
  Json key = json_of(*made);
  key["secret"] = made->secret;
  const std::string text = dump(key);
  (void)co_await exchange.respond(200, kJson, text);
}

Task<void> Node::answer_change_key(net::http::Exchange& exchange) {
  if (state_ != State::kReady) co_return co_await refuse(exchange, 503, "the server is not ready");
  const auto id = exchange.request().parameter("id");
  if (!id) co_return co_await refuse(exchange, 400, "the parameter id is missing");
  const Json json = co_await read_object(exchange);
  if (json.is_null()) co_return co_await refuse(exchange, 400, "the body must be a JSON object");
  s3::KeyChange change;
  if (json.contains("policy")) change.policy = word(json, "policy");
  if (const auto enabled = json.find("enabled"); enabled != json.end()) {
    if (!enabled->is_boolean()) co_return co_await refuse(exchange, 400, "enabled is true or false");
    change.is_enabled = enabled->get<bool>();
  }
  if (!read_expiry(json, env_.clock().wall_ms(), change.expires_ms)) {
    co_return co_await refuse(exchange, 400, std::string(kBadExpiry));
  }
  auto changed = co_await s3_->change_key(std::string(*id), std::move(change));
  if (!changed) co_return co_await refuse(exchange, changed.error());
  const std::string text = dump(json_of(*changed));
  (void)co_await exchange.respond(200, kJson, text);
}

Task<void> Node::answer_remove_key(net::http::Exchange& exchange) {
  if (state_ != State::kReady) co_return co_await refuse(exchange, 503, "the server is not ready");
  const auto id = exchange.request().parameter("id");
  if (!id) co_return co_await refuse(exchange, 400, "the parameter id is missing");
  auto removed = co_await s3_->remove_key(std::string(*id));
  if (!removed) co_return co_await refuse(exchange, removed.error());
  (void)co_await exchange.respond(204, "", "");
}

}  // namespace keelson::server
