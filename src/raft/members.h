// Who belongs to a Raft group, as values (eraftpb.ConfState).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "log/agreed_log.h"
#include "raft/core/raft_core.h"

namespace keelson::raft {

using log::NodeId;
using log::ShardId;

struct Members {
  std::vector<NodeId> voters;
  std::vector<NodeId> learners;
  // Not empty: in joint consensus, which needs a majority of these too.
  std::vector<NodeId> voters_outgoing;
  std::vector<NodeId> learners_next;
  bool auto_leave = false;

  static Members of(const KrMembers& from);
  // Holds as long as this does and is not changed.
  [[nodiscard]] KrMembers view() const;
  [[nodiscard]] bool holds(NodeId node) const;
  [[nodiscard]] bool is_joint() const { return !voters_outgoing.empty(); }
  bool operator==(const Members&) const = default;
};

// Four lists of ids, each with its length in front, then a byte for auto_leave; numbers are varints.
void append_members(const Members& members, Buffer& out);
[[nodiscard]] bool read_members(std::string_view& from, Members& members);

}  // namespace keelson::raft
