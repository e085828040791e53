#include "tests/sim/topic_clients.h"

#include <algorithm>
#include <utility>

#include "engine/topic/record_batch.h"
#include "engine/topic/record_reader.h"
#include "env/reactor.h"

namespace keelson::sim_test {

TopicClient::TopicClient(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id)
    : env_(env), world_(world), id_(id), link_(env, std::move(servers)) {}

TopicClient::Verdict TopicClient::judge_error(int16_t error) {
  if (error != kNoError) last_error_ = error;
  switch (error) {
    case kNoError:
      return Verdict::kNone;
    case 3:   // UNKNOWN_TOPIC_OR_PARTITION
    case 5:   // LEADER_NOT_AVAILABLE
    case 19:  // NOT_ENOUGH_REPLICAS: a transaction's coordinator could not be asked (KIP-890)
    case 41:  // NOT_CONTROLLER
      return world_.allowed.moves ? Verdict::kAgain : Verdict::kUnexpected;
    case 6:   // NOT_LEADER_OR_FOLLOWER
    case 7:   // REQUEST_TIMED_OUT
    case 14:  // COORDINATOR_LOAD_IN_PROGRESS
    case 15:  // COORDINATOR_NOT_AVAILABLE
    case 16:  // NOT_COORDINATOR
    case 51:  // CONCURRENT_TRANSACTIONS
      return Verdict::kAgain;
    case 56:  // KAFKA_STORAGE_ERROR
      return world_.allowed.storage_errors ? Verdict::kAgain : Verdict::kUnexpected;
    default:
      return Verdict::kUnexpected;
  }
}

void TopicClient::violate(const std::string& what) {
  if (violation_.empty()) violation_ = "client " + std::to_string(id_) + ": " + what;
}

uint64_t TopicClient::below(uint64_t bound) { return env_.reactor(0).random().next() % bound; }

Task<void> TopicClient::pause() {
  const uint64_t drawn = below(static_cast<uint64_t>(world_.pause_ns_max));
  co_await env::sleep_for(env_.reactor(0), 1 + static_cast<int64_t>(drawn));
}

// Batches are walked as a client walks them: a producer's records are left out from where its aborted transaction began
// up to the marker.
bool read_batches(const KafkaLink::Fetched& fetched, bool is_committed_only, int64_t& offset,
                  std::vector<SeenRecord>& into) {
  std::set<int64_t> aborting;
  auto aborted = fetched.aborted;  // in no order that is promised
  std::sort(aborted.begin(), aborted.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  size_t next_aborted = 0;
  std::string_view rest = fetched.batches;
  topic::RecordReader records;
  while (!rest.empty() && topic::check_frame(rest) == topic::BatchErrc::kOk) {
    const topic::BatchView batch(rest);
    if (batch.computed_crc() != batch.crc()) return false;
    while (next_aborted < aborted.size() && aborted[next_aborted].second <= batch.last_offset()) {
      aborting.insert(aborted[next_aborted++].first);
    }
    if (batch.is_control()) {
      aborting.erase(batch.producer_id());
    } else if (!is_committed_only || !batch.is_transactional() || !aborting.contains(batch.producer_id())) {
      if (records.begin(batch.bytes()) != topic::BatchErrc::kOk) return false;
      topic::Record record;
      while (records.next(record)) {
        if (record.offset < offset) continue;
        SeenRecord& seen = into.emplace_back();
        seen.offset = record.offset;
        if (record.key) seen.key = *record.key;
        if (record.value) seen.value = *record.value;
      }
      if (records.error() != topic::BatchErrc::kOk) return false;
    }
    if (batch.next_offset() <= offset) return false;
    offset = batch.next_offset();
    rest.remove_prefix(batch.size_bytes());
  }
  return rest.empty();
}

// ---- Readers.

TopicReader::TopicReader(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id)
    : TopicClient(env, std::move(servers), world, id) {}

Task<void> TopicReader::run() {
  while (goes_on() && !is_finishing_) {
    co_await pause();
    const auto partition = static_cast<int32_t>(below(static_cast<uint64_t>(world_.partitions)));
    int64_t& position = position_[partition];
    if (below(20) == 0) position = 0;
    const auto fetched = co_await link_.fetch({.topic = world_.topic,
                                               .partition = partition,
                                               .offset = position,
                                               .is_committed_only = true,
                                               .bytes_max = 1 + static_cast<int32_t>(below(100'000)),
                                               .wait_ms = static_cast<int32_t>(below(50))});
    if (!fetched) continue;
    if (fetched->error == 1) {  // OFFSET_OUT_OF_RANGE: trimmed
      if (fetched->log_start <= position && position <= fetched->high_watermark && fetched->log_start >= 0) {
        violate("an offset within the partition is out of range");
      }
      if (world_.allowed.moves && !world_.is_trimmed) {
        violate("an offset that was within the partition is out of range");
      }
      const auto start = co_await link_.find_offset(world_.topic, partition, -2);
      if (start && start->error == kNoError) position = start->value;
      continue;
    }
    if (judge_error(fetched->error) == Verdict::kUnexpected) {
      violate("a fetch is answered with error " + std::to_string(fetched->error));
      continue;
    }
    if (fetched->error != kNoError) continue;
    int64_t& floor = watermark_[{link_.last_server(), partition}];
    if (fetched->high_watermark < floor) {
      violate("partition " + std::to_string(partition) + ": the high watermark went back from " +
              std::to_string(floor) + " to " + std::to_string(fetched->high_watermark));
    }
    floor = std::max(floor, fetched->high_watermark);
    std::vector<SeenRecord> seen;
    if (!read_batches(*fetched, true, position, seen)) violate("a fetch gave malformed batches");
    for (const SeenRecord& record : seen) world_.judge.saw(partition, record);
    if (!seen.empty()) ++successes_;
  }
  is_done_ = true;
}

Task<bool> TopicReader::read_through(int32_t partition, bool is_committed_only, TopicJudge::Partition& into) {
  const auto start = co_await link_.find_offset(world_.topic, partition, -2);
  if (!start || start->error != kNoError) co_return false;
  into.start = start->value;
  std::vector<SeenRecord>& records = is_committed_only ? into.committed : into.all;
  records.clear();
  int64_t position = start->value;
  for (;;) {
    const auto fetched = co_await link_.fetch({.topic = world_.topic,
                                               .partition = partition,
                                               .offset = position,
                                               .is_committed_only = is_committed_only,
                                               .bytes_max = 1 + static_cast<int32_t>(below(200'000))});
    if (!fetched || fetched->error != kNoError) co_return false;
    const int64_t end = is_committed_only ? fetched->last_stable : fetched->high_watermark;
    if (position >= end) co_return true;
    const int64_t before = position;
    if (!read_batches(*fetched, is_committed_only, position, records)) {
      violate("a fetch gave malformed batches");
      co_return false;
    }
    // Whatever is left of compaction, a reader below the end gets something.
    if (position == before) {
      violate("partition " + std::to_string(partition) + ": a reader is stuck at " + std::to_string(position) +
              ", the end is " + std::to_string(end));
      co_return false;
    }
  }
}

Task<void> TopicReader::read_all(std::map<int32_t, TopicJudge::Partition>& into) {
  is_done_ = false;
  for (int32_t partition = 0; partition < world_.partitions && goes_on(); ++partition) {
    while (goes_on() && (!co_await read_through(partition, false, into[partition]) ||
                         !co_await read_through(partition, true, into[partition]))) {
      co_await pause();
    }
  }
  is_done_ = true;
}

Task<void> TopicTrimmer::run() {
  while (goes_on() && !is_finishing_) {
    for (int i = 0; i < 20 && !is_finishing_; ++i) co_await pause();
    const auto partition = static_cast<int32_t>(below(static_cast<uint64_t>(world_.partitions)));
    const auto end = co_await link_.find_offset(world_.topic, partition, -1);
    if (!end || end->error != kNoError || end->value <= 0) continue;
    const auto below_offset = static_cast<int64_t>(below(static_cast<uint64_t>(end->value) + 1));
    const auto trimmed = co_await link_.delete_records(world_.topic, partition, below_offset);
    if (!trimmed) continue;
    // Somebody's earlier trim, whose answer was lost, may have gone further.
    if (judge_error(trimmed->error) == Verdict::kUnexpected && trimmed->error != 1) {
      violate("DeleteRecords is answered with error " + std::to_string(trimmed->error));
    } else if (trimmed->error == kNoError && trimmed->value < below_offset) {
      violate("DeleteRecords left more than it said");
    } else if (trimmed->error == kNoError) {
      ++successes_;
    }
  }
  is_done_ = true;
}

}  // namespace keelson::sim_test
