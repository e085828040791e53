// The codes of the engine's parts. A part's header says what each means.
#pragma once

#include <cstdint>

namespace keelson::topic {

enum class Code : uint16_t {
  // Directory and partitions (log_commands.h): 1 .. 49.
  kCreateTopic = 1,
  kDeleteTopic = 2,
  kAddPartitions = 3,
  kConfigureTopic = 4,
  kPutDocument = 5,
  kDeleteDocument = 6,
  kClaimShard = 7,
  kMirrorTopic = 8,
  kAppend = 10,
  kTrimPartition = 11,
  kEndPartitionTransaction = 12,
  // Consumer groups (group_commands.h): 50 .. 69.
  kFirstOfGroups = 50,
  kCommitOffsets = 50,
  kPendOffsets = 51,
  kEndPendingOffsets = 52,
  kSaveGroup = 53,
  kDeleteOffsets = 54,
  kDeleteGroup = 55,
  // Transactions' coordinators (transaction_commands.h): 70 .. 89.
  kFirstOfTransactions = 70,
  kAllocateProducerIds = 70,
  kInitProducer = 71,
  kAddToTransaction = 72,
  kEndTransaction = 73,
  kTimeOutTransaction = 74,
  kCompleteTransaction = 75,
  kExpireTransactionalId = 76,
  // Cursors: subscriptions and share groups (cursor_commands.h): 90 .. 119.
  kFirstOfCursors = 90,
  kCreateCursor = 90,
  kDeleteCursor = 91,
  kSeekCursor = 92,
  kAdvanceCursor = 93,

  // Queries.
  kFindTopic = 200,
  kListTopics = 201,
  kFindDocuments = 202,
  kDescribeDirectory = 203,
  kRead = 210,
  kFindOffset = 211,
  kDescribePartition = 212,
  kDescribeProducers = 213,
  // Of groups: 250 .. 269; transactions: 270 .. 289; cursors: 290 .. 319.
  kFetchOffsets = 250,
  kListGroups = 251,
  kDescribeGroup = 252,
  kFindExpiredOffsets = 253,
  kVerifyTransaction = 270,
  kFindTransaction = 271,
  kListTransactions = 272,
  kFindDueTransactions = 273,
  kFindCursor = 290,
  kListCursors = 291,
};

}  // namespace keelson::topic
