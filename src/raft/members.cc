#include "raft/members.h"

#include <algorithm>

#include "base/coding.h"

namespace keelson::raft {

namespace {

// More than a group will ever have; what says more is not a list of members.
constexpr uint64_t kMembersMax = 1000;

std::vector<NodeId> copy(KrIds ids) { return {ids.ids, ids.ids + ids.count}; }
KrIds view_of(const std::vector<NodeId>& ids) { return {ids.data(), ids.size()}; }

void append_ids(const std::vector<NodeId>& ids, Buffer& out) {
  append_varint(out, ids.size());
  for (const NodeId id : ids) append_varint(out, id);
}

bool read_ids(std::string_view& from, std::vector<NodeId>& ids) {
  uint64_t count = 0;
  if (!read_varint(from, count) || count > kMembersMax) return false;
  ids.clear();
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t id = 0;
    if (!read_varint(from, id)) return false;
    ids.push_back(id);
  }
  return true;
}

}  // namespace

Members Members::of(const KrMembers& from) {
  return {copy(from.voters), copy(from.learners), copy(from.voters_outgoing), copy(from.learners_next),
          from.auto_leave};
}

KrMembers Members::view() const {
  return {view_of(voters), view_of(learners), view_of(voters_outgoing), view_of(learners_next), auto_leave};
}

bool Members::holds(NodeId node) const {
  const auto has = [node](const std::vector<NodeId>& ids) { return std::ranges::find(ids, node) != ids.end(); };
  return has(voters) || has(learners) || has(voters_outgoing) || has(learners_next);
}

void append_members(const Members& members, Buffer& out) {
  append_ids(members.voters, out);
  append_ids(members.learners, out);
  append_ids(members.voters_outgoing, out);
  append_ids(members.learners_next, out);
  append_u8(out, members.auto_leave ? 1 : 0);
}

bool read_members(std::string_view& from, Members& members) {
  uint8_t auto_leave = 0;
  if (!read_ids(from, members.voters) || !read_ids(from, members.learners) ||
      !read_ids(from, members.voters_outgoing) || !read_ids(from, members.learners_next) ||
      !read_u8(from, auto_leave) || auto_leave > 1) {
    return false;
  }
  members.auto_leave = auto_leave == 1;
  return true;
}

}  // namespace keelson::raft
