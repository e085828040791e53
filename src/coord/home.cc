#include "coord/home.h"

#include <span>
#include <string>
#include <utility>

#include "base/logging.h"

namespace keelson::coord {

using detail::Call;
using detail::Desk;
using detail::FromHome;
using detail::StreamState;

namespace {

// Of what a compaction left behind, in one turn: about 0.3 ms.
constexpr size_t kTidySteps = 400;
// After a LeaseReign of which nobody knows whether it is in the log.
constexpr int64_t kReignRetryNs = 100'000'000;

LeaseClock::Ended ended(shard::LogErrc outcome, CoordErrc answer) {
  switch (from_log(outcome)) {
    case ServiceErrc::kOk:
      return answer == CoordErrc::kOk ? LeaseClock::Ended::kLogged : LeaseClock::Ended::kNotLogged;
    case ServiceErrc::kTimedOut:
    case ServiceErrc::kStopping:
      return LeaseClock::Ended::kUnknown;
    default:
      return LeaseClock::Ended::kNotLogged;
  }
}

class LeaseCollector final : public AnswerSink {
 public:
  void failed(const Failure&) override {}
  void done(Revision) override {}
  void lease(Revision, const LeaseInfo& lease) override { leases.push_back(lease); }
  std::vector<LeaseInfo> leases;
};

}  // namespace

// ---- Its own writes.

Home::OwnWrite::OwnWrite(std::unique_ptr<Encoded> body, Done done) : body_(std::move(body)), done_(std::move(done)) {
  commands = body_->commands();
  is_write = true;
}

void Home::OwnWrite::finished(shard::LogErrc outcome) {
  is_over_ = true;
  done_(outcome, answer_);
}

void Home::expire(std::vector<LeaseExpire::Item> items) {
  ending_leases_ =
      std::make_unique<OwnWrite>(std::make_unique<Encoded>(LeaseExpire{.items = std::move(items), .reign = reign_}),
                                 [this](shard::LogErrc outcome, CoordErrc answer) {
                                   leases_.expired(ended(outcome, answer));
                                   // A reign that was given up for lost, or a former leader's, came late.
                                   if (answer == CoordErrc::kReignIsOver && leads_) reign_timer_.arm_after(0);
                                 });
  runtime_.clock(reactor_.index()).refresh();
  shard_.submit(*ending_leases_);
}

void Home::look_at_compaction() {
  if (!compaction_) return;
  const int64_t now_ms = reactor_.clock().monotonic_ns() / 1'000'000;
  compaction_timer_.arm_after(compaction_->interval_ms() * 1'000'000);
  const bool is_free = (compacting_ == nullptr || compacting_->is_over()) && !shard_.is_lent();
  if (!is_free) return;
  const std::optional<Revision> to = compaction_->look(now_ms, engine_.revision());
  if (!to) return;
  compacting_ = std::make_unique<OwnWrite>(
      std::make_unique<Encoded>(Compact{.caller = kHouse, .revision = *to}),
      [this, to = *to](shard::LogErrc outcome, CoordErrc answer) {
        const bool is_done =
            outcome == shard::LogErrc::kOk && (answer == CoordErrc::kOk || answer == CoordErrc::kCompacted);
        if (is_done && compaction_) {
          compaction_->succeeded(reactor_.clock().monotonic_ns() / 1'000'000, to);
        } else if (!is_done) {
          log_warn("coord", "automatic compaction failed and will be tried again",
                   {{"revision", to},
                    {"why", outcome == shard::LogErrc::kOk ? errc_text(answer) : text_of(from_log(outcome))}});
        }
      });
  runtime_.clock(reactor_.index()).refresh();
  shard_.submit(*compacting_);
}

// ---- Life.

Home::Home(shard::Runtime& runtime, shard::ShardId shard, HomeOptions options)
    : runtime_(runtime),
      shard_(runtime.shard(shard)),
      engine_(static_cast<CoordEngine&>(shard_.engine())),
      reactor_(runtime.reactor_of(shard)),
      options_(options),
      boxes_(runtime.env().reactor_count()),
      leases_(reactor_, statistics_, [this](std::vector<LeaseExpire::Item> items) { expire(std::move(items)); }),
      compaction_timer_(reactor_, [this] { look_at_compaction(); }),
      reign_timer_(reactor_, [this] { begin_reign(); }) {}

Home::~Home() = default;

void Home::start() {
  hub_ = std::make_unique<WatchHub>(reactor_, engine_, *this, statistics_, options_.watch, options_.hash_secret,
                                    [this] { work_soon(); });
  engine_.set_listener(this);
  shard_.set_listener(this);
  if (options_.is_alone) lead_changed(true);
  work_soon();
}

void Home::close() {
  is_closed_ = true;
  hub_->close();
  lead_changed(false);
}

void Home::shut() {
  is_shut_ = true;
  shard_.set_listener(nullptr);
  engine_.set_listener(nullptr);
}

void Home::lead_changed(bool is_here) {
  leads_ = is_here && !is_closed_;
  if (!leads_) {
    may_take_over_ = false;
    leases_.end();
    compaction_.reset();
    compaction_timer_.disarm();
    reign_timer_.disarm();
  } else if (!options_.is_alone) {
    begin_reign();
  } else if (shard_.is_lent()) {
    may_take_over_ = true;
  } else {
    take_over();
  }
}

// See LeaseReign. A node that is alone has nobody whose decisions could come late.
void Home::begin_reign() {
  // Of a former lead, maybe: its outcome is this one's too.
  if (beginning_reign_ != nullptr && !beginning_reign_->is_over()) return;
  beginning_reign_ = std::make_unique<OwnWrite>(std::make_unique<Encoded>(LeaseReign{}),
                                                [this](shard::LogErrc outcome, CoordErrc answer) {
                                                  if (!leads_) return;
                                                  if (outcome == shard::LogErrc::kOk && answer == CoordErrc::kOk) {
                                                    take_over();
                                                  } else {
                                                    reign_timer_.arm_after(kReignRetryNs);
                                                  }
                                                });
  runtime_.clock(reactor_.index()).refresh();
  shard_.submit(*beginning_reign_);
}

void Home::take_over() {
  may_take_over_ = false;
  reign_ = engine_.lease_reign();
  LeaseCollector collector;
  const Encoded list{LeaseList{}};
  engine_.query({}, list.command(), collector);
  leases_.begin(collector.leases);
  compaction_.emplace(options_.compaction, reactor_.clock().monotonic_ns() / 1'000'000, engine_.revision());
  if (compaction_->interval_ms() == 0) {
    compaction_.reset();
  } else {
    compaction_timer_.arm_after(compaction_->interval_ms() * 1'000'000);
  }
}

// ---- Requests.

void Home::receive(detail::ToHome box) {
  for (auto& stream : box.attached) hub_->attach(std::move(stream));
  for (detail::StreamRequest& request : box.requests) hub_->handle(std::move(request));
  if (!box.calls.empty()) runtime_.clock(reactor_.index()).refresh();
  for (Call* call : box.calls) shard_.submit(*call);
  work_soon();
}

void Home::run(Call& call) {
  runtime_.clock(reactor_.index()).refresh();
  const Call* const outer = std::exchange(running_, &call);
  shard_.submit(call);
  running_ = outer;
}

void Home::finished(Call& call) {
  if (&call == running_) {
    // Its desk is here, and still within start().
    call.desk->came_back(call);
    return;
  }
  box(call.desk->reactor().index()).calls.push_back(&call);
}

void Home::applied(shard::Shard& shard) {
  if (shard.is_lent()) return;
  if (may_take_over_) take_over();
  hub_->applied();
  if (may_tidy_ || hub_->has_work()) work_soon();
}

// ---- What takes more than a moment, a little in each turn.

void Home::work_soon() {
  if (is_working_ || is_shut_) return;
  is_working_ = true;
  reactor_.post([this] { work(); });
}

void Home::work() {
  is_working_ = false;
  // applied() follows when the shard is given back.
  if (is_shut_ || shard_.is_lent()) return;
  bool is_more = hub_->has_work() && hub_->step();
  if (may_tidy_) {
    may_tidy_ = !engine_.tidy_up(kTidySteps);
    is_more |= may_tidy_;
  }
  if (is_more) work_soon();
}

// ---- Mail.

FromHome& Home::box(unsigned reactor_index) {
  if (!is_sending_ && !is_shut_) {
    is_sending_ = true;
    reactor_.at_turn_end([this] { send(); });
  }
  return boxes_[reactor_index];
}

void Home::send() {
  is_sending_ = false;
  for (size_t i = 0; i < boxes_.size(); ++i) {
    FromHome& box = boxes_[i];
    if (box.items.empty() && box.calls.empty() && box.released.empty()) continue;
    Desk& desk = desks_[i];
    desk.reactor().post([&desk, full = std::exchange(box, {})]() mutable { desk.receive(std::move(full)); });
  }
}

void Home::carry(StreamState& stream, detail::Queued queued) {
  box(stream.reactor_index).items.push_back({&stream, std::move(queued)});
}

void Home::release(std::unique_ptr<StreamState> stream) {
  const unsigned reactor_index = stream->reactor_index;
  box(reactor_index).released.push_back(std::move(stream));
}

uint64_t Home::taken_bytes() const {
  uint64_t bytes = 0;
  for (const Desk& desk : desks_) bytes += desk.taken_bytes().value();
  return bytes;
}

}  // namespace keelson::coord
