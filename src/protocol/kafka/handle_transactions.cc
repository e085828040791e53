// Producer ids and transactions: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, ListTransactions,
// DescribeTransactions. TxnOffsetCommit is with the groups' offsets (handle_group_offsets.cc).
#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/add_offsets_to_txn.h"
#include "protocol/kafka/messages/add_partitions_to_txn.h"
#include "protocol/kafka/messages/describe_transactions.h"
#include "protocol/kafka/messages/end_txn.h"
#include "protocol/kafka/messages/init_producer_id.h"
#include "protocol/kafka/messages/list_transactions.h"
#include "protocol/kafka/service.h"
#include "protocol/kafka/topic_pattern.h"
#include "topics/transactions.h"

namespace keelson::kafka {

namespace {

using topic::TransactionState;
using topics::Asked;
using topics::Topics;

// From these versions on a fenced producer is told so (KIP-588); before, it has an invalid epoch.
constexpr int16_t kInitFencedFrom = 4;
constexpr int16_t kAddFencedFrom = 2;
constexpr int16_t kEndFencedFrom = 2;

// Why a coordinator could not be asked, or what it says; `fenced_from`: by the request's version.
ErrorCode transaction_error(Call& call, const Asked& asked, int16_t fenced_from) {
  switch (asked.outcome) {
    case log::LogErrc::kOk:
      break;
    case log::LogErrc::kStopped:
    case log::LogErrc::kNotLeader:
      return ErrorCode::kNotCoordinator;
    case log::LogErrc::kNoLeader:
      return ErrorCode::kCoordinatorLoadInProgress;
    default:
      return ErrorCode::kCoordinatorNotAvailable;
  }
  const ErrorCode error = error_of(asked.answer.error);
  return error == ErrorCode::kInvalidProducerEpoch && call.version() >= fenced_from ? ErrorCode::kProducerFenced
                                                                                    : error;
}

bool may_transact(Call& call, std::string_view id) {
  return call.may(AclOperation::kWrite, ResourceType::kTransactionalId, id);
}

// ---- InitProducerId.

ErrorCode check_init(Call& call, const InitProducerIdRequest& request) {
  if (!request.transactional_id) {
    return call.may(AclOperation::kIdempotentWrite, ResourceType::kCluster, kClusterName)
               ? ErrorCode::kNone
               : ErrorCode::kClusterAuthorizationFailed;
  }
  if (!may_transact(call, *request.transactional_id)) return ErrorCode::kTransactionalIdAuthorizationFailed;
  if (request.transactional_id->empty()) return ErrorCode::kInvalidRequest;
  if ((request.producer_id == topic::kNoProducerId) != (request.producer_epoch == -1)) {
    return ErrorCode::kInvalidRequest;
  }
  const int32_t timeout_ms = request.transaction_timeout_ms;
  const bool is_good = timeout_ms > 0 && timeout_ms <= call.service().transactions().options().timeout_ms_max;
  return is_good ? ErrorCode::kNone : ErrorCode::kInvalidTransactionTimeout;
}

Task<void> handle_init_producer_id(Call& call) {
  InitProducerIdRequest request;
  if (!call.decode(request)) co_return;
  InitProducerIdResponse response;
  ErrorCode error = check_init(call, request);
  if (error == ErrorCode::kNone) {
    topics::Transactions& transactions = call.service().transactions();
    Asked asked;
    if (request.transactional_id) {
      asked = co_await transactions.init(call.here(), {.id = std::string(*request.transactional_id),
                                                       .timeout_ms = request.transaction_timeout_ms,
                                                       .expected_producer_id = request.producer_id,
                                                       .expected_epoch = request.producer_epoch});
    } else {
      asked = co_await transactions.new_producer(call.here());
    }
    error = transaction_error(call, asked, kInitFencedFrom);
    response.producer_id = asked.answer.producer_id;
    response.producer_epoch = asked.answer.producer_epoch;
  }
  response.error_code = number(error);
  if (error != ErrorCode::kNone) {
    response.producer_id = topic::kNoProducerId;
    response.producer_epoch = -1;
  }
  call.respond(response);
}

// ---- AddPartitionsToTxn, AddOffsetsToTxn.

// Each partition's error, or what is to be added. One that cannot be keeps all others from it.
Task<bool> take_partitions(Call& call, const AddPartitionsToTxnRequest& request, AddPartitionsToTxnResponse& response,
                           std::vector<topic::PartitionId>& partitions) {
  bool is_good = true;
  for (const auto& wanted : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = std::string(wanted.name);
    ErrorCode error = ErrorCode::kNone;
    Topics::TopicPointer topic;
    if (!call.may(AclOperation::kWrite, ResourceType::kTopic, wanted.name)) {
      error = ErrorCode::kTopicAuthorizationFailed;
    } else {
      const Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(wanted.name));
      topic = found.topic;
      if (topic == nullptr) error = ErrorCode::kUnknownTopicOrPartition;
    }
    for (const int32_t partition : wanted.partitions) {
      ErrorCode each = error;
      if (each == ErrorCode::kNone && (partition < 0 || partition >= topic->partition_count)) {
        each = ErrorCode::kUnknownTopicOrPartition;
      }
      is_good &= each == ErrorCode::kNone;
      out.partitions.push_back({.partition_index = partition, .partition_error_code = number(each)});
      if (each == ErrorCode::kNone) partitions.push_back({topic->id, partition});
    }
  }
  co_return is_good;
}

Task<void> handle_add_partitions(Call& call) {
  AddPartitionsToTxnRequest request;
  if (!call.decode(request)) co_return;
  AddPartitionsToTxnResponse response;
  topic::AddToTransaction add{.id = std::string(request.transactional_id),
                              .producer_id = request.producer_id,
                              .producer_epoch = request.producer_epoch};
  const bool is_good = co_await take_partitions(call, request, response, add.partitions);
  ErrorCode error = ErrorCode::kOperationNotAttempted;
  if (!may_transact(call, request.transactional_id)) {
    error = ErrorCode::kTransactionalIdAuthorizationFailed;
  } else if (is_good) {
    error = ErrorCode::kNone;
    if (!add.partitions.empty()) {
      const Asked asked = co_await call.service().transactions().add(call.here(), std::move(add));
      error = transaction_error(call, asked, kAddFencedFrom);
    }
  }
  for (auto& topic : response.topics) {
    for (auto& partition : topic.partitions) {
      if (partition.partition_error_code == 0) partition.partition_error_code = number(error);
    }
  }
  call.respond(response);
}

Task<void> handle_add_offsets(Call& call) {
  AddOffsetsToTxnRequest request;
  if (!call.decode(request)) co_return;
  ErrorCode error = ErrorCode::kNone;
  if (!may_transact(call, request.transactional_id)) {
    error = ErrorCode::kTransactionalIdAuthorizationFailed;
  } else if (!call.may(AclOperation::kRead, ResourceType::kGroup, request.group_id)) {
    error = ErrorCode::kGroupAuthorizationFailed;
  } else {
    const Asked asked =
        co_await call.service().transactions().add(call.here(), {.id = std::string(request.transactional_id),
                                                                 .producer_id = request.producer_id,
                                                                 .producer_epoch = request.producer_epoch,
                                                                 .groups = {std::string(request.group_id)}});
    error = transaction_error(call, asked, kAddFencedFrom);
  }
  AddOffsetsToTxnResponse response;
  response.error_code = number(error);
  call.respond(response);
}

// ---- EndTxn.

Task<void> handle_end_txn(Call& call) {
  EndTxnRequest request;
  if (!call.decode(request)) co_return;
  ErrorCode error = ErrorCode::kTransactionalIdAuthorizationFailed;
  if (may_transact(call, request.transactional_id)) {
    const Asked asked =
        co_await call.service().transactions().end(call.here(), {.id = std::string(request.transactional_id),
                                                                 .producer_id = request.producer_id,
                                                                 .producer_epoch = request.producer_epoch,
                                                                 .is_commit = request.committed});
    error = transaction_error(call, asked, kEndFencedFrom);
  }
  EndTxnResponse response;
  response.error_code = number(error);
  call.respond(response);
}

// ---- What administrators ask.

bool is_state(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(TransactionState::kDead); ++i) {
    if (topic::state_name(static_cast<TransactionState>(i)) == name) return true;
  }
  return name == "PrepareEpochFence";
}

