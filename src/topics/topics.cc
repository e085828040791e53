#include "topics/topics.h"

#include <utility>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/check.h"
#include "base/hash.h"
#include "engine/topic/segment_file.h"
#include "shard/call_on.h"
#include "shard/loan.h"
#include "shard/record.h"
#include "shard/run_on.h"
#include "topics/desk.h"
#include "topics/leads.h"
#include "topics/mender.h"
#include "topics/shard_listener.h"
#include "topics/sweeper.h"

namespace keelson::topics {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// How often stop() looks whether everything has ended.
constexpr int64_t kStopNapNs = 5 * kNsPerMs;
// How often start() looks whether the shards are claimed: each costs a record, and they go side by side.
constexpr int64_t kClaimNapNs = kNsPerMs / 2;
// How long who changes the directory waits for the mirrors. A group finds a new leader in one to two seconds.
constexpr int64_t kMirrorWaitNs = 3'000 * kNsPerMs;
// Topics that a reactor remembers; past it, it begins anew.
constexpr size_t kKnownTopicsMax = 20'000;
// Segments without anything to read that one read steps over, since compaction has left nothing of them. A reader that
// gets nothing below the end would ask for the same again, for ever.
constexpr int kReadTriesMax = 10'000;
// Segments that one search for a time looks into: their greatest times lead to the right one but for damage.
constexpr int kSegmentTriesMax = 1000;

std::string_view bytes_of(const TopicId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

// What a reactor has seen of the directory, as of one version of it.
struct Seen {
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return hash64(text, 0); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };
  using Map = boost::unordered_flat_map<std::string, Topics::TopicPointer, Hash, Equal>;

  void make_current(uint64_t now) {
    if (version == now && by_name.size() < kKnownTopicsMax) return;
    version = now;
    by_name.clear();
    by_id.clear();
  }
  uint64_t version = 0;
  Map by_name;
  Map by_id;
};

}  // namespace

struct Topics::Inside {
  shard::Runtime& runtime;
  TopicsOptions options;
  Elsewhere elsewhere{};
  std::vector<std::unique_ptr<detail::Desk>> desks{};  // of each reactor
  std::unique_ptr<detail::Leads> leads{};
  std::vector<std::unique_ptr<detail::ShardListener>> listeners{};  // of each shard
  std::vector<std::unique_ptr<Seen>> seen{};                        // of each reactor
  std::vector<std::unique_ptr<TopicsStats>> stats{};                // of each reactor
  std::vector<std::unique_ptr<detail::Sweeper>> sweepers{};         // of each reactor
  std::vector<std::unique_ptr<detail::Mender>> menders{};           // of each reactor, in a cluster
  std::vector<std::unique_ptr<env::TaskScope>> beside{};            // of each reactor: they run here

  // A command on every shard, in one record.
  static Task<void> run_on_all(Topics& topics, env::Reactor& here, detail::Call& call);
  static Task<log::LogErrc> commit_on_all(Topics& topics, env::Reactor& here, const engine::Command& command,
                                          Answer& answer);
  // A command of the directory in a cluster.
  static Task<void> run_on_first(Topics& topics, env::Reactor& here, detail::Call& call);
  static Task<void> run_anywhere(Topics& topics, env::Reactor& here, shard::ShardId shard, detail::Call& call);
  static Task<void> tell_mirrors(Topics& topics, env::Reactor& here, const topic::MirrorTopic& change);
  static Task<Found> find(Topics& topics, env::Reactor& here, topic::FindTopic what);
  TopicPointer remember(env::Reactor& here, uint64_t version, Asked& asked);
  void listen(shard::ShardId id, detail::ShardListener& listener);
  Task<void> wait_for_claims(const shard::Router& router);
  Task<void> stop_sweepers();
};

Topics::Topics(shard::Runtime& runtime, TopicsOptions options)
    : router_(runtime.router(options.service)),
      inside_(std::make_unique<Inside>(Inside{.runtime = runtime, .options = options})) {
  for (unsigned i = 0; i < router_.reactor_count(); ++i) {
    inside_->desks.push_back(std::make_unique<detail::Desk>(runtime, router_, runtime.reactor(i)));
    inside_->seen.push_back(std::make_unique<Seen>());
    inside_->stats.push_back(std::make_unique<TopicsStats>());
  }
  for (const auto& desk : inside_->desks) desk->set_desks(inside_->desks);
  inside_->leads = std::make_unique<detail::Leads>(*this, inside_->desks, options.node);
  if (!options.is_clustered) return;
  for (const auto& desk : inside_->desks) desk->set_leads(*inside_->leads);
}

