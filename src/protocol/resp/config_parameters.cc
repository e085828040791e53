#include "protocol/resp/config_parameters.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/numbers.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/service.h"

namespace keelson::resp {

namespace {

using Failure = std::optional<std::string>;

std::string out_of_range(int64_t least, int64_t most) {
  return "argument must be between " + std::to_string(least) + " and " + std::to_string(most) + " inclusive";
}

// A field of the settings, or of the encodings among them.
template <auto Field>
auto& field_of(auto& config) {
  if constexpr (requires { config.*Field; }) {
    return config.*Field;
  } else {
    return config.encodings.*Field;
  }
}

template <auto Field>
std::string show_number(const KvConfig& config, const KvService&) {
  return std::to_string(field_of<Field>(config));
}

template <auto Field, int64_t Least, int64_t Most>
Failure store(KvConfig& config, std::optional<int64_t> number) {
  if (!number || *number < Least || *number > Most) return out_of_range(Least, Most);
  auto& target = field_of<Field>(config);
  target = static_cast<std::remove_reference_t<decltype(target)>>(*number);
  return std::nullopt;
}

// A row for a whole number.
template <auto Field, int64_t Least, int64_t Most>
constexpr ConfigParameter number_row(std::string_view name, std::string_view alias = {}) {
  return {.name = name, .alias = alias, .get = show_number<Field>, .set = [](KvConfig& config, std::string_view value) {
            const std::optional<int64_t> number = parse_int64(value);
            if (!number) return Failure("argument couldn't be parsed into an integer");
            return store<Field, Least, Most>(config, number);
          }};
}

// The same with a unit ("64", "1kb").
template <auto Field, int64_t Least, int64_t Most>
constexpr ConfigParameter bytes_row(std::string_view name, std::string_view alias = {}) {
  return {.name = name, .alias = alias, .get = show_number<Field>, .set = [](KvConfig& config, std::string_view value) {
            const std::optional<uint64_t> bytes = parse_memory_bytes(value);
            if (!bytes) return Failure("argument must be a memory value");
            if (*bytes > INT64_MAX) return Failure(out_of_range(Least, Most));
            return store<Field, Least, Most>(config, static_cast<int64_t>(*bytes));
          }};
}

std::string yes_or_no(bool value) { return value ? "yes" : "no"; }

struct PolicyName {
  EvictionPolicy policy;
  std::string_view name;
};
// In the order in which Redis lists them in its error.
constexpr PolicyName kPolicyNames[] = {
    {EvictionPolicy::kVolatileLru, "volatile-lru"},       {EvictionPolicy::kVolatileLfu, "volatile-lfu"},
    {EvictionPolicy::kVolatileRandom, "volatile-random"}, {EvictionPolicy::kVolatileTtl, "volatile-ttl"},
    {EvictionPolicy::kAllKeysLru, "allkeys-lru"},         {EvictionPolicy::kAllKeysLfu, "allkeys-lfu"},
    {EvictionPolicy::kAllKeysRandom, "allkeys-random"},   {EvictionPolicy::kNoEviction, "noeviction"},
};

Failure set_policy(KvConfig& config, std::string_view value) {
  if (const auto policy = parse_eviction_policy(value)) {
    config.maxmemory_policy = *policy;
    config.encodings.eviction_policy = *policy;
    return std::nullopt;
  }
  std::string why = "argument(s) must be one of the following: ";
  for (const PolicyName& row : kPolicyNames) {
    if (&row != kPolicyNames) why += ", ";
    why += row.name;
  }
  return why;
}

struct NotifyLetter {
  char letter;
  kv::EventClass event_class;
};
// In the order in which Redis shows them. 'm' (key misses) and 'n' (new keys) do not belong to 'A'.
constexpr NotifyLetter kNotifyLetters[] = {
    {'g', kv::EventClass::kGeneric}, {'$', kv::EventClass::kString},  {'l', kv::EventClass::kList},
    {'s', kv::EventClass::kSet},     {'h', kv::EventClass::kHash},    {'z', kv::EventClass::kSortedSet},
    {'x', kv::EventClass::kExpired}, {'e', kv::EventClass::kEvicted}, {'t', kv::EventClass::kStream},
    {'d', kv::EventClass::kModule},
};
constexpr uint16_t kNotifyAll = [] {
  uint16_t all = 0;
  for (const NotifyLetter& row : kNotifyLetters) all |= static_cast<uint16_t>(row.event_class);
  return all;
}();

constexpr std::array<std::string_view, kClientClassCount> kClientClassNames = {"normal", "slave", "pubsub"};

std::string show_output_limits(const KvConfig& config, const KvService&) {
  std::string shown;
  for (size_t i = 0; i < kClientClassNames.size(); ++i) {
    const OutputLimit& limit = config.output_limits[i];
    if (i != 0) shown += ' ';
    shown += std::string(kClientClassNames[i]) + ' ' + std::to_string(limit.hard_bytes) + ' ' +
             std::to_string(limit.soft_bytes) + ' ' + std::to_string(limit.soft_seconds);
  }
  return shown;
}

std::vector<std::string_view> split_words(std::string_view value) {
  std::vector<std::string_view> words;
  while (!value.empty()) {
    const size_t end = std::min(value.find(' '), value.size());
    if (end != 0) words.push_back(value.substr(0, end));
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return words;
}

// "normal 0 0 0 pubsub 32mb 8mb 60": classes that are not named keep their limits.
Failure set_output_limits(KvConfig& config, std::string_view value) {
  const std::vector<std::string_view> words = split_words(value);
  if (words.size() % 4 != 0) return "Wrong number of arguments in buffer limit configuration.";
  for (size_t i = 0; i < words.size(); i += 4) {
    const std::string name = words[i] == "replica" ? "slave" : lower_case(words[i]);
    const auto client_class = std::ranges::find(kClientClassNames, name);
    if (client_class == kClientClassNames.end()) {
      return "Invalid client class specified in buffer limit configuration.";
    }
    const auto hard = parse_memory_bytes(words[i + 1]);
    const auto soft = parse_memory_bytes(words[i + 2]);
    const auto seconds = parse_int64(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0 || *seconds > UINT32_MAX) {
      return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    }
    config.output_limits[static_cast<size_t>(client_class - kClientClassNames.begin())] = {
        *hard, *soft, static_cast<uint32_t>(*seconds)};
  }
  return std::nullopt;
}

std::string_view durability_name(log::Durability durability) {
  switch (durability) {
    case log::Durability::kAlways:
      return "always";
    case log::Durability::kInterval:
      return "everysec";
    case log::Durability::kNever:
      break;
  }
  return "no";
}

std::string show_durability(const KvConfig&, const KvService& service) {
  return service.host().durability ? std::string(durability_name(service.host().durability())) : std::string();
}

std::optional<log::Durability> parse_durability(std::string_view value) {
  for (const auto durability : {log::Durability::kAlways, log::Durability::kInterval, log::Durability::kNever}) {
    if (equals_ignoring_case(value, durability_name(durability))) return durability;
  }
  return std::nullopt;
}

Failure check_durability(KvConfig&, std::string_view value) {
  if (parse_durability(value)) return std::nullopt;
  return "argument(s) must be one of the following: everysec, always, no";
}

Status apply_durability(KvService& service, std::string_view value) {
  if (!service.host().set_durability) {
    return fail(std::make_error_code(std::errc::not_supported), "the durability of this log cannot be changed");
  }
  return service.host().set_durability(*parse_durability(value));
}

Failure set_notify(KvConfig& config, std::string_view value) {
  if (parse_notify_classes(value, config)) return std::nullopt;
  return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
}

Failure set_password(KvConfig& config, std::string_view value) {
  config.password = value;
  return std::nullopt;
}

// There are no save points: checkpoints follow the size of the log.
Failure set_save(KvConfig&, std::string_view value) {
  if (value.empty()) return std::nullopt;
  return "Invalid save parameters: there are no save points, checkpoints follow the size of the log";
}

// The log is always kept; what it is worth in a crash is appendfsync's.
Failure set_appendonly(KvConfig&, std::string_view value) {
  if (equals_ignoring_case(value, "yes")) return std::nullopt;
  if (equals_ignoring_case(value, "no")) return "the log cannot be turned off; see appendfsync";
  return "argument must be 'yes' or 'no'";
}

constexpr int64_t kInt32Max = INT32_MAX;
constexpr int64_t kInt64Max = INT64_MAX;
using Options = kv::KeyspaceOptions;

constexpr auto kParameters = std::to_array<ConfigParameter>({
    number_row<&KvConfig::active_expire_effort, 1, 10>("active-expire-effort"),
    {.name = "appendfsync", .get = show_durability, .set = check_durability, .apply = apply_durability},
    {.name = "appendonly",
     .get = [](const KvConfig&, const KvService&) { return yes_or_no(true); },
     .set = set_appendonly},
    {.name = "bind", .get = [](const KvConfig&, const KvService& service) { return service.host().bind; }},
    {.name = "client-output-buffer-limit", .get = show_output_limits, .set = set_output_limits},
    {.name = "cluster-enabled", .get = [](const KvConfig&, const KvService&) { return yes_or_no(false); }},
    {.name = "databases", .get = show_number<&KvConfig::databases>},
    {.name = "dir", .get = [](const KvConfig&, const KvService& service) { return service.host().data_folder; }},
    number_row<&Options::hash_max_listpack_entries, 0, UINT32_MAX>("hash-max-listpack-entries",
                                                                   "hash-max-ziplist-entries"),
    bytes_row<&Options::hash_max_listpack_value, 0, UINT32_MAX>("hash-max-listpack-value", "hash-max-ziplist-value"),
    number_row<&KvConfig::latency_threshold_ms, 0, UINT32_MAX>("latency-monitor-threshold"),
    {.name = "latency-tracking", .get = [](const KvConfig&, const KvService&) { return yes_or_no(true); }},
    number_row<&Options::lfu_decay_time_min, 0, kInt32Max>("lfu-decay-time"),
    number_row<&Options::lfu_log_factor, 0, UINT8_MAX>("lfu-log-factor"),
    number_row<&Options::list_max_listpack_size, INT32_MIN, kInt32Max>("list-max-listpack-size",
                                                                       "list-max-ziplist-size"),
    number_row<&KvConfig::maxclients, 1, UINT32_MAX>("maxclients"),
    bytes_row<&KvConfig::maxmemory_bytes, 0, kInt64Max>("maxmemory"),
    {.name = "maxmemory-policy",
     .get = [](const KvConfig& config,
               const KvService&) { return std::string(eviction_policy_name(config.maxmemory_policy)); },
     .set = set_policy},
    number_row<&KvConfig::maxmemory_samples, 1, kInt32Max>("maxmemory-samples"),
    {.name = "notify-keyspace-events",
     .get = [](const KvConfig& config, const KvService&) { return format_notify_classes(config); },
     .set = set_notify},
    {.name = "port",
     .get = [](const KvConfig&, const KvService& service) { return std::to_string(service.host().port); }},
    bytes_row<&KvConfig::proto_max_bulk_bytes, (1 << 20), static_cast<int64_t>(log::kRecordBytesMax / 2)>(
        "proto-max-bulk-len"),
    {.name = "requirepass",
     .get = [](const KvConfig& config, const KvService&) { return config.password; },
     .set = set_password,
     .is_secret = true},
    {.name = "save", .get = [](const KvConfig&, const KvService&) { return std::string(); }, .set = set_save},
    number_row<&Options::set_max_intset_entries, 0, UINT32_MAX>("set-max-intset-entries"),
    number_row<&Options::set_max_listpack_entries, 0, UINT32_MAX>("set-max-listpack-entries"),
    bytes_row<&Options::set_max_listpack_value, 0, UINT32_MAX>("set-max-listpack-value"),
    number_row<&KvConfig::slowlog_slower_than_us, -1, kInt64Max>("slowlog-log-slower-than"),
    number_row<&KvConfig::slowlog_entries_max, 0, UINT32_MAX>("slowlog-max-len"),
    number_row<&KvConfig::tcp_keepalive_s, 0, kInt32Max>("tcp-keepalive"),
    number_row<&KvConfig::timeout_s, 0, kInt32Max>("timeout"),
    number_row<&Options::zset_max_listpack_entries, 0, UINT32_MAX>("zset-max-listpack-entries",
                                                                   "zset-max-ziplist-entries"),
    bytes_row<&Options::zset_max_listpack_value, 0, UINT32_MAX>("zset-max-listpack-value", "zset-max-ziplist-value"),
});

static_assert(std::ranges::is_sorted(kParameters, {}, &ConfigParameter::name));

}  // namespace

std::span<const ConfigParameter> config_parameters() { return kParameters; }

const ConfigParameter* find_config_parameter(std::string_view name) {
  const auto found = std::ranges::find_if(kParameters, [name](const ConfigParameter& row) {
    return equals_ignoring_case(name, row.name) || (!row.alias.empty() && equals_ignoring_case(name, row.alias));
  });
  return found == kParameters.end() ? nullptr : &*found;
}

std::optional<uint64_t> parse_memory_bytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    uint64_t bytes;
  };
  constexpr Unit kUnits[] = {{"", 1},          {"b", 1},        {"k", 1000},          {"kb", 1 << 10},
                             {"m", 1'000'000}, {"mb", 1 << 20}, {"g", 1'000'000'000}, {"gb", 1 << 30}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<uint64_t> count = parse_uint64(text.substr(0, digits));
  if (!count) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (!equals_ignoring_case(text.substr(digits), unit.name)) continue;
    if (*count > std::numeric_limits<uint64_t>::max() / unit.bytes) return std::nullopt;
    return *count * unit.bytes;
  }
  return std::nullopt;
}

bool parse_notify_classes(std::string_view letters, KvConfig& config) {
  uint16_t classes = 0;
  bool keyspace = false, keyevent = false;
  for (const char letter : letters) {
    const auto row = std::ranges::find(kNotifyLetters, letter, &NotifyLetter::letter);
    if (row != std::end(kNotifyLetters)) {
      classes |= static_cast<uint16_t>(row->event_class);
    } else if (letter == 'A') {
      classes |= kNotifyAll;
    } else if (letter == 'K') {
      keyspace = true;
    } else if (letter == 'E') {
      keyevent = true;
    } else {
      return false;
    }
  }
  config.notify_classes = classes;
  config.notify_keyspace = keyspace;
  config.notify_keyevent = keyevent;
  return true;
}

std::string format_notify_classes(const KvConfig& config) {
  std::string letters;
  const bool is_all = (config.notify_classes & kNotifyAll) == kNotifyAll;
  if (is_all) letters += 'A';
  for (const NotifyLetter& row : kNotifyLetters) {
    const auto bit = static_cast<uint16_t>(row.event_class);
    if ((config.notify_classes & bit) != 0 && !(is_all && (kNotifyAll & bit) != 0)) letters += row.letter;
  }
  if (config.notify_keyspace) letters += 'K';
  if (config.notify_keyevent) letters += 'E';
  return letters;
}

std::string_view eviction_policy_name(EvictionPolicy policy) {
  const auto row = std::ranges::find(kPolicyNames, policy, &PolicyName::policy);
  return row->name;
}

std::optional<EvictionPolicy> parse_eviction_policy(std::string_view name) {
  for (const PolicyName& row : kPolicyNames) {
    if (equals_ignoring_case(name, row.name)) return row.policy;
  }
  return std::nullopt;
}

}  // namespace keelson::resp
