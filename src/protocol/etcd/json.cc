#include "protocol/etcd/json.h"

#include <google/protobuf/arena.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <election.pb.h>
#include <lock.pb.h>
#include <rpc.pb.h>

namespace keelson::etcd {

namespace {

using google::protobuf::Arena;
using google::protobuf::Message;

// A message of the type, empty; null if there is none. The arena owns it.
Message* make(std::string_view type, Arena& arena) {
  // Their descriptors are known to protobuf once somebody has referred to them.
  (void)etcdserverpb::RangeRequest::descriptor();
  (void)v3lockpb::LockRequest::descriptor();
  (void)v3electionpb::LeaderRequest::descriptor();
  const google::protobuf::Descriptor* const descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(std::string(type));
  if (descriptor == nullptr) return nullptr;
  return google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New(&arena);
}

bool is_too_deep(std::string_view json) {
  int depth = 0;
  bool is_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (is_text && c == '\\') {
      ++i;
    } else if (c == '"') {
      is_text = !is_text;
    } else if (!is_text && (c == '{' || c == '[')) {
      if (++depth > kJsonDepthMax) return true;
    } else if (!is_text && (c == '}' || c == ']')) {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::optional<std::string> from_json(std::string_view type, std::string_view json, std::string& error) {
  if (is_too_deep(json)) {
    error = "the JSON is nested too deeply";
    return std::nullopt;
  }
  Arena arena;
  Message* const message = make(type, arena);
  if (message == nullptr) return std::nullopt;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto parsed = google::protobuf::util::JsonStringToMessage({json.data(), json.size()}, message, options);
  if (!parsed.ok()) {
    error = std::string(parsed.message());
    return std::nullopt;
  }
  // A member whose name is empty leaves one.
  message->DiscardUnknownFields();
  return message->SerializeAsString();
}

std::optional<std::string> to_json(std::string_view type, std::string_view message) {
  Arena arena;
  Message* const parsed = make(type, arena);
  if (parsed == nullptr || !parsed->ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return std::nullopt;
  }
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(*parsed, &json, options).ok()) return std::nullopt;
  return json;
}

size_t first_json_bytes(std::string_view text) {
  int depth = 0;
  bool is_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_text && c == '\\') {
      ++i;
    } else if (c == '"') {
      is_text = !is_text;
    } else if (!is_text && c == '{') {
      ++depth;
    } else if (!is_text && c == '}' && --depth <= 0) {
      return i + 1;
    }
  }
  return 0;
}

std::string quote_json(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<uint8_t>(c) < ' ') {
      quoted += "\\u00";
      quoted += kDigits[static_cast<uint8_t>(c) >> 4];
      quoted += kDigits[static_cast<uint8_t>(c) & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace keelson::etcd
