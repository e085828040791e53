// CONFIG: what the settings are, and changing them while the server runs.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/config_parameters.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"

namespace keelson::resp {

namespace {

// Nothing, or the whole error.
using Failure = std::optional<std::string>;

Failure set_failed(std::string_view name, std::string_view why) {
  return "ERR CONFIG SET failed (possibly related to argument '" + std::string(name) + "') - " + std::string(why);
}

// Checks all of "name value name value ..." and changes `config`; nothing is applied unless everything is right.
Failure change_config(kv::Args pairs, KvConfig& config, std::vector<const ConfigParameter*>& changed) {
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const ConfigParameter* parameter = find_config_parameter(pairs[i]);
    if (parameter == nullptr) {
      return "ERR Unknown option or number of arguments for CONFIG SET - '" + std::string(pairs[i]) + "'";
    }
    if (parameter->set == nullptr) return set_failed(pairs[i], "can't set immutable config");
    if (std::ranges::find(changed, parameter) != changed.end()) return set_failed(pairs[i], "duplicate parameter");
    changed.push_back(parameter);
    if (const Failure why = parameter->set(config, pairs[i + 1])) return set_failed(pairs[i], *why);
  }
  return std::nullopt;
}

// On reactor 0, so that two clients who change settings at the same time do not undo one another's change.
Task<Failure> set_on_home(KvService& service, kv::Args pairs) {
  env::Reactor& home = service.reactor(0);
  KvConfig config = service.local(0).config;
  std::vector<const ConfigParameter*> changed;
  if (Failure failure = change_config(pairs, config, changed)) co_return failure;
  for (size_t i = 0; i < changed.size(); ++i) {
    if (changed[i]->apply == nullptr) continue;
    if (const Status applied = changed[i]->apply(service, pairs[i * 2 + 1]); !applied.ok()) {
      co_return set_failed(changed[i]->name, applied.error().message());
    }
  }
  co_await service.set_config(home, std::move(config));
  co_return std::nullopt;
}

}  // namespace

Task<void> cmd_config_get(Session& session, kv::Args args) {
  const kv::Args patterns = args.subspan(2);
  const auto matches = [patterns](std::string_view name) {
    return std::ranges::any_of(
        patterns, [name](std::string_view pattern) { return glob_match(pattern, name, GlobCase::kIgnore); });
  };
  std::vector<std::pair<std::string_view, const ConfigParameter*>> found;
  for (const ConfigParameter& parameter : config_parameters()) {
    if (matches(parameter.name)) found.emplace_back(parameter.name, &parameter);
    if (!parameter.alias.empty() && matches(parameter.alias)) found.emplace_back(parameter.alias, &parameter);
  }
  session.out().map(found.size());
  for (const auto& [name, parameter] : found) {
    session.out().bulk(name);
    session.out().bulk(parameter->get(session.config(), session.service()));
  }
  co_return;
}

Task<void> cmd_config_set(Session& session, kv::Args args) {
  const kv::Args pairs = args.subspan(2);
  if (pairs.size() % 2 != 0) {
    session.out().error(kErrSyntax);
    co_return;
  }
  env::Reactor& here = session.reactor();
  co_await MoveTo{session.service().reactor(0)};
  const Failure failure = co_await set_on_home(session.service(), pairs);
  co_await MoveTo{here};
  if (failure) {
    session.out().error(*failure);
  } else {
    session.out().ok();
  }
}

Task<void> cmd_config_resetstat(Session& session, kv::Args) {
  co_await session.service().on_each_reactor(session.reactor(), [&](Local& local) {
    session.service().settle_counters(local);
    const uint64_t blocked = local.counters.blocked_clients;
    local.counters = LocalCounters{};
    local.counters.blocked_clients = blocked;
    local.errors_by_code.clear();
    local.stats->reset();
  });
  session.out().ok();
}

Task<void> cmd_config_rewrite(Session& session, kv::Args) {
  const Host& host = session.service().host();
  if (host.config_file.empty() || !host.rewrite_config) {
    session.out().error("ERR The server is running without a config file");
    co_return;
  }
  env::Reactor& here = session.reactor();
  co_await MoveTo{session.service().reactor(0)};
  const Status written = co_await host.rewrite_config(session.service().local(0).config);
  co_await MoveTo{here};
  if (written.ok()) {
    session.out().ok();
  } else {
    session.out().error("ERR Rewriting config file: " + written.error().message());
  }
}

}  // namespace keelson::resp
