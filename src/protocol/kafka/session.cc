#include "protocol/kafka/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "protocol/kafka/fetch_session.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {

namespace {
constexpr int64_t kNsPerMs = 1'000'000;
// A connection reads this much at first, and as much as its traffic asks for up to the second.
constexpr size_t kReadBytesMin = 1024;
constexpr size_t kReadBytesMax = 64 * 1024;
constexpr size_t kSizeBytes = 4;
// A smaller frame is copied out of the buffer that several of them were read into; a larger one is read to its place.
constexpr size_t kSmallFrameBytes = 8 * 1024;
// A frame above this gets its memory as its bytes come, twice as much each time: an announcement alone costs nothing.
constexpr size_t kFrameAheadBytesMax = size_t{1} << 20;
// A connection's only request does not wait for other connections' to go, up to this size.
constexpr size_t kFrameBytesFree = 64 * 1024;
// How often it is looked whether there is memory again.
constexpr int64_t kMemoryNapNs = 5 * kNsPerMs;
// A session that is muted looks up so often, so that it ends when it is told to.
constexpr int64_t kMutedNapNs = 100 * kNsPerMs;
// An answer up to this size is copied behind others that go out with it; a larger one goes from where it lies.
constexpr size_t kCopyBytesMax = size_t{16} << 10;
// Of a larger one's short stretches so many bytes are gathered.
constexpr size_t kGatheredBytesMax = size_t{64} << 10;
// What a call that is kept for the next request may hold.
constexpr size_t kSpareWriterBytesMax = size_t{16} << 10;

size_t read_size(const char* from) {
  uint32_t size = 0;
  std::memcpy(&size, from, sizeof(size));
  return std::byteswap(size);
}
}  // namespace

Session::Session(KafkaService& service, Local& local, std::unique_ptr<env::Stream> stream, bool is_tls, uint64_t id)
    : service_(service),
      local_(local),
      stream_(std::move(stream)),
      is_tls_(is_tls),
      id_(id),
      fetch_sessions_(std::make_unique<FetchSessions>(local.fetch_partitions)),
      read_bytes_(kReadBytesMin),
      last_ns_(local.reactor.clock().monotonic_ns()),
      tasks_(local.reactor) {
  identity_.is_authenticated = !service.options().needs_authentication;
  local_.sessions.emplace(id_, this);
}

Session::~Session() {
  if (is_due_) {
    std::erase(local_.due, this);
    std::ranges::replace(local_.running_due, this, nullptr);
  }
  local_.bytes_under_way -= bytes_under_way_ + frame_held_;
  if (local_.overdrawn == this) local_.overdrawn = nullptr;
  local_.sessions.erase(id_);
}

env::Reactor& Session::reactor() const { return local_.reactor; }

Task<void> Session::run() {
  while (!is_killed_ && !is_closing_) {
    if (!co_await read_frame()) break;
    co_await wait_for_room();
    if (is_killed_ || is_closing_) break;
    begin_call();
  }
  // Told to end, not lost: what has begun is answered.
  while (is_closing_ && !is_killed_ && has_answers_left()) {
    struct Turn {
      Session& session;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> waiter) const { session.reader_ = waiter; }
      void await_resume() const noexcept {}
    };
    co_await Turn{*this};
  }
  if (is_closing_ && !is_killed_) stream_->shutdown_write();
  kill();
}

// ---- Reading.

size_t Session::frame_bytes_max() const {
  return identity_.is_authenticated ? service_.options().frame_bytes_max : kGuestFrameBytesMax;
}

Task<bool> Session::read_more() {
  char* into = input_.reserve(read_bytes_);
  const env::IoOutcome got = co_await stream_->read({into, input_.room()});
  if (!got.ok() || is_killed_) co_return false;
  input_.commit(got.count);
  last_ns_ = local_.reactor.clock().monotonic_ns();
  local_.counters.bytes_in.add(got.count);
  if (got.count >= read_bytes_) {
    read_bytes_ = std::min(read_bytes_ * 2, kReadBytesMax);
  } else if (got.count < read_bytes_ / 4) {
    read_bytes_ = std::max(read_bytes_ / 2, kReadBytesMin);
  }
  co_return true;
}

Task<bool> Session::fill_frame(char* into, size_t count) {
  while (count != 0) {
    const env::IoOutcome got = co_await stream_->read({into, count});
    if (!got.ok() || is_killed_) co_return false;
    last_ns_ = local_.reactor.clock().monotonic_ns();
    local_.counters.bytes_in.add(got.count);
    into += got.count;
    count -= got.count;
  }
  co_return true;
}

