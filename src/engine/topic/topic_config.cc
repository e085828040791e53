#include "engine/topic/topic_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/check.h"

namespace keelson::topic {

namespace {

constexpr double kLongMax = 9223372036854775807.0;
constexpr double kIntMax = std::numeric_limits<int32_t>::max();

using enum ConfigType;
using enum ConfigEffect;

constexpr ConfigSpec kSpecs[] = {
    {"cleanup.policy", kList, kWorks, "delete", 0, 0, "compact,delete",
     "What becomes of old records: delete removes whole segments past retention.ms or retention.bytes; compact keeps "
     "the last record of each key; both together do both.",
     "log.cleanup.policy"},
    {"compression.gzip.level", kInt, kNone, "-1", -1, 9, "",
     "No effect: batches are kept as the producer compressed them.", "compression.gzip.level"},
    {"compression.lz4.level", kInt, kNone, "9", 1, 17, "",
     "No effect: batches are kept as the producer compressed them.", "compression.lz4.level"},
    {"compression.type", kString, kDefault, "producer", 0, 0, "producer",
     "Batches are kept as the producer compressed them, and never compressed anew: producer is the one value.",
     "compression.type"},
    {"compression.zstd.level", kInt, kNone, "3", -131072, 22, "",
     "No effect: batches are kept as the producer compressed them.", "compression.zstd.level"},
    {"delete.retention.ms", kLong, kWorks, "86400000", 0, kLongMax, "",
     "How long compaction keeps a tombstone (a record without value) and the marker of a transaction's end, from when "
     "it first met them. A reader that begins at the start must come through within that time to see every deletion.",
     "log.cleaner.delete.retention.ms"},
    {"file.delete.delay.ms", kLong, kNone, "60000", 0, kLongMax, "",
     "No effect: a file that is removed stays readable to whoever reads it at that moment.",
     "log.segment.delete.delay.ms"},
    {"flush.messages", kLong, kNone, "9223372036854775807", 1, kLongMax, "",
     "No effect: the durability of the service says when records are synced.", "log.flush.interval.messages"},
    {"flush.ms", kLong, kNone, "9223372036854775807", 0, kLongMax, "",
     "No effect: the durability of the service says when records are synced.", "log.flush.interval.ms"},
    {"follower.replication.throttled.replicas", kList, kNone, "", 0, 0, "",
     "No effect: partitions are replicated by the log of their shard.", ""},
    {"index.interval.bytes", kInt, kWorks, "4096", 0, kIntMax, "",
     "Bytes of batches from one entry of a segment's index to the next; 32 KiB at least.", "log.index.interval.bytes"},
    {"leader.replication.throttled.replicas", kList, kNone, "", 0, 0, "",
     "No effect: partitions are replicated by the log of their shard.", ""},
    {"local.retention.bytes", kLong, kNone, "-2", -2, kLongMax, "", "No effect: there is no remote storage.",
     "log.local.retention.bytes"},
    {"local.retention.ms", kLong, kNone, "-2", -2, kLongMax, "", "No effect: there is no remote storage.",
     "log.local.retention.ms"},
    {"max.compaction.lag.ms", kLong, kWorks, "9223372036854775807", 1, kLongMax, "",
     "Records older than that are compacted, however little there is to gain.", "log.cleaner.max.compaction.lag.ms"},
    {"max.message.bytes", kInt, kWorks, "1048588", 0, kIntMax, "",
     "The largest batch that is taken, as compressed as it comes, with its header. At most 48 MiB in any case.",
     "message.max.bytes"},
    {"message.timestamp.after.max.ms", kLong, kWorks, "3600000", 0, kLongMax, "",
     "How far a record's timestamp may lie in the future, where producers set it.",
     "log.message.timestamp.after.max.ms"},
    {"message.timestamp.before.max.ms", kLong, kWorks, "9223372036854775807", 0, kLongMax, "",
     "How far the newest record of a batch may lie in the past, where producers set timestamps. Older ones beside it "
     "are taken.",
     "log.message.timestamp.before.max.ms"},
    {"message.timestamp.type", kString, kWorks, "CreateTime", 0, 0, "CreateTime,LogAppendTime",
     "Whose clock a record's timestamp is of: the producer's, or the server's when it appended the record.",
     "log.message.timestamp.type"},
    {"min.cleanable.dirty.ratio", kDouble, kWorks, "0.5", 0, 1, "",
     "A partition is compacted once this part of its bytes has never been compacted.",
     "log.cleaner.min.cleanable.ratio"},
    {"min.compaction.lag.ms", kLong, kWorks, "0", 0, kLongMax, "", "Records younger than that are not compacted away.",
     "log.cleaner.min.compaction.lag.ms"},
    {"min.insync.replicas", kInt, kNone, "1", 1, kIntMax, "",
     "No effect: a record is acknowledged once the shard's log has it as durably as the service is configured.",
     "min.insync.replicas"},
    {"preallocate", kBoolean, kNone, "false", 0, 0, "", "No effect: segments grow in large writes.", "log.preallocate"},
    {"remote.log.copy.disable", kBoolean, kNone, "false", 0, 0, "", "No effect: there is no remote storage.", ""},
    {"remote.log.delete.on.disable", kBoolean, kNone, "false", 0, 0, "", "No effect: there is no remote storage.", ""},
    {"remote.storage.enable", kBoolean, kDefault, "false", 0, 0, "false", "There is no remote storage.", ""},
    {"retention.bytes", kLong, kWorks, "-1", -1, kLongMax, "",
     "Whole segments are removed from the start of a partition that has more bytes than that; -1: any number. Of each "
     "partition, where cleanup.policy has delete.",
     "log.retention.bytes"},
    {"retention.ms", kLong, kWorks, "604800000", -1, kLongMax, "",
     "Segments whose newest record is older than that are removed; -1: never. Where cleanup.policy has delete.",
     "log.retention.ms"},
    {"segment.bytes", kInt, kWorks, "1073741824", 14, kIntMax, "",
     "A segment that has so many bytes is complete, and the next one begins. Retention and compaction work on complete "
     "segments.",
     "log.segment.bytes"},
    {"segment.index.bytes", kInt, kNone, "10485760", 4, kIntMax, "",
     "No effect: an index is as large as its segment needs.", "log.index.size.max.bytes"},
    {"segment.jitter.ms", kLong, kNone, "0", 0, kLongMax, "",
     "No effect: the service removes and compacts one partition after another.", "log.roll.jitter.ms"},
    {"segment.ms", kLong, kWorks, "604800000", 1, kLongMax, "",
     "A segment whose first record is older than that is complete when the next record comes.", "log.roll.ms"},
    {"unclean.leader.election.enable", kBoolean, kNone, "false", 0, 0, "",
     "No effect: a shard's leader always has every acknowledged record.", "unclean.leader.election.enable"},
};

static_assert(std::ranges::is_sorted(kSpecs, {}, &ConfigSpec::name), "find_topic_config() looks by halves");

template <class Number>
std::optional<Number> parse(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

bool has_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t comma = std::min(words.find(','), words.size());
    std::string_view one = words.substr(0, comma);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == word) return true;
    words.remove_prefix(std::min(comma + 1, words.size()));
  }
  return false;
}

