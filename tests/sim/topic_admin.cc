#include <utility>

#include "engine/topic/batch_builder.h"
#include "env/reactor.h"
#include "tests/sim/topic_clients.h"

namespace keelson::sim_test {

namespace {

constexpr uint64_t kFoughtOver = 2;  // names
constexpr uint64_t kPartitionsMax = 3;

// What the answer says if an earlier attempt has done it already.
constexpr int16_t kUnknownTopic = 3;
constexpr int16_t kTopicExists = 36;
constexpr int16_t kInvalidPartitions = 37;

}  // namespace

Task<void> TopicAdmin::run() {
  while (goes_on() && !is_finishing_) {
    for (int i = 0; i < 10 && !is_finishing_; ++i) co_await pause();
    if (below(3) == 0) {
      co_await fight();
    } else {
      co_await live();
    }
  }
  is_done_ = true;
}

Task<void> TopicAdmin::live() {
  const std::string name = "yard-" + std::to_string(id_) + "-" + std::to_string(lives_++);
  auto partitions = static_cast<int32_t>(1 + below(kPartitionsMax));
  if (!co_await change(Change::kCreate, name, partitions)) co_return;
  const bool is_create_doubtful = is_doubtful_;
  certain_[name] = partitions;
  co_await write_to(name, static_cast<int32_t>(below(static_cast<uint64_t>(partitions))));
  if (below(2) == 0) {
    partitions += static_cast<int32_t>(1 + below(2));
    certain_.erase(name);
    if (!co_await change(Change::kGrow, name, partitions)) co_return;
    certain_[name] = partitions;
    co_await write_to(name, partitions - 1);
  }
  ++successes_;
  if (below(3) == 0) co_return;
  certain_.erase(name);
  if (!co_await change(Change::kDelete, name, 0)) co_return;
  // A creation that comes late makes it again, as another one.
  if (!is_create_doubtful) certain_[name] = 0;
}

Task<void> TopicAdmin::fight() {
  const std::string name = "dock-" + std::to_string(below(kFoughtOver));
  const auto change = static_cast<Change>(below(3));
  const auto answer = co_await try_change(change, name, static_cast<int32_t>(1 + below(kPartitionsMax)));
  if (!answer || answer->error == kTopicExists || answer->error == kInvalidPartitions) co_return;
  if (judge_error(answer->error) == Verdict::kUnexpected) {
    violate("a change of topic " + name + " is answered with error " + std::to_string(answer->error));
  }
}

// Whoever leads the partition comes to know of the topic.
Task<void> TopicAdmin::write_to(std::string name, int32_t partition) {
  topic::BatchBuilder builder({});
  builder.add(env_.reactor(0).clock().wall_ms(), std::nullopt, "laid up");
  const std::string batch = builder.finish();
  while (goes_on()) {
    const auto answer = co_await link_.produce(name, partition, batch);
    if (answer && answer->error == kNoError) co_return;
    if (answer && judge_error(answer->error) == Verdict::kUnexpected) {
      violate("Produce to topic " + name + " is answered with error " + std::to_string(answer->error));
    }
    co_await pause();
  }
}

Task<std::optional<KafkaLink::Result>> TopicAdmin::try_change(Change change, std::string name, int32_t partitions) {
  switch (change) {
    case Change::kCreate:
      co_return co_await link_.create_topic(std::move(name), partitions, {});
    case Change::kDelete:
      co_return co_await link_.delete_topic(std::move(name));
    case Change::kGrow:
      co_return co_await link_.add_partitions(std::move(name), partitions);
  }
}

Task<bool> TopicAdmin::change(Change change, std::string name, int32_t partitions) {
  const int16_t done = change == Change::kCreate   ? kTopicExists
                       : change == Change::kDelete ? kUnknownTopic
                                                   : kInvalidPartitions;
  is_doubtful_ = false;
  while (goes_on()) {
    const auto answer = co_await try_change(change, name, partitions);
    if (answer && (answer->error == kNoError || (is_doubtful_ && answer->error == done))) co_return true;
    const bool is_known = answer && (answer->error == done || answer->error == kUnknownTopic);
    if (is_known || (answer && judge_error(answer->error) == Verdict::kUnexpected)) {
      violate("change " + std::to_string(static_cast<int>(change)) + " of topic " + name +
              ", of which it knows better, is answered with error " + std::to_string(answer->error));
    }
    is_doubtful_ = true;
    co_await pause();
  }
  co_return false;
}

}  // namespace keelson::sim_test