// Until this reactor has memory for more of a frame; false: the session is to end. Of frames that have begun one may
// have it in any case, so that they do not wait for one another.
Task<bool> Session::wait_for_memory(bool has_begun) {
  while (local_.bytes_under_way > service_.options().reactor_bytes_max) {
    if (has_begun && (local_.overdrawn == nullptr || local_.overdrawn == this)) {
      local_.overdrawn = this;
      break;
    }
    const int64_t from_ns = local_.reactor.clock().monotonic_ns();
    co_await env::sleep_for(local_.reactor, kMemoryNapNs);
    if (is_killed_ || is_closing_) co_return false;
    // It is not the client who is slow.
    if (frame_deadline_ns_ != 0) frame_deadline_ns_ += local_.reactor.clock().monotonic_ns() - from_ns;
  }
  co_return true;
}

// Into frame_; false: the connection is to end.
Task<bool> Session::read_frame() {
  if (input_.empty()) input_.shrink_if_empty(2 * kReadBytesMin);
  while (input_.size() < kSizeBytes) {
    is_reading_ = input_.empty();
    const bool is_there = co_await read_more();
    is_reading_ = false;
    if (!is_there) co_return false;
  }
  const size_t size = read_size(input_.data());
  if (size == 0 || size > frame_bytes_max()) {
    local_.counters.malformed.add();
    if (local_.may_warn()) {
      log_warn("kafka", "client closed: the size of its request is not valid",
               {{"address", remote().text()}, {"bytes", size}, {"bytes_max", frame_bytes_max()}});
    }
    co_return false;
  }
  input_.consume(kSizeBytes);
  if ((size > kFrameBytesFree || bytes_under_way_ != 0) && !co_await wait_for_memory(false)) co_return false;
  frame_deadline_ns_ = local_.reactor.clock().monotonic_ns() + kFrameMs * kNsPerMs +
                       static_cast<int64_t>(size / kFrameBytesPerSecondMin) * 1000 * kNsPerMs;
  // Of small ones several come with one read.
  while (size <= kSmallFrameBytes && input_.size() < size) {
    if (!co_await read_more()) co_return false;
  }
  size_t room = std::min(size, std::max(kFrameAheadBytesMax, input_.size()));
  auto bytes = std::make_shared_for_overwrite<char[]>(room);
  size_t filled = std::min(size, input_.size());
  std::memcpy(bytes.get(), input_.data(), filled);
  input_.consume(filled);
  for (;;) {
    local_.bytes_under_way += room - frame_held_;
    frame_held_ = room;
    if (filled < room && !co_await fill_frame(bytes.get() + filled, room - filled)) co_return false;
    filled = room;
    if (filled == size) break;
    if (!co_await wait_for_memory(true)) co_return false;
    room = std::min(size, 2 * room);
    auto larger = std::make_shared_for_overwrite<char[]>(room);
    std::memcpy(larger.get(), bytes.get(), filled);
    bytes = std::move(larger);
  }
  if (local_.overdrawn == this) local_.overdrawn = nullptr;
  frame_deadline_ns_ = 0;
  frame_ = std::move(bytes);
  frame_size_ = size;
  co_return true;
}

bool Session::may_begin() const {
  return is_killed_ || is_closing_ ||
         (exclusive_ == nullptr && calls_.size() < kCallsMax && bytes_under_way_ < kSessionBytesMax);
}

Task<void> Session::wait_for_room() {
  while (!may_begin()) co_await RoomAwaiter{*this};
  for (;;) {
    const int64_t muted_ns = muted_until_ns_ - local_.reactor.clock().monotonic_ns();
    if (muted_until_ns_ == 0 || muted_ns <= 0 || is_killed_ || is_closing_) break;
    co_await env::sleep_for(local_.reactor, std::min(muted_ns, kMutedNapNs));
  }
  muted_until_ns_ = 0;
}

// ---- Running.

std::unique_ptr<Call> Session::take_spare() {
  return spare_ != nullptr ? std::move(spare_) : std::make_unique<Call>(*this, local_);
}

