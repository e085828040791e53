// /admin/config: the dynamic settings shown, checked and changed, as JSON; `keelson config` is its client.
//
//   GET                    [ENTRY, ...]; with ?name=... that ENTRY
//   GET ?name=...&history  [{"value", "revision", "version"}, ...], the newest first
//   PUT ?name=...          the body is the value, as it is; 400 with the reason if it is not good, and then nothing has
//                          changed. The answer is {"revision": N}. With ?check it is looked at and not stored.
//   DELETE ?name=...       the value of the start is in force again; 404 if nothing was stored
//
// ENTRY is {"name", "setting", "start", "in_force", "stored", "revision", "ignored"}: "start" and "in_force" of
// settings alone, "stored" and "revision" if something is stored, "ignored" with the reason if it is not in force.
// Errors are
// {"error": "..."}; 503 while the coordination service cannot be asked.
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "net/http/server.h"
#include "server/dynamic_config.h"
#include "server/node.h"

namespace keelson::server {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kJson = "application/json";

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

Task<void> answer(net::http::Exchange& exchange, uint16_t status, Json json) {
  const std::string text = dump(json);
  (void)co_await exchange.respond(status, kJson, text);
}

Task<void> refuse(net::http::Exchange& exchange, uint16_t status, std::string why) {
  return answer(exchange, status, {{"error", std::move(why)}});
}

Task<void> refuse(net::http::Exchange& exchange, const Error& error) {
  return refuse(exchange, error.code() == SettingErrc::kUnavailable ? 503 : 400, error.message());
}

Json json_of(const ConfigEntry& entry) {
  Json json = {{"name", entry.name}, {"setting", entry.is_setting}};
  if (entry.is_setting) {
    json["start"] = entry.at_start;
    json["in_force"] = entry.in_force;
  }
  if (entry.is_stored) {
    json["stored"] = entry.stored;
    json["revision"] = entry.revision;
  }
  if (!entry.why_ignored.empty()) json["ignored"] = entry.why_ignored;
  return json;
}

}  // namespace

Task<void> Node::answer_config(net::http::Exchange& exchange) {
  if (state_ != State::kReady || config_ == nullptr)
    co_return co_await refuse(exchange, 503, "the server is not ready");
  const auto name = exchange.request().parameter("name");
  if (name && exchange.request().parameter("history")) {
    auto versions = co_await config_->history(std::string(*name));
    if (!versions.ok()) co_return co_await refuse(exchange, versions.error());
    Json list = Json::array();
    for (const ConfigVersion& one : *versions) {
      list.push_back({{"value", one.value}, {"revision", one.revision}, {"version", one.version}});
    }
    co_return co_await answer(exchange, 200, std::move(list));
  }
  Json list = Json::array();
  for (const ConfigEntry& entry : config_->describe()) {
    if (!name || *name == entry.name) list.push_back(json_of(entry));
  }
  if (name && list.empty()) {
    co_return co_await refuse(exchange, 404, "nothing is stored, and no setting that can be changed has this name");
  }
  co_await answer(exchange, 200, name ? Json(list.front()) : std::move(list));
}

Task<void> Node::answer_put_config(net::http::Exchange& exchange) {
  if (state_ != State::kReady || config_ == nullptr)
    co_return co_await refuse(exchange, 503, "the server is not ready");
  const auto name = exchange.request().parameter("name");
  auto body = co_await exchange.read_all(kConfigValueBytesMax);
  if (!name || !body.ok()) co_return co_await refuse(exchange, 400, "say ?name=... and a value of 64 KiB at most");
  const std::string wanted(*name);
  if (exchange.request().parameter("check")) {
    Status good = config_->check(wanted, *body);
    if (!good.ok()) co_return co_await refuse(exchange, good.error());
    co_return co_await answer(exchange, 200, Json::object());
  }
  auto revision = co_await config_->set(wanted, std::move(*body));
  if (!revision.ok()) co_return co_await refuse(exchange, revision.error());
  co_await answer(exchange, 200, {{"revision", *revision}});
}

Task<void> Node::answer_remove_config(net::http::Exchange& exchange) {
  if (state_ != State::kReady || config_ == nullptr)
    co_return co_await refuse(exchange, 503, "the server is not ready");
  const auto name = exchange.request().parameter("name");
  if (!name) co_return co_await refuse(exchange, 400, "say ?name=...");
  auto was_there = co_await config_->unset(std::string(*name));
  if (!was_there.ok()) co_return co_await refuse(exchange, was_there.error());
  if (!*was_there) co_return co_await refuse(exchange, 404, "nothing is stored under this name");
  co_await answer(exchange, 200, Json::object());
}

}  // namespace keelson::server
