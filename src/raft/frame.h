// What members of a group send to one another through the Messenger. Pure functions over bytes.
//
//   frame    = kind (u8), then by kind:
//     1 raft      an eraftpb.Message
//     2 forward   u64 term, u64 previous, records (batch.h): proposals for the leader of that term. `previous` is the
//                 number of the sender's proposal before these in this term, 0 for the first: so the leader notices
//                 what was lost.
//     3 missing   u64 term, u64 last: the answer to a forward that leaves a gap: send again what is behind `last`
//     4 sleep     u64 term, u64 index: from the leader of that term to its followers, when every member holds the log
//                 up to that index, all of it committed: nobody needs ticks until something happens
//     5 wake      u64 term: the sender is awake; whoever sleeps shall be too
//
// A kind that is not known is dropped: it is of a newer version, which must do without an answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::raft {

enum class FrameKind : uint8_t { kRaft = 1, kForward = 2, kMissing = 3, kSleep = 4, kWake = 5 };

struct Frame {
  FrameKind kind = FrameKind::kRaft;
  uint64_t term = 0;
  uint64_t number = 0;    // previous, last, index
  std::string_view rest;  // the message, or records
};

// `out` is replaced.
void encode_frame(const Frame& frame, std::string& out);
[[nodiscard]] bool decode_frame(std::string_view bytes, Frame& frame);
// Of an encoded eraftpb.Message as raft-rs writes it: appends may have to wait for what is applied; a snapshot may only
// come with its file; a follower's request for a read index promises nothing, so it waits for no disk.
[[nodiscard]] bool is_append(std::string_view message);
[[nodiscard]] bool is_snapshot(std::string_view message);
[[nodiscard]] bool is_read_request(std::string_view message);

}  // namespace keelson::raft