// False: it cannot be served, and the connection ends.
bool Session::prepare(Call& call) {
  Reader reader({call.frame_.get(), call.frame_bytes_});
  const bool is_read = read_request_header(reader, call.header_);
  call.row_ = find_api(call.header_.key);
  call.body_ = reader.rest();
  if (is_read && call.row_ != nullptr && find_handler(call.row_->key) != nullptr) {
    if (call.row_->key == ApiKey::kApiVersions || call.row_->serves(call.header_.version)) return true;
  }
  local_.counters.malformed.add();
  if (call.row_ != nullptr) local_.counters.by_api[static_cast<size_t>(call.row_ - api_table().data())].errors.add();
  if (!local_.may_warn()) return false;
  log_warn("kafka", "client closed: its request is malformed, or of an API or version that is not served",
           {{"address", remote().text()},
            {"api", call.row_ != nullptr ? call.row_->name : std::string_view("unknown")},
            {"key", call.header_.key},
            {"version", call.header_.version}});
  return false;
}

void Session::begin_call() {
  std::unique_ptr<Call> made = take_spare();
  Call& call = *made;
  call.frame_ = std::move(frame_);
  call.frame_bytes_ = frame_size_;
  call.state_ = Call::State::kOpen;
  call.is_done_ = call.lets_next_begin_ = false;
  call.header_ = {};
  call.row_ = nullptr;
  call.began_ns_ = last_ns_;
  bytes_under_way_ += frame_held_;
  frame_held_ = 0;
  calls_.push_back(std::move(made));
  Handler handler = raw_handler_;
  if (handler != nullptr) {
    call.body_ = {call.frame_.get(), call.frame_bytes_};
  } else if (prepare(call)) {
    handler = find_handler(call.row_->key);
    local_.counters.by_api[static_cast<size_t>(call.row_ - api_table().data())].requests.add();
    const bool is_for_guests = call.row_->key == ApiKey::kApiVersions || call.row_->key == ApiKey::kSaslHandshake ||
                               call.row_->key == ApiKey::kSaslAuthenticate;
    if (!identity_.is_authenticated && !is_for_guests) handler = nullptr;
  }
  if (handler == nullptr) {
    kill();
    return;
  }
  exclusive_ = &call;
  Quotas* quotas = service_.quotas();
  if (quotas == nullptr || !quotas->counts_time(*this)) {
    tasks_.spawn(run_call(handler, call));
    return;
  }
  // What a request takes of the reactor before it first waits: reading and checking it, which is most of it.
  const std::string client_id(call.client_id());
  const int64_t from_ns = local_.reactor.clock().monotonic_ns();
  tasks_.spawn(run_call(handler, call));
  const int64_t took_ns = local_.reactor.clock().monotonic_ns() - from_ns;
  mute(quotas->charge(*this, client_id, QuotaKind::kRequestTime, static_cast<uint64_t>(std::max<int64_t>(took_ns, 0))));
}

void Session::mute(int32_t ms) {
  if (ms <= 0) return;
  local_.counters.throttled.add();
  muted_until_ns_ = std::max(muted_until_ns_, local_.reactor.clock().monotonic_ns() + int64_t{ms} * kNsPerMs);
}

Task<void> Session::run_call(Handler handler, Call& call) {
  co_await handler(call);
  ended(call);
}

void Session::ended(Call& call) {
  call.is_done_ = true;
  if (exclusive_ == &call) exclusive_ = nullptr;
  if (call.state_ != Call::State::kAnswered && call.state_ != Call::State::kSilent) {
    local_.counters.malformed.add();
    if (call.row_ != nullptr) {
      local_.counters.by_api[static_cast<size_t>(call.row_ - api_table().data())].errors.add();
      if (local_.may_warn()) {
        log_warn("kafka", "client closed: its request is malformed",
                 {{"address", remote().text()}, {"api", call.row_->name}, {"version", call.header_.version}});
      }
    }
    kill();
    return;
  }
  if (call.row_ != nullptr) {
    const int64_t took_ns = local_.reactor.clock().monotonic_ns() - call.began_ns_;
    local_.counters.by_api[static_cast<size_t>(call.row_ - api_table().data())].latency_ns.record(
        static_cast<uint64_t>(std::max<int64_t>(took_ns, 0)));
  }
  // The frame may be in use still (a log record's payload), but no longer because of this.
  call.frame_.reset();
  hold(call.out_.size());
  due();
}

void Session::hold(size_t bytes) {
  bytes_under_way_ += bytes;
  local_.bytes_under_way += bytes;
}

void Session::release(size_t bytes) {
  KEELSON_CHECK(bytes <= bytes_under_way_ && bytes <= local_.bytes_under_way, "more is released than was held");
  bytes_under_way_ -= bytes;
  local_.bytes_under_way -= bytes;
}

