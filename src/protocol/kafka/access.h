// What the handlers ask before they do anything for a client, and what they report: who may do what (ACLs, by Kafka's
// words), and how long a client that is over its quota has to wait. Without an implementation everybody may do
// everything and nobody waits.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson::kafka {

class Session;

// Numbers are the protocol's (org.apache.kafka.common.acl.AclOperation, .resource.ResourceType).
enum class AclOperation : int8_t {
  kUnknown = 0,
  kAny = 1,
  kAll = 2,
  kRead = 3,
  kWrite = 4,
  kCreate = 5,
  kDelete = 6,
  kAlter = 7,
  kDescribe = 8,
  kClusterAction = 9,
  kDescribeConfigs = 10,
  kAlterConfigs = 11,
  kIdempotentWrite = 12,
};

enum class ResourceType : int8_t {
  kUnknown = 0,
  kAny = 1,
  kTopic = 2,
  kGroup = 3,
  kCluster = 4,
  kTransactionalId = 5,
  kDelegationToken = 6,
  kUser = 7,
};

inline constexpr std::string_view kClusterName = "kafka-cluster";

// Any reactor; never waits.
class Access {
 public:
  virtual ~Access() = default;
  [[nodiscard]] virtual bool may(const Session& session, AclOperation operation, ResourceType type,
                                 std::string_view name) const = 0;
};

enum class QuotaKind : uint8_t {
  kProduceBytes,  // amount: of batches that a request has brought
  kFetchBytes,    // amount: of batches that an answer brings
  kRequestTime,   // amount: nanoseconds that a request has taken of the reactor
};

// Each reactor calls it on its thread.
class Quotas {
 public:
  virtual ~Quotas() = default;
  // Counts, and tells for how many milliseconds the client must be silent now; 0: it is within its quota.
  [[nodiscard]] virtual int32_t charge(Session& session, std::string_view client_id, QuotaKind kind,
                                       uint64_t amount) = 0;
  // Whether kRequestTime means anything at present: it costs two looks at the clock.
  [[nodiscard]] virtual bool counts_time(const Session& session) const = 0;
};

}  // namespace keelson::kafka
