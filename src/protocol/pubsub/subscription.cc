#include "protocol/pubsub/subscription.h"

#include <algorithm>

#include "base/hash.h"
#include "base/logging.h"
#include "protocol/pubsub/dead_letters.h"
#include "protocol/pubsub/records.h"

namespace keelson::pubsub {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kNsPerSecond = 1'000'000'000;
// Of what is new; and of what is read again, one batch mostly.
constexpr uint32_t kReadBytes = 1 << 20;
constexpr uint32_t kReadAgainBytes = 64 << 10;
// What nobody waits for (messages that a filter passes over) is written down that late.
constexpr int64_t kSkippedWaitNs = kNsPerSecond;
// The lookout looks again by itself: for partitions that are new.
constexpr int64_t kLookEveryNs = 30 * kNsPerSecond;
// After an error of the log, or a read that failed.
constexpr int64_t kRetryNs = kNsPerSecond;
// Used by nobody for so long, it is forgotten.
constexpr int64_t kIdleNs = 60 * kNsPerSecond;
constexpr size_t kFailedRoundsMax = 128;
// Dead letters of one batch: within the smallest max.message.bytes that topics usually have, Kafka's 1 MiB, with what
// is added to each.
constexpr size_t kBuriedBytesMax = size_t{256} << 10;
constexpr int64_t kWarnEveryNs = 60 * kNsPerSecond;
// Leases' numbers begin with 24 bits of their topic, and have 2^39 at least to go on: an acknowledgement that was meant
// for a subscription of the same name to another topic, or to one that was made anew, is none of this one's.
constexpr unsigned kLeaseBits = 40;
uint64_t lease_family(const topic::TopicId& topic) {
  return hash64({reinterpret_cast<const char*>(topic.bytes.data()), topic.bytes.size()}, 0) >> kLeaseBits;
}

}  // namespace

// Hands what is read to the table, one partition's.
class Subscription::Feed final : public RecordVisitor {
 public:
  Feed(Subscription& of, int32_t partition)
      : of_(of),
        table_(of.table_),
        partition_(partition),
        oldest_ms_(of.here_.clock().wall_ms() - of.setup_.retention_ms) {}

  bool record(const topic::Record& record) override {
    const auto next = table_.next_new(partition_);
    if (!table_.wants(partition_, record.offset)) {
      // Acknowledged already, or with a consumer; or there is no room for new ones.
      return next.has_value();
    }
    auto message = message_of(partition_, record);
    // Kafka's clients may leave out the time: kNoTimestamp is not old.
    const bool is_too_old = record.timestamp_ms >= 0 && record.timestamp_ms < oldest_ms_;
    const bool is_for_us = !is_too_old && of_.setup_.filter.matches(message->attributes);
    if (is_for_us) {
      table_.feed(std::move(message));
    } else {
      table_.skip(partition_, std::min(next.value_or(record.offset), record.offset), record.offset + 1);
    }
    return table_.has_room();
  }
  bool reached(int64_t next_offset) override {
    const auto next = table_.next_new(partition_);
    if (next && *next < next_offset) table_.skip(partition_, *next, next_offset);
    return table_.has_room();
  }

 private:
  Subscription& of_;
  topics::LeaseTable& table_;
  const int32_t partition_;
  const int64_t oldest_ms_;
};

Subscription::Subscription(topics::Topics& topics, env::Reactor& here, StreamPost& post, SubscriptionSetup setup)
    : topics_(topics),
      here_(here),
      post_(post),
      setup_(std::move(setup)),
      table_(setup_.rules, lease_family(setup_.topic) << kLeaseBits | here.random().next() >> (65 - kLeaseBits)),
      last_used_ns_(here.clock().monotonic_ns()),
      work_(here),
      paper_(here),
      horizon_(here),
      written_(here),
      served_(here),
      tasks_(here) {}

Subscription::~Subscription() = default;

Task<CallStatus> Subscription::start() {
  const topics::Asked asked =
      co_await topics_.ask(here_, topics_.shard_of_name(setup_.cursor), topic::FindCursor{setup_.cursor});
  if (!asked.ok()) co_return status_of(asked);
  table_.reset(asked.answer.cursors.at(0));
  const auto found = co_await topics_.find_topic(here_, setup_.topic);
  is_topic_gone_ = found.topic == nullptr && found.outcome == log::LogErrc::kOk;
  learn_partitions();
  forget_ends();
  tasks_.spawn(pump());
  tasks_.spawn(clerk());
  tasks_.spawn(lookout());
  co_return CallStatus{};
}

