#include "log/log_port.h"

#include <utility>

namespace keelson::log {

RemotePort::RemotePort(LogHome& home, env::Reactor& here) : home_(home), here_(here) {}

RemotePort::~RemotePort() { const std::unique_ptr<HandedOver> spare(spare_.load(std::memory_order_acquire)); }

HandedOver& RemotePort::gathering() {
  if (gathering_ == nullptr) {
    gathering_.reset(spare_.exchange(nullptr, std::memory_order_acquire));
    if (gathering_ == nullptr) gathering_ = std::make_unique<HandedOver>();
  }
  return *gathering_;
}

LogErrc RemotePort::admit(size_t payload_bytes) {
  LogShared& shared = home_.shared();
  if (const LogErrc state = shared.state.load(std::memory_order_relaxed); state != LogErrc::kOk) return state;
  if (payload_bytes > kRecordBytesMax) return LogErrc::kTooLarge;
  const uint64_t waiting = handed_over_bytes_ + gathering().records.bytes().size();
  const uint64_t need = waiting + payload_bytes + home_.overhead_bytes();
  if (need <= shared.room_bytes.load(std::memory_order_relaxed)) return LogErrc::kOk;
  if (shared.is_full.load(std::memory_order_relaxed)) return LogErrc::kFull;
  if (need <= home_.segment_bytes()) return LogErrc::kOk;
  // The home makes a segment for it when it comes. If the disk turns out to be full just then, the record waits there
  // for room: it has been promised.
  Result<uint64_t> free_bytes = home_.disk().free_bytes(home_.folder());
  return free_bytes.ok() && *free_bytes >= need + home_.segment_bytes() ? LogErrc::kOk : LogErrc::kFull;
}

Append RemotePort::end(CommitWaiter& waiter) {
  gathering_->records.end();
  if (!is_hand_over_scheduled_) {
    is_hand_over_scheduled_ = true;
    here_.at_turn_end([this] {
      is_hand_over_scheduled_ = false;
      hand_over();
      handed_over_bytes_ = 0;
    });
  }
  const bool is_committed = !must_wait_ && home_.shared().state.load(std::memory_order_relaxed) == LogErrc::kOk;
  if (!is_committed) gathering_->waiters.push(waiter);
  if (gathering_->records.bytes().size() >= kWriteBytes) hand_over();
  return is_committed ? Append::kCommitted : Append::kPending;
}

void RemotePort::hand_over() {
  if (gathering_ == nullptr || gathering_->records.bytes().empty()) return;
  handed_over_bytes_ += gathering_->records.bytes().size();
  home_.reactor().post([this, handed = std::exchange(gathering_, nullptr)]() mutable {
    home_.receive(*this, *handed);
    give_back(std::move(handed));
  });
}

void RemotePort::give_back(std::unique_ptr<HandedOver> emptied) {
  emptied.reset(spare_.exchange(emptied.release(), std::memory_order_acq_rel));
}

void RemotePort::tell(WaiterList waiters, LogErrc outcome) {
  here_.post([waiters, outcome]() mutable { waiters.tell(outcome); });
}

}  // namespace keelson::log
