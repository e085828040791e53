#include "cli/topic_lines.h"

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/numbers.h"
#include "cli/blob_plan.h"
#include "cli/topic_client.h"
#include "net/http/websocket.h"

namespace keelson::cli {

namespace {

using Json = nlohmann::ordered_json;
using Bytes = std::optional<std::string>;

std::unexpected<Error> bad(const std::string& sentence) { return fail(TopicClientErrc::kUsage, sentence); }

Result<std::string> decoded(const std::string& text, const std::string& name) {
  std::optional<std::string> bytes = from_base64(text);
  if (!bytes) return bad("\"" + name + "\" is no base64");
  return std::move(*bytes);
}

// A value as the line has it: null, text, or any JSON, which is sent as it is written.
Result<Bytes> bytes_of(const Json& json, const std::string& name, bool is_base64) {
  if (json.is_null()) return Bytes();
  if (!json.is_string()) {
    if (is_base64) return bad("\"" + name + "\" is no text");
    return Bytes(json.dump());
  }
  const auto& text = json.get_ref<const std::string&>();
  if (!is_base64) return Bytes(text);
  Result<std::string> bytes = decoded(text, name);
  if (!bytes.ok()) return forward_error(bytes);
  return Bytes(std::move(*bytes));
}

Status read_headers(const Json& json, bool is_base64, TopicMessage& message) {
  if (!json.is_object()) return bad("\"headers\" is an object of names and values");
  for (const auto& [name, values] : json.items()) {
    const Json one = values.is_array() ? values : Json::array({values});
    for (const Json& value : one) {
      Result<Bytes> bytes = bytes_of(value, name, is_base64);
      if (!bytes.ok()) return forward_error(bytes);
      message.headers.emplace_back(name, std::move(*bytes));
    }
  }
  return {};
}

Status read_member(const std::string& name, const Json& json, bool is_base64, TopicMessage& message) {
  if (name == "key" || name == "value" || name == "key64" || name == "value64") {
    Result<Bytes> bytes = bytes_of(json, name, is_base64 || name.ends_with("64"));
    if (!bytes.ok()) return forward_error(bytes);
    (name.starts_with("key") ? message.key : message.value) = std::move(*bytes);
    return {};
  }
  if (name == "headers" || name == "headers64") return read_headers(json, is_base64 || name.ends_with("64"), message);
  if (name == "timestamp") {
    const bool is_too_large = json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX;
    if (!json.is_number_integer() || is_too_large) return bad("\"timestamp\" is a number of milliseconds since 1970");
    message.timestamp_ms = json.get<int64_t>();
    return {};
  }
  if (name == "partition") {
    if (!json.is_number_integer() || json.get<int64_t>() < 0 || json.get<int64_t>() > INT32_MAX) {
      return bad("\"partition\" is the number of a partition");
    }
    message.partition = json.get<int32_t>();
    return {};
  }
  if (name == "offset" || name == "topic") return {};
  return bad("\"" + name + "\" is not known; a message has key, value, headers, timestamp and partition");
}

bool is_utf8(std::string_view bytes) {
  net::http::Utf8Check check;
  return check.feed(bytes) && check.is_at_end();
}

void put(Json& line, const std::string& name, const std::optional<std::string_view>& bytes, bool is_base64) {
  if (!bytes) {
    line[name] = nullptr;
  } else if (is_base64) {
    line[name] = to_base64(*bytes);
  } else if (is_utf8(*bytes)) {
    line[name] = *bytes;
  } else {
    line[name + "64"] = to_base64(*bytes);
  }
}

void put_headers(Json& line, const topic::Record& record, bool is_base64) {
  if (record.header_count == 0) return;
  const std::vector<topic::RecordHeader> headers = record.headers();
  bool is_text = !is_base64;
  for (const auto& header : headers) is_text = is_text && is_utf8(header.value.value_or(""));
  Json all = Json::object();
  for (const auto& header : headers) {
    const Json value = header.value ? Json(is_text ? std::string(*header.value) : to_base64(*header.value)) : Json();
    const std::string name = is_utf8(header.key) ? std::string(header.key) : to_base64(header.key);
    Json& present = all[name];
    if (present.is_null()) {
      present = value.is_null() ? Json::array({value}) : value;
    } else {
      if (!present.is_array()) present = Json::array({present});
      present.push_back(value);
    }
  }
  line[is_text || is_base64 ? "headers" : "headers64"] = std::move(all);
}

}  // namespace

Result<TopicMessage> read_message_line(std::string_view line, bool is_base64) {
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded()) return bad("this is no JSON");
  if (!json.is_object()) return bad("a message is a JSON object, such as {\"key\":\"a\",\"value\":\"b\"}");
  TopicMessage message;
  for (const auto& [name, value] : json.items()) {
    if (Status read = read_member(name, value, is_base64, message); !read.ok()) return forward_error(read);
  }
  return message;
}

std::string message_line(int32_t partition, const topic::Record& record, bool is_base64) {
  Json line = Json::object();
  line["partition"] = partition;
  line["offset"] = record.offset;
  line["timestamp"] = record.timestamp_ms;
  put(line, "key", record.key, is_base64);
  put(line, "value", record.value, is_base64);
  put_headers(line, record, is_base64);
  return line.dump();
}

int32_t partition_of_key(std::string_view key, int32_t count) {
  // Murmur2 of 32 bits, as org.apache.kafka.common.utils.Utils has it.
  constexpr uint32_t kFactor = 0x5bd1e995;
  constexpr uint32_t kSeed = 0x9747b28c;
  const auto byte = [&](size_t at) { return static_cast<uint32_t>(static_cast<unsigned char>(key[at])); };
  uint32_t hash = kSeed ^ static_cast<uint32_t>(key.size());
  size_t at = 0;
  for (; at + 4 <= key.size(); at += 4) {
    uint32_t word = byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24;
    word *= kFactor;
    word ^= word >> 24;
    hash = hash * kFactor ^ word * kFactor;
  }
  const size_t rest = key.size() - at;
  if (rest >= 3) hash ^= byte(at + 2) << 16;
  if (rest >= 2) hash ^= byte(at + 1) << 8;
  if (rest >= 1) hash = (hash ^ byte(at)) * kFactor;
  hash ^= hash >> 13;
  hash *= kFactor;
  hash ^= hash >> 15;
  return static_cast<int32_t>((hash & 0x7fffffff) % static_cast<uint32_t>(count));
}

std::optional<StartPoint> parse_start_point(std::string_view text, int64_t now_ms) {
  using Kind = StartPoint::Kind;
  if (text == "earliest") return StartPoint{Kind::kEarliest, 0};
  if (text == "latest") return StartPoint{Kind::kLatest, 0};
  const bool is_time = text.starts_with('@');
  if (const auto number = parse_uint64(is_time ? text.substr(1) : text); number && *number <= INT64_MAX) {
    return StartPoint{is_time ? Kind::kTime : Kind::kOffset, static_cast<int64_t>(*number)};
  }
  if (is_time) return std::nullopt;
  const std::optional<int64_t> seconds = parse_seconds(text);
  if (!seconds) return std::nullopt;
  // Not before 1970: times below zero are words of the protocol.
  return StartPoint{Kind::kTime, *seconds > now_ms / 1000 ? 0 : now_ms - *seconds * 1000};
}

}  // namespace keelson::cli
