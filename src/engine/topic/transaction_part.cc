#include "engine/topic/transaction_part.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "engine/topic/body_codec.h"
#include "engine/topic/transaction_commands.h"

namespace keelson::topic {

static void fields_of(auto& visit, Is<AllocateProducerIds> auto& b) { visit(b.count); }
static void fields_of(auto& visit, Is<InitProducer> auto& b) {
  visit(b.id, b.timeout_ms, b.new_producer_id, b.expected_producer_id, b.expected_epoch, b.claim);
}
static void fields_of(auto& visit, Is<AddToTransaction> auto& b) {
  visit(b.id, b.producer_id, b.producer_epoch, b.partitions, b.groups, b.claim);
}
static void fields_of(auto& visit, Is<EndTransaction> auto& b) {
  visit(b.id, b.producer_id, b.producer_epoch, b.is_commit, b.claim);
}
static void fields_of(auto& visit, Is<TimeOutTransaction> auto& b) {
  visit(b.id, b.producer_id, b.producer_epoch, b.started_ms, b.claim);
}
static void fields_of(auto& visit, Is<CompleteTransaction> auto& b) {
  visit(b.id, b.producer_id, b.producer_epoch, b.claim);
}
static void fields_of(auto& visit, Is<ExpireTransactionalId> auto& b) { visit(b.id, b.updated_ms, b.claim); }
static void fields_of(auto& visit, Is<VerifyTransaction> auto& b) {
  visit(b.id, b.producer_id, b.producer_epoch, b.partitions, b.groups);
}
static void fields_of(auto& visit, Is<FindTransaction> auto& b) { visit(b.id); }
static void fields_of(auto& visit, Is<ListTransactions> auto& b) { visit(b.after, b.count_max); }
static void fields_of(auto& visit, Is<FindDueTransactions> auto& b) {
  visit(b.after, b.now_ms, b.expiration_ms, b.count_max);
}
static void fields_of(auto& visit, Is<TransactionInfo> auto& b) {
  visit(b.id, b.state, b.producer_id, b.last_producer_id, b.producer_epoch, b.last_producer_epoch, b.timeout_ms,
        b.started_ms, b.updated_ms, b.partitions, b.groups);
}

#define KEELSON_TOPIC_CODEC(Body)                                    \
  std::string encode(const Body& body) { return encode_body(body); } \
  bool decode(std::string_view from, Body& body) { return decode_body(from, body); }
KEELSON_TOPIC_TRANSACTION_BODIES(KEELSON_TOPIC_CODEC)
#undef KEELSON_TOPIC_CODEC

std::string_view state_name(TransactionState state) {
  switch (state) {
    case TransactionState::kEmpty:
      return "Empty";
    case TransactionState::kOngoing:
      return "Ongoing";
    case TransactionState::kPrepareCommit:
      return "PrepareCommit";
    case TransactionState::kPrepareAbort:
      return "PrepareAbort";
    case TransactionState::kCompleteCommit:
      return "CompleteCommit";
    case TransactionState::kCompleteAbort:
      return "CompleteAbort";
    case TransactionState::kDead:
      return "Dead";
  }
  return "Unknown";
}

namespace {

constexpr uint8_t kFormatVersion = 1;

struct Transaction {
  TransactionState state = TransactionState::kEmpty;
  int64_t producer_id = kNoProducerId;
  int64_t last_producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  int16_t last_producer_epoch = -1;
  int32_t timeout_ms = 0;
  int64_t started_ms = kNoTimestamp;
  int64_t updated_ms = kNoTimestamp;
  std::set<PartitionId> partitions{};
  std::set<std::string, std::less<>> groups{};

