// The coordination service on the shard's reactor: requests from every reactor, watches, the times of leases, and what
// the service does by itself (ending leases, compaction, tidying up). For this folder alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "coord/auto_compaction.h"
#include "coord/desk.h"
#include "coord/lease_clock.h"
#include "coord/statistics.h"
#include "coord/watch_hub.h"
#include "engine/coord/coord_engine.h"
#include "env/reactor.h"
#include "shard/runtime.h"
#include "shard/shard.h"

namespace keelson::coord {

struct HomeOptions {
  AutoCompactionOptions compaction;
  WatchOptions watch;
  bool is_alone = true;
  uint64_t hash_secret = 0;
};

class Home final : public shard::ShardListener, private ChangeListener, public Courier {
 public:
  Home(shard::Runtime& runtime, shard::ShardId shard, HomeOptions options);
  ~Home() override;
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  // Any thread.
  [[nodiscard]] env::Reactor& reactor() const { return reactor_; }
  [[nodiscard]] shard::ShardId shard_id() const { return shard_.id(); }
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }
  // Before start(): that of each reactor.
  void set_desks(std::vector<std::reference_wrapper<detail::Desk>> desks) { desks_ = std::move(desks); }

  // The rest is for its reactor.
  void start();
  // Ends the watches and what it does by itself; requests go on.
  void close();
  // Nothing comes or is sent any more.
  void shut();

  void receive(detail::ToHome box);
  // Of a desk on this reactor: it may come back within the call.
  void run(detail::Call& call);
  void finished(detail::Call& call);
  void lead_changed(bool is_here);
  [[nodiscard]] LeaseClock& leases() { return leases_; }

  // shard::ShardListener
  void applied(shard::Shard& shard) override;

  // Courier
  void carry(detail::StreamState& stream, detail::Queued queued) override;
  void release(std::unique_ptr<detail::StreamState> stream) override;
  [[nodiscard]] uint64_t taken_bytes() const override;

 private:
  // A write of the service's own.
  class OwnWrite final : public shard::Operation, private AnswerSink {
   public:
    using Done = std::function<void(shard::LogErrc outcome, CoordErrc answer)>;
    OwnWrite(std::unique_ptr<Encoded> body, Done done);
    engine::ReplySink& open_reply() override { return *this; }
    void finished(shard::LogErrc outcome) override;
    [[nodiscard]] bool is_over() const { return is_over_; }

   private:
    void failed(const Failure& failure) override { answer_ = failure.code; }
    void done(Revision) override {}

    std::unique_ptr<Encoded> body_;
    Done done_;
    CoordErrc answer_ = CoordErrc::kOk;
    bool is_over_ = false;
  };

  // ChangeListener, within the engine's apply().
  void changed(Revision) override {}
  void compacted(Revision) override { may_tidy_ = true; }
  void lease_granted(const LeaseInfo& lease) override { leases_.granted(lease); }
  void lease_gone(LeaseId lease) override { leases_.gone(lease); }
  void auth_changed() override {}
  void replaced() override { may_tidy_ = true; }
  // The engine says the same with replaced().
  void replaced(shard::Shard&) override {}

  detail::FromHome& box(unsigned reactor_index);
  void send();
  void begin_reign();
  void take_over();
  void expire(std::vector<LeaseExpire::Item> items);
  void look_at_compaction();
  void work_soon();
  void work();

  shard::Runtime& runtime_;
  shard::Shard& shard_;
  CoordEngine& engine_;
  env::Reactor& reactor_;
  const HomeOptions options_;
  Statistics statistics_;
  std::vector<std::reference_wrapper<detail::Desk>> desks_;
  std::vector<detail::FromHome> boxes_;  // of each reactor
  std::unique_ptr<WatchHub> hub_;
  LeaseClock leases_;
  std::unique_ptr<OwnWrite> ending_leases_;
  std::unique_ptr<OwnWrite> compacting_;
  std::optional<AutoCompaction> compaction_;
  env::Timer compaction_timer_;
  std::unique_ptr<OwnWrite> beginning_reign_;
  env::Timer reign_timer_;
  uint64_t reign_ = 0;  // of this node: what it decides names it
  const detail::Call* running_ = nullptr;
  bool is_sending_ = false;
  bool is_working_ = false;
  bool may_tidy_ = true;
  bool leads_ = false;
  bool may_take_over_ = false;  // as soon as the shard may be looked at
  bool is_closed_ = false;
  bool is_shut_ = false;
};

}  // namespace keelson::coord
