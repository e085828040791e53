#include "protocol/kafka/creation.h"

#include <algorithm>
#include <utility>

#include "protocol/kafka/service.h"
#include "protocol/kafka/topic_names.h"

namespace keelson::kafka {

topic::TopicId draw_topic_id(env::Reactor& here) {
  topic::TopicId id;
  for (size_t i = 0; i < id.bytes.size(); i += sizeof(uint64_t)) {
    uint64_t chance = here.random().next();
    for (size_t k = 0; k < sizeof(chance); ++k, chance >>= 8) id.bytes[i + k] = static_cast<uint8_t>(chance);
  }
  // RFC 9562, 5.4: version and variant.
  id.bytes[6] = static_cast<uint8_t>(0x40 | (id.bytes[6] & 0x0f));
  id.bytes[8] = static_cast<uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return id;
}

namespace {

std::string unified(std::string name) {
  std::ranges::replace(name, '.', '_');
  return name;
}

// Another topic whose name differs in . and _ alone: the two would be one in the names of Kafka's metrics. `like`
// stays empty: there is none. An error: nobody can be asked.
Task<ErrorCode> find_like(Call& call, std::string name, std::string& like) {
  const size_t first = name.find_first_of("._");
  if (first == std::string::npos) co_return ErrorCode::kNone;
  topic::ListTopics question{.prefix = name.substr(0, first)};
  const std::string looked_for = unified(name);
  for (;;) {
    const topics::Asked asked =
        co_await call.topics().ask(call.here(), call.topics().nearest_shard(call.here()), question);
    if (!asked.ok()) co_return error_of_change(asked);
    for (const topic::TopicInfo& topic : asked.answer.topics) {
      if (topic.name == name || unified(topic.name) != looked_for) continue;
      like = topic.name;
      co_return ErrorCode::kNone;
    }
    if (!asked.answer.is_truncated || asked.answer.topics.empty()) co_return ErrorCode::kNone;
    question.after = asked.answer.topics.back().name;
  }
}

}  // namespace

Task<Created> create_topic(Call& call, std::string name, int32_t partitions, topic::Pairs configs) {
  Created created{.id = draw_topic_id(call.here())};
  if (const std::string_view wrong = wrong_with_name(name); !wrong.empty()) {
    co_return Created{.error = ErrorCode::kInvalidTopicException, .reason = std::string(wrong)};
  }
  if (partitions < 1 || partitions > topic::kPartitionsMax) {
    co_return Created{.error = ErrorCode::kInvalidPartitions,
                      .reason = "the number of partitions must be from 1 to " + std::to_string(topic::kPartitionsMax)};
  }
  std::string other;
  if (const ErrorCode error = co_await find_like(call, name, other); error != ErrorCode::kNone) {
    co_return Created{.error = error};
  }
  if (!other.empty()) {
    co_return Created{.error = ErrorCode::kInvalidTopicException,
                      .reason = "Topic '" + name + "' collides with existing topics: " + other};
  }
  const topics::Asked asked = co_await call.topics().ask_all(
      call.here(),
      topic::CreateTopic{
          .id = created.id, .name = std::move(name), .partition_count = partitions, .configs = std::move(configs)});
  created.error = error_of_change(asked);
  created.reason = asked.answer.reason;
  co_return created;
}

Task<FoundOrMade> find_or_make(Call& call, std::string name, bool may_make) {
  topics::Topics& topics = call.topics();
  topics::Topics::Found found = co_await topics.find_topic(call.here(), name);
  if (found.topic != nullptr) co_return FoundOrMade{.topic = std::move(found.topic)};
  if (found.outcome != log::LogErrc::kOk) co_return FoundOrMade{.error = ErrorCode::kLeaderNotAvailable};
  if (!wrong_with_name(name).empty()) co_return FoundOrMade{.error = ErrorCode::kInvalidTopicException};
  if (!may_make || !call.service().options().auto_create_topics) {
    co_return FoundOrMade{.error = ErrorCode::kUnknownTopicOrPartition};
  }
  if (!call.may(AclOperation::kCreate, ResourceType::kCluster, kClusterName) &&
      !call.may(AclOperation::kCreate, ResourceType::kTopic, name)) {
    co_return FoundOrMade{.error = ErrorCode::kTopicAuthorizationFailed};
  }
  const Created created = co_await create_topic(call, name, call.service().options().partitions_default, {});
  if (created.error == ErrorCode::kNotController || created.error == ErrorCode::kRequestTimedOut) {
    co_return FoundOrMade{.error = ErrorCode::kLeaderNotAvailable};
  }
  // Another client may have been faster.
  if (created.error != ErrorCode::kNone && created.error != ErrorCode::kTopicAlreadyExists) {
    co_return FoundOrMade{.error = created.error};
  }
  found = co_await topics.find_topic(call.here(), std::move(name));
  if (found.topic == nullptr) co_return FoundOrMade{.error = ErrorCode::kLeaderNotAvailable};
  co_return FoundOrMade{.topic = std::move(found.topic)};
}

}  // namespace keelson::kafka
