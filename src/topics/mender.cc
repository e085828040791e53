#include "topics/mender.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"

namespace keelson::topics::detail {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kEveryNs = 1'000 * kNsPerMs;
// It sleeps in naps of this, so that stop() need not wait.
constexpr int64_t kNapNs = 50 * kNsPerMs;
// Of one record: small beside what a shard's log takes in a turn.
constexpr size_t kPieceBytesMax = size_t{256} << 10;
constexpr size_t kPageTopics = 1'000;

}  // namespace

Mender::Mender(Topics& topics, Desk& desk) : topics_(topics), here_(desk.reactor()) {
  for (uint16_t i = 1; i < topics.router().shard_count(); ++i) {
    const shard::ShardId id = topics.shard_at(i);
    if (topics.router().reactor_of(id) == here_.index()) mirrors_.push_back(id);
  }
}

Task<void> Mender::run() {
  int64_t look_at_ns = here_.clock().monotonic_ns() + kEveryNs;
  while (!is_stopping_) {
    co_await env::sleep_for(here_, kNapNs);
    if (is_stopping_ || here_.clock().monotonic_ns() < look_at_ns) continue;
    co_await look();
    look_at_ns = here_.clock().monotonic_ns() + kEveryNs;
  }
}

Asking Mender::describe(shard::ShardId shard) { return topics_.ask_stale(here_, shard, topic::DescribeDirectory{}); }

Task<void> Mender::look() {
  struct Mirror {
    shard::ShardId id = 0;
    topic::DirectoryInfo info;
  };
  // First the mirrors, then what they are compared with: that is newer.
  std::vector<Mirror> led;
  for (shard::ShardId id : mirrors_) {
    if (!topics_.leads(id)) continue;
    const Asked asked = co_await describe(id);
    if (asked.ok()) led.push_back({id, asked.answer.directory});
  }
  if (led.empty() || is_stopping_) co_return;
  const shard::ShardId source = co_await find_source();
  for (const Mirror& mirror : led) {
    if (is_stopping_) co_return;
    if (mirror.id != source && co_await differs(mirror.info, source)) co_await mend(mirror.id, source);
  }
}

Task<shard::ShardId> Mender::find_source() {
  const shard::ShardId first = topics_.shard_at(0);
  if (topics_.leader_of(first) != 0) co_return first;
  shard::ShardId best = first;
  uint64_t version = 0;
  for (uint16_t i = 1; i < topics_.router().shard_count(); ++i) {
    const shard::ShardId id = topics_.shard_at(i);
    if (topics_.leader_of(id) == 0) continue;
    const Asked asked = co_await describe(id);
    if (!asked.ok() || asked.answer.directory.version <= version) continue;
    best = id;
    version = asked.answer.directory.version;
  }
  co_return best;
}

Task<bool> Mender::differs(const topic::DirectoryInfo& mirror, shard::ShardId source) {
  const Asked near = co_await describe(source);
  if (!near.ok()) co_return false;
  if (near.answer.directory.version != mirror.version) co_return near.answer.directory.version > mirror.version;
  if (near.answer.directory.digest == mirror.digest || source != topics_.shard_at(0)) co_return false;
  // The mirror may have heard already what the replica of the first shard here has not.
  const Asked confirmed = co_await topics_.ask(here_, source, topic::DescribeDirectory{});
  co_return confirmed.ok() &&
      (confirmed.answer.directory.version != mirror.version || confirmed.answer.directory.digest != mirror.digest);
}

Task<Mender::Known> Mender::know(shard::ShardId shard) {
  Known known;
  const Asked asked = co_await describe(shard);
  if (!asked.ok()) co_return known;
  // Whatever changes while it is read is beyond this version.
  known.info = asked.answer.directory;
  topic::ListTopics page{.count_max = kPageTopics};
  for (bool is_more = true; is_more;) {
    Asked listed = co_await topics_.ask_stale(here_, shard, page);
    if (!listed.ok() || is_stopping_) co_return known;
    is_more = listed.answer.is_truncated && !listed.answer.topics.empty();
    if (is_more) page.after = listed.answer.topics.back().name;
    for (topic::TopicInfo& info : listed.answer.topics) {
      const TopicId id = info.id;
      known.topics.insert_or_assign(id, std::move(info));
    }
  }
  known.is_good = true;
  co_return known;
}

Task<void> Mender::mend(shard::ShardId mirror, shard::ShardId source) {
  const Known mirrored = co_await know(mirror);
  if (!mirrored.is_good) co_return;
  const Known known = co_await know(source);
  if (!known.is_good) co_return;
  size_t topics = 0;
  size_t gone = 0;
  for (const topic::MirrorTopic& piece : mending(mirrored.info, mirrored.topics, known.info, known.topics)) {
    if (is_stopping_ || !topics_.leads(mirror)) co_return;
    const Asked asked = co_await topics_.ask(here_, mirror, piece);
    // Looked at again in a second.
    if (!asked.ok()) co_return;
    topics += piece.topics.size();
    gone += piece.gone.size();
  }
  if (topics + gone == 0) co_return;
  log_info("topic", "a shard's directory of topics was behind and has caught up",
           {{"shard", mirror}, {"topics", topics}, {"gone", gone}, {"version", known.info.version}});
}

std::vector<topic::MirrorTopic> mending(const topic::DirectoryInfo& mirror,
                                        const std::map<TopicId, topic::TopicInfo>& mirrored,
                                        const topic::DirectoryInfo& source,
                                        const std::map<TopicId, topic::TopicInfo>& topics) {
  std::vector<topic::MirrorTopic> pieces;
  // What the mirror has heard meanwhile, the replica of the source here may not know yet: a topic that it still has may
  // have been deleted.
  if (source.version < mirror.version) return pieces;
  size_t bytes = 0;
  const auto piece = [&](size_t more) -> topic::MirrorTopic& {
    if (pieces.empty() || bytes + more > kPieceBytesMax) {
      pieces.push_back({.since = mirror.version, .until = mirror.version});
      bytes = 0;
    }
    bytes += more;
    return pieces.back();
  };
  // Names are free before they are given again.
  for (const auto& [id, info] : mirrored) {
    // One that is newer than what the source knows may be there.
    if (info.version > source.version || topics.contains(id)) continue;
    piece(id.bytes.size() + sizeof(uint64_t)).gone.push_back({id, source.version});
  }
  for (const auto& [id, info] : topics) {
    const auto found = mirrored.find(id);
    if (found != mirrored.end() && found->second.version > info.version) continue;
    std::string encoded = topic::encode_topic(info);
    if (found != mirrored.end() && topic::encode_topic(found->second) == encoded) continue;
    const size_t size = encoded.size();
    piece(size).topics.push_back(std::move(encoded));
  }
  if (source.version > mirror.version) {
    if (pieces.empty()) pieces.push_back({.since = mirror.version});
    pieces.back().until = source.version;
  }
  return pieces;
}

}  // namespace keelson::topics::detail
