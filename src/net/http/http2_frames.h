// Frames of HTTP/2 as bytes (RFC 9113 §4, §6): their heads, and the small ones whole. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"

namespace keelson::net::http {

// RFC 9113 §7.
enum class Http2Error : uint32_t {
  kNone = 0x0,
  kProtocol = 0x1,
  kInternal = 0x2,
  kFlowControl = 0x3,
  kStreamClosed = 0x5,
  kFrameSize = 0x6,
  kRefusedStream = 0x7,
  kCancel = 0x8,
  kCompression = 0x9,
  kEnhanceYourCalm = 0xb,
};

enum class FrameType : uint8_t {
  kData = 0x0,
  kHeaders = 0x1,
  kPriority = 0x2,
  kRstStream = 0x3,
  kSettings = 0x4,
  kPushPromise = 0x5,
  kPing = 0x6,
  kGoaway = 0x7,
  kWindowUpdate = 0x8,
  kContinuation = 0x9,
};

inline constexpr uint8_t kFlagEndStream = 0x1;
inline constexpr uint8_t kFlagAck = 0x1;
inline constexpr uint8_t kFlagEndHeaders = 0x4;
inline constexpr uint8_t kFlagPadded = 0x8;
inline constexpr uint8_t kFlagPriority = 0x20;

// RFC 9113 §6.5.2.
enum class SettingId : uint16_t {
  kHeaderTableSize = 0x1,
  kEnablePush = 0x2,
  kMaxConcurrentStreams = 0x3,
  kInitialWindowSize = 0x4,
  kMaxFrameSize = 0x5,
  kMaxHeaderListSize = 0x6,
  kNoRfc7540Priorities = 0x9,  // RFC 9218 §2.1
};

inline constexpr size_t kFrameHeadBytes = 9;
// The least that everybody must take, and what is taken and sent here (§4.2).
inline constexpr size_t kFrameBytesMax = 16 << 10;
inline constexpr size_t kFrameBytesLimit = (1 << 24) - 1;  // of SETTINGS_MAX_FRAME_SIZE
inline constexpr int64_t kWindowBytesMax = INT32_MAX;      // §6.9.1
inline constexpr int64_t kFirstWindowBytes = 65'535;       // §6.9.2
inline constexpr size_t kSettingBytes = 6;

struct FrameHead {
  uint32_t length = 0;
  FrameType type = FrameType::kData;  // or a number that is none of them (§5.5)
  uint8_t flags = 0;
  uint32_t stream = 0;
  [[nodiscard]] bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

[[nodiscard]] inline uint32_t get_big16(const char* from) {
  return static_cast<uint32_t>(static_cast<uint8_t>(from[0]) << 8 | static_cast<uint8_t>(from[1]));
}
[[nodiscard]] inline uint32_t get_big32(const char* from) { return get_big16(from) << 16 | get_big16(from + 2); }
inline void put_big16(char* to, uint32_t value) {
  to[0] = static_cast<char>(value >> 8);
  to[1] = static_cast<char>(value);
}
inline void put_big32(char* to, uint32_t value) {
  put_big16(to, value >> 16);
  put_big16(to + 2, value);
}

// `bytes` has kFrameHeadBytes. The reserved bit is not looked at (§4.1).
[[nodiscard]] inline FrameHead get_frame_head(const char* bytes) {
  return {get_big16(bytes) << 8 | static_cast<uint8_t>(bytes[2]), static_cast<FrameType>(bytes[3]),
          static_cast<uint8_t>(bytes[4]), get_big32(bytes + 5) & INT32_MAX};
}
inline void put_frame_head(char* to, size_t length, FrameType type, uint8_t flags, uint32_t stream) {
  put_big16(to, static_cast<uint32_t>(length >> 8));
  to[2] = static_cast<char>(length);
  to[3] = static_cast<char>(type);
  to[4] = static_cast<char>(flags);
  put_big32(to + 5, stream);
}
inline void append_frame_head(Buffer& into, size_t length, FrameType type, uint8_t flags, uint32_t stream) {
  put_frame_head(into.reserve(kFrameHeadBytes), length, type, flags, stream);
  into.commit(kFrameHeadBytes);
}

inline void append_big32(Buffer& into, uint32_t value) {
  put_big32(into.reserve(4), value);
  into.commit(4);
}
inline void append_setting(Buffer& into, SettingId id, uint32_t value) {
  put_big16(into.reserve(2), static_cast<uint32_t>(id));
  into.commit(2);
  append_big32(into, value);
}
inline void append_rst_stream(Buffer& into, uint32_t stream, Http2Error error) {
  append_frame_head(into, 4, FrameType::kRstStream, 0, stream);
  append_big32(into, static_cast<uint32_t>(error));
}
inline void append_window_update(Buffer& into, uint32_t stream, uint32_t bytes) {
  append_frame_head(into, 4, FrameType::kWindowUpdate, 0, stream);
  append_big32(into, bytes);
}
inline void append_goaway(Buffer& into, uint32_t last_stream, Http2Error error) {
  append_frame_head(into, 8, FrameType::kGoaway, 0, 0);
  append_big32(into, last_stream);
  append_big32(into, static_cast<uint32_t>(error));
}

}  // namespace keelson::net::http
