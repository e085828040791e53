#include "server/dynamic_config.h"

#include <utility>

#include "base/logging.h"
#include "engine/coord/answer.h"
#include "engine/coord/commands.h"

namespace keelson::server {

namespace {

constexpr std::string_view kPart = "config";
// Between tries while the service cannot be asked.
constexpr int64_t kRetryNs = 1'000'000'000;
constexpr size_t kHistoryMax = 1000;

bool is_applications(std::string_view name) { return name.find('/') != std::string_view::npos; }

std::string end_of_prefix() {
  std::string end(kConfigPrefix);
  end.back() = '/' + 1;
  return end;
}

std::string key_of(std::string_view name) { return std::string(kConfigPrefix).append(name); }

struct Found {
  std::string name;
  std::string value;
  coord::Revision revision = 0;
  int64_t version = 0;
};

// The answer of a range, a put or a deletion, kept.
class Sink final : public coord::AnswerSink {
 public:
  void failed(const coord::Failure& failure) override { error = failure.code; }
  void key_value(const coord::KeyValue& kv) override {
    found.push_back({std::string(kv.key.substr(std::min(kv.key.size(), kConfigPrefix.size()))), std::string(kv.value),
                     kv.mod_revision, kv.version});
  }
  void range(const coord::RangeAnswer& answer) override { revision = answer.revision; }
  void put(coord::Revision at, const coord::KeyValue*) override { revision = at; }
  void deleted(coord::Revision at, int64_t count) override {
    revision = at;
    deleted_count = count;
  }

