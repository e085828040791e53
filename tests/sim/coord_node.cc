#include "tests/sim/coord_node.h"

#include <algorithm>
#include <utility>

#include "coord/request.h"
#include "engine/coord/coord_engine.h"
#include "tests/sim/coord_calls.h"

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;
using linear::StoreCall;
using linear::StoreCompare;
using linear::StoreOperation;

constexpr uint64_t kStateEvery = 4;
constexpr int64_t kCompactBehind = 20;  // revisions that clients leave readable, at least
constexpr unsigned kReader = 1000;

using Tell = std::function<void(std::function<void()> what)>;

// Tells the book every event, and the witness now and then the state.
class WitnessedCoord final : public coord::CoordEngine {
 public:
  WitnessedCoord(CoordShared& shared, unsigned node, Tell tell)
      : shared_(shared), node_(node), tell_(std::move(tell)) {}

  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override {
    if (context.index != index_ && index_ != 0 && index_ % kStateEvery == 0) {
      tell_([&shared = shared_, node = node_, index = index_, state = coord::digest(*this)] {
        shared.witness.has_state(node, 0, index, state);
      });
    }
    index_ = context.index;
    const coord::Revision before = revision();
    coord::CoordEngine::apply(context, command, reply);
    if (revision() < before) shared_.book.violate("the revision went back on node " + std::to_string(node_));
    if (revision() == before) return;
    coord::EventsAnswer answer;
    const auto outcome = read_events(
        {.from = before + 1, .to = revision()},
        [this](const coord::Event& event) {
          tell_([&shared = shared_, node = node_, event = to_watched(event.kv)] { shared.book.applied(node, event); });
          return true;
        },
        answer);
    if (outcome != coord::CoordErrc::kOk) shared_.book.violate("what was applied cannot be read");
  }
  Status load_checkpoint(std::string_view piece) override {
    index_ = 0;
    return coord::CoordEngine::load_checkpoint(piece);
  }

 private:
  CoordShared& shared_;
  const unsigned node_;
  const Tell tell_;
  uint64_t index_ = 0;
};

// What a request that failed in the service has certainly not done.
bool is_certainly_void(coord::ServiceErrc outcome) {
  return outcome == coord::ServiceErrc::kNoLeader || outcome == coord::ServiceErrc::kFull ||
         outcome == coord::ServiceErrc::kTooLarge;
}

}  // namespace

CoordNode::CoordNode(env::Env& env, CoordNodeOptions options, CoordShared& shared)
    : env_(env),
      options_(std::move(options)),
      shared_(shared),
      unheard_(std::make_unique<coord::SilentSink>()),
      watching_(options_.watchers),
      tasks_(env.reactor(0)) {
  here().post([this] { tasks_.spawn(start()); });
}

CoordNode::~CoordNode() {
  if (runtime_ != nullptr) runtime_->abandon();
}

std::string CoordNode::failure() const {
  if (!failure_.empty() || !is_serving_ || peers_ != nullptr) return failure_;
  // Of a cluster the replica says so; alone, every write is refused from there on.
  return runtime_->local_log()->stats().has_failed.value() == 0 ? "" : "the log has failed";
}

void CoordNode::tell(std::function<void()> what) {
  if (is_recovered_) {
    what();
  } else {
    unproven_.push_back(std::move(what));
  }
}

shard::RuntimeOptions CoordNode::runtime_options() {
  shard::RuntimeOptions options;
  options.folder = "data";
  options.log = options_.log;
  options.checkpoint = options_.checkpoint;
  shard::ServiceOptions& service = options.services.emplace_back();
  service.name = "coord";
  service.engine_version = coord::kCoordEngineVersion;
  service.shard_count = 1;
  service.durability = log::Durability::kAlways;
  service.replay_sink = unheard_.get();
  service.make_engine = [this](shard::ShardId) {
    return std::make_unique<WitnessedCoord>(shared_, options_.index,
                                            [this](std::function<void()> what) { tell(std::move(what)); });
  };
  if (peers_ == nullptr) return options;
  shard::ReplicationOptions& replication = options.replication.emplace(peers_->replication());
  replication.listener = this;
  replication.member = options_.member;
  replication.groups.tick_ms = options_.tick_ms;
  return options;
}

