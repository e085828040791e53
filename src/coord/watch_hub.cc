#include "coord/watch_hub.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace keelson::coord {

using detail::Mark;
using detail::Queued;
using detail::StreamRequest;
using detail::StreamState;

namespace {

// Further behind than that, watchers catch up in slices: the state was replaced, or a node has just begun.
constexpr Revision kJumpMax = 1000;

Watcher*& synced_of(Watcher& watcher) { return watcher.entry.first[static_cast<size_t>(Audience::kSynced)]; }

}  // namespace

WatchHub::WatchHub(env::Reactor& home, const CoordEngine& engine, Courier& courier, Statistics& statistics,
                   const WatchOptions& options, uint64_t hash_secret, std::function<void()> begin_work)
    : engine_(engine),
      courier_(courier),
      statistics_(statistics),
      index_(hash_secret),
      catch_up_(*this, home, std::move(begin_work)),
      told_(engine.revision()),
      options_(options),
      progress_timer_(home, [this] { progress_round(); }) {
  progress_timer_.arm_after(options_.progress_every_ms * 1'000'000);
}

WatchHub::~WatchHub() = default;

// ---- What the engine has applied.

void WatchHub::applied() {
  const Revision now = engine_.revision();
  // Less: a state is being loaded that has not come to its end.
  if (now <= told_ || is_closed_) return;
  taken_bytes_ = courier_.taken_bytes();
  const Revision from = told_ + 1;
  const bool jumps = engine_.compact_revision() > from || now - told_ > kJumpMax;
  told_ = now;
  if (synced_ != 0) jumps ? everybody_lags(from) : tell_synced(from, now);
  if (owe_progress_.empty()) return;
  for (StreamState* stream : std::exchange(owe_progress_, {})) answer_progress(*stream);
}

void WatchHub::tell_synced(Revision from, Revision to) {
  const ReadEvents wanted{
      .from = from, .to = to, .prev_kv = want_previous_ != 0, .events_max = UINT32_MAX, .bytes_max = UINT64_MAX};
  EventsAnswer answer;
  const CoordErrc outcome = engine_.read_events(
      wanted,
      [this](const Event& event) {
        gathering_.add(index_, event, Audience::kSynced);
        if (event.is_last_of_revision) tell_gathered(event.kv.mod_revision);
        return true;
      },
      answer);
  KEELSON_CHECK(outcome == CoordErrc::kOk, "what was just applied is compacted");
}

void WatchHub::tell_gathered(Revision revision) {
  ++round_;
  for (Gathering::Touched& touched : gathering_.touched()) {
    Watcher* next = nullptr;
    for (Watcher* watcher = touched.entry().first[static_cast<size_t>(Audience::kSynced)]; watcher != nullptr;
         watcher = next) {
      next = watcher->next;
      if (watcher->next_revision > revision) continue;
      const Shared<EventSet>& events = touched.for_watcher(*watcher, revision);
      if (!events) continue;
      if (has_room(watcher->stream)) {
        tell(*watcher, events);
      } else {
        leave(*watcher);
        ++watcher->stream.behind;
        statistics_.watchers_behind.add(1);
        statistics_.fell_behind.add();
        park(*watcher, revision);
      }
    }
  }
  gathering_.clear();
}

void WatchHub::everybody_lags(Revision from) {
  for (const auto& stream : streams_) {
    for (const auto& [id, watcher] : stream->watchers) {
      if (watcher->state != Watcher::State::kSynced || watcher->next_revision > told_) continue;
      leave(*watcher);
      watcher->next_revision = std::max(watcher->next_revision, from);
      lag(*watcher);
    }
  }
}

bool WatchHub::step() {
  if (is_closed_) return false;
  taken_bytes_ = courier_.taken_bytes();
  catch_up_.step();
  return has_work();
}

// ---- Requests.

void WatchHub::attach(std::unique_ptr<StreamState> stream) {
  stream->place = streams_.size();
  streams_.push_back(std::move(stream));
  statistics_.streams.add(1);
  if (is_closed_) say(*streams_.back(), {.kind = DeliveryKind::kClosed});
}

void WatchHub::handle(StreamRequest request) {
  StreamState& stream = *request.stream;
  if (request.kind == StreamRequest::Kind::kDetach) {
    detach(stream);
    return;
  }
  if (is_closed_) return;
  switch (request.kind) {
    case StreamRequest::Kind::kCreate:
      create(stream, request.what);
      break;
    case StreamRequest::Kind::kCancel:
      cancel(stream, request.id);
      break;
    case StreamRequest::Kind::kRoom:
      room(stream);
      break;
    case StreamRequest::Kind::kProgress:
      if (stream.owes_progress) {
        mark(stream, Mark::kNoAnswer);
      } else {
        stream.owes_progress = true;
        answer_progress(stream);
      }
      break;
    case StreamRequest::Kind::kDetach:
      break;
  }
}

