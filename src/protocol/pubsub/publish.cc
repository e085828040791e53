#include "protocol/pubsub/publish.h"

#include <map>
#include <memory>
#include <string>

#include "base/hash.h"
#include "engine/topic/batch_builder.h"

namespace keelson::pubsub {

Task<Published> publish(topics::Topics& topics, env::Reactor& here, topics::Topics::TopicPointer to,
                        std::vector<Outgoing> messages, uint64_t spread, int64_t now_ms) {
  const auto count = static_cast<uint64_t>(to->partition_count);
  std::map<int32_t, std::vector<size_t>> by_partition;
  for (size_t i = 0; i < messages.size(); ++i) {
    const uint64_t chooser = messages[i].key.empty() ? spread : hash64(messages[i].key, 0);
    by_partition[static_cast<int32_t>(chooser % count)].push_back(i);
  }
  std::vector<std::pair<const std::vector<size_t>*, topics::Asking>> under_way;
  Published published;
  published.places.resize(messages.size());
  for (const auto& [partition, members] : by_partition) {
    topic::BatchBuilder builder;
    for (const size_t i : members) {
      const Outgoing& message = messages[i];
      const auto key = message.key.empty() ? std::nullopt : std::optional(message.key);
      builder.add(now_ms, key, message.data, message.attributes);
      published.places[i].first = partition;
    }
    const auto batch = std::make_shared<const std::string>(builder.finish());
    const topic::PartitionId at{to->id, partition};
    under_way.emplace_back(&members, topics.ask(here, topics.shard_of(at), topic::Append{at, false}, *batch, batch));
  }
  for (auto& [members, asking] : under_way) {
    const topics::Asked asked = co_await asking;
    if (!asked.ok()) published.status = status_of(asked);
    int64_t offset = asked.answer.append.base_offset;
    for (const size_t i : *members) published.places[i].second = offset++;
  }
  co_return published;
}

}  // namespace keelson::pubsub