Topics::~Topics() = default;

Task<Status> Topics::start() {
  Inside& in = *inside_;
  env::Reactor& home = in.runtime.reactor(0);
  for (const auto& desk : in.desks) {
    in.sweepers.push_back(
        std::make_unique<detail::Sweeper>(*this, *desk, in.options, *in.stats[desk->reactor().index()]));
    in.beside.push_back(std::make_unique<env::TaskScope>(desk->reactor()));
    if (in.options.is_clustered) in.menders.push_back(std::make_unique<detail::Mender>(*this, *desk));
  }
  for (uint16_t i = 0; i < router_.shard_count(); ++i) {
    const shard::ShardId id = shard_at(i);
    const unsigned reactor = router_.reactor_of(id);
    in.listeners.push_back(
        std::make_unique<detail::ShardListener>(detail::ShardListener::Parts{.desk = *in.desks[reactor],
                                                                             .sweeper = *in.sweepers[reactor],
                                                                             .leads = *in.leads,
                                                                             .directory_version = directory_version_,
                                                                             .documents_version = documents_version_,
                                                                             .first_shard = router_.first_shard()}));
    co_await shard::call_on(home, in.runtime.reactor(reactor), [&] { in.listen(id, *in.listeners.back()); });
  }
  if (!in.options.is_clustered) co_await in.wait_for_claims(router_);
  for (const auto& desk : in.desks) {
    desk->reactor().post([&in, index = desk->reactor().index()] {
      in.beside[index]->spawn(in.sweepers[index]->run());
      if (in.options.is_clustered) in.beside[index]->spawn(in.menders[index]->run());
    });
  }
  co_return Status();
}

void Topics::Inside::listen(shard::ShardId id, detail::ShardListener& listener) {
  shard::Shard& shard = runtime.shard(id);
  shard.set_listener(&listener);
  listener.begin(shard);
  if (!options.is_clustered) {
    leads->changed(id, options.node, true);
  } else if (shard.replica() != nullptr) {
    leads->changed(id, shard.replica()->leader(), shard.replica()->leads());
  }
}

Task<void> Topics::stop() {
  Inside& in = *inside_;
  env::Reactor& home = in.runtime.reactor(0);
  for (const auto& desk : in.desks) {
    co_await shard::call_on(home, desk->reactor(), [&] { in.leads->close(desk->reactor().index()); });
  }
  co_await in.stop_sweepers();
  for (const auto& desk : in.desks) co_await shard::call_on(home, desk->reactor(), [&desk] { desk->refuse(); });
  const int64_t until_ns = home.clock().monotonic_ns() + kStopMs * kNsPerMs;
  for (const auto& desk : in.desks) {
    while (home.clock().monotonic_ns() < until_ns &&
           co_await shard::call_on(home, desk->reactor(), [&desk] { return desk->has_calls_under_way(); })) {
      co_await env::sleep_for(home, kStopNapNs);
    }
  }
  for (uint16_t i = 0; i < router_.shard_count(); ++i) {
    const shard::ShardId id = shard_at(i);
    co_await shard::call_on(home, in.runtime.reactor_of(id), [&] { in.runtime.shard(id).set_listener(nullptr); });
  }
}

// Each was tried once: what stands on them finds its lead decided then.
Task<void> Topics::Inside::wait_for_claims(const shard::Router& router) {
  env::Reactor& home = runtime.reactor(0);
  for (uint16_t i = 0; i < router.shard_count(); ++i) {
    const auto id = static_cast<shard::ShardId>(router.first_shard() + i);
    while (!co_await shard::call_on(home, runtime.reactor_of(id), [&] { return leads->is_decided(id); })) {
      co_await env::sleep_for(home, kClaimNapNs);
    }
  }
}

Task<void> Topics::Inside::stop_sweepers() {
  env::Reactor& home = runtime.reactor(0);
  const auto join = [](env::TaskScope& scope) -> Task<bool> {
    co_await scope.join();
    co_return true;
  };
  for (size_t i = 0; i < sweepers.size(); ++i) {
    co_await shard::call_on(home, desks[i]->reactor(), [&] {
      sweepers[i]->stop();
      if (options.is_clustered) menders[i]->stop();
    });
    // Joined from a scope that is not joined itself.
    co_await shard::run_on(home, desks[i]->scope(), desks[i]->reactor(), join(*beside[i]));
  }
}