void WatchHub::create(StreamState& stream, const WatchRequest& request) {
  WatchErrc refusal = WatchErrc::kOk;
  WatchId id = request.id;
  if (!request.range_end.empty() && request.range_end != kFromKeyOn && request.range_end <= request.key) {
    refusal = WatchErrc::kEmptyRange;
  } else if (id == kAutoWatchId) {
    while (stream.watchers.contains(stream.next_auto_id)) ++stream.next_auto_id;
    id = stream.next_auto_id++;
  } else if (stream.watchers.contains(id)) {
    refusal = WatchErrc::kDuplicateId;
  }
  if (watchers_ >= kWatchersMax) refusal = WatchErrc::kTooMany;
  if (refusal != WatchErrc::kOk) {
    say(stream, {.kind = DeliveryKind::kRefused, .why = refusal, .id = id, .revision = told_});
    return;
  }
  WatchEntry& entry = index_.find_or_add(request.key, request.range_end);
  auto made = std::make_unique<Watcher>(stream, entry);
  Watcher& watcher = *made;
  stream.watchers.emplace(id, std::move(made));
  watcher.id = id;
  watcher.with_previous = request.with_previous;
  watcher.without_puts = request.without_puts;
  watcher.without_deletes = request.without_deletes;
  watcher.wants_progress = request.wants_progress;
  watcher.is_fragmented = request.is_fragmented;
  watcher.next_revision = request.start_revision > 0 ? request.start_revision : told_ + 1;
  ++entry.watchers;
  ++watchers_;
  if (watcher.with_previous) {
    ++entry.want_previous;
    ++want_previous_;
  }
  if (watcher.wants_progress) ++stream.want_progress;
  count();
  say(stream, {.kind = DeliveryKind::kCreated,
               .with_previous = watcher.with_previous,
               .is_fragmented = watcher.is_fragmented,
               .id = id,
               .revision = told_});
  if (watcher.next_revision > told_) {
    watcher.state = Watcher::State::kSynced;
    stream.latest_start = std::max(stream.latest_start, watcher.next_revision);
    link(watcher, synced_of(watcher));
    ++synced_;
  } else {
    lag(watcher);
  }
}

// Takes a watcher that is in no list.
void WatchHub::lag(Watcher& watcher) {
  ++watcher.stream.behind;
  statistics_.watchers_behind.add(1);
  // While others of its stream wait for room it waits as well: so it does not read what it has no room for.
  if (watcher.stream.awaits_room) {
    park(watcher, watcher.next_revision);
  } else {
    catch_up_.join(watcher);
  }
}

void WatchHub::cancel(StreamState& stream, WatchId id) {
  const auto found = stream.watchers.find(id);
  if (found == stream.watchers.end()) {
    mark(stream, Mark::kNoAnswer);
    return;
  }
  say(stream, {.kind = DeliveryKind::kCanceled, .why = WatchErrc::kAsked, .id = id, .revision = told_});
  erase(*found->second);
  answer_progress(stream);
}

void WatchHub::cancel_compacted(Watcher& watcher, Revision compact_revision) {
  StreamState& stream = watcher.stream;
  statistics_.compacted_watchers.add();
  say(stream, {.kind = DeliveryKind::kCanceled,
               .why = WatchErrc::kCompacted,
               .id = watcher.id,
               .revision = told_,
               .compact_revision = compact_revision});
  erase(watcher);
  answer_progress(stream);
}

void WatchHub::room(StreamState& stream) {
  stream.awaits_room = false;
  while (stream.parked != nullptr) {
    Watcher& watcher = *stream.parked;
    unlink(watcher, stream.parked);
    catch_up_.join(watcher);
  }
}

void WatchHub::detach(StreamState& stream) {
  for (const auto& [id, watcher] : stream.watchers) take_out(*watcher);
  stream.watchers.clear();
  std::erase(owe_progress_, &stream);
  statistics_.streams.add(-1);
  const size_t place = stream.place;
  std::swap(streams_[place], streams_.back());
  streams_[place]->place = place;
  std::unique_ptr<StreamState> gone = std::move(streams_.back());
  streams_.pop_back();
  courier_.release(std::move(gone));
}

void WatchHub::close() {
  if (is_closed_) return;
  for (const auto& stream : streams_) say(*stream, {.kind = DeliveryKind::kClosed});
  is_closed_ = true;
  progress_timer_.disarm();
  catch_up_.stop();
}

// ---- Watchers' states.

void WatchHub::link(Watcher& watcher, Watcher*& first) {
  watcher.previous = nullptr;
  watcher.next = first;
  if (first != nullptr) first->previous = &watcher;
  first = &watcher;
}

void WatchHub::unlink(Watcher& watcher, Watcher*& first) {
  (watcher.previous != nullptr ? watcher.previous->next : first) = watcher.next;
  if (watcher.next != nullptr) watcher.next->previous = watcher.previous;
  watcher.previous = watcher.next = nullptr;
}

void WatchHub::leave(Watcher& watcher) {
  switch (watcher.state) {
    case Watcher::State::kSynced:
      unlink(watcher, synced_of(watcher));
      --synced_;
      break;
    case Watcher::State::kBehind:
    case Watcher::State::kWaiting:
      catch_up_.leave(watcher);
      break;
    case Watcher::State::kParked:
      unlink(watcher, watcher.stream.parked);
      break;
  }
}

