#include "shard/record.h"

#include "base/coding.h"

namespace keelson::shard {

namespace {
constexpr size_t kVarint32BytesMax = 5;
}

size_t encoded_bytes_max(std::span<const engine::Command> commands) {
  size_t bytes = kVarint32BytesMax;
  for (const engine::Command& command : commands) {
    bytes += 3 * kVarint32BytesMax;
    for (std::string_view arg : command.args) bytes += kVarint32BytesMax + arg.size();
  }
  return bytes;
}

void encode_commands(std::span<const engine::Command> commands, Buffer& payload) {
  append_varint(payload, commands.size());
  for (const engine::Command& command : commands) {
    append_varint(payload, command.code);
    append_varint(payload, command.space);
    append_varint(payload, command.args.size());
    for (std::string_view arg : command.args) {
      append_varint(payload, arg.size());
      payload.append(arg);
    }
  }
}

Status RecordDecoder::decode(std::string_view payload) {
  commands_.clear();
  args_.clear();
  const auto wrong = [] { return fail(log::LogErrc::kDamaged, "record payload does not follow its format"); };
  uint64_t count = 0;
  if (!read_varint(payload, count)) return wrong();
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t code = 0;
    uint64_t space = 0;
    uint64_t argc = 0;
    if (!read_varint(payload, code) || !read_varint(payload, space) || !read_varint(payload, argc)) return wrong();
    if (code > UINT16_MAX || space > UINT16_MAX || argc > payload.size()) return wrong();
    for (uint64_t j = 0; j < argc; ++j) {
      uint64_t length = 0;
      if (!read_varint(payload, length) || length > payload.size()) return wrong();
      args_.push_back(payload.substr(0, length));
      payload.remove_prefix(length);
    }
    // args_ may still move: spans are set below, from the counts.
    commands_.push_back({static_cast<uint16_t>(code), static_cast<uint16_t>(space), {args_.data(), argc}});
  }
  if (!payload.empty()) return wrong();
  const std::string_view* next = args_.data();
  for (engine::Command& command : commands_) {
    command.args = {next, command.args.size()};
    next += command.args.size();
  }
  return {};
}

}  // namespace keelson::shard
