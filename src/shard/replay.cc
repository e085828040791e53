#include "shard/replay.h"

#include <utility>

#include "base/logging.h"
#include "env/reactor.h"

namespace keelson::shard {

namespace {
constexpr int64_t kTellEveryNs = 2'000'000'000;
constexpr uint64_t kBytesPerMiB = 1 << 20;
}  // namespace

Replay::Replay(env::Env& env, env::Reactor& home, const Router& router,
               const std::vector<std::unique_ptr<engine::Engine>>& engines, std::vector<engine::ReplySink*> unheard)
    : env_(env),
      home_(home),
      router_(router),
      engines_(engines),
      unheard_(std::move(unheard)),
      reached_(engines.size()),
      told_ns_(home.clock().monotonic_ns()) {
  for (unsigned i = 0; i < router.reactor_count(); ++i) lanes_.push_back(std::make_unique<Lane>());
}

void Replay::on_record(ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) {
  const unsigned owner = router_.reactor_of(shard);
  Lane& lane = *lanes_[owner];
  if (owner == home_.index()) {
    apply(lane.decoder, shard, index, time_ms, payload);
    return;
  }
  lane.gathered.push_back({shard, index, time_ms, lane.gathered_bytes.size(), payload.size()});
  lane.gathered_bytes.append(payload);
}

void Replay::apply(RecordDecoder& decoder, ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) {
  Reached& reached = reached_[shard];
  if (!reached.damage.empty()) return;
  if (const Status decoded = decoder.decode(payload); !decoded.ok()) {
    reached.damage =
        "shard " + std::to_string(shard) + ", record " + std::to_string(index) + ": " + decoded.error().message();
    return;
  }
  uint64_t ordinal = 0;
  for (const engine::Command& command : decoder.commands()) {
    engines_[shard]->apply({index, time_ms, seed_of(shard, index, ordinal++)}, command, *unheard_[shard]);
  }
  // Memory stays bounded, however long the log is.
  if (const Status settled = engines_[shard]->settle(); !settled.ok() && !reached.has_told_unsettled) {
    reached.has_told_unsettled = true;
    log_warn("shard", "what is read from the log cannot be written where it belongs, and stays in memory for now",
             {{"shard", shard}, {"why", settled.error().message()}});
  }
  reached.index = index;
  reached.time_ms = time_ms;
  ++reached.records;
}

void Replay::send(unsigned reactor_index) {
  Lane& lane = *lanes_[reactor_index];
  if (lane.gathered.empty()) return;
  std::swap(lane.gathered, lane.applying);
  lane.gathered_bytes.swap(lane.applying_bytes);
  lane.is_busy = true;
  env_.reactor(reactor_index).post([this, &lane] {
    for (const Record& record : lane.applying) {
      apply(lane.decoder, record.shard, record.index, record.time_ms,
            lane.applying_bytes.view().substr(record.offset, record.size));
    }
    lane.applying.clear();
    lane.applying_bytes.clear();
    home_.post([this, &lane] {
      lane.is_busy = false;
      if (awaited_ == &lane) {
        awaited_ = nullptr;
        std::exchange(waiter_, {}).resume();
      }
    });
  });
}

Task<void> Replay::wait_idle(Lane& lane) {
  struct Idle {
    Replay& replay;
    Lane& lane;
    bool await_ready() const noexcept { return !lane.is_busy; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept {
      replay.awaited_ = &lane;
      replay.waiter_ = waiter;
    }
    void await_resume() const noexcept {}
  };
  co_await Idle{*this, lane};
}

Task<void> Replay::on_progress(uint64_t bytes_done, uint64_t bytes_total) {
  for (unsigned i = 0; i < lanes_.size(); ++i) {
    if (i == home_.index()) continue;
    co_await wait_idle(*lanes_[i]);
    send(i);
  }
  const int64_t now_ns = home_.clock().monotonic_ns();
  if (now_ns - told_ns_ >= kTellEveryNs) {
    told_ns_ = now_ns;
    log_info("shard", "reading the log",
             {{"done_mib", bytes_done / kBytesPerMiB}, {"total_mib", bytes_total / kBytesPerMiB}});
  }
}

Task<void> Replay::finish() {
  for (unsigned i = 0; i < lanes_.size(); ++i) {
    if (i == home_.index()) continue;
    co_await wait_idle(*lanes_[i]);
    send(i);
  }
  for (auto& lane : lanes_) co_await wait_idle(*lane);
}

}  // namespace keelson::shard