bool are_words(std::string_view list, std::string_view allowed) {
  if (list.empty()) return false;
  for (;;) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view one = list.substr(0, comma);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (!has_word(allowed, one)) return false;
    if (comma == list.size()) return true;
    list.remove_prefix(comma + 1);
  }
}

bool is_number_within(const ConfigSpec& spec, std::string_view value) {
  if (spec.type == kDouble) {
    const auto number = parse<double>(value);
    return number && *number >= spec.min && *number <= spec.max;
  }
  const auto number = parse<int64_t>(value);
  return number && static_cast<double>(*number) >= spec.min && static_cast<double>(*number) <= spec.max;
}

std::string refusal(const ConfigSpec& spec, std::string_view value, std::string_view why) {
  return "Invalid value " + std::string(value) + " for configuration " + std::string(spec.name) + ": " +
         std::string(why);
}

std::string plain(double number) {
  if (number >= kLongMax) return std::to_string(std::numeric_limits<int64_t>::max());
  return std::to_string(static_cast<int64_t>(number));
}

// Of the topic, the house or the table.
class Settings {
 public:
  Settings(const Pairs& set, const Pairs& broker) : set_(set), broker_(broker) {}
  [[nodiscard]] std::string_view text(std::string_view name) const {
    for (const Pairs* pairs : {&set_, &broker_}) {
      for (const auto& [key, value] : *pairs) {
        if (key == name) return value;
      }
    }
    const ConfigSpec* spec = find_topic_config(name);
    KEELSON_CHECK(spec != nullptr, "the setting is in the table");
    return spec->default_value;
  }
  [[nodiscard]] int64_t number(std::string_view name) const {
    const auto number = parse<int64_t>(text(name));
    KEELSON_CHECK(number.has_value(), "settings were checked before");
    return *number;
  }
  [[nodiscard]] double ratio(std::string_view name) const { return parse<double>(text(name)).value_or(0); }

