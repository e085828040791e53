#include "raft/frame.h"

#include "base/coding.h"

namespace keelson::raft {

void encode_frame(const Frame& frame, std::string& out) {
  out.clear();
  append_u8(out, static_cast<uint8_t>(frame.kind));
  if (frame.kind != FrameKind::kRaft) {
    append_u64(out, frame.term);
    if (frame.kind != FrameKind::kWake) append_u64(out, frame.number);
  }
  out.append(frame.rest);
}

bool decode_frame(std::string_view bytes, Frame& frame) {
  uint8_t kind = 0;
  if (!read_u8(bytes, kind) || kind == 0 || kind > static_cast<uint8_t>(FrameKind::kWake)) return false;
  frame = {.kind = static_cast<FrameKind>(kind), .term = 0, .number = 0, .rest = {}};
  if (frame.kind != FrameKind::kRaft) {
    if (!read_u64(bytes, frame.term)) return false;
    if (frame.kind != FrameKind::kWake && !read_u64(bytes, frame.number)) return false;
    if (frame.kind != FrameKind::kForward && !bytes.empty()) return false;
  }
  frame.rest = bytes;
  return true;
}

namespace {
// The first field of eraftpb.Message is its type (number 1, a varint). raft-rs writes fields in their order.
bool has_type(std::string_view message, char type) {
  return message.size() >= 2 && message[0] == 8 && message[1] == type;
}
constexpr char kMsgAppend = 3;
constexpr char kMsgSnapshot = 7;
constexpr char kMsgReadIndex = 15;
}  // namespace

bool is_append(std::string_view message) { return has_type(message, kMsgAppend); }
bool is_snapshot(std::string_view message) { return has_type(message, kMsgSnapshot); }
bool is_read_request(std::string_view message) { return has_type(message, kMsgReadIndex); }

}  // namespace keelson::raft