bool is_wanted(const ListTransactionsRequest& request, const topic::TransactionInfo& info, int64_t now_ms) {
  if (!request.state_filters.empty() &&
      std::ranges::find(request.state_filters, topic::state_name(info.state)) == request.state_filters.end()) {
    return false;
  }
  if (!request.producer_id_filters.empty() &&
      std::ranges::find(request.producer_id_filters, info.producer_id) == request.producer_id_filters.end()) {
    return false;
  }
  if (request.duration_filter < 0) return true;
  return info.started_ms != topic::kNoTimestamp && now_ms - info.started_ms > request.duration_filter;
}

Task<void> handle_list_transactions(Call& call) {
  ListTransactionsRequest request;
  if (!call.decode(request)) co_return;
  ListTransactionsResponse response;
  for (const std::string_view state : request.state_filters) {
    if (!is_state(state)) response.unknown_state_filters.emplace_back(state);
  }
  std::optional<TopicPattern> pattern;
  if (request.transactional_id_pattern && !request.transactional_id_pattern->empty()) {
    pattern = TopicPattern::parse(*request.transactional_id_pattern);
    if (!pattern) {
      response.error_code = number(ErrorCode::kInvalidRegularExpression);
      call.respond(response);
      co_return;
    }
  }
  const topics::Transactions::Listed listed = co_await call.service().transactions().list(call.here());
  if (listed.outcome != log::LogErrc::kOk) {
    response.error_code = number(listed.outcome == log::LogErrc::kNoLeader ? ErrorCode::kCoordinatorLoadInProgress
                                                                           : ErrorCode::kCoordinatorNotAvailable);
  }
  const int64_t now_ms = call.here().clock().wall_ms();
  for (const topic::TransactionInfo& each : listed.transactions) {
    if (!is_wanted(request, each, now_ms) || (pattern && !pattern->matches(each.id))) continue;
    if (!call.may(AclOperation::kDescribe, ResourceType::kTransactionalId, each.id)) continue;
    auto& out = response.transaction_states.emplace_back();
    out.transactional_id = each.id;
    out.producer_id = each.producer_id;
    out.transaction_state = std::string(topic::state_name(each.state));
  }
  call.respond(response);
}