void Subscription::learn_partitions() {
  const auto known = topics_.known_topic(here_, setup_.topic);
  if (known != nullptr) table_.set_partition_count(static_cast<size_t>(known->partition_count));
}

void Subscription::update(SubscriptionSetup setup) {
  const bool is_other = setup.rules.is_exactly_once != setup_.rules.is_exactly_once;
  setup_ = std::move(setup);
  table_.set_rules(setup_.rules);
  for (const auto& [address, stream] : streams_) {
    if (is_other) post_.changed(address, setup_.rules);
  }
  work_.ring();
}

void Subscription::close(CallStatus why) {
  if (is_closed()) return;
  closed_ = std::move(why);
  for (const auto& [address, stream] : streams_) post_.end(address, closed_);
  served_.ring();
  written_.ring();
  work_.ring();
}

// ---- Reading and handing out.

bool Subscription::is_hungry() const {
  if (!pullers_.empty()) return true;
  return std::ranges::any_of(streams_, [this](const auto& entry) {
    return entry.second.unsent_bytes < kUnsentBytesMax && table_.has_room(entry.second.consumer);
  });
}

bool Subscription::serve_stream(const StreamAddress& address, Stream& stream) {
  if (stream.unsent_bytes >= kUnsentBytesMax) return false;
  std::vector<Grant> grants;
  table_.grant(stream.consumer, kDeliveryMessagesMax, kDeliveryBytesMax, now_ns() + stream.ack_deadline_ms * kNsPerMs,
               grants);
  if (grants.empty()) return false;
  for (const Grant& grant : grants) stream.unsent_bytes += grant.message->size_bytes();
  post_.deliver(address, setup_.name, std::move(grants));
  return true;
}

bool Subscription::serve() {
  if (is_closed()) return false;
  bool has_served = false;
  for (Puller* const puller : std::vector(pullers_)) {
    const size_t before = puller->grants.size();
    table_.grant(puller->consumer, puller->count_max, kDeliveryBytesMax, now_ns() + setup_.ack_deadline_ms * kNsPerMs,
                 puller->grants);
    has_served = has_served || puller->grants.size() != before;
    if (puller->grants.size() >= puller->count_max) answer_puller(puller);
  }
  // In turn: the one that got something last is the last.
  const StreamAddress last = last_served_;
  const auto serve_from = [&](auto from, auto to) {
    for (; from != to; ++from) {
      if (!serve_stream(from->first, from->second)) continue;
      last_served_ = from->first;
      has_served = true;
    }
  };
  const auto middle = streams_.upper_bound(last);
  serve_from(middle, streams_.end());
  serve_from(streams_.begin(), middle);
  return has_served;
}

void Subscription::answer_puller(Puller* puller) {
  std::erase(pullers_, puller);
  served_.ring();
}

// There is nothing more for them at the moment.
void Subscription::answer_pullers() {
  for (Puller* const puller : std::vector(pullers_)) {
    if (!puller->grants.empty()) answer_puller(puller);
  }
}

std::optional<int32_t> Subscription::next_partition() {
  const auto count = static_cast<int32_t>(table_.partition_count());
  at_end_.resize(table_.partition_count(), false);
  for (int32_t i = 0; i < count; ++i) {
    const int32_t partition = (next_partition_ + i) % count;
    if (at_end_[static_cast<size_t>(partition)] || !table_.next_new(partition)) continue;
    next_partition_ = (partition + 1) % count;
    return partition;
  }
  return std::nullopt;
}

Task<topics::Asked> Subscription::read(int32_t partition, int64_t offset, uint32_t bytes_max) {
  topics::Asked asked = co_await topics_.read(
      here_, {.from = {setup_.topic, partition}, .offset = offset, .bytes_max = bytes_max, .is_committed_only = true});
  if (asked.outcome == log::LogErrc::kOk && (asked.answer.error == topic::TopicErrc::kUnknownTopic ||
                                             asked.answer.error == topic::TopicErrc::kUnknownPartition)) {
    is_topic_gone_ = true;
  }
  co_return asked;
}

