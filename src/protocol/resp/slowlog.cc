#include "protocol/resp/slowlog.h"

#include <algorithm>
#include <utility>

#include "base/numbers.h"
#include "protocol/resp/session.h"

namespace keelson::resp {

namespace {
constexpr int64_t kNsPerUs = 1000;
constexpr int64_t kMsPerS = 1000;
}  // namespace

void Slowlog::add(SlowlogEntry entry, size_t entries_max) {
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  while (entries_.size() > entries_max) entries_.pop_back();
}

std::vector<std::string> slowlog_args(kv::Args args) {
  const size_t kept = std::min(args.size(), kSlowlogArgsMax);
  std::vector<std::string> result;
  result.reserve(kept);
  for (size_t i = 0; i < kept; ++i) {
    if (kept != args.size() && i == kept - 1) {
      result.push_back("... (" + std::to_string(args.size() - kept + 1) + " more arguments)");
    } else if (args[i].size() > kSlowlogArgBytesMax) {
      result.push_back(std::string(args[i].substr(0, kSlowlogArgBytesMax)) + "... (" +
                       std::to_string(args[i].size() - kSlowlogArgBytesMax) + " more bytes)");
    } else {
      result.emplace_back(args[i]);
    }
  }
  return result;
}

void report_slow_command(Session& session, kv::Args args, int64_t duration_ns) {
  const KvConfig& config = session.config();
  const int64_t duration_us = duration_ns / kNsPerUs;
  if (config.slowlog_slower_than_us < 0 || duration_us < config.slowlog_slower_than_us) return;
  SlowlogEntry entry;
  entry.time_s = session.reactor().clock().wall_ms() / kMsPerS;
  entry.duration_us = duration_us;
  entry.args = slowlog_args(args);
  entry.client_address = session.remote().text();
  entry.client_name = session.client().name;
  KvService& service = session.service();
  // At once if it can be: the client's next command may be SLOWLOG GET.
  if (session.reactor().index() == 0) {
    service.slowlog().add(std::move(entry), config.slowlog_entries_max);
    return;
  }
  service.reactor(0).post([&service, entries_max = config.slowlog_entries_max, entry = std::move(entry)]() mutable {
    service.slowlog().add(std::move(entry), entries_max);
  });
}

}  // namespace keelson::resp
