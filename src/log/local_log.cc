#include "log/local_log.h"

#include <utility>

#include "env/disk.h"
#include "env/reactor.h"
#include "log/log_home.h"
#include "log/log_port.h"
#include "log/recovery.h"

namespace keelson::log {

LocalLog::LocalLog(std::unique_ptr<LogHome> log_home) : home_(std::move(log_home)) {}
LocalLog::~LocalLog() = default;

Task<Result<std::unique_ptr<LocalLog>>> LocalLog::open(env::Env& env, env::Reactor& home, std::string folder,
                                                       LocalLogOptions options, std::vector<uint64_t> first_index,
                                                       RecoveryHandler& handler) {
  if (Status status = env.disk().make_folder(folder); !status.ok()) co_return forward_error(status);
  Result<RecoveredLog> recovered =
      co_await recover_log(env.disk(), folder, first_index, options.faults.ignore_crc, handler);
  if (!recovered.ok()) co_return forward_error(recovered);
  auto log_home = std::make_unique<LogHome>(env, home, std::move(folder), options, first_index.size());
  Status status = co_await log_home->start(std::move(*recovered), std::move(first_index));
  if (!status.ok()) co_return forward_error(status);
  co_return std::unique_ptr<LocalLog>(new LocalLog(std::move(log_home)));
}

std::unique_ptr<CommitLog> LocalLog::make_port(env::Reactor& reactor) {
  if (&reactor == &home_->reactor()) return std::make_unique<HomePort>(*home_);
  return std::make_unique<RemotePort>(*home_, reactor);
}

Task<Status> LocalLog::sync() { return home_->sync(); }
Task<Status> LocalLog::stop() { return home_->stop(); }

void LocalLog::set_durability(Durability durability) {
  set_durability(0, static_cast<uint16_t>(home_->shared().durability.size()), durability);
}
void LocalLog::set_durability(ShardId first, uint16_t count, Durability durability) {
  home_->shared().durability.set(first, count, durability);
}
Durability LocalLog::durability(ShardId shard) const { return home_->shared().durability.of(shard); }
void LocalLog::set_sync_interval_ms(int64_t interval_ms) { home_->set_sync_interval_ms(interval_ms); }
void LocalLog::trim(std::span<const uint64_t> needed_from) { home_->trim(needed_from); }

uint64_t LocalLog::bytes_held() const { return home_->bytes_held(); }
uint64_t LocalLog::log_id() const { return home_->log_id(); }
const LogRecovery& LocalLog::recovery() const { return home_->recovery(); }
const LocalLogStats& LocalLog::stats() const { return home_->stats(); }
const std::string* LocalLog::failure() const { return home_->failure(); }

}  // namespace keelson::log