void Topics::add_lead_listener(LeadListener& listener) { inside_->leads->add(listener); }
void Topics::claim_again(env::Reactor& here, shard::ShardId shard, int32_t claim) {
  if (!is_stopping(here)) inside_->leads->claim_again(shard, claim);
}
bool Topics::is_clustered() const { return inside_->options.is_clustered; }
log::NodeId Topics::leader_of(shard::ShardId shard) const { return inside_->leads->leader_of(shard); }
bool Topics::leads(shard::ShardId shard) const { return inside_->leads->leads(shard); }
int64_t Topics::leader_changed_ns(shard::ShardId shard) const { return inside_->leads->changed_ns(shard); }

bool Topics::is_stopping(env::Reactor& here) const { return inside_->desks[here.index()]->is_stopping(); }

shard::Runtime& Topics::runtime() { return inside_->runtime; }

const TopicsStats& Topics::stats(unsigned reactor_index) const { return *inside_->stats[reactor_index]; }

shard::ShardId Topics::nearest_shard(env::Reactor& here) const {
  if (inside_->options.is_clustered) {
    // Who leads is known where there is a replica.
    const shard::ShardId first_shard = router_.first_shard();
    shard::ShardId nearest = first_shard;
    for (uint16_t i = 0; i < router_.shard_count() && leader_of(nearest) == 0; ++i) nearest = shard_at(i);
    return leader_of(nearest) != 0 ? nearest : first_shard;
  }
  const unsigned count = router_.reactor_count();
  const unsigned first = router_.reactor_of(router_.first_shard());
  const unsigned step = (here.index() + count - first) % count;
  return shard_at(static_cast<uint16_t>(step < router_.shard_count() ? step : 0));
}

void Topics::set_elsewhere(Elsewhere elsewhere) { inside_->elsewhere = std::move(elsewhere); }

Task<Asked> Topics::ask_encoded(env::Reactor& here, shard::ShardId shard, uint16_t code, std::string body,
                                bool may_go_elsewhere) {
  std::string kept;
  if (may_go_elsewhere && inside_->elsewhere) kept = body;
  Asked asked = co_await start_call(here, shard, code, std::move(body), {}, {});
  if (asked.outcome != log::LogErrc::kNotLeader || !may_go_elsewhere || !inside_->elsewhere) co_return asked;
  co_return co_await inside_->elsewhere(here, shard, code, std::move(kept));
}

Asking Topics::start_call(env::Reactor& here, shard::ShardId shard, uint16_t code, std::string body,
                          std::string_view payload, std::shared_ptr<const void> owner, bool is_stale) {
  detail::Desk& desk = *inside_->desks[here.index()];
  detail::CallPointer call =
      desk.make_call(code, std::move(body), payload, std::move(owner), is_stale && inside_->options.is_clustered);
  desk.start(*call, shard);
  return Asking(std::move(call));
}

Asking Topics::start_anywhere(env::Reactor& here, shard::ShardId shard, uint16_t code, std::string body) {
  detail::Desk& desk = *inside_->desks[here.index()];
  detail::CallPointer call = desk.make_call(code, std::move(body), {}, {});
  if (desk.start_beside(*call)) desk.scope().spawn(Inside::run_anywhere(*this, here, shard, *call));
  return Asking(std::move(call));
}

Task<void> Topics::Inside::run_anywhere(Topics& topics, env::Reactor& here, shard::ShardId shard, detail::Call& call) {
  call.asked = co_await topics.ask_encoded(here, shard, call.command.code, call.body, true);
  topics.inside_->desks[here.index()]->came_back(call);
}

Asking Topics::start_on_all(env::Reactor& here, uint16_t code, std::string body) {
  detail::Desk& desk = *inside_->desks[here.index()];
  detail::CallPointer call = desk.make_call(code, std::move(body), {}, {});
  // It must end whoever still waits: a loan that is dropped in the middle would leave shards that differ.
  if (desk.start_beside(*call)) {
    desk.scope().spawn(inside_->options.is_clustered ? Inside::run_on_first(*this, here, *call)
                                                     : Inside::run_on_all(*this, here, *call));
  }
  return Asking(std::move(call));
}

Task<void> Topics::Inside::run_on_all(Topics& topics, env::Reactor& here, detail::Call& call) {
  call.asked.outcome = co_await commit_on_all(topics, here, call.command, call.asked.answer);
  topics.directory_version_.fetch_add(1, std::memory_order_acq_rel);
  topics.inside_->desks[here.index()]->came_back(call);
}