Task<void> CoordNode::start() {
  const bool is_alone = options_.peers.empty();
  if (!is_alone) peers_ = std::make_unique<ClusterPeers>(env_, options_.index, options_.peers);
  runtime_ = std::make_unique<shard::Runtime>(env_, runtime_options());
  if (const Status started = co_await runtime_->start(); !started.ok()) co_return fail_start(started);
  is_recovered_ = true;
  for (const auto& what : std::exchange(unproven_, {})) what();
  if (!is_alone) {
    if (const Status meshed = co_await peers_->start(*runtime_); !meshed.ok()) co_return fail_start(meshed);
  }
  coord::ServiceOptions service;
  service.is_alone = is_alone;
  // Little may wait for a watcher, so that slow ones fall behind and are told history.
  service.watch.progress_every_ms = 200;
  service.watch.stream_bytes_max = 3000;
  service.watch.slice_events_max = 4;
  service_ = std::make_unique<coord::Service>(*runtime_, runtime_->router(), service);
  if (const Status started = co_await service_->start(); !started.ok()) co_return fail_start(started);
  if (!is_alone) co_await runtime_->start_groups();
  is_serving_ = true;
  for (unsigned i = 0; i < options_.clients; ++i) tasks_.spawn(client(options_.index * 10 + i));
  for (unsigned i = 0; i < options_.watchers; ++i) tasks_.spawn(watcher(i));
}

StoreOperation CoordNode::draw_operation() {
  StoreOperation operation;
  operation.key = key();
  const uint64_t drawn = below(100);
  if (drawn < 50) {
    operation.kind = StoreOperation::Kind::kPut;
    operation.value = "v" + std::to_string(shared_.next_value++);
  } else if (drawn < 65) {
    operation.kind = StoreOperation::Kind::kDelete;
    if (below(3) == 0) operation.end = key();
  } else {
    if (below(2) == 0) operation.end = "z";
    if (below(5) == 0)
      operation.revision = std::max<int64_t>(1, shared_.book.last_revision() - static_cast<int64_t>(below(10)));
  }
  return operation;
}

StoreCall CoordNode::draw() {
  StoreCall call;
  if (below(3) == 0) {
    StoreCompare compare;
    compare.key = key();
    compare.target = static_cast<StoreCompare::Target>(below(3));
    compare.relation = static_cast<StoreCompare::Relation>(below(4));
    if (below(2) == 0) compare.number = shared_.book.last_revision() - static_cast<int64_t>(below(6));
    call.compares.push_back(compare);
    call.otherwise.push_back(draw_operation());
  }
  call.then.push_back(draw_operation());
  if (below(4) == 0) {
    // On another key: none may be changed twice. Ranges of deletions would overlap.
    StoreOperation second = draw_operation();
    if (call.then[0].end.empty() && second.end.empty() && second.key != call.then[0].key) call.then.push_back(second);
  }
  return call;
}

Task<void> CoordNode::client(unsigned number) {
  while (shared_.is_writing) {
    const uint64_t drawn = below(100);
    if (drawn < 2) {
      co_await compact();
    } else if (drawn < 5) {
      co_await use_lease(number);
    } else {
      co_await ask(number, draw());
    }
    co_await env::sleep_for(here(), static_cast<int64_t>(below(static_cast<uint64_t>(options_.think_ns_max))));
  }
}

Task<void> CoordNode::ask(unsigned by, StoreCall call) {
  const size_t number = shared_.book.call(call, by, shared_.world.now_ns());
  const bool is_read = linear::StoreModel::is_read(call);
  const coord::Txn txn = to_txn(call);
  auto sink = std::make_unique<CallSink>(call);
  const auto answer = is_read ? co_await service_->query(here(), txn, std::move(sink))
                              : co_await service_->write(here(), txn, std::move(sink));
  if (answer.outcome == coord::ServiceErrc::kOk && !answer.sink->failure()) {
    shared_.world.trace("answer", static_cast<uint64_t>(answer.sink->call().revision));
    shared_.book.answered(number, answer.sink->call(), shared_.world.now_ns());
  } else if (answer.outcome == coord::ServiceErrc::kOk || is_certainly_void(answer.outcome) || is_read) {
    shared_.book.had_no_effect(number);
  }
}

Task<void> CoordNode::compact() {
  const int64_t to = shared_.book.last_revision() - kCompactBehind - static_cast<int64_t>(below(20));
  if (to < 2) co_return;
  shared_.book.compacting(to);
  (void)co_await service_->write(here(), coord::Compact{.caller = coord::kHouse, .revision = to},
                                 std::make_unique<CallSink>(StoreCall{}));
}