Task<void> handle_describe_transactions(Call& call) {
  DescribeTransactionsRequest request;
  if (!call.decode(request)) co_return;
  DescribeTransactionsResponse response;
  for (const std::string_view id : request.transactional_ids) {
    DescribeTransactionsResponse::TransactionState out;
    out.transactional_id = std::string(id);
    out.producer_id = topic::kNoProducerId;
    out.producer_epoch = -1;
    out.transaction_start_time_ms = -1;
    ErrorCode error = ErrorCode::kTransactionalIdAuthorizationFailed;
    Asked asked;
    if (call.may(AclOperation::kDescribe, ResourceType::kTransactionalId, id)) {
      asked = co_await call.service().transactions().find(call.here(), std::string(id));
      error = transaction_error(call, asked, 0);
      if (error == ErrorCode::kInvalidProducerIdMapping) error = ErrorCode::kTransactionalIdNotFound;
    }
    out.error_code = number(error);
    if (error == ErrorCode::kNone) {
      const topic::TransactionInfo& info = asked.answer.transactions.at(0);
      out.transaction_state = std::string(topic::state_name(info.state));
      out.transaction_timeout_ms = info.timeout_ms;
      out.transaction_start_time_ms = info.started_ms;
      out.producer_id = info.producer_id;
      out.producer_epoch = info.producer_epoch;
      std::map<std::string, std::vector<int32_t>> by_topic;
      for (const topic::PartitionId& each : info.partitions) {
        const Topics::Found found = co_await call.topics().find_topic(call.here(), each.topic);
        if (found.topic == nullptr) continue;  // deleted
        if (call.may(AclOperation::kDescribe, ResourceType::kTopic, found.topic->name)) {
          by_topic[found.topic->name].push_back(each.partition);
        }
      }
      for (auto& [name, partitions] : by_topic) out.topics.push_back({name, std::move(partitions)});
    }
    response.transaction_states.push_back(std::move(out));
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({
    {ApiKey::kInitProducerId, handle_init_producer_id},
    {ApiKey::kAddPartitionsToTxn, handle_add_partitions},
    {ApiKey::kAddOffsetsToTxn, handle_add_offsets},
    {ApiKey::kEndTxn, handle_end_txn},
    {ApiKey::kListTransactions, handle_list_transactions},
    {ApiKey::kDescribeTransactions, handle_describe_transactions},
});

}  // namespace

std::span<const HandlerRow> transaction_handlers() { return kRows; }

}  // namespace keelson::kafka
