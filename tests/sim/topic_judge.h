// What a topic promises, stated by one who knows nothing of how it is kept: writers and readers tell it what they sent
// and saw, and it says what does not fit.
//
//   - A message that was acknowledged stands at the offset that was told, until the log is trimmed beyond it.
//   - Nothing stands there that nobody sent. What was refused does not stand there.
//   - Of an idempotent writer: each message at most once, and in the order in which it sent them.
//   - Of a transaction: readers of committed data see all of it or none of it; all if the commit was answered, none if
//     the abort was.
//   - What a reader of committed data saw at an offset stands there ever after.
//   - A group has been given every message of the committed view; the offsets that it committed never go back.
//   - Of a compacted topic: the last value of each key is there, whatever else is.
//
// Values are unique: they name their message.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::sim_test {

enum class MessageFate : uint8_t { kUnknown, kAcknowledged, kRefused };
enum class TransactionFate : uint8_t { kUnknown, kCommitted, kAborted };

struct SeenRecord {
  int64_t offset = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;  // none: a tombstone
  bool operator==(const SeenRecord&) const = default;
};

class TopicJudge {
 public:
  using MessageId = size_t;
  using TransactionId = size_t;

  // ---- What writers tell. A writer is named by a number; of one writer on one partition, calls come in the order in
  // which it sent.

  struct Message {
    uint32_t writer = 0;
    int32_t partition = 0;
    std::optional<std::string> key;
    std::string value;  // unique, also where a tombstone is sent
    bool is_tombstone = false;
    bool is_idempotent = false;
    std::optional<TransactionId> transaction{};
  };
  MessageId sent(Message message);
  void acknowledged(MessageId id, int64_t offset);
  void refused(MessageId id);
  TransactionId began();
  void ended(TransactionId id, TransactionFate fate);

  // ---- What readers tell.

  // A reader of committed data was given this one.
  void saw(int32_t partition, const SeenRecord& record);
  // A member of the group was given it.
  void delivered(const std::string& group, int32_t partition, int64_t offset);
  // A commit was answered. The group's members commit one after another, each at or behind where the one before it was.
  void committed(const std::string& group, int32_t partition, int64_t offset);
  // What a question for the committed offset that is asked now must be answered with, or with more.
  [[nodiscard]] int64_t committed_floor(const std::string& group, int32_t partition) const;
  void found_committed(const std::string& group, int32_t partition, int64_t offset, int64_t floor);

  // ---- The verdict. Empty, or what is wrong.

  // Everything that stands there at the end: as readers of uncommitted data see it, and of committed data.
  struct Partition {
    int64_t start = 0;
    std::vector<SeenRecord> all;
    std::vector<SeenRecord> committed;
  };
  [[nodiscard]] std::string judge(int32_t partition, const Partition& end) const;
  // The same of a compacted topic: records may be gone.
  [[nodiscard]] std::string judge_compacted(int32_t partition, const Partition& end) const;
  // That the group was given all of it, but what lay below `from` when it began.
  [[nodiscard]] std::string judge_group(const std::string& group, int32_t partition, int64_t from,
                                        const Partition& end) const;
  // The transactions of the topic, over all its partitions; once every one of them has been ended by somebody.
  [[nodiscard]] std::string judge_transactions(const std::map<int32_t, Partition>& ends) const;
  // What was found wrong on the way.
  [[nodiscard]] const std::string& violation() const { return violation_; }

  [[nodiscard]] uint64_t messages() const { return messages_.size(); }
  [[nodiscard]] uint64_t acknowledgements() const { return acknowledgements_; }

 private:
  struct Sent {
    Message message;
    MessageFate fate = MessageFate::kUnknown;
    int64_t offset = -1;
  };

  [[nodiscard]] const Sent* find(std::string_view value) const;
  [[nodiscard]] std::string judge_record(int32_t partition, const SeenRecord& record, const Sent** found) const;
  [[nodiscard]] std::string judge_order(int32_t partition, const std::vector<SeenRecord>& records) const;
  [[nodiscard]] std::string judge_acknowledged(int32_t partition, const Partition& end) const;
  [[nodiscard]] std::string judge_committed(int32_t partition, const Partition& end) const;
  [[nodiscard]] std::string judge_seen(int32_t partition, const Partition& end, bool may_be_gone) const;
  void violate(const std::string& what);

  std::vector<Sent> messages_;
  std::map<std::string, MessageId, std::less<>> by_value_;
  std::vector<TransactionFate> transactions_;
  std::map<int32_t, std::map<int64_t, SeenRecord>> seen_;
  std::map<std::pair<std::string, int32_t>, std::set<int64_t>> delivered_;
  std::map<std::pair<std::string, int32_t>, int64_t> committed_;
  uint64_t acknowledgements_ = 0;
  std::string violation_;
};

}  // namespace keelson::sim_test