// The log begins there now: retention or a deletion of records has taken what was before.
void Subscription::below_log_start(int32_t partition, int64_t log_start) {
  table_.skip(partition, table_.done(partition).floor(), log_start);
  paper_.ring();
}

Task<bool> Subscription::read_due(topics::LeaseTable::Place place) {
  const uint64_t generation = table_.generation();
  const topics::Asked asked = co_await read(place.partition, place.offset, kReadAgainBytes);
  if (table_.generation() != generation || !table_.wants(place.partition, place.offset)) co_return true;
  const topic::ReadAnswer& answer = asked.answer.read;
  if (asked.outcome == log::LogErrc::kOk && asked.answer.error == topic::TopicErrc::kOffsetOutOfRange &&
      place.offset < answer.log_start) {
    below_log_start(place.partition, answer.log_start);
    co_return true;
  }
  if (!asked.ok()) co_return false;
  Feed feed(*this, place.partition);
  if (Status read = walk(answer, place.offset, feed); !read.ok()) {
    log_error("pubsub", read.error().message(), {{"subscription", setup_.name}, {"partition", place.partition}});
    co_return false;
  }
  // It was there once: compaction has taken it.
  if (table_.wants(place.partition, place.offset)) {
    table_.skip(place.partition, place.offset, place.offset + 1);
    paper_.ring();
  }
  co_return true;
}

Task<bool> Subscription::read_new(int32_t partition) {
  const auto from = table_.next_new(partition);
  if (!from) co_return true;
  const uint64_t generation = table_.generation();
  const topics::Asked asked = co_await read(partition, *from, kReadBytes);
  if (table_.generation() != generation) co_return true;
  const topic::ReadAnswer& answer = asked.answer.read;
  if (asked.outcome == log::LogErrc::kOk && asked.answer.error == topic::TopicErrc::kOffsetOutOfRange) {
    if (*from < answer.log_start) {
      below_log_start(partition, answer.log_start);
    } else {
      at_end_[static_cast<size_t>(partition)] = true;  // beyond the end
    }
    co_return true;
  }
  if (!asked.ok()) co_return false;
  Feed feed(*this, partition);
  if (Status read = walk(answer, *from, feed); !read.ok()) {
    log_error("pubsub", read.error().message(), {{"subscription", setup_.name}, {"partition", partition}});
    co_return false;
  }
  const auto next = table_.next_new(partition);
  if (answer.slices.empty() || (next && *next >= answer.last_stable)) at_end_[static_cast<size_t>(partition)] = true;
  if (table_.has_skipped()) paper_.ring();
  co_return true;
}

Task<void> Subscription::read_for_hungry() {
  while (!is_closed() && !is_topic_gone_ && (is_hungry() || table_.must_read())) {
    const bool has_served = serve();
    if (!table_.has_room() && !has_served && !table_.park_blocked()) co_return;
    const auto due = table_.next_due();
    const auto partition = due ? std::optional<int32_t>() : next_partition();
    if (!due && !partition) {
      horizon_.ring();
      co_return;
    }
    const bool is_read = due ? co_await read_due(*due) : co_await read_new(*partition);
    if (table_.has_dead()) co_await bury();
    serve();
    if (is_read) continue;
    if (partition) at_end_[static_cast<size_t>(*partition)] = true;  // the lookout comes back to it
    answer_pullers();
    co_await env::sleep_for(here_, kRetryNs);
  }
}

Task<void> Subscription::bury() {
  auto dead = table_.take_dead();
  const uint64_t generation = table_.generation();
  for (size_t next = 0; next < dead.size() && table_.generation() == generation;) {
    std::vector<std::unique_ptr<topics::Message>> some;
    size_t bytes = 0;
    do {
      bytes += dead[next]->size_bytes();
      some.push_back(std::move(dead[next++]));
    } while (next < dead.size() && bytes + dead[next]->size_bytes() <= kBuriedBytesMax);
    co_await bury_some(std::move(some));
  }
}