 private:
  const Pairs& set_;
  const Pairs& broker_;
};

}  // namespace

std::span<const ConfigSpec> topic_configs() { return kSpecs; }

const ConfigSpec* find_topic_config(std::string_view name) {
  const auto* found = std::ranges::lower_bound(kSpecs, name, {}, &ConfigSpec::name);
  return found != std::end(kSpecs) && found->name == name ? found : nullptr;
}

std::optional<std::string> check_topic_config(std::string_view name, std::string_view value) {
  const ConfigSpec* spec = find_topic_config(name);
  if (spec == nullptr) return "Unknown topic config name: " + std::string(name);
  if (spec->effect == kDefault && value != spec->default_value) {
    return refusal(*spec, value, "not supported. " + std::string(spec->doc));
  }
  switch (spec->type) {
    case kBoolean:
      if (value != "true" && value != "false") return refusal(*spec, value, "Expected value to be true or false");
      return {};
    case kInt:
    case kLong:
    case kDouble:
      if (is_number_within(*spec, value)) return {};
      return refusal(*spec, value, "Value must be a number from " + plain(spec->min) + " to " + plain(spec->max));
    case kString:
    case kList:
      if (spec->words.empty()) return {};
      if (spec->type == kList ? are_words(value, spec->words) : has_word(spec->words, value)) return {};
      return refusal(*spec, value, "String must be one of: " + std::string(spec->words));
  }
  return {};
}

TopicConfig make_topic_config(const Pairs& set, const Pairs& broker) {
  const Settings settings(set, broker);
  TopicConfig config;
  config.deletes = has_word(settings.text("cleanup.policy"), "delete");
  config.compacts = has_word(settings.text("cleanup.policy"), "compact");
  config.is_log_append_time = settings.text("message.timestamp.type") == "LogAppendTime";
  config.message_bytes_max = static_cast<uint32_t>(settings.number("max.message.bytes"));
  config.retention_ms = settings.number("retention.ms");
  config.retention_bytes = settings.number("retention.bytes");
  config.segment_bytes = static_cast<uint32_t>(settings.number("segment.bytes"));
  config.segment_ms = settings.number("segment.ms");
  config.index_interval_bytes = static_cast<uint32_t>(settings.number("index.interval.bytes"));
  config.timestamp_before_max_ms = settings.number("message.timestamp.before.max.ms");
  config.timestamp_after_max_ms = settings.number("message.timestamp.after.max.ms");
  config.delete_retention_ms = settings.number("delete.retention.ms");
  config.cleanable_ratio_min = settings.ratio("min.cleanable.dirty.ratio");
  config.compaction_lag_min_ms = settings.number("min.compaction.lag.ms");
  config.compaction_lag_max_ms = settings.number("max.compaction.lag.ms");
  return config;
}

}  // namespace keelson::topic