  [[nodiscard]] bool is_prepared() const {
    return state == TransactionState::kPrepareCommit || state == TransactionState::kPrepareAbort;
  }
};

TransactionInfo info_of(const std::string& id, const Transaction& from, bool with_members) {
  TransactionInfo info{.id = id,
                       .state = from.state,
                       .producer_id = from.producer_id,
                       .last_producer_id = from.last_producer_id,
                       .producer_epoch = from.producer_epoch,
                       .last_producer_epoch = from.last_producer_epoch,
                       .timeout_ms = from.timeout_ms,
                       .started_ms = from.started_ms,
                       .updated_ms = from.updated_ms};
  if (with_members) {
    info.partitions.assign(from.partitions.begin(), from.partitions.end());
    info.groups.assign(from.groups.begin(), from.groups.end());
  }
  return info;
}

class TransactionPart final : public Part {
 public:
  void apply(const PartContext& context, Code code, std::string_view body, Answer* answer) override;
  void query(const engine::ApplyContext& context, Code code, std::string_view body, Answer& answer) const override;
  void save(Buffer& out) const override;
  Status load(std::string_view saved) override;
  void reset() override {
    next_producer_id_ = 0;
    ids_.clear();
  }

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

  TopicErrc on(const engine::ApplyContext& context, const AllocateProducerIds& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, const InitProducer& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, AddToTransaction& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, const EndTransaction& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, const TimeOutTransaction& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, const CompleteTransaction& what, Answer& answer);
  TopicErrc on(const engine::ApplyContext& context, const ExpireTransactionalId& what, Answer& answer);

  TopicErrc find(const VerifyTransaction& what, Answer& answer) const;
  TopicErrc find(const FindTransaction& what, Answer& answer) const;
  TopicErrc find(const ListTransactions& what, Answer& answer) const;
  TopicErrc find(const FindDueTransactions& what, Answer& answer) const;

  // kOk: `found` is the id's, and the producer is its present one.
  TopicErrc find_producer(std::string_view id, int64_t producer_id, int16_t epoch, Transaction*& found);

