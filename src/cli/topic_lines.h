// Messages of topics as lines of JSON, in and out: `keelson topic consume` writes what `keelson topic produce` reads.
//
//   {"partition":0,"offset":7,"timestamp":1795719308031,"key":"ship","value":"keelson","headers":{"kind":"a"}}
//
// Bytes that are no UTF-8 stand as base64 in a member with "64" behind its name ("value64"); with --base64 all keys,
// values and headers are base64 under their plain names. Null: none. Headers of one name that come twice, or are null,
// are an array of their values, in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/topic/record_reader.h"

namespace keelson::cli {

struct TopicMessage {
  std::optional<std::string> key, value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::optional<int64_t> timestamp_ms;
  std::optional<int32_t> partition;
};

// kUsage, with what is wrong. A value that is no string is sent as the JSON that it is. Members that are not known are
// an error, but for those that consume writes (offset, topic).
[[nodiscard]] Result<TopicMessage> read_message_line(std::string_view line, bool is_base64);
// Without the end of the line.
[[nodiscard]] std::string message_line(int32_t partition, const topic::Record& record, bool is_base64);

// Which partition of `count` a key goes to: as Kafka's client for Java has it (murmur2), so that a key stays where that
// put it.
[[nodiscard]] int32_t partition_of_key(std::string_view key, int32_t count);

// Where to begin: "earliest", "latest", an offset, "@MILLISECONDS" since 1970, or a time ago ("15m", "7d").
struct StartPoint {
  enum class Kind : uint8_t { kEarliest, kLatest, kOffset, kTime } kind = Kind::kEarliest;
  int64_t number = 0;  // offset or time
};
[[nodiscard]] std::optional<StartPoint> parse_start_point(std::string_view text, int64_t now_ms);

}  // namespace keelson::cli
