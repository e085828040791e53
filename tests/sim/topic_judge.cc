#include "tests/sim/topic_judge.h"

#include <algorithm>
#include <utility>

namespace keelson::sim_test {

namespace {

std::string at(int32_t partition, int64_t offset) {
  return "partition " + std::to_string(partition) + ", offset " + std::to_string(offset);
}

std::string shown(const SeenRecord& record) {
  return (record.key ? *record.key : "no key") + " = " + (record.value ? *record.value : "a tombstone");
}

const SeenRecord* find_at(const std::vector<SeenRecord>& records, int64_t offset) {
  for (const SeenRecord& record : records) {
    if (record.offset == offset) return &record;
  }
  return nullptr;
}

}  // namespace

TopicJudge::MessageId TopicJudge::sent(Message message) {
  by_value_.emplace(message.value, messages_.size());
  messages_.push_back({std::move(message), MessageFate::kUnknown, -1});
  return messages_.size() - 1;
}

void TopicJudge::acknowledged(MessageId id, int64_t offset) {
  messages_[id].fate = MessageFate::kAcknowledged;
  messages_[id].offset = offset;
  ++acknowledgements_;
}

void TopicJudge::refused(MessageId id) { messages_[id].fate = MessageFate::kRefused; }

TopicJudge::TransactionId TopicJudge::began() {
  transactions_.push_back(TransactionFate::kUnknown);
  return transactions_.size() - 1;
}

void TopicJudge::ended(TransactionId id, TransactionFate fate) { transactions_[id] = fate; }

void TopicJudge::violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

void TopicJudge::saw(int32_t partition, const SeenRecord& record) {
  const auto [known, is_new] = seen_[partition].emplace(record.offset, record);
  if (!is_new && known->second != record) {
    violate(at(partition, record.offset) + " was " + shown(known->second) + " and is " + shown(record));
  }
}

void TopicJudge::delivered(const std::string& group, int32_t partition, int64_t offset) {
  delivered_[{group, partition}].insert(offset);
}

void TopicJudge::committed(const std::string& group, int32_t partition, int64_t offset) {
  int64_t& floor = committed_.try_emplace({group, partition}, offset).first->second;
  floor = std::max(floor, offset);
}

int64_t TopicJudge::committed_floor(const std::string& group, int32_t partition) const {
  const auto known = committed_.find({group, partition});
  return known == committed_.end() ? -1 : known->second;
}

void TopicJudge::found_committed(const std::string& group, int32_t partition, int64_t offset, int64_t floor) {
  if (offset < floor) {
    violate("group " + group + ", partition " + std::to_string(partition) + ": the committed offset went back from " +
            std::to_string(floor) + " to " + std::to_string(offset));
  }
  committed(group, partition, offset);
}

const TopicJudge::Sent* TopicJudge::find(std::string_view value) const {
  const auto found = by_value_.find(value);
  return found == by_value_.end() ? nullptr : &messages_[found->second];
}

std::string TopicJudge::judge_record(int32_t partition, const SeenRecord& record, const Sent** found) const {
  // Tombstones carry nothing that tells them apart.
  if (!record.value) return "";
  const Sent* sent = find(*record.value);
  if (sent == nullptr || sent->message.partition != partition || sent->message.key != record.key) {
    return at(partition, record.offset) + ": nobody sent " + shown(record);
  }
  if (sent->fate == MessageFate::kRefused) {
    return at(partition, record.offset) + ": " + shown(record) + " was refused, and stands there";
  }
  *found = sent;
  return "";
}

std::string TopicJudge::judge_order(int32_t partition, const std::vector<SeenRecord>& records) const {
  int64_t last = -1;
  std::map<uint32_t, const Sent*> last_of;
  for (const SeenRecord& record : records) {
    if (record.offset <= last) return at(partition, record.offset) + " comes behind " + std::to_string(last);
    last = record.offset;
    const Sent* sent = nullptr;
    if (std::string wrong = judge_record(partition, record, &sent); !wrong.empty()) return wrong;
    if (sent == nullptr || !sent->message.is_idempotent) continue;
    const Sent*& before = last_of[sent->message.writer];
    if (before == sent) return at(partition, record.offset) + ": " + shown(record) + " stands there twice";
    if (before != nullptr && before > sent) {
      return at(partition, record.offset) + ": " + shown(record) + " was sent ahead of " + before->message.value;
    }
    before = sent;
  }
  return "";
}

std::string TopicJudge::judge_acknowledged(int32_t partition, const Partition& end) const {
  std::map<int64_t, const SeenRecord*> by_offset;
  for (const SeenRecord& record : end.all) by_offset[record.offset] = &record;
  for (const Sent& sent : messages_) {
    if (sent.fate != MessageFate::kAcknowledged || sent.message.partition != partition || sent.offset < end.start) {
      continue;
    }
    const auto found = by_offset.find(sent.offset);
    if (found == by_offset.end()) {
      return at(partition, sent.offset) + ": " + sent.message.value + " was acknowledged and is lost";
    }
    const SeenRecord& record = *found->second;
    const bool fits = sent.message.is_tombstone ? !record.value : record.value == sent.message.value;
    if (!fits || record.key != sent.message.key) {
      return at(partition, sent.offset) + ": " + sent.message.value + " was acknowledged, and " + shown(record) +
             " stands there";
    }
  }
  return "";
}

// What is no part of a transaction is seen as it stands; of an aborted one nothing is.
std::string TopicJudge::judge_committed(int32_t partition, const Partition& end) const {
  std::map<int64_t, const SeenRecord*> visible;
  for (const SeenRecord& record : end.committed) {
    visible[record.offset] = &record;
    const SeenRecord* there = find_at(end.all, record.offset);
    if (there == nullptr || *there != record) {
      return at(partition, record.offset) + ": " + shown(record) + " is seen by readers of committed data alone";
    }
  }
  for (const SeenRecord& record : end.all) {
    const Sent* sent = record.value ? find(*record.value) : nullptr;
    if (sent == nullptr) continue;
    const bool is_visible = visible.contains(record.offset);
    if (!sent->message.transaction) {
      if (!is_visible) return at(partition, record.offset) + ": " + shown(record) + " is not seen as committed";
      continue;
    }
    const TransactionFate fate = transactions_[*sent->message.transaction];
    if (fate == TransactionFate::kAborted && is_visible) {
      return at(partition, record.offset) + ": " + shown(record) + " was aborted, and is seen";
    }
    if (fate == TransactionFate::kCommitted && !is_visible) {
      return at(partition, record.offset) + ": " + shown(record) + " was committed, and is not seen";
    }
  }
  return "";
}

std::string TopicJudge::judge_seen(int32_t partition, const Partition& end, bool may_be_gone) const {
  const auto seen = seen_.find(partition);
  if (seen == seen_.end()) return "";
  std::map<int64_t, const SeenRecord*> visible;
  for (const SeenRecord& record : end.committed) visible[record.offset] = &record;
  for (const auto& [offset, record] : seen->second) {
    if (offset < end.start) continue;
    const auto found = visible.find(offset);
    if (found == visible.end()) {
      if (may_be_gone) continue;
      return at(partition, offset) + ": " + shown(record) + " was read as committed and is gone";
    }
    if (*found->second != record) {
      return at(partition, offset) + " was read as " + shown(record) + " and is " + shown(*found->second);
    }
  }
  return "";
}

std::string TopicJudge::judge(int32_t partition, const Partition& end) const {
  if (!violation_.empty()) return violation_;
  if (std::string wrong = judge_order(partition, end.all); !wrong.empty()) return wrong;
  if (std::string wrong = judge_acknowledged(partition, end); !wrong.empty()) return wrong;
  if (std::string wrong = judge_committed(partition, end); !wrong.empty()) return wrong;
  return judge_seen(partition, end, false);
}

std::string TopicJudge::judge_compacted(int32_t partition, const Partition& end) const {
  if (!violation_.empty()) return violation_;
  if (std::string wrong = judge_order(partition, end.all); !wrong.empty()) return wrong;
  if (std::string wrong = judge_seen(partition, end, true); !wrong.empty()) return wrong;
  // A key's writer is alone with it: what it sent last and was answered for stands, or what it sent behind that.
  std::map<std::string, const Sent*> last;
  for (const Sent& sent : messages_) {
    if (sent.message.partition == partition && sent.fate == MessageFate::kAcknowledged && sent.offset >= end.start) {
      const Sent*& known = last[*sent.message.key];
      if (known == nullptr || known->offset < sent.offset) known = &sent;
    }
  }
  for (const auto& [key, sent] : last) {
    const SeenRecord* there = nullptr;
    for (const SeenRecord& record : end.all) {
      if (record.key == key) there = &record;
    }
    if (there == nullptr) {
      if (sent->message.is_tombstone) continue;
      return "partition " + std::to_string(partition) + ": " + sent->message.value + ", the last of " + key +
             ", is lost";
    }
    if (there->offset < sent->offset) {
      return at(partition, there->offset) + ": " + shown(*there) + " is back, for " + sent->message.value +
             " came behind it";
    }
  }
  return "";
}

std::string TopicJudge::judge_group(const std::string& group, int32_t partition, int64_t from,
                                    const Partition& end) const {
  const auto delivered = delivered_.find({group, partition});
  for (const SeenRecord& record : end.committed) {
    if (record.offset < from || record.offset < end.start) continue;
    if (delivered == delivered_.end() || !delivered->second.contains(record.offset)) {
      return at(partition, record.offset) + ": " + shown(record) + " was never given to group " + group;
    }
  }
  return "";
}

std::string TopicJudge::judge_transactions(const std::map<int32_t, Partition>& ends) const {
  std::set<std::string_view> visible;
  std::map<int32_t, int64_t> starts;
  for (const auto& [partition, end] : ends) {
    starts[partition] = end.start;
    for (const SeenRecord& record : end.committed) {
      if (record.value) visible.insert(*record.value);
    }
  }
  std::map<TransactionId, const Sent*> seen_of, missed_of;
  for (const Sent& sent : messages_) {
    if (!sent.message.transaction || sent.fate != MessageFate::kAcknowledged || sent.message.is_tombstone) continue;
    const auto start = starts.find(sent.message.partition);
    if (start == starts.end() || sent.offset < start->second) continue;
    (visible.contains(sent.message.value) ? seen_of : missed_of)[*sent.message.transaction] = &sent;
  }
  for (const auto& [transaction, sent] : seen_of) {
    const auto missed = missed_of.find(transaction);
    if (missed == missed_of.end()) continue;
    return "transaction " + std::to_string(transaction) + " is seen in part: " + sent->message.value + " is, " +
           missed->second->message.value + " is not";
  }
  return "";
}

}  // namespace keelson::sim_test