  int64_t next_producer_id_ = 0;
  std::map<std::string, Transaction, std::less<>> ids_;
};

// It asks again the question that led to the present epoch (KIP-360).
bool is_repeated(const Transaction& present, const InitProducer& what) {
  if (what.expected_producer_id == kNoProducerId || present.last_producer_epoch < 0) return false;
  const int64_t asked = present.last_producer_id == kNoProducerId ? present.producer_id : present.last_producer_id;
  return what.expected_producer_id == asked && what.expected_epoch == present.last_producer_epoch;
}

// Whoever asks is neither unknown, nor the one that has the id now, nor the one that asked for what it is now.
bool is_fenced(const Transaction& present, const InitProducer& what) {
  if (what.expected_producer_id == kNoProducerId || present.producer_epoch < 0) return false;
  const bool is_present =
      what.expected_producer_id == present.producer_id && what.expected_epoch == present.producer_epoch;
  return !is_present && !is_repeated(present, what);
}

// The next epoch, or the answer that was given before to the same question.
TopicErrc bump(Transaction& present, const InitProducer& what) {
  const bool is_again = is_repeated(present, what);
  // Unless its transaction was aborted meanwhile with that epoch, which is never given to anybody.
  if (is_again && present.state == TransactionState::kEmpty) return TopicErrc::kOk;
  const int16_t last = what.expected_producer_id == kNoProducerId ? int16_t{-1}
                       : is_again                                 ? present.last_producer_epoch
                                                                  : present.producer_epoch;
  if (present.producer_epoch >= kProducerEpochMax) {
    if (what.new_producer_id < 0) return TopicErrc::kInvalid;
    present.last_producer_id = present.producer_id;
    present.producer_id = what.new_producer_id;
    present.producer_epoch = 0;
  } else {
    present.last_producer_id = kNoProducerId;
    ++present.producer_epoch;
  }
  present.last_producer_epoch = last;
  return TopicErrc::kOk;
}

// Decided to be aborted, with an epoch that fences whoever writes.
void fence_and_abort(const engine::ApplyContext& context, Transaction& present) {
  ++present.producer_epoch;
  present.last_producer_epoch = -1;
  present.last_producer_id = kNoProducerId;
  present.state = TransactionState::kPrepareAbort;
  present.updated_ms = context.time_ms;
}

TopicErrc TransactionPart::on(const engine::ApplyContext&, const AllocateProducerIds& what, Answer& answer) {
  if (what.count == 0) return TopicErrc::kInvalid;
  answer.producer_id = next_producer_id_;
  next_producer_id_ += what.count;
  return TopicErrc::kOk;
}

TopicErrc TransactionPart::on(const engine::ApplyContext& context, const InitProducer& what, Answer& answer) {
  if (what.id.empty() || what.id.size() > kTransactionalIdBytesMax) return TopicErrc::kInvalid;
  auto at = ids_.find(what.id);
  if (at == ids_.end()) {
    if (ids_.size() >= kTransactionalIdsMax || what.new_producer_id < 0) return TopicErrc::kInvalid;
    at = ids_.emplace(what.id, Transaction{.producer_id = what.new_producer_id}).first;
  }
  Transaction& present = at->second;
  if (is_fenced(present, what)) return TopicErrc::kInvalidProducerEpoch;
  if (present.is_prepared()) return TopicErrc::kConcurrentTransactions;
  if (present.state == TransactionState::kOngoing) {
    const int16_t asking = present.producer_epoch;
    fence_and_abort(context, present);
    // It will ask again with the epoch that it knows.
    if (what.expected_producer_id != kNoProducerId) present.last_producer_epoch = asking;
    answer.transactions.push_back(info_of(at->first, present, true));
    return TopicErrc::kConcurrentTransactions;
  }
  if (const TopicErrc error = bump(present, what); error != TopicErrc::kOk) return error;
  present.state = TransactionState::kEmpty;
  present.timeout_ms = what.timeout_ms;
  present.updated_ms = context.time_ms;
  answer.producer_id = present.producer_id;
  answer.producer_epoch = present.producer_epoch;
  return TopicErrc::kOk;
}

TopicErrc TransactionPart::find_producer(std::string_view id, int64_t producer_id, int16_t epoch, Transaction*& found) {
  const auto at = ids_.find(id);
  if (at == ids_.end() || at->second.producer_id != producer_id) return TopicErrc::kInvalidProducerIdMapping;
  if (at->second.producer_epoch != epoch) return TopicErrc::kInvalidProducerEpoch;
  found = &at->second;
  return TopicErrc::kOk;
}

TopicErrc TransactionPart::on(const engine::ApplyContext& context, AddToTransaction& what, Answer&) {
  Transaction* found = nullptr;
  if (const TopicErrc error = find_producer(what.id, what.producer_id, what.producer_epoch, found);
      error != TopicErrc::kOk) {
    return error;
  }
  // Nobody was given this one: whoever uses it has guessed.
  if (what.producer_epoch > kProducerEpochMax) return TopicErrc::kInvalidProducerEpoch;
  if (found->is_prepared()) return TopicErrc::kConcurrentTransactions;
  if (found->partitions.size() + what.partitions.size() > 2 * kTransactionPartitionsMax ||
      found->groups.size() + what.groups.size() > 2 * kTransactionGroupsMax) {
    return TopicErrc::kInvalid;
  }
  if (found->state != TransactionState::kOngoing) {
    found->state = TransactionState::kOngoing;
    found->started_ms = context.time_ms;
    // It uses its epoch, so it has got the answer.
    found->last_producer_epoch = -1;
    found->last_producer_id = kNoProducerId;
  }
  found->updated_ms = context.time_ms;
  found->partitions.insert(what.partitions.begin(), what.partitions.end());
  for (std::string& group : what.groups) found->groups.insert(std::move(group));
  return TopicErrc::kOk;
}

TopicErrc TransactionPart::on(const engine::ApplyContext& context, const EndTransaction& what, Answer& answer) {
  Transaction* found = nullptr;
  if (const TopicErrc error = find_producer(what.id, what.producer_id, what.producer_epoch, found);
      error != TopicErrc::kOk) {
    return error;
  }
  const auto is_same_way = [&](TransactionState commit) {
    return what.is_commit == (found->state == commit) ? TopicErrc::kOk : TopicErrc::kInvalidTxnState;
  };
  switch (found->state) {
    case TransactionState::kOngoing:
      found->state = what.is_commit ? TransactionState::kPrepareCommit : TransactionState::kPrepareAbort;
      found->updated_ms = context.time_ms;
      answer.transactions.push_back(info_of(what.id, *found, true));
      return TopicErrc::kOk;
    case TransactionState::kCompleteCommit:
    case TransactionState::kCompleteAbort:
      if (is_same_way(TransactionState::kCompleteCommit) != TopicErrc::kOk) return TopicErrc::kInvalidTxnState;
      answer.transactions.push_back(info_of(what.id, *found, true));
      return TopicErrc::kOk;
    case TransactionState::kPrepareCommit:
    case TransactionState::kPrepareAbort:
      if (is_same_way(TransactionState::kPrepareCommit) != TopicErrc::kOk) return TopicErrc::kInvalidTxnState;
      return TopicErrc::kConcurrentTransactions;
    case TransactionState::kEmpty:
    case TransactionState::kDead:
      break;
  }
  return TopicErrc::kInvalidTxnState;
}

TopicErrc TransactionPart::on(const engine::ApplyContext& context, const TimeOutTransaction& what, Answer& answer) {
  Transaction* found = nullptr;
  if (const TopicErrc error = find_producer(what.id, what.producer_id, what.producer_epoch, found);
      error != TopicErrc::kOk) {
    return error;
  }
  if (found->state != TransactionState::kOngoing || found->started_ms != what.started_ms) {
    return TopicErrc::kInvalidTxnState;
  }
  fence_and_abort(context, *found);
  answer.transactions.push_back(info_of(what.id, *found, true));
  return TopicErrc::kOk;
}

TopicErrc TransactionPart::on(const engine::ApplyContext& context, const CompleteTransaction& what, Answer&) {
  Transaction* found = nullptr;
  if (const TopicErrc error = find_producer(what.id, what.producer_id, what.producer_epoch, found);
      error != TopicErrc::kOk) {
    return error;
  }
  if (!found->is_prepared()) return TopicErrc::kInvalidTxnState;
  found->state = found->state == TransactionState::kPrepareCommit ? TransactionState::kCompleteCommit
                                                                  : TransactionState::kCompleteAbort;
  found->updated_ms = context.time_ms;
  found->started_ms = kNoTimestamp;
  found->partitions.clear();
  found->groups.clear();
  return TopicErrc::kOk;
}

TopicErrc TransactionPart::on(const engine::ApplyContext&, const ExpireTransactionalId& what, Answer&) {
  const auto at = ids_.find(what.id);
  if (at == ids_.end()) return TopicErrc::kInvalidProducerIdMapping;
  if (at->second.is_prepared() || at->second.state == TransactionState::kOngoing ||
      at->second.updated_ms != what.updated_ms) {
    return TopicErrc::kInvalidTxnState;
  }
  ids_.erase(at);
  return TopicErrc::kOk;
}

TopicErrc TransactionPart::find(const VerifyTransaction& what, Answer&) const {
  const auto at = ids_.find(what.id);
  if (at == ids_.end() || at->second.producer_id != what.producer_id) return TopicErrc::kInvalidProducerIdMapping;
  const Transaction& present = at->second;
  if (present.producer_epoch != what.producer_epoch) return TopicErrc::kInvalidProducerEpoch;
  if (present.is_prepared()) return TopicErrc::kConcurrentTransactions;
  const bool is_part =
      present.state == TransactionState::kOngoing &&
      std::ranges::all_of(what.partitions, [&](const PartitionId& id) { return present.partitions.contains(id); }) &&
      std::ranges::all_of(what.groups, [&](const std::string& group) { return present.groups.contains(group); });
  return is_part ? TopicErrc::kOk : TopicErrc::kInvalidTxnState;
}

TopicErrc TransactionPart::find(const FindTransaction& what, Answer& answer) const {
  const auto at = ids_.find(what.id);
  if (at == ids_.end()) return TopicErrc::kInvalidProducerIdMapping;
  answer.transactions.push_back(info_of(at->first, at->second, true));
  return TopicErrc::kOk;
}

TopicErrc TransactionPart::find(const ListTransactions& what, Answer& answer) const {
  for (auto at = ids_.upper_bound(what.after); at != ids_.end(); ++at) {
    if (answer.transactions.size() >= what.count_max) {
      answer.is_truncated = true;
      break;
    }
    answer.transactions.push_back(info_of(at->first, at->second, false));
  }
  return TopicErrc::kOk;
}

TopicErrc TransactionPart::find(const FindDueTransactions& what, Answer& answer) const {
  for (auto at = ids_.upper_bound(what.after); at != ids_.end(); ++at) {
    const Transaction& each = at->second;
    const bool is_ongoing = each.state == TransactionState::kOngoing;
    const bool is_due = is_ongoing ? each.started_ms + each.timeout_ms <= what.now_ms
                                   : each.is_prepared() || each.updated_ms + what.expiration_ms <= what.now_ms;
    if (!is_due) continue;
    if (answer.transactions.size() >= what.count_max) {
      answer.is_truncated = true;
      break;
    }
    answer.transactions.push_back(info_of(at->first, each, each.is_prepared()));
  }
  return TopicErrc::kOk;
}

void TransactionPart::apply(const PartContext& context, Code code, std::string_view body, Answer* answer) {
  Answer unheard;
  Answer& into = answer == nullptr ? unheard : *answer;
  switch (code) {
    case Code::kAllocateProducerIds:
      return run<AllocateProducerIds>(context, body, into);
    case Code::kInitProducer:
      return run<InitProducer>(context, body, into);
    case Code::kAddToTransaction:
      return run<AddToTransaction>(context, body, into);
    case Code::kEndTransaction:
      return run<EndTransaction>(context, body, into);
    case Code::kTimeOutTransaction:
      return run<TimeOutTransaction>(context, body, into);
    case Code::kCompleteTransaction:
      return run<CompleteTransaction>(context, body, into);
    case Code::kExpireTransactionalId:
      return run<ExpireTransactionalId>(context, body, into);
    default:
      into.error = TopicErrc::kInvalid;
  }
}

void TransactionPart::query(const engine::ApplyContext&, Code code, std::string_view body, Answer& answer) const {
  switch (code) {
    case Code::kVerifyTransaction:
      return look<VerifyTransaction>(body, answer);
    case Code::kFindTransaction:
      return look<FindTransaction>(body, answer);
    case Code::kListTransactions:
      return look<ListTransactions>(body, answer);
    case Code::kFindDueTransactions:
      return look<FindDueTransactions>(body, answer);
    default:
      answer.error = TopicErrc::kInvalid;
  }
}

// A version byte, the next producer id, then each id with its length in front.
void TransactionPart::save(Buffer& out) const {
  append_u8(out, kFormatVersion);
  append_u64(out, static_cast<uint64_t>(next_producer_id_));
  for (const auto& [id, transaction] : ids_) append_string(out, encode_body(info_of(id, transaction, true)));
}

Status TransactionPart::load(std::string_view saved) {
  uint8_t version = 0;
  uint64_t next = 0;
  if (!read_u8(saved, version) || version != kFormatVersion || !read_u64(saved, next)) {
    return fail(std::make_error_code(std::errc::bad_message), "transactions: a checkpoint of another format");
  }
  next_producer_id_ = static_cast<int64_t>(next);
  while (!saved.empty()) {
    std::string_view bytes;
    TransactionInfo row;
    if (!read_string(saved, bytes) || !decode_body(bytes, row) || row.state > TransactionState::kCompleteAbort) {
      return fail(std::make_error_code(std::errc::bad_message), "transactions: a checkpoint with a malformed id");
    }
    Transaction& into = ids_[row.id];
    into = {.state = row.state,
            .producer_id = row.producer_id,
            .last_producer_id = row.last_producer_id,
            .producer_epoch = row.producer_epoch,
            .last_producer_epoch = row.last_producer_epoch,
            .timeout_ms = row.timeout_ms,
            .started_ms = row.started_ms,
            .updated_ms = row.updated_ms};
    into.partitions.insert(row.partitions.begin(), row.partitions.end());
    into.groups.insert(row.groups.begin(), row.groups.end());
  }
  return {};
}

}  // namespace

std::unique_ptr<Part> make_transaction_part() { return std::make_unique<TransactionPart>(); }

}  // namespace keelson::topic
