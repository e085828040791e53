// Cursors: what of a topic a subscription has acknowledged (later also what share groups have). Commands and queries
// go to the shard of the cursor's name (shard_of_name), where the positions of all partitions lie together: a seek or
// a snapshot is of one moment, and acknowledgements in any number of partitions are one record.
//
// A snapshot of a cursor is another cursor that is made with its positions. What is handed out at the moment, until
// when and to whom is not here: leases are forgotten in a crash, and what they were on is handed out again.
//
// Partitions that a cursor has not heard of (a topic that has got more) begin at 0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/topic/codes.h"
#include "engine/topic/cursor_state.h"
#include "engine/topic/types.h"

namespace keelson::topic {

// Ranges beyond the floor of one partition. A range needs an offset before it that is not acknowledged, so whoever
// hands out messages keeps far below this by handing out no more than so many beyond the floor (topics/lease_table.h).
// 16 bytes each in a snapshot, 64 in memory: 4 MiB for each partition of the worst cursor.
inline constexpr size_t kCursorRangesMax = 65'536;
// Messages of one partition whose failed attempts are counted; those of further ones are not.
inline constexpr size_t kCursorAttemptsMax = 65'536;
// Of any protocol's names.
inline constexpr size_t kCursorNameBytesMax = 1024;

// kCursorExists; kInvalid: beyond a limit. Attempts of the positions are taken over too.
struct CreateCursor {
  static constexpr Code kCode = Code::kCreateCursor;
  std::string name{};
  TopicId topic{};
  std::vector<CursorPosition> positions{};
};
// kUnknownCursor.
struct DeleteCursor {
  static constexpr Code kCode = Code::kDeleteCursor;
  std::string name{};
};
// Takes the place of what is there: forward acknowledges, backward takes acknowledgements back. The generation grows by
// one. Answer: cursors (one, with the new generation and without positions).
struct SeekCursor {
  static constexpr Code kCode = Code::kSeekCursor;
  std::string name{};
  std::vector<CursorPosition> positions{};
};
// What a turn brought. kIllegalGeneration: there has been a seek since, and nothing changes; kInvalid: more ranges than
// a cursor may have, nothing changes. `attempts` replaces the count of each message that it names.
struct AdvanceCursor {
  struct Part {
    int32_t partition = 0;
    std::vector<OffsetRange> done{};
    std::vector<FailedAttempts> attempts{};
  };
  static constexpr Code kCode = Code::kAdvanceCursor;
  std::string name{};
  uint64_t generation = 0;
  std::vector<Part> parts{};
};

// Answer: cursors (one). kUnknownCursor.
struct FindCursor {
  static constexpr Code kCode = Code::kFindCursor;
  std::string name{};
};
// All shards. Answer: cursors, by name, above `after`; positions with their floors and ranges, without attempts.
struct ListCursors {
  static constexpr Code kCode = Code::kListCursors;
  std::string prefix{};
  std::string after{};
  uint32_t count_max = 1000;
};

// clang-format off
#define KEELSON_TOPIC_CURSOR_BODIES(X) \
  X(CreateCursor) \
  X(DeleteCursor) \
  X(SeekCursor) \
  X(AdvanceCursor) \
  X(FindCursor) \
  X(ListCursors)
// clang-format on
// body_codec.h has the encoding. decode() is false for bytes that are no such body.
#define KEELSON_TOPIC_CODEC(Body)                     \
  [[nodiscard]] std::string encode(const Body& body); \
  [[nodiscard]] bool decode(std::string_view from, Body& body);
KEELSON_TOPIC_CURSOR_BODIES(KEELSON_TOPIC_CODEC)
#undef KEELSON_TOPIC_CODEC

}  // namespace keelson::topic
