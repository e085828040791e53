// /admin/s3/keys: access keys of S3 listed, made and removed, as JSON.
//
//   GET                      [{"id": "...", "user": "...", "policy": "...", "enabled": true}, ...]
//   POST                     {"id": "", "secret": "", "user": "", "policy": "readwrite"}; what is empty is made or left
//                            out; the answer holds the secret
//   DELETE ?id=...
#include <nlohmann/json.hpp>
#include <utility>

#include "net/http/server.h"
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

}  // namespace

Task<void> Node::answer_keys(net::http::Exchange& exchange) {
  if (state_ != State::kReady) co_return co_await refuse(exchange, 503, "the server is not ready");
  Json list = Json::array();
  for (const auto& key : s3_->keys()) {
    list.push_back({{"id", key->id},
                    {"user", key->user},
                    {"policy", key->policy},
                    {"enabled", key->is_enabled},
                    {"root", key->is_root}});
  }
  const std::string text = dump(list);
  (void)co_await exchange.respond(200, kJson, text);
}

Task<void> Node::answer_put_key(net::http::Exchange& exchange) {
  if (state_ != State::kReady) co_return co_await refuse(exchange, 503, "the server is not ready");
  auto body = co_await exchange.read_all(kBodyBytesMax);
  if (!body.ok()) co_return;
  const Json json = Json::parse(*body, nullptr, false);
  if (!json.is_object()) co_return co_await refuse(exchange, 400, "the body must be a JSON object");
  std::string policy = word(json, "policy");
  if (policy.empty()) policy = "readwrite";
  auto made = co_await s3_->put_key(word(json, "id"), word(json, "secret"), word(json, "user"), std::move(policy));
  if (!made) co_return co_await refuse(exchange, made.error().spec().status, std::string(made.error().text()));
  const std::string text =
      dump({{"id", made->id}, {"secret", made->secret}, {"user", made->user}, {"policy", made->policy}});
  (void)co_await exchange.respond(200, kJson, text);
}

Task<void> Node::answer_remove_key(net::http::Exchange& exchange) {
  if (state_ != State::kReady) co_return co_await refuse(exchange, 503, "the server is not ready");
  const auto id = exchange.request().parameter("id");
  if (!id) co_return co_await refuse(exchange, 400, "the parameter id is missing");
  auto removed = co_await s3_->remove_key(std::string(*id));
  if (!removed) co_return co_await refuse(exchange, removed.error().spec().status, std::string(removed.error().text()));
  (void)co_await exchange.respond(204, "", "");
}

}  // namespace keelson::server
