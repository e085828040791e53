#include "engine/topic/group_part.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/check.h"
#include "engine/topic/group_codec.h"
#include "engine/topic/group_commands.h"

namespace keelson::topic {

namespace {

struct Place {
  std::string topic;
  int32_t partition = 0;
  auto operator<=>(const Place&) const = default;
};

struct Position {
  TopicId topic_id{};
  int64_t offset = -1;
  int32_t leader_epoch = -1;
  std::string metadata{};
  int64_t expires_ms = kNoTimestamp;
  int64_t committed_ms = kNoTimestamp;
  uint64_t index = 0;  // of the record: which of two is newer
};

using Positions = std::map<Place, Position>;

// Without positions: what keeps older epochs out.
struct Pending {
  int16_t producer_epoch = -1;
  Positions positions{};
  int32_t coordinator_epoch = 0;  // the greatest that was told with them
};

struct Group {
  GroupHead head{};
  int64_t emptied_ms = kNoTimestamp;
  std::map<std::string, std::string, std::less<>> members{};  // encoded
  Positions offsets{};
  std::map<int64_t, Pending> pending{};  // by producer id
};

// As a checkpoint has it: maps as rows.
struct SavedPosition {
  Place place{};
  Position position{};
};
struct SavedPending {
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  std::vector<SavedPosition> positions{};
};
struct SavedGroup {
  GroupHead head{};
  int64_t emptied_ms = kNoTimestamp;
  std::vector<std::string> members{};
  std::vector<SavedPosition> offsets{};
  std::vector<SavedPending> pending{};
  std::vector<int32_t> coordinator_epochs{};  // of `pending`, in its order; fewer: the rest have none
};
constexpr uint8_t kFormatVersion = 1;

void fields_of(auto& visit, Is<Place> auto& b) { visit(b.topic, b.partition); }
void fields_of(auto& visit, Is<Position> auto& b) {
  visit(b.topic_id, b.offset, b.leader_epoch, b.metadata, b.expires_ms, b.committed_ms, b.index);
}
void fields_of(auto& visit, Is<SavedPosition> auto& b) { visit(b.place, b.position); }
void fields_of(auto& visit, Is<SavedPending> auto& b) { visit(b.producer_id, b.producer_epoch, b.positions); }
void fields_of(auto& visit, Is<SavedGroup> auto& b) {
  visit(b.head, b.emptied_ms, b.members, b.offsets, b.pending, b.coordinator_epochs);
}

std::vector<SavedPosition> rows_of(const Positions& positions) {
  std::vector<SavedPosition> rows;
  rows.reserve(positions.size());
  for (const auto& [place, position] : positions) rows.push_back({place, position});
  return rows;
}
Positions positions_of(std::vector<SavedPosition> rows) {
  Positions positions;
  for (SavedPosition& row : rows)
    positions.emplace_hint(positions.end(), std::move(row.place), std::move(row.position));
  return positions;
}

class GroupPart final : public Part {
 public:
  void apply(const PartContext& context, Code code, std::string_view body, Answer* answer) override;
  void query(const engine::ApplyContext& context, Code code, std::string_view body, Answer& answer) const override;
  void save(Buffer& out) const override;
  Status load(std::string_view saved) override;
  void reset() override { groups_.clear(); }

 private:
  template <class Body>
  void run(const PartContext& context, std::string_view body, Answer& answer) {
    Body decoded;
    answer.error = admit(context, body, decoded);
    if (answer.error == TopicErrc::kOk) answer.error = on(context, decoded, answer);
  }
  template <class Body>
  void look(std::string_view body, Answer& answer) const {
    Body decoded;
    answer.error = decode(body, decoded) ? find(decoded, answer) : TopicErrc::kInvalid;
  }

  TopicErrc on(const engine::ApplyContext& context, CommitOffsets& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, PendOffsets& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, const EndPendingOffsets& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, SaveGroup& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, const DeleteOffsets& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, const DeleteGroup& what, Answer& answer);

  TopicErrc find(const FetchOffsets& what, Answer& answer) const;
  TopicErrc find(const ListGroups& what, Answer& answer) const;
  TopicErrc find(const DescribeGroup& what, Answer& answer) const;
  TopicErrc find(const FindExpiredOffsets& what, Answer& answer) const;

  // Null: there may be no more groups, or none of that name.
  Group* make(std::string_view name);