// Alone with every shard, so all agree on the directory: what one refuses, all refuse alike.
Task<log::LogErrc> Topics::Inside::commit_on_all(Topics& topics, env::Reactor& here, const engine::Command& command,
                                                 Answer& answer) {
  std::vector<shard::ShardId> shards;
  for (uint16_t i = 0; i < topics.router_.shard_count(); ++i) shards.push_back(topics.shard_at(i));
  shard::Loan loan = co_await shard::Loan::take(topics.inside_->runtime, here, std::move(shards));
  if (!loan.is_held()) co_return loan.refusal();
  if (loan.damage() != nullptr) co_return log::LogErrc::kDamaged;
  const std::span<const engine::Command> commands(&command, 1);
  if (const log::LogErrc room = loan.admit(shard::encoded_bytes_max(commands) * loan.shards().size());
      room != log::LogErrc::kOk) {
    co_return room;
  }
  std::vector<shard::Loan::Part> parts;
  for (shard::ShardId id : loan.shards()) parts.push_back({.shard = id, .commands = commands});
  const log::LogErrc outcome = co_await loan.commit(parts);
  if (outcome != log::LogErrc::kOk) co_return outcome;
  class Sink final : public topic::AnswerSink {
   public:
    explicit Sink(Answer& into) : into_(into) {}
    Answer* answer() override { return &into_; }

   private:
    Answer& into_;
  };
  for (shard::ShardId id : loan.shards()) {
    answer = {};
    Sink sink(answer);
    const uint64_t index = loan.shard(id).applied_index();
    loan.shard(id).engine().apply({index, loan.time_ms(), shard::seed_of(id, index, 0)}, command, sink);
  }
  co_return log::LogErrc::kOk;
}

// ---- The directory.

Task<void> Topics::Inside::run_on_first(Topics& topics, env::Reactor& here, detail::Call& call) {
  const shard::ShardId first = topics.router_.first_shard();
  Asked asked = co_await topics.start_call(here, first, call.command.code, call.body, {}, {});
  topics.directory_version_.fetch_add(1, std::memory_order_acq_rel);
  if (asked.ok()) {
    const uint64_t version = asked.answer.directory.version;
    topic::MirrorTopic change{.since = version - 1, .until = version};
    for (const topic::TopicInfo& info : asked.answer.topics) change.topics.push_back(topic::encode_topic(info));
    topic::DeleteTopic gone;
    if (call.command.code == static_cast<uint16_t>(gone.kCode) && topic::decode(call.body, gone)) {
      change.gone.push_back({gone.id, version});
    }
    co_await tell_mirrors(topics, here, change);
  }
  call.asked = std::move(asked);
  topics.inside_->desks[here.index()]->came_back(call);
}

Task<void> Topics::Inside::tell_mirrors(Topics& topics, env::Reactor& here, const topic::MirrorTopic& change) {
  const int64_t until_ns = here.clock().monotonic_ns() + kMirrorWaitNs;
  std::vector<Asking> told;
  const std::string body = topic::encode(change);
  for (uint16_t i = 1; i < topics.router_.shard_count(); ++i) {
    told.push_back(topics.start_anywhere(here, topics.shard_at(i), static_cast<uint16_t>(change.kCode), body));
  }
  // Whoever leads a mirror that is not reached mends it (Mender).
  for (Asking& asking : told) co_await asking.by(here, until_ns);
}

Topics::TopicPointer Topics::known_topic(env::Reactor& here, std::string_view name) {
  Seen& seen = *inside_->seen[here.index()];
  seen.make_current(directory_version());
  const auto found = seen.by_name.find(name);
  return found == seen.by_name.end() ? nullptr : found->second;
}

Topics::TopicPointer Topics::known_topic(env::Reactor& here, const TopicId& id) {
  Seen& seen = *inside_->seen[here.index()];
  seen.make_current(directory_version());
  const auto found = seen.by_id.find(bytes_of(id));
  return found == seen.by_id.end() ? nullptr : found->second;
}

Topics::TopicPointer Topics::Inside::remember(env::Reactor& here, uint64_t version, Asked& asked) {
  if (!asked.ok() || asked.answer.topics.empty()) return nullptr;
  auto topic = std::make_shared<const topic::TopicInfo>(std::move(asked.answer.topics.front()));
  // A change since the question makes it too old to be remembered, though not too old to be told.
  Seen& mine = *seen[here.index()];
  if (mine.version == version) {
    mine.by_name.insert_or_assign(topic->name, topic);
    mine.by_id.insert_or_assign(std::string(bytes_of(topic->id)), topic);
  }
  return topic;
}

Task<Topics::Found> Topics::find_topic(env::Reactor& here, std::string name) {
  if (TopicPointer known = known_topic(here, name)) co_return Found{.topic = std::move(known)};
  co_return co_await Inside::find(*this, here, {.name = std::move(name)});
}

