#include "topics/desk.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/topic_engine.h"
#include "topics/leads.h"

namespace keelson::topics {

namespace detail {

namespace {
// A disk that is full makes itself heard this often, for each reactor.
constexpr int64_t kWarnEveryNs = int64_t{10} * 1'000'000'000;
// Of one shard: several times what settle() lets gather (TopicEngineOptions::settle_bytes).
constexpr size_t kUnsettledBytesMax = size_t{32} << 20;
// A spare call keeps no larger body than this.
constexpr size_t kSpareBodyBytesMax = 4096;
}  // namespace

void CallFree::operator()(Call* call) const { call->origin->drop(*call); }
bool is_back(const Call& call) { return call.is_back; }
void set_waiter(Call& call, std::coroutine_handle<> waiter) { call.waiter = waiter; }
Asked take_asked(Call& call) { return std::move(call.asked); }

void Call::finished(log::LogErrc outcome) {
  asked.outcome = outcome;
  at->finished(*this);
}

Desk::Desk(shard::Runtime& runtime, const shard::Router& router, env::Reactor& here)
    : runtime_(runtime),
      router_(router),
      here_(here),
      here_index_(here.index()),
      boxes_(router.reactor_count()),
      scope_(here) {}

Desk::~Desk() = default;

Box& Desk::box_for(unsigned reactor) {
  gather();
  return boxes_[reactor];
}

void Desk::gather() {
  if (is_gathering_) return;
  is_gathering_ = true;
  here_.at_turn_end([this] { send(); });
}

void Desk::send() {
  is_gathering_ = false;
  look_at_touched();
  for (unsigned i = 0; i < boxes_.size(); ++i) {
    if (boxes_[i].is_empty()) continue;
    Desk& there = *(*desks_)[i];
    there.here_.post([&there, from = here_index_, box = std::exchange(boxes_[i], {})]() mutable {
      there.receive(from, std::move(box));
    });
  }
}

void Desk::receive(unsigned from, Box box) {
  for (Box::Points& waiting : box.waits) {
    for (const PointAt& at : waiting.points) touched(at.shard);
    hub_.add(from, waiting.wait, std::move(waiting.points));
  }
  for (uint64_t wait : box.ended) hub_.remove(wait);
  if (!box.calls.empty()) runtime_.clock(here_index_).refresh();
  for (Call* call : box.calls) submit(*call);
  // Whoever is resumed may drop other calls, but none of these is freed before it has come back.
  for (Call* call : box.answers) came_back(*call);
  wake_each(box.woken);
}

// ---- Requests.

CallPointer Desk::make_call(uint16_t code, std::string body, std::string_view payload,
                            std::shared_ptr<const void> owner, bool is_stale) {
  if (spare_.empty()) spare_.push_back(std::make_unique<Call>());
  calls_.push_back(std::move(spare_.back()));
  spare_.pop_back();
  Call& call = *calls_.back();
  call.place = calls_.size() - 1;
  call.origin = this;
  call.body = std::move(body);
  call.owner = std::move(owner);
  call.views = {call.body, payload};
  call.command.code = code;
  call.command.args = {call.views.data(), payload.empty() ? size_t{1} : size_t{2}};
  call.commands = {&call.command, 1};
  call.is_write = code < static_cast<uint16_t>(topic::Code::kFindTopic);
  // What will do as it stands need not wait for writes either.
  call.is_stale = is_stale;
  call.is_ordered = !is_stale;
  call.is_back = call.is_dropped = false;
  return CallPointer(&call);
}

bool Desk::start_beside(Call& call) {
  if (is_stopping_) {
    call.asked.outcome = log::LogErrc::kStopped;
    call.is_back = true;
    return false;
  }
  ++under_way_;
  return true;
}

void Desk::start(Call& call, log::ShardId shard) {
  if (!start_beside(call)) return;
  call.shard = shard;
  const unsigned reactor = router_.reactor_of(shard);
  call.at = (*desks_)[reactor].get();
  if (reactor != here_index_) {
    box_for(reactor).calls.push_back(&call);
    return;
  }
  runtime_.clock(here_index_).refresh();
  submit(call);
}

void Desk::submit(Call& call) {
  shard::Shard& shard = runtime_.shard(call.shard);
  // What cannot be written to segments stays in memory, while the log may still have room.
  if (call.command.code == static_cast<uint16_t>(topic::Code::kAppend) && !shard.is_lent() &&
      static_cast<topic::TopicEngine&>(shard.engine()).unsettled_bytes() > kUnsettledBytesMax) {
    call.finished(log::LogErrc::kFull);
    return;
  }
  shard.submit(call);
}

void Desk::finished(Call& call) {
  if (call.origin == this) {
    came_back(call);
  } else {
    box_for(call.origin->here_index_).answers.push_back(&call);
  }
}

void Desk::came_back(Call& call) {
  call.is_back = true;
  --under_way_;
  if (call.is_dropped) {
    forget(call);
  } else if (call.waiter) {
    std::exchange(call.waiter, {}).resume();
  }
}

void Desk::drop(Call& call) {
  if (call.is_back) {
    forget(call);
    return;
  }
  call.is_dropped = true;
  call.waiter = {};
}

void Desk::forget(Call& call) {
  call.asked = {};
  call.owner.reset();
  call.waiter = {};
  if (call.body.capacity() > kSpareBodyBytesMax) call.body = {};
  const size_t place = call.place;
  if (place + 1 != calls_.size()) {
    std::swap(calls_[place], calls_.back());
    calls_[place]->place = place;
  }
  if (spare_.size() < kSpareCallsMax) spare_.push_back(std::move(calls_.back()));
  calls_.pop_back();
}

// ---- Waits.

void Desk::begin(Waiting& waiting) {
  // Unlike any other reactor's.
  waiting.id_ = ++last_wait_ * router_.reactor_count() + here_index_;
  waits_.emplace(waiting.id_, &waiting);
  std::vector<std::vector<PointAt>> by_reactor(router_.reactor_count());
  for (const WaitPoint& point : waiting.points_) {
    const auto shard = static_cast<log::ShardId>(router_.first_shard() +
                                                 topic::shard_of_partition(point.partition, router_.shard_count()));
    by_reactor[router_.reactor_of(shard)].push_back({shard, point});
  }
  waiting.asked_.assign(by_reactor.size(), false);
  for (unsigned i = 0; i < by_reactor.size(); ++i) {
    if (by_reactor[i].empty()) continue;
    waiting.asked_[i] = true;
    if (i == here_index_) {
      for (const PointAt& at : by_reactor[i]) touched(at.shard);
      hub_.add(i, waiting.id_, std::move(by_reactor[i]));
    } else {
      box_for(i).waits.push_back({waiting.id_, std::move(by_reactor[i])});
    }
  }
}

void Desk::end(Waiting& waiting) {
  waits_.erase(waiting.id_);
  for (unsigned i = 0; i < waiting.asked_.size(); ++i) {
    if (!waiting.asked_[i]) continue;
    if (i == here_index_) {
      hub_.remove(waiting.id_);
    } else {
      box_for(i).ended.push_back(waiting.id_);
    }
  }
  waiting.id_ = 0;
}

void Desk::wake(uint64_t wait, std::span<const Box::WokenBy> by) {
  const auto found = waits_.find(wait);
  if (found == waits_.end()) return;
  Waiting& waiting = *found->second;
  for (const Box::WokenBy& one : by) waiting.woken_by_.push_back(one.partition);
  waiting.end();
}

void Desk::wake_each(std::span<const Box::WokenBy> woken) {
  while (!woken.empty()) {
    size_t count = 1;
    while (count < woken.size() && woken[count].wait == woken.front().wait) ++count;
    wake(woken.front().wait, woken.first(count));
    woken = woken.subspan(count);
  }
}

void Desk::tell(std::vector<Woken> woken) {
  if (woken.empty()) return;
  std::ranges::sort(woken, {}, [](const Woken& one) { return std::tie(one.wait, one.by); });
  std::vector<Box::WokenBy> own;
  for (const Woken& one : woken) {
    hub_.remove(one.wait);
    (one.origin == here_index_ ? own : box_for(one.origin).woken).push_back({one.wait, one.by});
  }
  wake_each(own);
}

// ---- Shards.

void Desk::touched(log::ShardId shard) {
  if (std::ranges::find(touched_, shard) == touched_.end()) touched_.push_back(shard);
  gather();
}

void Desk::topic_deleted() {
  for (log::ShardId shard : hub_.forget_what_was_seen()) touched(shard);
}

void Desk::state_replaced(log::ShardId shard) {
  replaced_.push_back(shard);
  touched(shard);
}

void Desk::look_at_touched() {
  if (touched_.empty()) return;
  const std::vector<log::ShardId> shards = std::exchange(touched_, {});
  woken_.clear();
  for (log::ShardId id : shards) look_at(id);
  tell(std::exchange(woken_, {}));
}

void Desk::look_at(log::ShardId id) {
  if (leads_ != nullptr && !leads_->leads(id)) {
    // Whoever leads it is the one to wait with.
    for (const PartitionId& partition : hub_.partitions(id)) hub_.look(id, partition, {.exists = false}, woken_);
  }
  shard::Shard& shard = runtime_.shard(id);
  if (shard.is_lent()) return;  // applied() follows when it is given back
  auto& engine = static_cast<topic::TopicEngine&>(shard.engine());
  if (const Status settled = engine.settle(); !settled.ok()) {
    const int64_t now_ns = here_.clock().monotonic_ns();
    if (settle_warned_ns_ == 0 || now_ns - settle_warned_ns_ > kWarnEveryNs) {
      settle_warned_ns_ = now_ns;
      log_warn("topic", "batches cannot be written to their segments; they stay in memory and in the log",
               {{"shard", id}, {"unsettled_bytes", engine.unsettled_bytes()}, {"why", settled.error().message()}});
    }
  }
  std::vector<PartitionId> partitions = hub_.take_unseen(id);
  if (std::erase(replaced_, id) != 0) partitions = hub_.partitions(id);
  for (const PartitionId& partition : engine.take_touched()) {
    if (hub_.has(id, partition)) partitions.push_back(partition);
  }
  for (const PartitionId& partition : partitions) {
    Answer answer;
    class Sink final : public topic::AnswerSink {
     public:
      explicit Sink(Answer& into) : into_(into) {}
      Answer* answer() override { return &into_; }

     private:
      Answer& into_;
    } sink(answer);
    const topic::Encoded question(topic::DescribePartition{.of = partition});
    engine.query({}, question.command(), sink);
    const topic::PartitionInfo& info = answer.partition;
    hub_.look(id, partition, {answer.ok(), info.high_watermark, info.last_stable}, woken_);
  }
}

void Desk::refuse() {
  is_stopping_ = true;
  end_waits();
}

void Desk::end_waits() {
  std::vector<uint64_t> all;
  for (const auto& [id, waiting] : waits_) all.push_back(id);
  std::ranges::sort(all);
  for (uint64_t id : all) wake(id, {});
}

}  // namespace detail

Waiting::Waiting(detail::Desk& desk, std::vector<WaitPoint> points, int64_t deadline_ns)
    : desk_(desk), points_(std::move(points)), deadline_ns_(deadline_ns), timer_(desk.reactor(), [this] { end(); }) {}

Waiting::~Waiting() {
  if (id_ != 0) desk_.end(*this);
}

bool Waiting::await_suspend(std::coroutine_handle<> waiter) {
  if (desk_.is_stopping() || deadline_ns_ <= desk_.reactor().clock().monotonic_ns()) return false;
  waiter_ = waiter;
  desk_.begin(*this);
  timer_.arm_at(deadline_ns_);
  return true;
}

void Waiting::end() {
  timer_.disarm();
  desk_.end(*this);
  std::exchange(waiter_, {}).resume();
}

}  // namespace keelson::topics