  std::map<std::string, Group, std::less<>> groups_;
};

bool are_good(const std::vector<GroupOffset>& offsets) {
  return offsets.size() <= kOffsetsMax && std::ranges::all_of(offsets, [](const GroupOffset& each) {
           return each.partition >= 0 && each.topic.size() <= kTopicNameBytesMax &&
                  each.metadata.size() <= kOffsetMetadataBytesMax;
         });
}

void put(const engine::ApplyContext& context, std::vector<GroupOffset>& from, Positions& into) {
  for (GroupOffset& each : from) {
    into.insert_or_assign({std::move(each.topic), each.partition}, Position{.topic_id = each.topic_id,
                                                                            .offset = each.offset,
                                                                            .leader_epoch = each.leader_epoch,
                                                                            .metadata = std::move(each.metadata),
                                                                            .expires_ms = each.expires_ms,
                                                                            .committed_ms = context.time_ms,
                                                                            .index = context.index});
  }
}

GroupOffset offset_of(const Place& place, const Position& position) {
  return {.topic = place.topic,
          .topic_id = position.topic_id,
          .partition = place.partition,
          .offset = position.offset,
          .leader_epoch = position.leader_epoch,
          .metadata = position.metadata,
          .expires_ms = position.expires_ms,
          .committed_ms = position.committed_ms};
}

GroupInfo info_of(const Group& group) {
  return {.head = group.head,
          .member_count = static_cast<uint32_t>(group.members.size()),
          .offset_count = group.offsets.size(),
          .emptied_ms = group.emptied_ms};
}

bool has_pending(const Group& group) {
  return std::ranges::any_of(group.pending, [](const auto& row) { return !row.second.positions.empty(); });
}

bool is_pending(const Group& group, const Place& place) {
  return std::ranges::any_of(group.pending, [&](const auto& row) { return row.second.positions.contains(place); });
}

Group* GroupPart::make(std::string_view name) {
  if (name.size() > kGroupNameBytesMax) return nullptr;
  const auto at = groups_.find(name);
  if (at != groups_.end()) return &at->second;
  if (groups_.size() >= kGroupsMax) return nullptr;
  Group& group = groups_[std::string(name)];
  group.head.name = name;
  return &group;
}

TopicErrc GroupPart::on(const engine::ApplyContext& context, CommitOffsets& what, Answer&) {
  if (!are_good(what.offsets)) return TopicErrc::kInvalid;
  Group* group = make(what.group);
  if (group == nullptr || group->offsets.size() + what.offsets.size() > kOffsetsMax) return TopicErrc::kInvalid;
  put(context, what.offsets, group->offsets);
  return TopicErrc::kOk;
}

TopicErrc GroupPart::on(const engine::ApplyContext& context, PendOffsets& what, Answer&) {
  if (!are_good(what.offsets) || what.producer_id < 0 || what.producer_epoch < 0) return TopicErrc::kInvalid;
  Group* group = make(what.group);
  if (group == nullptr) return TopicErrc::kInvalid;
  const auto present = group->pending.find(what.producer_id);
  if (present != group->pending.end()) {
    Pending& pending = present->second;
    if (pending.producer_epoch > what.producer_epoch) return TopicErrc::kInvalidProducerEpoch;
    // An older epoch's transaction was aborted, whenever this came in.
    if (pending.producer_epoch < what.producer_epoch) pending.positions.clear();
    if (pending.positions.size() + what.offsets.size() > kOffsetsMax) return TopicErrc::kInvalid;
  }
  Pending& pending = group->pending[what.producer_id];
  pending.producer_epoch = what.producer_epoch;
  pending.coordinator_epoch = std::max(pending.coordinator_epoch, what.coordinator_epoch);
  put(context, what.offsets, pending.positions);
  return TopicErrc::kOk;
}

TopicErrc GroupPart::on(const engine::ApplyContext&, const EndPendingOffsets& what, Answer&) {
  const auto at = groups_.find(what.group);
  if (at == groups_.end()) return TopicErrc::kOk;
  Group& group = at->second;
  const auto pending = group.pending.find(what.producer_id);
  const bool is_there = pending != group.pending.end();
  if (is_there && pending->second.producer_epoch > what.producer_epoch) return TopicErrc::kInvalidProducerEpoch;
  const bool is_of_epoch = is_there && pending->second.producer_epoch == what.producer_epoch;
  // It ended the transaction before, long ago, and its producer has gone on with the same epoch.
  if (is_of_epoch && pending->second.coordinator_epoch > what.coordinator_epoch) {
    return TopicErrc::kTransactionCoordinatorFenced;
  }
  if (what.is_commit && is_of_epoch) {
    for (auto& [place, position] : pending->second.positions) {
      const auto present = group.offsets.find(place);
      // Whoever wrote last has the say, although the other's came into force earlier.
      if (present == group.offsets.end()) {
        group.offsets.emplace(place, std::move(position));
      } else if (present->second.index < position.index) {
        present->second = std::move(position);
      }
    }
  }
  if (is_there) group.pending.erase(pending);
  // A producer that was fenced may have been asking for its offsets to be pended at that moment: nobody would end them.
  if (!what.is_commit && !is_of_epoch && group.pending.size() < kFencesMax) {
    group.pending.emplace(what.producer_id, Pending{.producer_epoch = what.producer_epoch});
  }
  if (group.head.type == GroupType::kSimple && group.offsets.empty() && !has_pending(group)) groups_.erase(at);
  return TopicErrc::kOk;
}

TopicErrc GroupPart::on(const engine::ApplyContext& context, SaveGroup& what, Answer&) {
  if (what.members.size() > kGroupMembersMax) return TopicErrc::kInvalid;
  const auto at = groups_.find(what.head.name);
  if (at != groups_.end()) {
    if (at->second.head.epoch > what.head.epoch) return TopicErrc::kIllegalGeneration;
    if (!what.is_whole && at->second.members.size() + what.members.size() > 2 * kGroupMembersMax) {
      return TopicErrc::kInvalid;
    }
  }
  Group* group = make(what.head.name);
  if (group == nullptr) return TopicErrc::kInvalid;
  group->head = std::move(what.head);
  if (what.is_whole) group->members.clear();
  for (const std::string& id : what.removed) group->members.erase(id);
  for (const GroupMember& member : what.members) group->members[member.id] = encode_body(member);
  if (!group->members.empty()) {
    group->emptied_ms = kNoTimestamp;
  } else if (group->emptied_ms == kNoTimestamp) {
    group->emptied_ms = context.time_ms;
  }
  return TopicErrc::kOk;
}

TopicErrc GroupPart::on(const engine::ApplyContext&, const DeleteOffsets& what, Answer&) {
  const auto at = groups_.find(what.group);
  if (at == groups_.end()) return TopicErrc::kUnknownGroup;
  Group& group = at->second;
  for (const GroupOffset& each : what.offsets) {
    const auto found = group.offsets.find({each.topic, each.partition});
    if (found == group.offsets.end()) continue;
    if (what.committed_before_ms && found->second.committed_ms >= *what.committed_before_ms) continue;
    group.offsets.erase(found);
  }
  if (what.removes_empty && group.members.empty() && group.offsets.empty() && !has_pending(group)) {
    groups_.erase(at);
  }
  return TopicErrc::kOk;
}

TopicErrc GroupPart::on(const engine::ApplyContext&, const DeleteGroup& what, Answer&) {
  const auto at = groups_.find(what.group);
  if (at == groups_.end()) return TopicErrc::kUnknownGroup;
  if (!at->second.members.empty()) return TopicErrc::kGroupNotEmpty;
  groups_.erase(at);
  return TopicErrc::kOk;
}

TopicErrc GroupPart::find(const FetchOffsets& what, Answer& answer) const {
  const auto at = groups_.find(what.group);
  if (at == groups_.end()) return TopicErrc::kUnknownGroup;
  const Group& group = at->second;
  const auto add = [&](const Place& place, const Position& position) {
    answer.group_offsets.push_back(offset_of(place, position));
    answer.group_offsets.back().is_pending = is_pending(group, place);
  };
  if (what.is_all) {
    for (const auto& [place, position] : group.offsets) add(place, position);
    return TopicErrc::kOk;
  }
  for (const auto& [topic, partitions] : what.topics) {
    for (const int32_t partition : partitions) {
      Place place{topic, partition};
      const auto found = group.offsets.find(place);
      if (found != group.offsets.end()) {
        add(place, found->second);
      } else if (is_pending(group, place)) {
        answer.group_offsets.push_back({.topic = topic, .partition = partition, .is_pending = true});
      }
    }
  }
  return TopicErrc::kOk;
}

TopicErrc GroupPart::find(const ListGroups& what, Answer& answer) const {
  for (auto at = groups_.upper_bound(what.after); at != groups_.end(); ++at) {
    if (answer.groups.size() >= what.count_max) {
      answer.is_truncated = true;
      break;
    }
    answer.groups.push_back(info_of(at->second));
  }
  return TopicErrc::kOk;
}

TopicErrc GroupPart::find(const DescribeGroup& what, Answer& answer) const {
  const auto at = groups_.find(what.group);
  if (at == groups_.end()) return TopicErrc::kUnknownGroup;
  answer.groups.push_back(info_of(at->second));
  for (const auto& [id, encoded] : at->second.members) {
    const bool is_good = decode_body(encoded, answer.members.emplace_back());
    KEELSON_CHECK(is_good, "a member that this engine encoded does not decode");
  }
  return TopicErrc::kOk;
}

TopicErrc GroupPart::find(const FindExpiredOffsets& what, Answer& answer) const {
  for (auto at = groups_.upper_bound(what.after); at != groups_.end(); ++at) {
    const auto& [name, group] = *at;
    if (!group.members.empty()) continue;
    size_t found = 0;
    for (const auto& [place, position] : group.offsets) {
      const int64_t since_ms = std::max(position.committed_ms, group.emptied_ms);
      const bool is_old = position.expires_ms != kNoTimestamp ? position.expires_ms <= what.now_ms
                                                              : since_ms <= what.now_ms - what.retention_ms;
      if (!is_old || is_pending(group, place)) continue;
      answer.expired.emplace_back(name, offset_of(place, position));
      ++found;
    }
    // A group that nothing is left of goes too; it is named without an offset.
    const bool is_idle = group.emptied_ms != kNoTimestamp && group.emptied_ms <= what.now_ms - what.retention_ms;
    if (group.offsets.empty() && !has_pending(group) && is_idle) {
      answer.expired.emplace_back(name, GroupOffset{.partition = -1});
      ++found;
    }
    if (answer.expired.size() >= what.count_max && found != 0) {
      answer.is_truncated = true;
      break;
    }
  }
  return TopicErrc::kOk;
}

void GroupPart::apply(const PartContext& context, Code code, std::string_view body, Answer* answer) {
  Answer unheard;
  Answer& into = answer == nullptr ? unheard : *answer;
  switch (code) {
    case Code::kCommitOffsets:
      return run<CommitOffsets>(context, body, into);
    case Code::kPendOffsets:
      return run<PendOffsets>(context, body, into);
    case Code::kEndPendingOffsets:
      return run<EndPendingOffsets>(context, body, into);
    case Code::kSaveGroup:
      return run<SaveGroup>(context, body, into);
    case Code::kDeleteOffsets:
      return run<DeleteOffsets>(context, body, into);
    case Code::kDeleteGroup:
      return run<DeleteGroup>(context, body, into);
    default:
      into.error = TopicErrc::kInvalid;
  }
}

void GroupPart::query(const engine::ApplyContext&, Code code, std::string_view body, Answer& answer) const {
  switch (code) {
    case Code::kFetchOffsets:
      return look<FetchOffsets>(body, answer);
    case Code::kListGroups:
      return look<ListGroups>(body, answer);
    case Code::kDescribeGroup:
      return look<DescribeGroup>(body, answer);
    case Code::kFindExpiredOffsets:
      return look<FindExpiredOffsets>(body, answer);
    default:
      answer.error = TopicErrc::kInvalid;
  }
}

// A version byte, then each group with its length in front.
void GroupPart::save(Buffer& out) const {
  append_u8(out, kFormatVersion);
  for (const auto& [name, group] : groups_) {
    SavedGroup saved{.head = group.head, .emptied_ms = group.emptied_ms, .offsets = rows_of(group.offsets)};
    for (const auto& [id, encoded] : group.members) saved.members.push_back(encoded);
    for (const auto& [id, pending] : group.pending) {
      saved.pending.push_back({id, pending.producer_epoch, rows_of(pending.positions)});
      saved.coordinator_epochs.push_back(pending.coordinator_epoch);
    }
    append_string(out, encode_body(saved));
  }
}

Status GroupPart::load(std::string_view saved) {
  uint8_t version = 0;
  if (!read_u8(saved, version) || version != kFormatVersion) {
    return fail(std::make_error_code(std::errc::bad_message), "groups: a checkpoint of another format");
  }
  while (!saved.empty()) {
    std::string_view bytes;
    SavedGroup row;
    if (!read_string(saved, bytes) || !decode_body(bytes, row)) {
      return fail(std::make_error_code(std::errc::bad_message), "groups: a checkpoint with a group that is malformed");
    }
    Group& group = groups_[row.head.name];
    group.head = std::move(row.head);
    group.emptied_ms = row.emptied_ms;
    for (std::string& encoded : row.members) {
      GroupMember member;
      if (!decode_body(encoded, member)) {
        return fail(std::make_error_code(std::errc::bad_message), "groups: a checkpoint with a malformed member");
      }
      group.members.emplace(std::move(member.id), std::move(encoded));
    }
    group.offsets = positions_of(std::move(row.offsets));
    for (size_t i = 0; i < row.pending.size(); ++i) {
      SavedPending& each = row.pending[i];
      const int32_t coordinator_epoch = i < row.coordinator_epochs.size() ? row.coordinator_epochs[i] : 0;
      group.pending.emplace(each.producer_id,
                            Pending{each.producer_epoch, positions_of(std::move(each.positions)), coordinator_epoch});
    }
  }
  return {};
}

}  // namespace

std::unique_ptr<Part> make_group_part() { return std::make_unique<GroupPart>(); }

}  // namespace keelson::topic
