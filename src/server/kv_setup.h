// From settings to what the kv service and the shards take, and back for CONFIG REWRITE.
#pragma once

#include <string>
#include <vector>

#include "log/local_log.h"
#include "protocol/resp/config.h"
#include "protocol/resp/service.h"
#include "server/settings.h"
#include "shard/runtime.h"

namespace keelson::server {

// The settings of kv that CONFIG can change. Values that Redis's rules refuse (an unknown letter among the keyspace
// events) are appended to `errors`.
resp::KvConfig make_kv_config(const Settings& settings, const std::string& password, std::vector<SettingError>& errors);

log::Durability parse_durability(const Settings& settings);
std::string_view durability_text(log::Durability durability);

// The place of kv among the services of the runtime.
inline constexpr size_t kKvService = 0;
// Of what stands in checkpoints and records of kv.
inline constexpr uint32_t kKvEngineVersion = 1;

// Of log, checkpoints and kv's service (the only one so far); the caller adds the folder, the engine and the sinks.
shard::RuntimeOptions make_runtime_options(const Settings& settings);

// Settings that change while the server runs, by their own names. Can this text be the value? The sentence says why
// not.
Status check_live(const SettingSpec& spec, std::string_view text);
// Puts it into force, as CONFIG SET does. On reactor 0.
Task<Status> apply_live(resp::KvService& service, const SettingSpec& spec, std::string text);
// The value in force. On reactor 0; empty for settings that do not change.
std::string live_text(resp::KvService& service, const SettingSpec& spec);

// What must be changed in a file whose settings are `in_file` so that a server that starts from it is as `live` is.
Pairs changes_since(const resp::KvConfig& in_file, log::Durability durability_in_file, const resp::KvConfig& live,
                    log::Durability durability, const resp::KvService& service);

}  // namespace keelson::server
