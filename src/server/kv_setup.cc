#include "server/kv_setup.h"

#include <optional>

#include "base/check.h"
#include "protocol/resp/config_parameters.h"

namespace keelson::server {

namespace {

constexpr std::string_view kPrefix = "kv.";
constexpr std::string_view kOutputLimit = "client-output-buffer-limit";

// How a setting of kv is called by CONFIG, and the word before its value there.
struct Parameter {
  const resp::ConfigParameter* row = nullptr;
  std::string_view word = {};
};

// None for settings that CONFIG does not change in this way.
std::optional<Parameter> parameter_of(const SettingSpec& spec) {
  if (!spec.is_dynamic || !spec.key.starts_with(kPrefix) || spec.key == "kv.durability") return std::nullopt;
  std::string_view name = spec.key.substr(kPrefix.size());
  std::string_view word;
  if (name == "password") name = "requirepass";
  if (name.starts_with(kOutputLimit)) {
    word = name.substr(kOutputLimit.size() + 1);
    name = kOutputLimit;
  }
  const resp::ConfigParameter* row = resp::find_config_parameter(name);
  KEELSON_CHECK(row != nullptr && row->set != nullptr, "a setting that can be changed is a parameter of CONFIG");
  return Parameter{row, word};
}

// The value as a setting's text: of "normal 0 0 0 slave ..." the three words behind the class.
std::string shown_value(const Parameter& parameter, const resp::KvConfig& config, const resp::KvService& service) {
  const std::string whole = parameter.row->get(config, service);
  if (parameter.word.empty()) return whole;
  const size_t word = whole.find(std::string(parameter.word) + " ");
  KEELSON_CHECK(word != std::string::npos, "every class has its limits");
  const size_t begin = word + parameter.word.size() + 1;
  size_t end = begin;
  for (int numbers = 0; numbers < 3 && end != std::string::npos; ++numbers) end = whole.find(' ', end + 1);
  return whole.substr(begin, end == std::string::npos ? end : end - begin);
}

}  // namespace

resp::KvConfig make_kv_config(const Settings& settings, const std::string& password,
                              std::vector<SettingError>& errors) {
  resp::KvConfig config;
  config.databases = static_cast<uint16_t>(settings.number("kv.databases"));
  config.encodings.databases = config.databases;
  for (const SettingSpec& spec : setting_table()) {
    const std::optional<Parameter> parameter = parameter_of(spec);
    if (!parameter || spec.key == "kv.password") continue;
    const SettingValue& value = settings.value(spec.key);
    std::string text = spec.type == SettingType::kBytes ? std::to_string(value.number) : value.text;
    if (!parameter->word.empty()) text = std::string(parameter->word) + " " + text;
    if (std::optional<std::string> why = parameter->row->set(config, text)) {
      errors.push_back({value.origin, std::string(spec.key), *why});
    }
  }
  config.password = password;
  return config;
}

log::Durability parse_durability(const Settings& settings) {
  const std::string& text = settings.text("kv.durability");
  if (text == "always") return log::Durability::kAlways;
  return text == "never" ? log::Durability::kNever : log::Durability::kInterval;
}

std::string_view durability_text(log::Durability durability) {
  switch (durability) {
    case log::Durability::kAlways:
      return "always";
    case log::Durability::kInterval:
      return "interval";
    case log::Durability::kNever:
      return "never";
  }
  return "interval";
}

shard::RuntimeOptions make_runtime_options(const Settings& settings) {
  shard::RuntimeOptions options;
  shard::ServiceOptions& kv_service = options.services.emplace_back();
  kv_service.name = "kv";
  kv_service.durability = parse_durability(settings);
  options.log.sync_interval_ms = settings.number("kv.sync-interval");
  options.log.segment_bytes = static_cast<uint64_t>(settings.number("log.segment-size"));
  options.log.spare_segments = static_cast<unsigned>(settings.number("log.spare-segments"));
  options.checkpoint.log_bytes_min = static_cast<uint64_t>(settings.number("checkpoint.log-min"));
  options.checkpoint.cpu_percent_max = static_cast<unsigned>(settings.number("checkpoint.cpu-max"));
  return options;
}

namespace {

constexpr std::string_view kDurabilityKey = "kv.durability";

// What CONFIG calls the durability, and the value.
const resp::ConfigParameter& durability_parameter() {
  const resp::ConfigParameter* row = resp::find_config_parameter("appendfsync");
  KEELSON_CHECK(row != nullptr && row->set != nullptr && row->apply != nullptr, "CONFIG can change the durability");
  return *row;
}

// As CONFIG SET takes it.
struct Change {
  const resp::ConfigParameter* row = nullptr;
  std::string value;
};

Result<Change> change_of(const SettingSpec& spec, std::string_view text) {
  const std::optional<Parameter> parameter = parameter_of(spec);
  const bool is_durability = spec.key == kDurabilityKey;
  if ((!parameter && !is_durability) || spec.type == SettingType::kSecret) {
    return fail(SettingErrc::kBadValue, spec.is_dynamic ? "a secret is not kept where everybody can read it"
                                                        : "it cannot be changed while the server runs");
  }
  Result<SettingValue> value = parse_setting(spec, text);
  if (!value.ok()) return forward_error(value);
  if (is_durability) {
    const std::string& word = value->text;
    return Change{&durability_parameter(), word == "interval" ? "everysec" : word == "never" ? "no" : word};
  }
  std::string taken = spec.type == SettingType::kBytes ? std::to_string(value->number) : value->text;
  if (!parameter->word.empty()) taken = std::string(parameter->word) + " " + taken;
  return Change{parameter->row, std::move(taken)};
}

}  // namespace

Status check_live(const SettingSpec& spec, std::string_view text) {
  Result<Change> change = change_of(spec, text);
  if (!change.ok()) return forward_error(change);
  resp::KvConfig config;
  if (std::optional<std::string> why = change->row->set(config, change->value)) {
    return fail(SettingErrc::kBadValue, std::move(*why));
  }
  return {};
}

Task<Status> apply_live(resp::KvService& service, const SettingSpec& spec, std::string text) {
  Result<Change> change = change_of(spec, text);
  if (!change.ok()) co_return forward_error(change);
  env::Reactor& home = service.reactor(0);
  resp::KvConfig config = service.local(0).config;
  if (std::optional<std::string> why = change->row->set(config, change->value)) {
    co_return fail(SettingErrc::kBadValue, std::move(*why));
  }
  if (change->row->apply != nullptr) {
    if (Status applied = change->row->apply(service, change->value); !applied.ok()) co_return forward_error(applied);
  }
  co_await service.set_config(home, std::move(config));
  co_return Status();
}

std::string live_text(resp::KvService& service, const SettingSpec& spec) {
  if (spec.key == kDurabilityKey) return std::string(durability_text(service.host().durability()));
  const std::optional<Parameter> parameter = parameter_of(spec);
  return parameter ? shown_value(*parameter, service.local(0).config, service) : std::string();
}

Pairs changes_since(const resp::KvConfig& in_file, log::Durability durability_in_file, const resp::KvConfig& live,
                    log::Durability durability, const resp::KvService& service) {
  Pairs changes;
  for (const SettingSpec& spec : setting_table()) {
    const std::optional<Parameter> parameter = parameter_of(spec);
    if (!parameter) continue;
    std::string value = shown_value(*parameter, live, service);
    if (value != shown_value(*parameter, in_file, service)) changes.emplace_back(spec.key, std::move(value));
  }
  if (durability != durability_in_file) changes.emplace_back("kv.durability", durability_text(durability));
  return changes;
}

}  // namespace keelson::server
