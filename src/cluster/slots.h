// Which shard has which slots, as the cluster has agreed on it, and the slots that are on their way from one shard to
// another. Keys of the system shard (state.h):
//
//   /keelson/cluster/slots       where the map differs from the static division (shard/router.h): lines "0-99 3"
//   /keelson/cluster/next-move   the number of the next move
//   /keelson/cluster/moves/<id>  fields of one move (SlotMove)
//
// A move goes through these phases. In the first and the third, each attempt at it begins by writing its key anew; the
// key's mod revision then is the attempt's epoch, which grows and is nobody else's.
//
//   copying       the slots are `from`'s: they are copied to `to` while clients write
//   handing-over  the map says `to` (written in the same transaction): `from` gives them up, then `to` owns them
//   giving-up     the slots stay `from`'s, and what `to` has of them is deleted
//   failed        that is done, and the key says why; the next move of any of these slots deletes it
//
// Values and pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cluster/fields.h"
#include "log/commit_log.h"

namespace keelson::cluster {

using log::ShardId;

// Slots first to last (included) belong to a shard.
struct SlotRun {
  uint16_t first = 0;
  uint16_t last = 0;
  ShardId shard = 0;
  friend bool operator==(const SlotRun&, const SlotRun&) = default;
};

// Ascending, without overlaps; anything else is not understood.
[[nodiscard]] std::string format_slot_runs(const std::vector<SlotRun>& runs);
[[nodiscard]] std::optional<std::vector<SlotRun>> parse_slot_runs(std::string_view text);
// "7" for one slot, else "7-9".
[[nodiscard]] std::string format_slots(uint16_t first, uint16_t last);

// The whole map.
class SlotOwners {
 public:
  // The static division between `shards` (ascending), and what differs from it. Runs of other shards are passed over.
  SlotOwners(const std::vector<ShardId>& shards, const std::vector<SlotRun>& differences);

  // There are shards.
  [[nodiscard]] ShardId owner(uint16_t slot) const { return owners_[slot]; }
  void give(uint16_t first, uint16_t last, ShardId shard);
  // All of it, ascending, each as long as can be; none without shards.
  [[nodiscard]] std::vector<SlotRun> runs() const;
  // Where it differs from the static division.
  [[nodiscard]] std::vector<SlotRun> differences() const;

 private:
  std::vector<ShardId> static_;
  std::vector<ShardId> owners_;
};

enum class MovePhase : uint8_t { kCopying, kHandingOver, kGivingUp, kFailed };
[[nodiscard]] std::string_view name_of(MovePhase phase);

struct SlotMove {
  uint64_t id = 0;
  uint16_t first = 0;
  uint16_t last = 0;
  ShardId from = 0;
  ShardId to = 0;
  MovePhase phase = MovePhase::kCopying;
  uint64_t attempt = 0;  // how often it was begun
  uint64_t epoch = 0;    // kHandingOver: of the attempt that got there
  std::string why;       // kGivingUp, kFailed: a line
  Fields fields;         // with what this version does not know

  [[nodiscard]] bool is_under_way() const { return phase != MovePhase::kFailed; }
  [[nodiscard]] bool overlaps(uint16_t a, uint16_t b) const { return first <= b && a <= last; }
  bool operator==(const SlotMove&) const = default;
};
[[nodiscard]] std::string move_key(uint64_t id);
[[nodiscard]] std::string format_move(const SlotMove& move);
[[nodiscard]] std::optional<SlotMove> parse_move(uint64_t id, std::string_view value);

using SlotMoves = std::map<uint64_t, SlotMove>;

// What somebody wants, in the cluster as it is.
struct SlotWish {
  const std::vector<ShardId>& shards;  // between which slots are divided, ascending
  const SlotOwners& owners;
  const SlotMoves& moves;
};

// The moves (without numbers) that bring first..last to `to`: one for each run of slots with one owner, none for slots
// that it has already. kNotFound without such a shard or slot, kNotAllowed when nothing is to be moved, a slot is in
// another move, or too many would wait.
[[nodiscard]] Result<std::vector<SlotMove>> plan_moves(const SlotWish& wish, uint64_t first, uint64_t last,
                                                       uint64_t to);

struct Rebalance {
  std::vector<SlotMove> moves;  // at most kMovesPlannedMax
  bool is_all = true;           // else more are needed behind these
};
// The moves after which no shard has over one slot more than another. Slots that are in a move count for the shard that
// gets them, and stay out of it. Few and long runs: a shard gives its first slots.
[[nodiscard]] Rebalance plan_rebalance(const SlotWish& wish);

// The moves that are worked on now, of those that are there: all that are handed over or given up, and, in the order of
// their numbers, at most `most` that copy; those only from and to shards that no other one of them gives or gets.
[[nodiscard]] std::vector<SlotMove> moves_due(const SlotMoves& moves, size_t most);

// Moves that may be there at once, waiting ones among them: a status shows all, and each costs a key of 100 bytes.
inline constexpr size_t kMovesWaitingMax = 1'024;
// Moves that one transaction begins: etcd's own bound of operations is 128, and some delete failed ones.
inline constexpr size_t kMovesPlannedMax = 64;

}  // namespace keelson::cluster