void WatchHub::become_synced(Watcher& watcher, Revision next) {
  watcher.state = Watcher::State::kSynced;
  watcher.next_revision = next;
  link(watcher, synced_of(watcher));
  ++synced_;
  --watcher.stream.behind;
  statistics_.watchers_behind.add(-1);
  answer_progress(watcher.stream);
}

void WatchHub::park(Watcher& watcher, Revision next) {
  watcher.state = Watcher::State::kParked;
  watcher.next_revision = next;
  link(watcher, watcher.stream.parked);
  if (watcher.stream.awaits_room) return;
  watcher.stream.awaits_room = true;
  mark(watcher.stream, Mark::kRoom);
}

void WatchHub::take_out(Watcher& watcher) {
  leave(watcher);
  StreamState& stream = watcher.stream;
  if (watcher.state != Watcher::State::kSynced) {
    --stream.behind;
    statistics_.watchers_behind.add(-1);
  }
  WatchEntry& entry = watcher.entry;
  if (watcher.with_previous) {
    --entry.want_previous;
    --want_previous_;
  }
  if (watcher.wants_progress) --stream.want_progress;
  --watchers_;
  if (--entry.watchers == 0) index_.remove(entry);
  count();
}

void WatchHub::erase(Watcher& watcher) {
  take_out(watcher);
  watcher.stream.watchers.erase(watcher.id);
}

void WatchHub::count() {
  statistics_.watchers.set(static_cast<int64_t>(watchers_));
  statistics_.watched_keys.set(static_cast<int64_t>(index_.key_count()));
  statistics_.watched_ranges.set(static_cast<int64_t>(index_.range_count()));
}

// ---- Telling.

bool WatchHub::has_room(const StreamState& stream) const {
  const uint64_t waiting = stream.sent_bytes - stream.taken_bytes.value();
  return waiting == 0 || (waiting < options_.stream_bytes_max && sent_bytes_ - taken_bytes_ < options_.all_bytes_max);
}

void WatchHub::tell(Watcher& watcher, const Shared<EventSet>& events) {
  StreamState& stream = watcher.stream;
  watcher.was_told = true;
  Queued queued;
  queued.charged_bytes = detail::kDeliveryBytes;
  // Events are charged to a stream once, however many of its watchers they concern.
  if (stream.charged_round != round_ || stream.charged_set != events.get()) {
    stream.charged_round = round_;
    stream.charged_set = events.get();
    queued.charged_bytes += static_cast<uint32_t>(std::min<size_t>(events->bytes(), UINT32_MAX / 2));
  }
  queued.delivery.kind = DeliveryKind::kEvents;
  queued.delivery.with_previous = watcher.with_previous;
  queued.delivery.is_fragmented = watcher.is_fragmented;
  queued.delivery.id = watcher.id;
  queued.delivery.revision = told_;
  queued.delivery.events = events;
  statistics_.deliveries.add();
  statistics_.events_delivered.add(events->events().size());
  carry(stream, std::move(queued));
}

void WatchHub::say(StreamState& stream, Delivery delivery) {
  carry(stream, {.delivery = std::move(delivery), .charged_bytes = detail::kDeliveryBytes, .mark = Mark::kNone});
}

void WatchHub::mark(StreamState& stream, Mark what) {
  carry(stream, {.delivery = {}, .charged_bytes = 0, .mark = what});
}

void WatchHub::carry(StreamState& stream, Queued queued) {
  stream.sent_bytes += queued.charged_bytes;
  sent_bytes_ += queued.charged_bytes;
  statistics_.bytes_waiting.set(static_cast<int64_t>(sent_bytes_ - taken_bytes_));
  courier_.carry(stream, std::move(queued));
}

void WatchHub::answer_progress(StreamState& stream) {
  if (!stream.owes_progress || stream.behind != 0) return;
  if (stream.latest_start > told_ + 1) {
    // Somebody begins later, or did and is gone.
    stream.latest_start = 0;
    for (const auto& [id, watcher] : stream.watchers) {
      stream.latest_start = std::max(stream.latest_start, watcher->next_revision);
    }
    if (stream.latest_start > told_ + 1) {
      if (std::ranges::find(owe_progress_, &stream) == owe_progress_.end()) owe_progress_.push_back(&stream);
      return;
    }
  }
  stream.owes_progress = false;
  say(stream, {.kind = DeliveryKind::kProgress, .id = kWholeStream, .revision = told_});
}

void WatchHub::progress_round() {
  for (const auto& stream : streams_) {
    if (stream->want_progress == 0) continue;
    for (const auto& [id, watcher] : stream->watchers) {
      if (!watcher->wants_progress) continue;
      const bool is_quiet = !watcher->was_told;
      watcher->was_told = false;
      if (!is_quiet || watcher->state != Watcher::State::kSynced || watcher->next_revision > told_ + 1 ||
          !has_room(*stream)) {
        continue;
      }
      say(*stream, {.kind = DeliveryKind::kProgress, .id = id, .revision = told_});
    }
  }
  progress_timer_.arm_after(options_.progress_every_ms * 1'000'000);
}

}  // namespace keelson::coord
