// The times and bounds of src/cluster/service.h's parts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson::cluster {

inline constexpr int64_t kNsPerMs = 1'000'000;
// Between two looks at the placement while this node leads the system shard.
inline constexpr int64_t kDriveEveryMs = 500;
// The same while groups are on their way.
inline constexpr int64_t kMovingEveryMs = 100;
// Between attempts to read or write the system shard while it has no leader.
inline constexpr int64_t kRetryMs = 200;
// Of a call to another node about its replicas.
inline constexpr int64_t kCallTimeoutMs = 2'000;
// Of what topics ask: a little longer than a shard takes to say that nobody leads it (shard/replica.h).
inline constexpr int64_t kTopicTimeoutMs = 6'000;
// Groups that change at a time: each may have a checkpoint sent to a new replica.
inline constexpr size_t kCopiesMax = 4;
// Likewise, with those in which next to nothing was ever written (up to that entry): their checkpoints are small.
inline constexpr size_t kMovesMax = 64;
inline constexpr uint64_t kSmallCommitMax = 100;
// Leads that go to other nodes at a time.
inline constexpr size_t kLeadMovesMax = 16;
// Moves of slots that copy at a time: each keeps a reactor busy, and fills two groups' logs.
inline constexpr size_t kSlotMovesMax = 4;
// Of calls about slots: a change of a table, and a record of an import. A group without a leader for a moment may take
// an election.
inline constexpr int64_t kSlotCallTimeoutMs = 2'000;
inline constexpr int64_t kImportTimeoutMs = 5'000;
// Until a wipe that is not done is answered with "not yet".
inline constexpr int64_t kWipeAnswerMs = 1'000;
// Between two looks at something that is about to happen.
inline constexpr int64_t kLookMs = 2;
// A node that has not seen a change of the state for this long is behind.
inline constexpr int64_t kFollowMs = 1'000;
// Shards whose placement one transaction changes (etcd's own bound of operations is 128).
inline constexpr size_t kPutsMax = 100;

}  // namespace keelson::cluster
