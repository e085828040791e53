// The parameters of CONFIG, by Redis's names, where the thing exists here: one table of how each is shown, and changed
// if it can be.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/resp/config.h"

namespace keelson::resp {

class KvService;

struct ConfigParameter {
  std::string_view name;
  std::string_view alias = {};  // the older name of the same parameter, or empty
  std::string (*get)(const KvConfig& config, const KvService& service);
  // Checks `value` and changes `config`; the reason in Redis's words if it is wrong ("argument must be a memory
  // value"). Null: fixed at start.
  std::optional<std::string> (*set)(KvConfig& config, std::string_view value) = nullptr;
  // What else must happen, on reactor 0, once every parameter of the command is right. Null: nothing.
  Status (*apply)(KvService& service, std::string_view value) = nullptr;
  // A password: SLOWLOG and MONITOR do not show it.
  bool is_secret = false;
};

// Sorted by name.
[[nodiscard]] std::span<const ConfigParameter> config_parameters();
// Any case; by name or alias. Null if unknown.
[[nodiscard]] const ConfigParameter* find_config_parameter(std::string_view name);

// "100mb", "1g", "512": bytes, as Redis's memtoull() reads them (k = 1000, kb = 1024).
[[nodiscard]] std::optional<uint64_t> parse_memory_bytes(std::string_view text);
// notify-keyspace-events: "KEA" and the like, to `config` and back. False if a letter is unknown.
[[nodiscard]] bool parse_notify_classes(std::string_view letters, KvConfig& config);
[[nodiscard]] std::string format_notify_classes(const KvConfig& config);
[[nodiscard]] std::string_view eviction_policy_name(EvictionPolicy policy);
[[nodiscard]] std::optional<EvictionPolicy> parse_eviction_policy(std::string_view name);

}  // namespace keelson::resp
