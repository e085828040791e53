// Commands and queries on transactional ids, on the shard of the id's name (shard_of_name), and on producer ids.
//
//   kEmpty --AddToTransaction--> kOngoing --EndTransaction--> kPrepare... --CompleteTransaction--> kComplete...
//                                   ^-------------------AddToTransaction---------------------------------'
//
// A transaction that is prepared is decided: what is left to do (markers in partitions, offsets of groups) may be done
// again and again until it is complete (topics/transactions.h). Refusals, as Kafka's coordinator has them:
// kInvalidProducerIdMapping (no such id, or another producer id), kInvalidProducerEpoch (an older or newer epoch),
// kConcurrentTransactions (prepared, not complete: ask again), kInvalidTxnState.
//
// Each command carries the claim of whoever decides for the shard (ClaimShard of log_commands.h; 0: of nobody, always
// taken) and is kFencedClaim under another one: a producer keeps its epoch from one transaction to the next, so a copy
// that was under way for long would otherwise be taken for the next one's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/topic/codes.h"
#include "engine/topic/part.h"
#include "engine/topic/transaction_types.h"
#include "engine/topic/types.h"

namespace keelson::topic {

// Limits; past them kInvalid.
inline constexpr size_t kTransactionalIdBytesMax = 32'767;  // a Kafka string
inline constexpr size_t kTransactionalIdsMax = 100'000;     // of a shard: what sweeps walk through
inline constexpr size_t kTransactionPartitionsMax = 10'000;
inline constexpr size_t kTransactionGroupsMax = 1'000;

// Producer ids are given out by one shard of the service, that of this name.
inline constexpr std::string_view kProducerIdsName = "__producer_ids";
// Answer: producer_id is the first of `count` that nobody else gets.
struct AllocateProducerIds {
  static constexpr Code kCode = Code::kAllocateProducerIds;
  uint32_t count = 1000;
};

// A producer begins with this id: whoever had it before is fenced. Answer: producer_id, producer_epoch.
// With `expected_producer_id` it says who it has been so far (KIP-360): kInvalidProducerEpoch if somebody else has come
// since. If a transaction is under way it is aborted (kPrepareAbort, with a greater epoch; Answer: transactions, one),
// and kConcurrentTransactions is answered until that is complete.
struct InitProducer {
  static constexpr Code kCode = Code::kInitProducer;
  std::string id{};
  int32_t timeout_ms = 0;
  int64_t new_producer_id = kNoProducerId;  // unused so far: taken if one is needed
  int64_t expected_producer_id = kNoProducerId;
  int16_t expected_epoch = -1;
  int32_t claim = 0;
};
// kConcurrentTransactions while the transaction before is prepared.
struct AddToTransaction {
  static constexpr Code kCode = Code::kAddToTransaction;
  std::string id{};
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  std::vector<PartitionId> partitions{};
  std::vector<std::string> groups{};
  int32_t claim = 0;
};
// Decides. Asked again once it is complete the same way: kOk. Answer: transactions (one), as it is then.
struct EndTransaction {
  static constexpr Code kCode = Code::kEndTransaction;
  std::string id{};
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  bool is_commit = false;
  int32_t claim = 0;
};
// The transaction that began then has taken too long: kPrepareAbort, and its producer is fenced. kInvalidTxnState: it
// is another one by now.
struct TimeOutTransaction {
  static constexpr Code kCode = Code::kTimeOutTransaction;
  std::string id{};
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  int64_t started_ms = kNoTimestamp;
  int32_t claim = 0;
};
// Everything that was prepared has been done. kInvalidTxnState: it is not (or no longer) prepared.
struct CompleteTransaction {
  static constexpr Code kCode = Code::kCompleteTransaction;
  std::string id{};
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  int32_t claim = 0;
};
// Forgets an id that has not been used since then. kInvalidTxnState: it has, or a transaction is under way.
struct ExpireTransactionalId {
  static constexpr Code kCode = Code::kExpireTransactionalId;
  std::string id{};
  int64_t updated_ms = kNoTimestamp;
  int32_t claim = 0;
};

// ---- Queries.

// May this producer write to these partitions: are they part of its transaction? kInvalidTxnState: not all of them, or
// none is under way. Answer: claim, the shard's present one.
struct VerifyTransaction {
  static constexpr Code kCode = Code::kVerifyTransaction;
  std::string id{};
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  std::vector<PartitionId> partitions{};
  std::vector<std::string> groups{};
};
// Answer: transactions (one). kInvalidProducerIdMapping: no such id.
struct FindTransaction {
  static constexpr Code kCode = Code::kFindTransaction;
  std::string id{};
};
// Answer: transactions without their partitions, by id, above `after`; is_truncated.
struct ListTransactions {
  static constexpr Code kCode = Code::kListTransactions;
  std::string after{};
  uint32_t count_max = 1000;
};
// Those on which something is to be done: prepared ones (with partitions and groups), ongoing ones past their time-out,
// others that were not used for `expiration_ms`. By id, above `after`. Answer: transactions, is_truncated.
struct FindDueTransactions {
  static constexpr Code kCode = Code::kFindDueTransactions;
  std::string after{};
  int64_t now_ms = 0;
  int64_t expiration_ms = 0;
  uint32_t count_max = 100;
};

#define KEELSON_TOPIC_TRANSACTION_BODIES(X) \
  X(AllocateProducerIds)                    \
  X(InitProducer)                           \
  X(AddToTransaction)                       \
  X(EndTransaction)                         \
  X(TimeOutTransaction)                     \
  X(CompleteTransaction)                    \
  X(ExpireTransactionalId)                  \
  X(VerifyTransaction)                      \
  X(FindTransaction)                        \
  X(ListTransactions)                       \
  X(FindDueTransactions)

#define KEELSON_TOPIC_CODEC(Body)                     \
  [[nodiscard]] std::string encode(const Body& body); \
  [[nodiscard]] bool decode(std::string_view from, Body& body);
KEELSON_TOPIC_TRANSACTION_BODIES(KEELSON_TOPIC_CODEC)
#undef KEELSON_TOPIC_CODEC

}  // namespace keelson::topic
