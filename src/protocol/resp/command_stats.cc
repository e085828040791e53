#include "protocol/resp/command_stats.h"

namespace keelson::resp {

CommandStats::CommandStats() : cells_(kv::kCommandCodesEnd) {}

CommandStats::~CommandStats() {
  // tidy: naked delete, because the pointer is an atomic that other reactors read.
  for (Cell& cell : cells_) delete cell.latency.load(std::memory_order_relaxed);
}

Histogram* CommandStats::make_histogram(Cell& cell) {
  // tidy: naked new, because an atomic pointer takes it.
  auto* latency = new Histogram;
  cell.latency.store(latency, std::memory_order_release);
  return latency;
}

void CommandStats::reset() {
  for (Cell& cell : cells_) {
    cell.calls.reset();
    cell.rejected.reset();
    cell.failed.reset();
    cell.total_ns.reset();
    if (Histogram* latency = cell.latency.load(std::memory_order_relaxed)) latency->reset();
  }
}

void CommandStats::merge_into(uint16_t code, CommandTotals& totals) const {
  const Cell& cell = cells_[code];
  totals.calls += cell.calls.value();
  totals.rejected += cell.rejected.value();
  totals.failed += cell.failed.value();
  totals.total_ns += cell.total_ns.value();
  if (const Histogram* latency = cell.latency.load(std::memory_order_acquire)) latency->merge_into(totals.latency_ns);
}

}  // namespace keelson::resp