Task<int64_t> CoordNode::grant(int64_t ttl_s) {
  const auto granted = co_await service_->write(here(), coord::LeaseGrant{.caller = coord::kHouse, .ttl_s = ttl_s},
                                                std::make_unique<CallSink>(StoreCall{}));
  const bool is_granted = granted.outcome == coord::ServiceErrc::kOk && !granted.sink->failure();
  co_return is_granted ? granted.sink->granted() : 0;
}

// Puts keys under a lease, keeps it alive for a while, and then revokes it or lets it run out.
Task<void> CoordNode::use_lease(unsigned by) {
  const int64_t ttl_s = 2 + static_cast<int64_t>(below(2));
  const auto promised_ns = static_cast<int64_t>(static_cast<double>(ttl_s * kSecond) * (1 - options_.drift_max));
  int64_t asked_ns = shared_.world.now_ns();
  const int64_t lease = co_await grant(ttl_s);
  if (lease == 0) co_return;
  shared_.book.lease_holds_until(lease, asked_ns + promised_ns);
  for (uint64_t rounds = below(4); rounds > 0 && shared_.is_writing; --rounds) {
    StoreCall call;
    call.then.push_back(draw_operation());
    if (call.then[0].kind == StoreOperation::Kind::kPut) call.then[0].lease = lease;
    co_await ask(by, std::move(call));
    co_await env::sleep_for(here(), static_cast<int64_t>(below(kSecond)));
    asked_ns = shared_.world.now_ns();
    const coord::LeaseAnswer kept = co_await service_->leases().keep_alive(here(), lease);
    if (kept.outcome != coord::ServiceErrc::kOk || !kept.is_found) co_return;
    shared_.book.lease_holds_until(lease, asked_ns + promised_ns);
  }
  if (below(2) == 0) co_return;
  StoreCall revoke;
  revoke.then.push_back(
      {.kind = StoreOperation::Kind::kRevoke, .key = {}, .end = {}, .value = {}, .lease = lease, .found = {}});
  const size_t number = shared_.book.call(revoke, by, shared_.world.now_ns());
  const auto revoked = co_await service_->write(here(), coord::LeaseRevoke{.caller = coord::kHouse, .id = lease},
                                                std::make_unique<CallSink>(revoke));
  if (revoked.outcome == coord::ServiceErrc::kOk && !revoked.sink->failure()) {
    shared_.book.answered(number, revoked.sink->call(), shared_.world.now_ns());
  } else if (revoked.outcome == coord::ServiceErrc::kOk || is_certainly_void(revoked.outcome)) {
    shared_.book.had_no_effect(number);
  }
}

Task<void> CoordNode::watcher(unsigned number) {
  int64_t next = below(2) == 0 ? 0 : 1 + static_cast<int64_t>(below(5));
  for (;;) {
    co_await watch_once(number, next);
    co_await env::sleep_for(here(), static_cast<int64_t>(below(50 * kMillisecond)));
  }
}

Task<void> CoordNode::watch_once(unsigned number, int64_t& next) {
  WatchRecord& record = shared_.book.watch();
  record.by = "node " + std::to_string(options_.index) + " watcher " + std::to_string(number);
  record.key = below(3) == 0 ? key() : "k";
  if (record.key == "k") record.end = "l";
  record.start_revision = next;
  record.wants_previous = below(2) == 0;
  record.no_puts = below(8) == 0;
  record.no_deletes = below(8) == 0;
  const auto stream = service_->open_watch_stream(here());
  stream->create({.key = record.key,
                  .range_end = record.end,
                  .start_revision = record.start_revision,
                  .with_previous = record.wants_previous,
                  .without_puts = record.no_puts,
                  .without_deletes = record.no_deletes,
                  .wants_progress = true});
  Watching& watching = watching_[number];
  watching = {&record, 0};
  const uint64_t deliveries_max = 20 + below(400);
  for (uint64_t count = 0; count < deliveries_max || !shared_.is_writing; ++count) {
    if (count % 16 == 15 || !shared_.is_writing) stream->request_progress();
    const coord::Delivery delivery = co_await stream->next();
    if (delivery.kind == coord::DeliveryKind::kClosed) break;
    if (delivery.kind == coord::DeliveryKind::kRefused) {
      shared_.book.violate("a watch was refused");
      break;
    }
    WatchResponse response = to_response(delivery);
    shared_.world.trace("delivery", static_cast<uint64_t>(response.revision) * 100 + response.events.size());
    if (response.kind == WatchResponse::Kind::kCreated) {
      if (next == 0) next = response.revision + 1;
    } else if (response.kind == WatchResponse::Kind::kEvents) {
      watching.seen = response.events.back().event.mod_revision;
    } else if (response.kind == WatchResponse::Kind::kProgress) {
      watching.seen = std::max(watching.seen, response.revision);
    } else {
      next = response.compact_revision;
    }
    next = std::max(next, watching.seen + 1);
    record.responses.push_back(std::move(response));
    if (delivery.kind == coord::DeliveryKind::kCanceled) break;
    if (below(10) == 0) co_await env::sleep_for(here(), static_cast<int64_t>(below(100 * kMillisecond)));
    if (!shared_.is_writing) co_await env::sleep_for(here(), 20 * kMillisecond);
  }
  watching = {};
}