Task<void> Subscription::bury_some(std::vector<std::unique_ptr<topics::Message>> dead) {
  std::vector<DeadLetter> letters;
  for (const auto& message : dead) {
    letters.push_back({message.get(), table_.attempts({message->partition, message->offset})});
  }
  const uint64_t generation = table_.generation();
  const CallStatus published = co_await publish_dead_letters(topics_, here_, setup_.name, setup_.dead_letter_topic,
                                                             std::move(letters), spread_++);
  if (!published.ok() && now_ns() >= warn_again_ns_) {
    warn_again_ns_ = now_ns() + kWarnEveryNs;
    log_warn("pubsub", "dead letters cannot be published and are tried again",
             {{"subscription", setup_.name}, {"reason", published.message}});
  }
  if (table_.generation() != generation) co_return;
  for (const auto& message : dead) {
    table_.dead_letter({message->partition, message->offset}, published.ok(), now_ns());
  }
  paper_.ring();
}

Task<void> Subscription::pump() {
  while (true) {
    table_.expire(now_ns());
    if (table_.has_settling()) paper_.ring();  // attempts
    co_await read_for_hungry();
    serve();
    answer_pullers();
    co_await work_.wait(table_.next_event_ns());
  }
}

Task<void> Subscription::lookout() {
  while (true) {
    co_await horizon_.wait();
    std::vector<topics::WaitPoint> points;
    for (size_t i = 0; i < table_.partition_count(); ++i) {
      const auto partition = static_cast<int32_t>(i);
      const auto next = table_.next_new(partition);
      if (next) points.push_back({{setup_.topic, partition}, *next, true});
    }
    if (points.empty() || is_topic_gone_) continue;
    const int64_t began_ns = now_ns();
    co_await topics_.wait(here_, std::move(points), began_ns + kLookEveryNs);
    // One that ends at once again and again (a partition that is gone, a service that stops) costs a look each second.
    if (topics_.is_stopping(here_)) co_await env::sleep_for(here_, kRetryNs);
    learn_partitions();
    forget_ends();
    work_.ring();
  }
}

// ---- Writing down.

Task<void> Subscription::clerk() {
  int64_t skipped_until_ns = INT64_MAX;
  while (true) {
    if (!table_.has_settling()) {
      skipped_until_ns = table_.has_skipped() ? std::min(skipped_until_ns, now_ns() + kSkippedWaitNs) : INT64_MAX;
      if (now_ns() < skipped_until_ns) {
        co_await paper_.wait(skipped_until_ns);
        continue;
      }
    }
    skipped_until_ns = INT64_MAX;
    co_await write_round();
  }
}

Task<void> Subscription::write_round() {
  ++rounds_begun_;
  const topic::AdvanceCursor advance = table_.take_advance(setup_.cursor);
  const topics::Asked asked = co_await topics_.ask(here_, topics_.shard_of_name(setup_.cursor), advance);
  table_.advanced(asked.ok(), now_ns() + setup_.ack_deadline_ms * kNsPerMs);
  ++rounds_ended_;
  if (!asked.ok()) {
    failed_rounds_[rounds_ended_] = asked.outcome != log::LogErrc::kOk ? asked.outcome : log::LogErrc::kRefused;
    if (failed_rounds_.size() > kFailedRoundsMax) failed_rounds_.erase(failed_rounds_.begin());
  }
  written_.ring();
  work_.ring();
  if (!asked.ok()) co_await env::sleep_for(here_, kRetryNs);
}

Task<Subscription::Acked> Subscription::acknowledge(std::vector<LeaseId> ids, bool waits) {
  const Pin pin(*this);
  Acked acked;
  for (const LeaseId& id : ids) {
    acked.is_valid.push_back(id.lease >> kLeaseBits == lease_family(setup_.topic) && table_.acknowledge(id, now_ns()));
  }
  paper_.ring();
  work_.ring();
  // Also if they are all void: one that is void because it was said before, and is not written yet, waits with that.
  const uint64_t round = rounds_begun_ + (table_.has_settling() ? 1 : 0);
  if (rounds_ended_ >= round || !(waits || setup_.rules.is_exactly_once)) co_return acked;
  const uint64_t generation = table_.generation();
  while (rounds_ended_ < round && !is_closed() && table_.generation() == generation) co_await written_.wait();
  if (rounds_ended_ < round) {
    acked.written = log::LogErrc::kStopped;
  } else if (const auto failed = failed_rounds_.find(round); failed != failed_rounds_.end()) {
    acked.written = failed->second;
  }
  co_return acked;
}

