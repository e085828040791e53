#include <utility>

#include "engine/topic/batch_builder.h"
#include "env/reactor.h"
#include "tests/sim/topic_clients.h"

namespace keelson::sim_test {

namespace {

constexpr int16_t kCorruptMessage = 2;
constexpr int16_t kInvalidProducerEpoch = 47;
constexpr int16_t kProducerFenced = 90;
constexpr uint64_t kKeys = 4;  // of a keyed writer, in each partition

// A message's unique value, with some weight.
std::string value_of(uint32_t writer, uint64_t number, uint64_t weight) {
  return "w" + std::to_string(writer) + "." + std::to_string(number) + ":" + std::string(weight, '.');
}

std::string make_batch(const std::vector<TopicJudge::Message>& messages, const ProducerState& producer,
                       int32_t sequence, int64_t now_ms, bool is_transactional, topic::Codec codec) {
  topic::BatchOptions options;
  options.codec = codec;
  if (producer.id >= 0) {
    options.producer_id = producer.id;
    options.producer_epoch = producer.epoch;
    options.base_sequence = sequence;
  }
  if (is_transactional) options.attributes = topic::kTransactionalBit;
  topic::BatchBuilder builder(options);
  for (const TopicJudge::Message& message : messages) {
    std::optional<std::string_view> value;
    if (!message.is_tombstone) value = message.value;
    builder.add(now_ms, message.key, value);
  }
  return builder.finish();
}

}  // namespace

TopicWriter::TopicWriter(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id, WriterKind kind)
    : TopicClient(env, std::move(servers), world, id), kind_(kind) {}

Task<bool> TopicWriter::begin() {
  while (goes_on() && !is_finishing_) {
    const auto answer = co_await link_.init_producer("", world_.transaction_timeout_ms);
    if (answer && answer->error == kNoError) {
      producer_ = answer->producer;
      co_return true;
    }
    if (answer && judge_error(answer->error) == Verdict::kUnexpected) {
      violate("InitProducerId is answered with error " + std::to_string(answer->error));
    }
    co_await pause();
  }
  co_return false;
}

Task<void> TopicWriter::run() {
  if (kind_ == WriterKind::kPlain || co_await begin()) {
    while (goes_on() && !is_finishing_) {
      co_await write();
      co_await pause();
    }
  }
  is_done_ = true;
}

Task<void> TopicWriter::write() {
  const auto partition = static_cast<int32_t>(below(static_cast<uint64_t>(world_.partitions)));
  std::vector<TopicJudge::Message> messages;
  std::vector<TopicJudge::MessageId> ids;
  for (uint64_t count = 1 + below(4); count != 0; --count) {
    TopicJudge::Message& message = messages.emplace_back();
    message.writer = id_;
    message.partition = partition;
    message.value = value_of(id_, written_++, below(10) == 0 ? below(8000) : below(60));
    message.is_idempotent = kind_ != WriterKind::kPlain;
    if (kind_ == WriterKind::kKeyed) {
      message.key = "k" + std::to_string(id_) + "." + std::to_string(below(kKeys));
      message.is_tombstone = below(6) == 0;
    }
    ids.push_back(world_.judge.sent(message));
  }
  std::string batch = make_batch(messages, producer_, sequence_[partition], env_.reactor(0).clock().wall_ms(), false,
                                 static_cast<topic::Codec>(below(topic::kCodecCount)));
  sequence_[partition] += static_cast<int32_t>(messages.size());
  // Something went wrong on the way to the server, which sees it by the CRC.
  const bool is_bent = kind_ == WriterKind::kPlain && below(20) == 0;
  if (is_bent) batch.back() = static_cast<char>(batch.back() ^ 1);
  while (goes_on()) {
    const auto answer = co_await link_.produce(world_.topic, partition, batch);
    if (is_bent && answer && (answer->error == kNoError || answer->error == kCorruptMessage)) {
      if (answer->error == kNoError) violate("a batch is taken although its CRC does not fit");
      for (const TopicJudge::MessageId id : ids) world_.judge.refused(id);
      co_return;
    }
    if (answer && answer->error == kNoError) {
      for (size_t i = 0; i < ids.size(); ++i) {
        world_.judge.acknowledged(ids[i], answer->value + static_cast<int64_t>(i));
      }
      successes_ += ids.size();
      co_return;
    }
    if (answer && judge_error(answer->error) == Verdict::kUnexpected) {
      violate("Produce is answered with error " + std::to_string(answer->error));
    }
    if (kind_ == WriterKind::kPlain) co_return;
    co_await pause();
  }
}

TransactionalWriter::TransactionalWriter(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id,
                                         std::string group)
    : TopicClient(env, std::move(servers), world, id), name_("tx-" + std::to_string(id)), group_(std::move(group)) {}

// Ends what an earlier life of it has left open, too; so also when it is to finish.
Task<bool> TransactionalWriter::begin() {
  while (goes_on()) {
    const auto answer = co_await link_.init_producer(name_, world_.transaction_timeout_ms);
    // Of a refusal too, nobody knows whether it was carried out.
    if (!answer || answer->error != kNoError) ++begins_unanswered_;
    if (answer && answer->error == kNoError) {
      if (answer->producer.id == producer_.id && answer->producer.epoch <= producer_.epoch) {
        violate("InitProducerId gave an epoch that is not above the last");
      }
      producer_ = answer->producer;
      sequence_.clear();
      co_return true;
    }
    if (answer && judge_error(answer->error) == Verdict::kUnexpected) {
      violate("InitProducerId is answered with error " + std::to_string(answer->error));
    }
    co_await pause();
  }
  co_return false;
}

Task<void> TransactionalWriter::run() {
  bool is_begun = co_await begin();
  while (goes_on() && !is_finishing_) {
    if (!is_begun) is_begun = co_await begin();
    if (is_begun) is_begun = co_await transact() == Step::kDone;
    co_await pause();
  }
  // Nothing of it is left open, so that readers of committed data see everything; and its group's offset is seen.
  if (goes_on()) co_await begin();
  while (goes_on()) {
    const auto found = co_await link_.committed(group_, world_.topic, 0);
    if (found && found->error == kNoError && found->value >= offset_) break;
    if (found && judge_error(found->error) == Verdict::kUnexpected) {
      violate("OffsetFetch is answered with error " + std::to_string(found->error));
    }
    co_await pause();
  }
  is_done_ = true;
}

TransactionalWriter::Step TransactionalWriter::step_of(int16_t error, const std::string& at) {
  if (error == kNoError) return Step::kDone;
  const bool is_fenced = error == kInvalidProducerEpoch || error == kProducerFenced;
  if (is_fenced && world_.allowed.moves && begins_unanswered_ != 0) {
    --begins_unanswered_;
    return Step::kFenced;
  }
  violate(at + " is answered with error " + std::to_string(error));
  return Step::kStopped;
}

TransactionalWriter::Step TransactionalWriter::fail_at(Step step, TopicJudge::TransactionId transaction) {
  if (step == Step::kFenced) world_.judge.ended(transaction, TransactionFate::kAborted);
  return step;
}

Task<TransactionalWriter::Step> TransactionalWriter::transact() {
  const TopicJudge::TransactionId transaction = world_.judge.began();
  pending_offset_ = 0;
  for (uint64_t writes = 1 + below(4); writes != 0; --writes) {
    const Step step =
        co_await write(static_cast<int32_t>(below(static_cast<uint64_t>(world_.partitions))), transaction);
    if (step != Step::kDone) co_return fail_at(step, transaction);
    if (below(20) == 0) {  // it dies, and is begun anew: nothing of this is ever seen
      world_.judge.ended(transaction, TransactionFate::kAborted);
      co_return Step::kFenced;
    }
  }
  if (below(3) == 0) {
    const Step step = co_await commit_offset();
    if (step != Step::kDone) co_return fail_at(step, transaction);
  }
  co_return co_await end(transaction, below(10) < 7);
}

Task<TransactionalWriter::Step> TransactionalWriter::write(int32_t partition, TopicJudge::TransactionId transaction) {
  while (goes_on()) {
    const auto added = co_await link_.add_partition(name_, producer_, world_.topic, partition);
    if (added && judge_error(added->error) != Verdict::kAgain) {
      const Step step = step_of(added->error, "AddPartitionsToTxn");
      if (step != Step::kDone) co_return step;
      break;
    }
    co_await pause();
  }
  std::vector<TopicJudge::Message> messages;
  std::vector<TopicJudge::MessageId> ids;
  for (uint64_t count = 1 + below(3); count != 0; --count) {
    TopicJudge::Message& message = messages.emplace_back();
    message.writer = id_;
    message.partition = partition;
    message.value = value_of(id_, written_++, below(60));
    message.is_idempotent = true;
    message.transaction = transaction;
    ids.push_back(world_.judge.sent(message));
  }
  const std::string batch = make_batch(messages, producer_, sequence_[partition], env_.reactor(0).clock().wall_ms(),
                                       true, topic::Codec::kNone);
  sequence_[partition] += static_cast<int32_t>(messages.size());
  while (goes_on()) {
    const auto answer = co_await link_.produce(world_.topic, partition, batch, name_);
    if (answer && judge_error(answer->error) != Verdict::kAgain) {
      const Step step = step_of(answer->error, "Produce in a transaction");
      if (step != Step::kDone) co_return step;
      for (size_t i = 0; i < ids.size(); ++i) {
        world_.judge.acknowledged(ids[i], answer->value + static_cast<int64_t>(i));
      }
      successes_ += ids.size();
      co_return Step::kDone;
    }
    co_await pause();
  }
  co_return Step::kStopped;
}

Task<TransactionalWriter::Step> TransactionalWriter::commit_offset() {
  const int64_t offset = offset_ + 1 + static_cast<int64_t>(below(10));
  while (goes_on()) {
    const auto added = co_await link_.add_offsets(name_, producer_, group_);
    if (added && judge_error(added->error) != Verdict::kAgain) {
      const Step step = step_of(added->error, "AddOffsetsToTxn");
      if (step != Step::kDone) co_return step;
      break;
    }
    co_await pause();
  }
  while (goes_on()) {
    const auto committed = co_await link_.commit_in_transaction(name_, producer_, group_, world_.topic, 0, offset);
    if (committed && judge_error(committed->error) != Verdict::kAgain) {
      pending_offset_ = offset;
      co_return step_of(committed->error, "TxnOffsetCommit");
    }
    co_await pause();
  }
  co_return Step::kStopped;
}

Task<TransactionalWriter::Step> TransactionalWriter::end(TopicJudge::TransactionId transaction, bool is_commit) {
  while (goes_on()) {
    const auto ended = co_await link_.end_transaction(name_, producer_, is_commit);
    if (ended && judge_error(ended->error) != Verdict::kAgain) {
      const Step step = step_of(ended->error, "EndTxn");
      if (step != Step::kDone) co_return step;
      world_.judge.ended(transaction, is_commit ? TransactionFate::kCommitted : TransactionFate::kAborted);
      if (is_commit && pending_offset_ != 0) offset_ = pending_offset_;
      co_return Step::kDone;
    }
    co_await pause();
  }
  co_return Step::kStopped;
}

}  // namespace keelson::sim_test