WatchResponse CoordNode::to_response(const coord::Delivery& delivery) {
  WatchResponse response;
  response.revision = delivery.revision;
  response.compact_revision = delivery.compact_revision;
  switch (delivery.kind) {
    case coord::DeliveryKind::kCreated:
      response.kind = WatchResponse::Kind::kCreated;
      break;
    case coord::DeliveryKind::kProgress:
      response.kind = WatchResponse::Kind::kProgress;
      break;
    case coord::DeliveryKind::kCanceled:
      response.kind = WatchResponse::Kind::kCanceled;
      break;
    default:
      response.kind = WatchResponse::Kind::kEvents;
      for (const auto& event : delivery.events->events()) {
        WatchResponse::Item item{to_watched(event->kv()), {}};
        if (delivery.with_previous && event->prev_kv() != nullptr) item.previous = to_watched(*event->prev_kv());
        response.events.push_back(std::move(item));
      }
      break;
  }
  return response;
}

Task<void> CoordNode::read_all() {
  for (;;) {
    StoreCall call;
    call.then.push_back({.kind = StoreOperation::Kind::kRange, .key = "a", .end = "z", .value = {}, .found = {}});
    const coord::Txn txn = to_txn(call);
    const size_t number = shared_.book.call(call, kReader + options_.index, shared_.world.now_ns());
    const auto answer = co_await service_->query(here(), txn, std::make_unique<CallSink>(call));
    if (answer.outcome == coord::ServiceErrc::kOk && !answer.sink->failure()) {
      shared_.book.answered(number, answer.sink->call(), shared_.world.now_ns());
      co_return;
    }
    shared_.book.had_no_effect(number);
    co_await env::sleep_for(here(), 50 * kMillisecond);
  }
}

bool CoordNode::have_watchers_seen(int64_t revision) const {
  return std::all_of(watching_.begin(), watching_.end(),
                     [&](const Watching& one) { return one.record != nullptr && one.seen >= revision; });
}

void CoordNode::watchers_must_be_complete() {
  for (Watching& one : watching_) {
    if (one.record != nullptr) one.record->must_be_complete = true;
  }
}

void CoordNode::leader_changed(shard::ShardId shard, shard::NodeId leader, bool is_here) {
  if (service_ != nullptr) service_->leader_changed(is_here);
  if (is_here) here().post([this] { tasks_.spawn(note_leader()); });
}

Task<void> CoordNode::note_leader() {
  const auto status = co_await runtime_->group_status(here(), 0);
  if (status && status->role == raft::Role::kLeader) shared_.witness.leads(options_.index, 0, status->term);
}

void CoordNode::replica_stopped(shard::ShardId shard, const std::string& why) {
  here().post([this, why] { failure_ = "the replica stopped: " + why; });
}

void CoordNode::stir(uint64_t chance) {
  if (peers_ == nullptr || chance % 3 == 0) {
    here().post([this] { tasks_.spawn(checkpoint()); });
  } else {
    here().post([this, to = 1 + chance / 10 % options_.peers.size()] { tasks_.spawn(give_lead(to)); });
  }
}

Task<void> CoordNode::checkpoint() { (void)co_await runtime_->checkpoint_all(true); }

Task<void> CoordNode::give_lead(shard::NodeId to) { (void)co_await runtime_->transfer_leader(here(), 0, to); }

}  // namespace keelson::sim_test