Task<Topics::Found> Topics::find_topic(env::Reactor& here, TopicId id) {
  if (TopicPointer known = known_topic(here, id)) co_return Found{.topic = std::move(known)};
  co_return co_await Inside::find(*this, here, {.id = id});
}

Task<Topics::Found> Topics::Inside::find(Topics& topics, env::Reactor& here, topic::FindTopic what) {
  const uint64_t version = topics.directory_version();
  const shard::ShardId shard = topics.nearest_shard(here);
  const shard::ShardId first = topics.router_.first_shard();
  // That there is none is said only of what is confirmed, and by the shard that decides: it may have been made a moment
  // ago, on another node, and not every mirror have heard of it.
  Asked asked = co_await topics.ask_stale(here, shard, what);
  if (topics.is_clustered() && !asked.ok()) {
    if (shard != first) asked = co_await topics.ask(here, shard, what);
    if (!asked.ok()) asked = co_await topics.ask_anywhere(here, first, what);
    // Another node has it: what it is the mirror here will hear.
    if (asked.ok() && asked.answer.topics.empty()) asked.outcome = log::LogErrc::kNoLeader;
  }
  Inside& in = *topics.inside_;
  in.seen[here.index()]->make_current(topics.directory_version());
  co_return Found{asked.outcome, in.remember(here, version, asked)};
}

// ---- Reading and waiting.

Task<Status> Topics::bring(env::Reactor& here, topic::ReadAnswer& answer) {
  if (!answer.span) co_return Status();
  TopicsStats& stats = *inside_->stats[here.index()];
  topic::FileSpan span = *std::exchange(answer.span, std::nullopt);
  stats.disk_reads.add();
  Result<topic::SpanBytes> brought = co_await topic::read_span(std::move(span), here);
  if (!brought.ok()) {
    stats.damaged_reads.add();
    co_return forward_error(brought);
  }
  stats.disk_read_bytes.add(brought->batches.bytes.size());
  answer.next_offset = brought->next_offset;
  // The shard has told of all that the span might have turned out to be: a whole segment's may be many.
  std::erase_if(answer.aborted, [&answer](const auto& one) { return one.first_offset >= answer.next_offset; });
  if (!brought->batches.bytes.empty()) answer.slices.push_back(std::move(brought->batches));
  co_return Status();
}

Task<Asked> Topics::read(env::Reactor& here, topic::Read what, bool is_stale) {
  Asked asked;
  // What a segment had there may have been compacted away meanwhile: the shard says where to go on.
  for (int tries = 0; tries < kReadTriesMax; ++tries) {
    asked =
        is_stale ? co_await ask_stale(here, shard_of(what.from), what) : co_await ask(here, shard_of(what.from), what);
    if (!asked.ok() && std::exchange(is_stale, false) && is_clustered()) continue;
    if (!asked.ok() || !asked.answer.read.span) co_return asked;
    if (const Status brought = co_await bring(here, asked.answer.read); !brought.ok()) {
      asked.answer.error = topic::TopicErrc::kCorruptBatch;
      asked.answer.reason = brought.error().message();
      co_return asked;
    }
    if (!asked.answer.read.slices.empty() || asked.answer.read.next_offset <= what.offset) co_return asked;
    what.offset = asked.answer.read.next_offset;
  }
  co_return asked;
}

Task<Asked> Topics::find_offset(env::Reactor& here, topic::FindOffset what) {
  Asked asked;
  // A segment may turn out to have no such record; those behind it may.
  for (int tries = 0; tries < kSegmentTriesMax; ++tries) {
    asked = co_await ask(here, shard_of(what.in), what);
    if (!asked.ok() || !asked.answer.found.within) co_return asked;
    topic::FileSpan span = *std::exchange(asked.answer.found.within, std::nullopt);
    const int64_t after = span.offset_after;
    inside_->stats[here.index()]->disk_reads.add();
    Result<topic::FoundOffset> found =
        co_await topic::find_time(std::move(span), asked.answer.found.timestamp_ms, here);
    if (!found.ok()) {
      asked.answer.error = topic::TopicErrc::kCorruptBatch;
      asked.answer.reason = found.error().message();
      co_return asked;
    }
    asked.answer.found = std::move(*found);
    if (asked.answer.found.offset >= 0 || after <= what.from_offset) co_return asked;
    what.from_offset = after;
  }
  co_return asked;
}

Waiting Topics::wait(env::Reactor& here, std::vector<WaitPoint> points, int64_t deadline_ns) {
  return Waiting(*inside_->desks[here.index()], std::move(points), deadline_ns);
}

void Topics::end_waits(env::Reactor& here) { inside_->desks[here.index()]->end_waits(); }

}  // namespace keelson::topics
