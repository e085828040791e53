// Reading along by revision, hashes, numbers.
#include <algorithm>
#include <array>

#include "base/hash.h"
#include "engine/coord/state.h"

namespace keelson::coord {

namespace {

// What an event costs its reader beside key and value: the numbers in a message.
constexpr uint64_t kEventOverheadBytes = 64;
// A page ends behind so much garbage that waits for its removal, so that it is bounded too: about 1 ms of searches.
constexpr uint64_t kSkippedMax = 1000;

// Tells of versions from (main, sub) to `to` until a limit is met or `take` has enough, and leaves in the answer where
// to go on.
struct Walk {
  const Store& store;
  Revision to;
  uint64_t events_max;
  uint64_t bytes_max;
  bool with_prev;

  void run(Revision main, uint32_t sub, FunctionRef<bool(const Event&)> take, EventsAnswer& answer) const {
    History::Cursor cursor = store.history().seek(main, sub);
    uint64_t told = 0;
    uint64_t skipped = 0;
    uint64_t bytes = 0;
    bool has_enough = false;
    while (true) {
      const Version* const version = cursor.get();
      if (version == nullptr || version->main() > to) {
        answer.next = std::max(main, to + 1);
        answer.next_sub = 0;
        return;
      }
      has_enough = has_enough || skipped >= kSkippedMax || (told != 0 && (told >= events_max || bytes >= bytes_max));
      if (has_enough) {
        answer.next = version->main();
        answer.next_sub = version->sub();
        return;
      }
      cursor.advance();
      if (!store.is_readable(*version)) {
        ++skipped;
        continue;
      }
      ++told;
      const Version* const after = cursor.get();
      const bool is_last = after == nullptr || after->main() != version->main();
      bytes += version->size_bytes() + kEventOverheadBytes;
      has_enough = !tell(*version, is_last, take, bytes);
    }
  }