std::vector<bool> Subscription::modify(const std::vector<LeaseId>& ids, const std::vector<int32_t>& seconds) {
  const Pin pin(*this);
  std::vector<bool> is_valid;
  const int64_t now = now_ns();
  for (size_t i = 0; i < ids.size(); ++i) {
    const int32_t wished = seconds.size() == 1 ? seconds[0] : seconds[i];
    is_valid.push_back(wished == 0 ? table_.nack(ids[i], now)
                                   : table_.extend(ids[i], now, now + wished * kNsPerSecond));
  }
  if (table_.has_settling()) paper_.ring();
  work_.ring();
  return is_valid;
}

void Subscription::give_back(const std::vector<LeaseId>& ids) {
  for (const LeaseId& id : ids) table_.give_back(id);
  work_.ring();
}

Task<CallStatus> Subscription::seek(std::vector<topic::CursorPosition> positions) {
  const Pin pin(*this);
  topic::SeekCursor command{setup_.cursor, positions};
  const topics::Asked asked = co_await topics_.ask(here_, topics_.shard_of_name(setup_.cursor), command);
  if (!asked.ok()) co_return status_of(asked);
  table_.reset({setup_.cursor, setup_.topic, asked.answer.cursors.at(0).generation, std::move(positions)});
  forget_ends();
  written_.ring();  // acknowledgements that wait are void
  work_.ring();
  co_return CallStatus{};
}

// ---- Pulls and streams.

Task<Subscription::Pulled> Subscription::pull(size_t count_max, int64_t until_ns) {
  const Pin pin(*this);
  Puller puller{table_.add_consumer({}), count_max};
  pullers_.push_back(&puller);
  work_.ring();
  // It is in the list until it has what it gets.
  while (std::ranges::find(pullers_, &puller) != pullers_.end() && !is_closed() && now_ns() < until_ns) {
    co_await served_.wait(until_ns);
  }
  std::erase(pullers_, &puller);
  table_.remove_consumer(puller.consumer);
  if (puller.grants.empty() && is_closed()) co_return Pulled{closed_};
  co_return Pulled{{}, std::move(puller.grants), setup_.rules};
}

void Subscription::open_stream(const StreamAddress& stream, const topics::ConsumerLimits& limits,
                               int64_t ack_deadline_ms) {
  if (is_closed()) {
    post_.end(stream, closed_);
    return;
  }
  streams_[stream] = {table_.add_consumer(limits), ack_deadline_ms, 0};
  work_.ring();
}

void Subscription::set_ack_deadline(const StreamAddress& address, int64_t ack_deadline_ms) {
  const auto stream = streams_.find(address);
  if (stream != streams_.end()) stream->second.ack_deadline_ms = ack_deadline_ms;
}

void Subscription::sent(const StreamAddress& address, size_t bytes) {
  const auto stream = streams_.find(address);
  if (stream == streams_.end()) return;
  stream->second.unsent_bytes -= std::min(stream->second.unsent_bytes, bytes);
  work_.ring();
}

void Subscription::close_stream(const StreamAddress& address) {
  const auto stream = streams_.find(address);
  if (stream == streams_.end()) return;
  table_.remove_consumer(stream->second.consumer);
  streams_.erase(stream);
  last_used_ns_ = now_ns();
}

bool Subscription::is_idle(int64_t now_ns) const {
  if (pins_ != 0) return false;
  if (is_closed()) return true;
  return streams_.empty() && table_.leased() == 0 && !table_.has_settling() && rounds_begun_ == rounds_ended_ &&
         now_ns - last_used_ns_ > kIdleNs;
}

bool Subscription::wants_note(int64_t now_ms, int64_t every_ms) {
  if (now_ms - noted_ms_ < every_ms) return false;
  noted_ms_ = now_ms;
  return true;
}

SubscriptionFigures Subscription::figures() const {
  SubscriptionFigures figures;
  figures.name = setup_.name;
  figures.topic = setup_.topic;
  for (size_t i = 0; i < table_.partition_count(); ++i) {
    const topic::OffsetSet& done = table_.done(static_cast<int32_t>(i));
    figures.positions.push_back({done.floor(), {}, {}});
    figures.done_beyond.push_back(done.covered());
  }
  figures.leased = table_.leased();
  figures.unacknowledged = table_.unacknowledged();
  const int64_t oldest = table_.oldest_time_ms();
  figures.oldest_time_ms = oldest == INT64_MAX || oldest < 0 ? 0 : oldest;
  figures.streams = streams_.size();
  figures.counts = table_.counts();
  return figures;
}

}  // namespace keelson::pubsub
