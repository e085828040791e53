// LATENCY and SLOWLOG: where the time goes.
#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/resp/command_helpers.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/latency.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"
#include "protocol/resp/slowlog.h"
#include "shard/call_on.h"

namespace keelson::resp {

namespace {

// Runs `read` with the latency monitor, on its reactor.
template <class Read>
auto with_latency(Session& session, Read read) {
  KvService& service = session.service();
  return shard::call_on(session.reactor(), service.reactor(0), [&service, read] { return read(service.latency()); });
}

struct HistogramRow {
  const kv::CommandSpec* spec;
  CommandTotals totals;
};

// The upper bounds, in microseconds, at which Redis shows a histogram, with how many calls stayed below each: powers of
// two of 1024 ns.
std::vector<std::pair<uint64_t, uint64_t>> cumulative_us(const HistogramSnapshot& snapshot) {
  std::vector<std::pair<uint64_t, uint64_t>> steps;
  uint64_t seen = 0;
  size_t bucket = 0;
  for (uint64_t bound_ns = 1024; seen != snapshot.count && bucket < snapshot.buckets.size(); bound_ns *= 2) {
    const uint64_t before = seen;
    while (bucket < snapshot.buckets.size() && HistogramScale::upper_bound(bucket) < bound_ns) {
      seen += snapshot.buckets[bucket++];
    }
    if (seen != before) steps.emplace_back((bound_ns + 500) / 1000, seen);
  }
  return steps;
}

// The commands that the arguments name, a container standing for its subcommands; all of them if none is named.
std::vector<const kv::CommandSpec*> commands_named(kv::Args names) {
  std::vector<const kv::CommandSpec*> result;
  if (names.empty()) {
    for (const kv::CommandSpec& spec : kv::command_table()) result.push_back(&spec);
  }
  for (const std::string_view name : names) {
    const size_t bar = name.find('|');
    const kv::CommandSpec* spec = kv::find_command(name.substr(0, bar));
    if (spec != nullptr && bar != std::string_view::npos) spec = kv::find_subcommand(*spec, name.substr(bar + 1));
    if (spec == nullptr) continue;
    result.push_back(spec);
    for (const kv::CommandSpec& sub : kv::subcommands_of(*spec)) result.push_back(&sub);
  }
  return result;
}

// One line of "_.o#" for each row: the height of the samples over time, as a picture for a terminal.
std::string draw_graph(const LatencyEvent& event, int64_t now_s) {
  constexpr size_t kColumnsMax = 80;
  constexpr uint32_t kRows = 4;
  std::vector<LatencySample> samples;
  event.for_each([&samples](const LatencySample& sample) { samples.push_back(sample); });
  if (samples.size() > kColumnsMax) samples.erase(samples.begin(), samples.end() - kColumnsMax);
  uint32_t low = UINT32_MAX, high = 0;
  for (const LatencySample& sample : samples) {
    low = std::min(low, sample.latency_ms);
    high = std::max(high, sample.latency_ms);
  }
  std::string picture = "high " + std::to_string(high) + " ms, low " + std::to_string(low) + " ms, all time high " +
                        std::to_string(event.worst_ms()) + " ms, from " +
                        std::to_string(now_s - samples.front().time_s) + " to " +
                        std::to_string(now_s - samples.back().time_s) + " seconds ago\n";
  const uint32_t span = std::max(high - low, uint32_t{1});
  for (uint32_t row = kRows; row-- > 0;) {
    for (const LatencySample& sample : samples) {
      const uint64_t height = uint64_t{sample.latency_ms - low} * (kRows * 3) / span;
      const uint64_t floor = uint64_t{row} * 3;
      picture += height >= floor + 2 ? '#' : height == floor + 1 ? 'o' : height == floor && row == 0 ? '_' : ' ';
    }
    picture += '\n';
  }
  return picture;
}

std::string advise(const LatencyMonitor& monitor, uint32_t threshold_ms) {
  if (threshold_ms == 0) {
    return "Latency monitoring is off. Turn it on with CONFIG SET latency-monitor-threshold <milliseconds>: what takes "
           "at least that "
           "long is then kept and can be read here.\n";
  }
  if (monitor.events().empty()) {
    return "Nothing has taken " + std::to_string(threshold_ms) + " ms or longer since monitoring began or was reset.\n";
  }
  std::string report = "Events of " + std::to_string(threshold_ms) + " ms or longer:\n\n";
  for (const auto& [name, event] : monitor.events()) {
    size_t count = 0;
    uint64_t total_ms = 0;
    int64_t first_s = 0;
    event.for_each([&](const LatencySample& sample) {
      if (count++ == 0) first_s = sample.time_s;
      total_ms += sample.latency_ms;
    });
    const int64_t period_s = std::max<int64_t>(event.latest().time_s - first_s, 1) / static_cast<int64_t>(count);
    report += name + ": " + std::to_string(count) + " spikes (average " + std::to_string(total_ms / count) +
              " ms, one in " + std::to_string(period_s) + " s), the worst " + std::to_string(event.worst_ms()) +
              " ms.\n";
  }
  report +=
      "\nSLOWLOG GET shows the commands themselves; INFO commandstats and LATENCY HISTOGRAM show which are slow in "
      "general.\n";
  return report;
}

}  // namespace

Task<void> cmd_latency_latest(Session& session, kv::Args) {
  const auto events = co_await with_latency(session, [](LatencyMonitor& monitor) { return monitor.events(); });
  session.out().array(events.size());
  for (const auto& [name, event] : events) {
    session.out().array(4);
    session.out().bulk(name);
    session.out().integer(event.latest().time_s);
    session.out().integer(event.latest().latency_ms);
    session.out().integer(event.worst_ms());
  }
}

Task<void> cmd_latency_history(Session& session, kv::Args args) {
  const auto samples = co_await with_latency(session, [name = args[2]](LatencyMonitor& monitor) {
    std::vector<LatencySample> found;
    const auto event = monitor.events().find(name);
    if (event != monitor.events().end()) {
      event->second.for_each([&found](const LatencySample& sample) { found.push_back(sample); });
    }
    return found;
  });
  session.out().array(samples.size());
  for (const LatencySample& sample : samples) {
    session.out().array(2);
    session.out().integer(sample.time_s);
    session.out().integer(sample.latency_ms);
  }
}

Task<void> cmd_latency_graph(Session& session, kv::Args args) {
  const int64_t now_s = session.reactor().clock().wall_ms() / 1000;
  const std::string graph = co_await with_latency(session, [name = args[2], now_s](LatencyMonitor& monitor) {
    const auto event = monitor.events().find(name);
    return event == monitor.events().end() ? std::string() : draw_graph(event->second, now_s);
  });
  if (graph.empty()) {
    session.out().error("ERR No samples available for event '" + std::string(args[2]) + "'");
  } else {
    session.out().verbatim("txt", std::string(args[2]) + " - " + graph);
  }
}

Task<void> cmd_latency_reset(Session& session, kv::Args args) {
  const size_t count = co_await with_latency(session, [names = args.subspan(2)](LatencyMonitor& monitor) {
    if (names.empty()) return monitor.reset_all();
    size_t found = 0;
    for (const std::string_view name : names) found += monitor.reset(name) ? 1 : 0;
    return found;
  });
  session.out().integer(static_cast<int64_t>(count));
}

Task<void> cmd_latency_doctor(Session& session, kv::Args) {
  const uint32_t threshold_ms = session.config().latency_threshold_ms;
  const std::string report =
      co_await with_latency(session, [threshold_ms](LatencyMonitor& monitor) { return advise(monitor, threshold_ms); });
  session.out().verbatim("txt", report);
}

Task<void> cmd_latency_histogram(Session& session, kv::Args args) {
  // The counters may be read from any thread.
  std::vector<HistogramRow> rows;
  KvService& service = session.service();
  for (const kv::CommandSpec* spec : commands_named(args.subspan(2))) {
    HistogramRow row{spec, {}};
    for (unsigned i = 0; i < service.reactor_count(); ++i) service.local(i).stats->merge_into(spec->code, row.totals);
    if (row.totals.latency_ns.count != 0) rows.push_back(row);
  }
  RespWriter& out = session.out();
  out.map(rows.size());
  for (const HistogramRow& row : rows) {
    const auto steps = cumulative_us(row.totals.latency_ns);
    out.bulk(lower_case(row.spec->name));
    out.map(2);
    out.bulk("calls");
    out.integer(static_cast<int64_t>(row.totals.latency_ns.count));
    out.bulk("histogram_usec");
    out.map(steps.size());
    for (const auto& [bound_us, count] : steps) {
      out.integer(static_cast<int64_t>(bound_us));
      out.integer(static_cast<int64_t>(count));
    }
  }
  co_return;
}

Task<void> cmd_slowlog_get(Session& session, kv::Args args) {
  constexpr int64_t kDefaultCount = 10;
  int64_t count = kDefaultCount;
  if (args.size() > 3) {
    session.out().error("ERR wrong number of arguments for 'slowlog|get' command");
    co_return;
  }
  if (args.size() == 3) {
    const auto asked = integer_argument(session.out(), args[2], -1, "ERR count should be greater than or equal to -1");
    if (!asked) co_return;
    count = *asked == -1 ? INT64_MAX : *asked;
  }
  KvService& service = session.service();
  const auto entries = co_await shard::call_on(session.reactor(), service.reactor(0), [&service, count] {
    const auto& all = service.slowlog().entries();
    const auto shown = std::min<size_t>(all.size(), static_cast<size_t>(count));
    return std::vector<SlowlogEntry>(all.begin(), all.begin() + static_cast<ptrdiff_t>(shown));
  });
  RespWriter& out = session.out();
  out.array(entries.size());
  for (const SlowlogEntry& entry : entries) {
    out.array(6);
    out.integer(static_cast<int64_t>(entry.id));
    out.integer(entry.time_s);
    out.integer(entry.duration_us);
    out.array(entry.args.size());
    for (const std::string& arg : entry.args) out.bulk(arg);
    out.bulk(entry.client_address);
    out.bulk(entry.client_name);
  }
}

Task<void> cmd_slowlog_len(Session& session, kv::Args) {
  KvService& service = session.service();
  const size_t count = co_await shard::call_on(session.reactor(), service.reactor(0),
                                               [&service] { return service.slowlog().entries().size(); });
  session.out().integer(static_cast<int64_t>(count));
}

Task<void> cmd_slowlog_reset(Session& session, kv::Args) {
  KvService& service = session.service();
  co_await shard::call_on(session.reactor(), service.reactor(0), [&service] { service.slowlog().reset(); });
  session.out().ok();
}

}  // namespace keelson::resp
