#include "topics/lease_table.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"

namespace keelson::topics {

namespace {

// Of a key's messages, how many are read again at a time once it is their turn.
constexpr size_t kUnparkedAhead = 32;
// A dead letter that could not be published is tried again.
constexpr int64_t kDeadLetterRetryNs = 10'000'000'000;

int64_t backoff_ns(const std::optional<Backoff>& backoff, uint32_t attempts) {
  if (!backoff || attempts == 0) return 0;
  const unsigned doublings = std::min(attempts - 1, 30U);
  const int64_t wished_ms = backoff->min_ms << doublings;  // 600 s * 2^30 fits
  return std::min(wished_ms, backoff->max_ms) * 1'000'000;
}

uint64_t key_hash(std::string_view key) { return key.empty() ? 0 : std::max<uint64_t>(hash64(key, 0), 1); }

}  // namespace

size_t Message::size_bytes() const {
  size_t size = data.size() + key.size();
  for (const auto& [name, value] : attributes) size += name.size() + value.size();
  return size;
}

LeaseTable::LeaseTable(LeaseRules rules, uint64_t first_lease) : rules_(rules), last_lease_(first_lease) {}

void LeaseTable::reset(const topic::CursorInfo& cursor) {
  const size_t count = std::max(partitions_.size(), cursor.positions.size());
  partitions_.clear();
  partitions_.resize(count);
  for (size_t i = 0; i < cursor.positions.size(); ++i) {
    partitions_[i].done = topic::OffsetSet(cursor.positions[i]);
    partitions_[i].next = partitions_[i].done.floor();
    for (const topic::FailedAttempts& failed : cursor.positions[i].attempts) {
      partitions_[i].earlier_attempts[failed.offset] = failed.count;
    }
  }
  generation_ = cursor.generation;
  for (auto& [id, consumer] : consumers_) consumer.messages = consumer.bytes = 0;
  ready_.clear();
  ready_bytes_ = ready_count_ = leased_ = 0;
  due_.clear();
  due_dead_.clear();
  timers_.clear();
  dead_.clear();
  settling_.clear();
  under_way_.clear();
  skipped_.clear();
  new_attempts_.clear();
}

void LeaseTable::set_partition_count(size_t count) {
  if (count > partitions_.size()) partitions_.resize(count);
}

LeaseTable::Entry* LeaseTable::find(const Place& place) {
  if (place.partition < 0 || at(place.partition) >= partitions_.size()) return nullptr;
  auto& entries = partitions_[at(place.partition)].entries;
  const auto found = entries.find(place.offset);
  return found == entries.end() ? nullptr : &found->second;
}

const LeaseTable::Entry* LeaseTable::find(const Place& place) const {
  return const_cast<LeaseTable*>(this)->find(place);
}

LeaseTable::KeyRun* LeaseTable::run_of(const Place& place, const Entry& entry) {
  if (entry.key == 0) return nullptr;
  return &partitions_[at(place.partition)].keys[entry.key];
}

void LeaseTable::count_for_holder(const Entry& entry, bool is_leased) {
  leased_ += is_leased ? size_t{1} : SIZE_MAX;
  const auto holder = consumers_.find(entry.holder);
  if (holder == consumers_.end()) return;
  Consumer& consumer = holder->second;
  consumer.messages += is_leased ? uint64_t{1} : UINT64_MAX;
  consumer.bytes += is_leased ? uint64_t{entry.bytes} : 0 - uint64_t{entry.bytes};
}

void LeaseTable::leave(const Place& place, Entry& entry) {
  switch (entry.state) {
    case State::kDue:
      due_.erase(place);
      break;
    case State::kDead:
      due_dead_.erase(place);
      break;
    case State::kReady:
      ready_bytes_ -= entry.bytes;
      --ready_count_;
      break;
    case State::kLeased:
      count_for_holder(entry, false);
      timers_.erase({entry.when_ns, place.partition, place.offset});
      break;
    case State::kLater:
      timers_.erase({entry.when_ns, place.partition, place.offset});
      break;
    case State::kParked:
      --run_of(place, entry)->parked;
      break;
    case State::kSettling:
      break;
  }
}

void LeaseTable::move(const Place& place, Entry& entry, State to, int64_t when_ns) {
  leave(place, entry);
  entry.state = to;
  entry.when_ns = when_ns;
  if (to != State::kReady) entry.message.reset();
  switch (to) {
    case State::kDue:
      due_.insert(place);
      break;
    case State::kDead:
      due_dead_.insert(place);
      break;
    case State::kReady:
      ready_bytes_ += entry.bytes;
      ++ready_count_;
      break;
    case State::kLeased:
      count_for_holder(entry, true);
      timers_.insert({when_ns, place.partition, place.offset});
      break;
    case State::kLater:
      timers_.insert({when_ns, place.partition, place.offset});
      break;
    case State::kParked:
    case State::kSettling:
      break;
  }
  KeyRun* const run = run_of(place, entry);
  if (run == nullptr) return;
  const bool is_out = to == State::kLeased || to == State::kSettling;
  (is_out ? run->waiting : run->leased).erase(place.offset);
  (is_out ? run->leased : run->waiting).insert(place.offset);
  unpark(place.partition, *run);
}

void LeaseTable::unpark(int32_t partition, KeyRun& run) {
  size_t ahead = 0;
  for (const int64_t offset : run.waiting) {
    if (run.parked == 0 || ahead++ == kUnparkedAhead) return;
    const Place place{partition, offset};
    Entry& entry = *find(place);
    if (entry.state != State::kParked) continue;
    leave(place, entry);
    entry.state = State::kDue;
    due_.insert(place);
  }
}

void LeaseTable::forget(const Place& place) {
  Partition& partition = partitions_[at(place.partition)];
  const auto found = partition.entries.find(place.offset);
  KEELSON_CHECK(found != partition.entries.end(), "a message that is not known is forgotten");
  leave(place, found->second);
  const uint64_t key = found->second.key;
  partition.entries.erase(found);
  if (key == 0) return;
  KeyRun& run = partition.keys[key];
  run.waiting.erase(place.offset);
  run.leased.erase(place.offset);
  unpark(place.partition, run);
  if (run.waiting.empty() && run.leased.empty()) partition.keys.erase(key);
}

// ---- Reading.

std::optional<LeaseTable::Place> LeaseTable::next_due() const {
  if (!due_dead_.empty()) return *due_dead_.begin();
  if (due_.empty()) return std::nullopt;
  return *due_.begin();
}

std::optional<int64_t> LeaseTable::next_new(int32_t partition) const {
  const Partition& from = partitions_[at(partition)];
  if (from.entries.size() >= kUnackedMax) return std::nullopt;
  return from.done.next_missing(from.next);
}

bool LeaseTable::wants(int32_t partition, int64_t offset) const {
  const Partition& from = partitions_[at(partition)];
  if (offset >= from.next) return !from.done.contains(offset) && from.entries.size() < kUnackedMax;
  const Entry* const entry = find({partition, offset});
  return entry != nullptr && (entry->state == State::kDue || due_dead_.contains({partition, offset}));
}

void LeaseTable::feed(std::unique_ptr<Message> message) {
  const Place place{message->partition, message->offset};
  Partition& partition = partitions_[at(place.partition)];
  const bool is_new = place.offset >= partition.next;
  if (is_new) {
    const int64_t expected = partition.done.next_missing(partition.next);
    if (expected < place.offset) skip(place.partition, expected, place.offset);
    partition.next = place.offset + 1;
    Entry& entry = partition.entries[place.offset];
    const auto earlier = partition.earlier_attempts.find(place.offset);
    if (earlier != partition.earlier_attempts.end()) {
      entry.attempts = earlier->second;
      partition.earlier_attempts.erase(earlier);
    }
    if (rules_.is_ordered) entry.key = key_hash(message->key);
  }
  Entry& entry = *find(place);
  entry.time_ms = message->time_ms;
  entry.bytes = static_cast<uint32_t>(std::min<size_t>(message->size_bytes(), UINT32_MAX));
  // The rules may have changed since it failed.
  entry.is_failed = rules_.attempts_max != 0 && entry.attempts >= rules_.attempts_max;
  if (entry.is_failed) {
    move(place, entry, State::kDead);
    due_dead_.erase(place);
    dead_.push_back(std::move(message));
    return;
  }
  move(place, entry, State::kReady);
  entry.message = std::move(message);
  if (is_new) {
    ready_.push_back(place);
  } else {
    ready_.push_front(place);
  }
}

void LeaseTable::skip(int32_t at_partition, int64_t begin, int64_t end) {
  Partition& partition = partitions_[at(at_partition)];
  // What consumers have is theirs to acknowledge, even if the log has dropped it meanwhile.
  std::vector<int64_t> gone;
  for (auto place = partition.entries.lower_bound(begin); place != partition.entries.end() && place->first < end;
       ++place) {
    const State state = place->second.state;
    if (state != State::kLeased && state != State::kSettling) gone.push_back(place->first);
  }
  for (const int64_t offset : gone) forget({at_partition, offset});
  auto [skipped, is_first] = skipped_.try_emplace(at_partition, -1);
  auto held = partition.entries.lower_bound(begin);
  for (int64_t from = begin; from < end;) {
    const bool is_held = held != partition.entries.end() && held->first < end;
    const int64_t to = is_held ? held->first : end;
    if (from < to) {
      partition.done.add(from, to);
      skipped->second.add(from, to);
    }
    from = is_held ? to + 1 : end;
    if (is_held) ++held;
  }
  if (skipped->second.ranges().empty()) skipped_.erase(skipped);
  partition.next = std::max(partition.next, end);
}

void LeaseTable::park(const Place& place, Entry& entry, KeyRun& run) {
  leave(place, entry);
  entry.state = State::kParked;
  entry.message.reset();
  ++run.parked;
}

bool LeaseTable::park_blocked() {
  for (auto place = ready_.begin(); place != ready_.end();) {
    Entry* const entry = find(*place);
    if (entry == nullptr || entry->state != State::kReady) {
      place = ready_.erase(place);
      continue;
    }
    KeyRun* const run = run_of(*place, *entry);
    const bool is_blocked = run != nullptr && (*run->waiting.begin() != place->offset || !run->leased.empty());
    if (!is_blocked) {
      ++place;
      continue;
    }
    park(*place, *entry, *run);
    place = ready_.erase(place);
  }
  return has_room();
}

// ---- Consumers.

ConsumerId LeaseTable::add_consumer(const ConsumerLimits& limits) {
  consumers_[++last_consumer_].limits = limits;
  return last_consumer_;
}

void LeaseTable::remove_consumer(ConsumerId id) { consumers_.erase(id); }

bool LeaseTable::has_room(ConsumerId id) const {
  const auto consumer = consumers_.find(id);
  return consumer != consumers_.end() && consumer->second.has_room();
}

void LeaseTable::set_limits(ConsumerId id, const ConsumerLimits& limits) {
  const auto consumer = consumers_.find(id);
  if (consumer != consumers_.end()) consumer->second.limits = limits;
}

bool LeaseTable::may_grant(const Place& place, const Entry& entry, ConsumerId to) {
  const KeyRun* const run = run_of(place, entry);
  if (run == nullptr) return true;
  return *run->waiting.begin() == place.offset && (run->leased.empty() || run->holder == to);
}

bool LeaseTable::grant_pass(ConsumerId id, size_t count_max, size_t bytes_max, int64_t deadline_ns,
                            std::vector<Grant>& out) {
  Consumer& consumer = consumers_.at(id);
  size_t bytes = 0;
  for (const Grant& grant : out) bytes += grant.message->size_bytes();
  const size_t before = out.size();
  for (auto place = ready_.begin(); place != ready_.end();) {
    if (out.size() >= count_max || bytes >= bytes_max || !consumer.has_room()) break;
    Entry* const entry = find(*place);
    if (entry == nullptr || entry->state != State::kReady) {
      place = ready_.erase(place);
      continue;
    }
    if (!may_grant(*place, *entry, id)) {
      ++place;
      continue;
    }
    Grant grant{
        std::move(entry->message), {generation_, place->partition, place->offset, ++last_lease_}, entry->attempts + 1};
    bytes += entry->bytes;
    ++counts_.delivered;
    if (entry->lease != 0 || entry->attempts != 0) ++counts_.redelivered;
    entry->lease = last_lease_;
    entry->holder = id;
    if (KeyRun* const run = run_of(*place, *entry)) run->holder = id;
    move(*place, *entry, State::kLeased, deadline_ns);
    out.push_back(std::move(grant));
    place = ready_.erase(place);
  }
  return out.size() != before;
}

void LeaseTable::grant(ConsumerId id, size_t count_max, size_t bytes_max, int64_t deadline_ns,
                       std::vector<Grant>& out) {
  if (!consumers_.contains(id)) return;
  // What a key's first message frees may stand before it.
  while (grant_pass(id, count_max, bytes_max, deadline_ns, out) && rules_.is_ordered) {
  }
}

// ---- What consumers say.

bool LeaseTable::is_valid(const LeaseId& id, const Entry& entry, int64_t now_ns) const {
  return id.generation == generation_ && entry.state == State::kLeased && entry.lease == id.lease &&
         entry.when_ns > now_ns;
}

void LeaseTable::settle(const Place& place, Entry& entry) {
  move(place, entry, State::kSettling);
  settling_.push_back(place);
}

bool LeaseTable::acknowledge(const LeaseId& id, int64_t now_ns) {
  const Place place{id.partition, id.offset};
  Entry* const entry = find(place);
  if (entry == nullptr || id.generation != generation_ || entry->state == State::kSettling) {
    return false;
  }
  if (rules_.is_exactly_once && !is_valid(id, *entry, now_ns)) return false;
  if (entry->state == State::kDead && !due_dead_.contains(place)) return false;  // the dead-letter topic is getting it
  settle(place, *entry);
  ++counts_.acknowledged;
  return true;
}

bool LeaseTable::extend(const LeaseId& id, int64_t now_ns, int64_t deadline_ns) {
  const Place place{id.partition, id.offset};
  Entry* const entry = find(place);
  if (entry == nullptr || !is_valid(id, *entry, now_ns)) return false;
  timers_.erase({entry->when_ns, place.partition, place.offset});
  entry->when_ns = deadline_ns;
  timers_.insert({deadline_ns, place.partition, place.offset});
  return true;
}

bool LeaseTable::nack(const LeaseId& id, int64_t now_ns) {
  const Place place{id.partition, id.offset};
  Entry* const entry = find(place);
  if (entry == nullptr || !is_valid(id, *entry, now_ns)) return false;
  ++counts_.nacked;
  fail(place, *entry, now_ns);
  return true;
}

void LeaseTable::give_back(const LeaseId& id) {
  const Place place{id.partition, id.offset};
  Entry* const entry = find(place);
  if (entry == nullptr || !is_valid(id, *entry, INT64_MIN)) return;
  recall_later(place, *entry);
  move(place, *entry, State::kDue);
}

void LeaseTable::recall_later(const Place& place, const Entry& failed) {
  KeyRun* const run = run_of(place, failed);
  if (run == nullptr) return;
  const std::vector<int64_t> later(run->leased.upper_bound(place.offset), run->leased.end());
  for (const int64_t offset : later) {
    const Place other{place.partition, offset};
    Entry& entry = *find(other);
    if (entry.state == State::kLeased) move(other, entry, State::kDue);
  }
}

void LeaseTable::fail(const Place& place, Entry& entry, int64_t now_ns) {
  recall_later(place, entry);
  ++entry.attempts;
  if (rules_.attempts_max != 0) {
    new_attempts_[place.partition][place.offset] = entry.attempts;
    if (entry.attempts >= rules_.attempts_max) {
      entry.is_failed = true;
      move(place, entry, State::kDead);
      return;
    }
  }
  const int64_t delay_ns = backoff_ns(rules_.backoff, entry.attempts);
  if (delay_ns == 0) {
    move(place, entry, State::kDue);
  } else {
    move(place, entry, State::kLater, now_ns + delay_ns);
  }
}

void LeaseTable::expire(int64_t now_ns) {
  while (next_event_ns() <= now_ns) {
    const auto [when_ns, partition, offset] = *timers_.begin();
    const Place place{partition, offset};
    Entry& entry = *find(place);
    if (entry.state == State::kLeased) {
      ++counts_.expired;
      fail(place, entry, now_ns);
    } else {
      move(place, entry, entry.is_failed ? State::kDead : State::kDue);
    }
  }
}

void LeaseTable::dead_letter(const Place& place, bool is_published, int64_t now_ns) {
  Entry* const entry = find(place);
  if (entry == nullptr || entry->state != State::kDead) return;  // there was a seek
  if (!is_published) {
    move(place, *entry, State::kLater, now_ns + kDeadLetterRetryNs);
    return;
  }
  ++counts_.dead_lettered;
  settle(place, *entry);
}

uint32_t LeaseTable::attempts(const Place& place) const {
  const Entry* const entry = find(place);
  return entry == nullptr ? 0 : entry->attempts;
}

// ---- Writing down.

topic::AdvanceCursor LeaseTable::take_advance(std::string_view name) {
  KEELSON_CHECK(under_way_.empty(), "a cursor is advanced twice at once");
  topic::AdvanceCursor advance{std::string(name), generation_, {}};
  std::map<int32_t, topic::OffsetSet> done = std::exchange(skipped_, {});
  for (const Place& place : settling_) {
    done.try_emplace(place.partition, -1).first->second.add(place.offset, place.offset + 1);
  }
  under_way_ = std::exchange(settling_, {});
  std::map<int32_t, topic::AdvanceCursor::Part> parts;
  for (const auto& [partition, offsets] : done) parts[partition].done = offsets.position().done;
  for (const auto& [partition, counts] : std::exchange(new_attempts_, {})) {
    for (const auto& [offset, count] : counts) parts[partition].attempts.push_back({offset, count});
  }
  for (auto& [partition, part] : parts) {
    part.partition = partition;
    advance.parts.push_back(std::move(part));
  }
  return advance;
}

void LeaseTable::advanced(bool is_written, int64_t deadline_ns) {
  for (const Place& place : std::exchange(under_way_, {})) {
    if (is_written) {
      forget(place);
      partitions_[at(place.partition)].done.add(place.offset, place.offset + 1);
    } else {
      move(place, *find(place), State::kLeased, deadline_ns);
    }
  }
}

std::vector<topic::CursorPosition> LeaseTable::positions() const {
  std::vector<topic::CursorPosition> positions;
  positions.reserve(partitions_.size());
  for (const Partition& partition : partitions_) positions.push_back(partition.done.position());
  return positions;
}

size_t LeaseTable::unacknowledged() const {
  size_t count = 0;
  for (const Partition& partition : partitions_) count += partition.entries.size();
  return count;
}

int64_t LeaseTable::oldest_time_ms() const {
  int64_t oldest = INT64_MAX;
  for (const Partition& partition : partitions_) {
    if (!partition.entries.empty()) oldest = std::min(oldest, partition.entries.begin()->second.time_ms);
  }
  return oldest;
}

}  // namespace keelson::topics