 private:
  bool tell(const Version& version, bool is_last, FunctionRef<bool(const Event&)> take, uint64_t& bytes) const {
    Event event{.kv = version.key_value(), .prev_kv = nullptr, .sub = version.sub(), .is_last_of_revision = is_last};
    KeyValue prev;
    if (const Version* const older = with_prev ? store.before(version) : nullptr; older != nullptr) {
      prev = older->key_value();
      event.prev_kv = &prev;
      bytes += older->size_bytes();
    }
    return take(event);
  }
};

uint64_t hash_version(const Version& version, uint64_t state) {
  const KeyValue kv = version.key_value();
  const std::array<uint64_t, 6> numbers = {static_cast<uint64_t>(version.main()),     version.sub(),
                                           static_cast<uint64_t>(kv.create_revision), static_cast<uint64_t>(kv.version),
                                           static_cast<uint64_t>(kv.lease),           kv.key.size()};
  state = hash64({reinterpret_cast<const char*>(numbers.data()), sizeof(numbers)}, state);
  return hash64(kv.value, hash64(kv.key, state));
}

// All states of one key that can be read at revisions up to `to`, the newest first.
uint64_t hash_key(const Version* latest, Revision to, Revision compacted, uint64_t state) {
  for (const Version* version = latest->at(to); version != nullptr; version = version->older()) {
    const bool is_last = version->main() <= compacted;
    if (is_last && version->is_deletion() && version->main() < compacted) return state;
    state = hash_version(*version, state);
    if (is_last) return state;
  }
  return state;
}

}  // namespace

CoordErrc read_events(const Store& store, const ReadEvents& which, FunctionRef<bool(const Event&)> take,
                      EventsAnswer& answer) {
  answer = {.revision = store.revision(), .compact_revision = store.compact_revision()};
  if (which.from < store.compact_revision()) return CoordErrc::kCompacted;
  const Walk walk{.store = store,
                  .to = std::min(which.to, store.revision()),
                  .events_max = which.events_max,
                  .bytes_max = which.bytes_max,
                  .with_prev = which.prev_kv};
  walk.run(which.from, which.from_sub, take, answer);
  return CoordErrc::kOk;
}

CoordErrc hash_page(const Store& store, const HashKv& which, HashAnswer& answer, std::string& next_key) {
  const Revision compacted = store.compact_revision();
  const bool is_first = which.compact_revision == 0 && which.next_key.empty();
  if (!is_first && which.compact_revision != compacted) return CoordErrc::kCompacted;
  const Revision to = which.revision <= 0 ? store.revision() : which.revision;
  if (to > store.revision()) return CoordErrc::kFutureRevision;
  if (to < compacted) return CoordErrc::kCompacted;
  answer = {.revision = store.revision(),
            .hash_revision = to,
            .compact_revision = compacted,
            .state = which.state,
            .next_key = {},
            .is_done = true};
  const KeyIndex& index = store.index();
  uint32_t count = 0;
  for (KeyIndex::Place place = index.lower_bound(which.next_key); place < index.end(); index.advance(place)) {
    const Version* const latest = index.at(place);
    if (count == std::max(which.keys_max, 1U)) {
      next_key = latest->key();
      answer.next_key = next_key;
      answer.is_done = false;
      break;
    }
    ++count;
    answer.state = hash_key(latest, to, compacted, answer.state);
  }
  return CoordErrc::kOk;
}

uint64_t hash_rest(const State& state) {
  std::string bytes;
  state.auth.write(bytes);
  uint64_t hash = hash64(bytes, state.next_grant ^ mix64(state.lease_reign));
  for (const auto& [id, lease] : state.store.leases().all()) {
    const std::array<uint64_t, 3> numbers = {static_cast<uint64_t>(id), static_cast<uint64_t>(lease.ttl_s),
                                             lease.grant};
    hash = hash64({reinterpret_cast<const char*>(numbers.data()), sizeof(numbers)}, hash);
    for (const Version* version : Leases::keys_of(lease)) hash = hash64(version->key(), hash);
  }
  for (const Alarm& alarm : state.alarms) {
    const std::array<uint64_t, 2> numbers = {alarm.member, static_cast<uint64_t>(alarm.type)};
    hash = hash64({reinterpret_cast<const char*>(numbers.data()), sizeof(numbers)}, hash);
  }
  return hash;
}

void run(const Call& call, const ReadEvents& which) {
  EventsAnswer answer;
  const auto take = [&call](const Event& event) {
    call.sink.event(event);
    return true;
  };
  if (!call.pass(read_events(call.state.store, which, take, answer))) return;
  call.sink.events(answer);
}

void run(const Call& call, const Scan& which) {
  const Store& store = call.state.store;
  const Revision to = which.revision <= 0 ? store.revision() : which.revision;
  if (to > store.revision()) return call.fail(CoordErrc::kFutureRevision);
  const bool is_first = which.from == 0 && which.compact_revision == 0;
  if (to < store.compact_revision() || (!is_first && which.compact_revision != store.compact_revision())) {
    return call.fail(CoordErrc::kCompacted);
  }
  EventsAnswer answer{.revision = store.revision(), .compact_revision = store.compact_revision()};
  const Walk walk{
      .store = store, .to = to, .events_max = which.events_max, .bytes_max = which.bytes_max, .with_prev = false};
  walk.run(
      which.from, which.from_sub,
      [&call](const Event& event) {
        call.sink.event(event);
        return true;
      },
      answer);
  call.sink.events(answer);
}

void run(const Call& call, const HashKv& which) {
  HashAnswer answer;
  std::string next_key;
  if (!call.pass(hash_page(call.state.store, which, answer, next_key))) return;
  call.sink.hash(answer);
}

void run(const Call& call, const HashRest&) {
  const Store& store = call.state.store;
  call.sink.hash({.revision = store.revision(),
                  .hash_revision = store.revision(),
                  .compact_revision = store.compact_revision(),
                  .state = hash_rest(call.state),
                  .next_key = {},
                  .is_done = true});
}

void run(const Call& call, const StoreStatus&) {
  const Store& store = call.state.store;
  call.sink.store_status({.revision = store.revision(),
                          .compact_revision = store.compact_revision(),
                          .keys = store.index().present(),
                          .versions = store.history().size(),
                          .leases = store.leases().all().size(),
                          .bytes_held = store.bytes_held(),
                          .bytes_in_use = store.bytes_in_use()});
}

}  // namespace keelson::coord
