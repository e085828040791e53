#include "protocol/kafka/operations.h"

#include <span>

namespace keelson::kafka {

namespace {

using enum AclOperation;
// org.apache.kafka.security.authorizer.AclEntry, supportedOperations().
constexpr AclOperation kOfTopic[] = {kRead,   kWrite, kCreate,          kDescribe,
                                     kDelete, kAlter, kDescribeConfigs, kAlterConfigs};
constexpr AclOperation kOfGroup[] = {kRead, kDescribe, kDelete, kDescribeConfigs, kAlterConfigs};
constexpr AclOperation kOfCluster[] = {kCreate,          kClusterAction, kDescribeConfigs, kAlterConfigs,
                                       kIdempotentWrite, kAlter,         kDescribe};
constexpr AclOperation kOfTransactionalId[] = {kDescribe, kWrite};

std::span<const AclOperation> operations_of(ResourceType type) {
  switch (type) {
    case ResourceType::kTopic:
      return kOfTopic;
    case ResourceType::kGroup:
      return kOfGroup;
    case ResourceType::kCluster:
      return kOfCluster;
    case ResourceType::kTransactionalId:
      return kOfTransactionalId;
    default:
      return {};
  }
}

}  // namespace

int32_t allowed_operations(Call& call, ResourceType type, std::string_view name) {
  uint32_t bits = 0;
  for (AclOperation operation : operations_of(type)) {
    if (call.may(operation, type, name)) bits |= 1U << static_cast<unsigned>(operation);
  }
  return static_cast<int32_t>(bits);
}

}  // namespace keelson::kafka
