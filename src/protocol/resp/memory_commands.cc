// MEMORY, but for USAGE, which needs the key's shard and stands with the engine.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/resp/command_helpers.h"
#include "protocol/resp/node_figures.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"

namespace keelson::resp {

namespace {

double ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// What a person should look at, a sentence each.
std::string advise(const NodeFigures& node, uint64_t maxmemory_bytes) {
  constexpr uint64_t kSmallBytes = uint64_t{5} << 20;
  constexpr double kFragmentationMax = 1.4;
  constexpr double kFullFraction = 0.95;
  if (node.memory_used_bytes < kSmallBytes) {
    return "This server holds almost nothing yet (" + human_bytes(node.memory_used_bytes) +
           "): there is too little to judge.\n";
  }
  std::string report;
  if (ratio(node.process.resident_bytes, node.memory_used_bytes) > kFragmentationMax) {
    report += "The process takes " + human_bytes(node.process.resident_bytes) + " for " +
              human_bytes(node.memory_used_bytes) +
              " in use: memory that was freed has not gone back to the system. MEMORY PURGE gives back what it can.\n";
  }
  if (node.memory_peak_bytes > node.memory_used_bytes + node.memory_used_bytes / 2) {
    report += "At its peak the server held " + human_bytes(node.memory_peak_bytes) +
              ", more than 1.5 times what it holds now.\n";
  }
  if (maxmemory_bytes != 0 && ratio(node.memory_used_bytes, maxmemory_bytes) > kFullFraction) {
    report += "maxmemory (" + human_bytes(maxmemory_bytes) + ") is almost reached.\n";
  }
  if (node.clients != 0 && node.client_buffer_bytes / node.clients > (uint64_t{200} << 10)) {
    report += "Clients' buffers take " + human_bytes(node.client_buffer_bytes / node.clients) +
              " each on average: some do not read, or send very large commands. CLIENT LIST shows which.\n";
  }
  return report.empty() ? "Nothing is wrong with the memory of this server.\n" : report;
}

}  // namespace

Task<void> cmd_memory_doctor(Session& session, kv::Args) {
  const NodeFigures node = co_await gather_node_figures(session.service(), session.reactor());
  session.out().verbatim("txt", advise(node, session.config().maxmemory_bytes));
}

Task<void> cmd_memory_malloc_stats(Session& session, kv::Args) {
  ProcessFigures process;
  if (session.service().host().process_figures) process = session.service().host().process_figures();
  if (process.allocator.empty()) {
    session.out().verbatim("txt", "Stats not supported for the current allocator");
    co_return;
  }
  session.out().verbatim("txt", process.allocator +
                                    "\nallocated: " + std::to_string(process.allocator_allocated_bytes) +
                                    ", active: " + std::to_string(process.allocator_active_bytes) +
                                    ", resident: " + std::to_string(process.allocator_resident_bytes) + "\n");
}

Task<void> cmd_memory_purge(Session& session, kv::Args) {
  if (session.service().host().purge_memory) {
    session.service().host().purge_memory();
    session.out().ok();
  } else {
    session.out().error("ERR Error purging dirty pages: not supported by this allocator");
  }
  co_return;
}

Task<void> cmd_memory_stats(Session& session, kv::Args) {
  const NodeFigures node = co_await gather_node_figures(session.service(), session.reactor());
  const KeyspaceFigures keyspace = co_await gather_keyspace_figures(session);
  const uint64_t used = node.memory_used_bytes;
  const uint64_t overhead = std::min(used, keyspace.overhead_bytes + node.client_buffer_bytes);
  RespWriter& out = session.out();
  const auto number = [&out](std::string_view name, uint64_t value) {
    out.bulk(name);
    out.integer(static_cast<int64_t>(value));
  };
  const auto real = [&out](std::string_view name, double value) {
    out.bulk(name);
    out.real(value);
  };
  out.map(14);
  number("peak.allocated", node.memory_peak_bytes);
  number("total.allocated", used);
  number("clients.normal", node.client_buffer_bytes);
  number("overhead.total", overhead);
  number("keys.count", keyspace.keys);
  number("keys.bytes-per-key", keyspace.keys == 0 ? 0 : (used - overhead) / keyspace.keys);
  number("dataset.bytes", used - overhead);
  real("dataset.percentage", 100 * ratio(used - overhead, used));
  real("peak.percentage", 100 * ratio(used, node.memory_peak_bytes));
  number("allocator.allocated", node.process.allocator_allocated_bytes);
  number("allocator.active", node.process.allocator_active_bytes);
  number("allocator.resident", node.process.allocator_resident_bytes);
  real("allocator-fragmentation.ratio",
       ratio(node.process.allocator_active_bytes, node.process.allocator_allocated_bytes));
  real("fragmentation", ratio(node.process.resident_bytes, used));
}

}  // namespace keelson::resp