  coord::CoordErrc error = coord::CoordErrc::kOk;
  coord::Revision revision = 0;
  int64_t deleted_count = 0;
  std::vector<Found> found;
};

// Nothing, or why the request has no answer.
template <class Answer>
Status outcome_of(const Answer& answer) {
  if (answer.outcome != coord::ServiceErrc::kOk) {
    return fail(SettingErrc::kUnavailable, std::string("the coordination service: ") + coord::text_of(answer.outcome));
  }
  if (answer.sink->error != coord::CoordErrc::kOk) {
    return fail(SettingErrc::kUnavailable,
                std::string("the coordination service: ") + std::string(coord::errc_text(answer.sink->error)));
  }
  return {};
}

// May it be stored, and take effect while the server runs?
bool is_live(const SettingSpec& spec) { return spec.is_dynamic && spec.type != SettingType::kSecret; }

}  // namespace

DynamicConfig::DynamicConfig(env::Reactor& home, coord::Service& service, LiveSettings live)
    : home_(home), service_(service), live_(std::move(live)), tasks_(home) {
  for (const SettingSpec& spec : setting_table()) {
    if (is_live(spec)) at_start_.emplace(spec.key, live_.in_force(spec));
  }
}

DynamicConfig::~DynamicConfig() = default;

void DynamicConfig::start() { tasks_.spawn(follow()); }

Task<void> DynamicConfig::stop() {
  is_stopping_ = true;
  // The watch ends, and with it the task.
  if (stream_ != nullptr) stream_->cancel(coord::kAutoWatchId);
  co_await tasks_.join();
}

Task<void> DynamicConfig::follow() {
  std::string told;  // once is enough
  while (!is_stopping_) {
    Status followed = co_await load_and_watch();
    if (followed.ok()) {
      told.clear();
      continue;
    }
    const std::string& why = followed.error().message();
    if (std::exchange(told, why) != why) log_warn(kPart, "dynamic settings cannot be read", {{"why", why}});
    co_await env::sleep_for(home_, kRetryNs);
  }
}

Task<Result<coord::Revision>> DynamicConfig::load() {
  const std::string end = end_of_prefix();
  auto answer = co_await service_.query(
      home_, coord::Range{.caller = coord::kHouse, .key = kConfigPrefix, .range_end = end}, std::make_unique<Sink>());
  if (Status good = outcome_of(answer); !good.ok()) co_return forward_error(good);
  std::vector<std::string> gone;
  for (const auto& [name, stored] : stored_) {
    const auto is_it = [&name](const Found& one) { return one.name == name; };
    if (std::ranges::none_of(answer.sink->found, is_it)) gone.push_back(name);
  }
  for (std::string& name : gone) co_await drop(std::move(name));
  for (Found& one : answer.sink->found) co_await take(std::move(one.name), std::move(one.value), one.revision);
  co_return answer.sink->revision;
}

Task<Status> DynamicConfig::load_and_watch() {
  Result<coord::Revision> loaded = co_await load();
  if (!loaded.ok()) co_return forward_error(loaded);
  co_return co_await watch(*loaded + 1);
}

Task<Status> DynamicConfig::watch(coord::Revision from) {
  Status outcome;
  stream_ = service_.open_watch_stream(home_);
  stream_->create({.key = std::string(kConfigPrefix), .range_end = end_of_prefix(), .start_revision = from});
  while (!is_stopping_) {
    const coord::Delivery delivery = co_await stream_->next();
    if (delivery.kind == coord::DeliveryKind::kCanceled || delivery.kind == coord::DeliveryKind::kRefused ||
        delivery.kind == coord::DeliveryKind::kClosed) {
      is_stopping_ = is_stopping_ || delivery.kind == coord::DeliveryKind::kClosed;
      if (delivery.kind == coord::DeliveryKind::kRefused) {
        outcome = fail(SettingErrc::kUnavailable,
                       std::string("the coordination service: ") + coord::watch_error_text(delivery.why));
      }
      break;  // else a compaction has overtaken it: everything is read anew
    }
    if (delivery.kind != coord::DeliveryKind::kEvents) continue;
    for (const auto& event : delivery.events->events()) {
      std::string name(event->kv().key.substr(kConfigPrefix.size()));
      if (event->is_deletion()) {
        co_await drop(std::move(name));
      } else {
        co_await take(std::move(name), std::string(event->kv().value), event->revision());
      }
    }
  }
  stream_.reset();
  co_return outcome;
}

Task<void> DynamicConfig::take(std::string name, std::string value, coord::Revision revision) {
  Stored& stored = stored_[name];
  stored = {.value = value, .revision = revision, .why_ignored = {}};
  if (is_applications(name)) co_return;
  const SettingSpec* spec = find_setting(name);
  Status applied = check(name, value);
  if (applied.ok()) applied = co_await live_.apply(*spec, value);
  if (applied.ok()) {
    log_info(kPart, "a setting has changed", {{"name", name}, {"value", value}, {"revision", revision}});
    co_return;
  }
  log_warn(kPart, "a stored setting is ignored",
           {{"name", name}, {"revision", revision}, {"why", applied.error().message()}});
  // While this waited nobody else has changed the map but this task.
  stored_[name].why_ignored = applied.error().message();
}

Task<void> DynamicConfig::drop(std::string name) {
  stored_.erase(name);
  const SettingSpec* spec = is_applications(name) ? nullptr : find_setting(name);
  if (spec == nullptr || !is_live(*spec)) co_return;
  if (Status applied = co_await live_.apply(*spec, start_text(*spec)); !applied.ok()) {
    log_warn(kPart, "a setting cannot go back to its value at the start",
             {{"name", name}, {"why", applied.error().message()}});
    co_return;
  }
  log_info(kPart, "a setting has its value of the start again", {{"name", name}});
}

const std::string& DynamicConfig::start_text(const SettingSpec& spec) const { return at_start_.find(spec.key)->second; }

Status DynamicConfig::check(std::string_view name, std::string_view text) const {
  if (name.empty() || name.size() > kConfigNameBytesMax)
    return fail(SettingErrc::kBadValue, "a name has 1 to 512 bytes");
  if (text.size() > kConfigValueBytesMax) return fail(SettingErrc::kBadValue, "a value has 64 KiB at most");
  if (is_applications(name)) return {};
  const SettingSpec* spec = find_setting(name);
  if (spec == nullptr) {
    return fail(SettingErrc::kBadValue, unknown_setting(name) + "; names of your own have a / in them, as app/color");
  }
  return live_.check(*spec, text);
}

Task<Result<coord::Revision>> DynamicConfig::set(std::string name, std::string text) {
  if (Status good = check(name, text); !good.ok()) co_return forward_error(good);
  const std::string key = key_of(name);
  auto answer = co_await service_.write(home_, coord::Put{.caller = coord::kHouse, .key = key, .value = text},
                                        std::make_unique<Sink>());
  if (Status good = outcome_of(answer); !good.ok()) co_return forward_error(good);
  co_return answer.sink->revision;
}

Task<Result<bool>> DynamicConfig::unset(std::string name) {
  const std::string key = key_of(name);
  auto answer =
      co_await service_.write(home_, coord::DeleteRange{.caller = coord::kHouse, .key = key}, std::make_unique<Sink>());
  if (Status good = outcome_of(answer); !good.ok()) co_return forward_error(good);
  co_return answer.sink->deleted_count > 0;
}

Task<Result<std::vector<ConfigVersion>>> DynamicConfig::history(std::string name) {
  const std::string key = key_of(name);
  std::vector<ConfigVersion> versions;
  coord::Revision at = 0;  // the present one
  while (versions.size() < kHistoryMax) {
    auto answer = co_await service_.query(home_, coord::Range{.caller = coord::kHouse, .key = key, .revision = at},
                                          std::make_unique<Sink>());
    if (answer.outcome == coord::ServiceErrc::kOk && answer.sink->error == coord::CoordErrc::kCompacted) break;
    if (Status good = outcome_of(answer); !good.ok()) co_return forward_error(good);
    if (answer.sink->found.empty()) break;
    Found& one = answer.sink->found.front();
    versions.push_back({std::move(one.value), one.revision, one.version});
    if (one.version == 1 || one.revision <= 1) break;
    at = one.revision - 1;
  }
  co_return versions;
}

std::vector<ConfigEntry> DynamicConfig::describe() const {
  std::vector<ConfigEntry> entries;
  const auto add_stored = [](ConfigEntry& entry, const Stored& stored) {
    entry.is_stored = true;
    entry.stored = stored.value;
    entry.revision = stored.revision;
    entry.why_ignored = stored.why_ignored;
  };
  for (const SettingSpec& spec : setting_table()) {
    if (!is_live(spec)) continue;
    ConfigEntry& entry = entries.emplace_back();
    entry.name = spec.key;
    entry.is_setting = true;
    entry.at_start = start_text(spec);
    entry.in_force = live_.in_force(spec);
    if (const auto found = stored_.find(spec.key); found != stored_.end()) add_stored(entry, found->second);
  }
  for (const auto& [name, stored] : stored_) {
    const SettingSpec* spec = find_setting(name);
    if (spec != nullptr && is_live(*spec)) continue;
    add_stored(entries.emplace_back(), stored);
    entries.back().name = name;
  }
  return entries;
}

}  // namespace keelson::server