// The first call is answered and gone.
void Session::recycle() {
  std::unique_ptr<Call> call = std::move(calls_.front());
  calls_.pop_front();
  release(call->frame_bytes_ + call->out_.size());
  if (spare_ == nullptr && call->out_.size() <= kSpareWriterBytesMax) {
    call->out_.clear();
    spare_ = std::move(call);
  }
}

// ---- Writing.

void Session::due() {
  if (is_due_) return;
  is_due_ = true;
  if (local_.due.empty()) local_.reactor.at_turn_end([&local = local_] { local.end_of_turn(); });
  local_.due.push_back(this);
}

// May end the session, since whoever reads is resumed.
void Session::end_of_turn() {
  is_due_ = false;
  flush();
  if (is_closing_ && is_reading_ && !has_answers_left()) kill();
  if (reader_ && may_begin()) std::exchange(reader_, {}).resume();
}

// Moves answers that are ready into output_, up to one that is better sent from where it lies.
void Session::take_answers() {
  while (!calls_.empty() && calls_.front()->is_done_ && calls_.front()->out_.size() <= kCopyBytesMax) {
    const size_t bytes = calls_.front()->out_.size();
    calls_.front()->out_.for_each_piece([this](std::string_view piece) { output_.append(piece); });
    recycle();
    hold(bytes);  // until they have gone
  }
}

void Session::flush() {
  if (is_sending_ || is_killed_) return;
  take_answers();
  if (!output_.empty()) {
    const env::IoOutcome sent = stream_->try_write(output_.view());
    if (!sent.ok()) {
      kill();
      return;
    }
    local_.counters.bytes_out.add(sent.count);
    output_.consume(sent.count);
    release(sent.count);
    if (output_.empty()) output_.shrink_if_empty(2 * kReadBytesMin);
  }
  if (output_.empty() && (calls_.empty() || !calls_.front()->is_done_)) return;
  is_sending_ = true;
  tasks_.spawn(send_rest());
}

Task<void> Session::send_rest() {
  while (!is_killed_) {
    take_answers();
    if (!output_.empty()) {
      sending_.swap(output_);
      if (!co_await send(sending_.view())) co_return;
      release(sending_.size());
      sending_.clear();
      sending_.shrink_if_empty(2 * kCopyBytesMax);
    } else if (!calls_.empty() && calls_.front()->is_done_) {
      co_await send_first();
    } else {
      break;
    }
  }
  is_sending_ = false;
  due();
}

// The first answer, from where it lies. Its short stretches are put together: those of a thousand partitions would be
// two thousand writes.
Task<void> Session::send_first() {
  std::vector<std::string_view> pieces;
  calls_.front()->out_.for_each_piece([&](std::string_view piece) { pieces.push_back(piece); });
  for (std::string_view piece : pieces) {
    const bool is_short = piece.size() <= kCopyBytesMax;
    if (is_short) sending_.append(piece);
    if (is_short && sending_.size() < kGatheredBytesMax) continue;
    if (!co_await send(sending_.view())) co_return;
    sending_.clear();
    if (!is_short && !co_await send(piece)) co_return;
  }
  if (!co_await send(sending_.view())) co_return;
  sending_.clear();
  sending_.shrink_if_empty(2 * kCopyBytesMax);
  recycle();
}

// False: the session has ended.
Task<bool> Session::send(std::string_view bytes) {
  if (bytes.empty()) co_return true;
  const env::IoOutcome sent = co_await stream_->write(bytes);
  local_.counters.bytes_out.add(sent.count);
  last_ns_ = local_.reactor.clock().monotonic_ns();
  if (!sent.ok()) kill();
  co_return !is_killed_;
}

// ---- Ending.

void Session::kill() {
  if (is_killed_) return;
  is_killed_ = true;
  stream_->close();
  due();
}

void Session::end_when_idle() {
  is_closing_ = true;
  due();
}

void Session::check_limits(int64_t now_ns) {
  if (is_killed_) return;
  if (identity_.expires_ns != 0 && now_ns > identity_.expires_ns) kill();
  if (frame_deadline_ns_ != 0 && now_ns > frame_deadline_ns_) {
    if (local_.may_warn()) {
      log_warn("kafka", "client closed: its request comes too slowly", {{"address", remote().text()}});
    }
    kill();
    return;
  }
  const int64_t idle_ms = service_.options().connection_idle_ms;
  // A request that waits (a fetch, a group) is not idleness; one whose answer nobody takes is.
  const bool is_waiting = !calls_.empty() && !calls_.front()->is_done_;
  if (idle_ms != 0 && !is_waiting && now_ns - last_ns_ > idle_ms * kNsPerMs) kill();
}

}  // namespace keelson::kafka
