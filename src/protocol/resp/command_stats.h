// What the commands of one reactor cost: calls, time, errors, and how the time is spread. For INFO commandstats and
// latencystats, LATENCY HISTOGRAM, and /metrics.
//
// Written by the reactor's thread, read by any. By command code, so that counting is one array access.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/metrics.h"
#include "engine/kv/command.h"

namespace keelson::resp {

// One command's sums, over any number of reactors.
struct CommandTotals {
  uint64_t calls = 0;
  uint64_t rejected = 0;  // refused before they ran: arity, authentication, memory
  uint64_t failed = 0;    // ran, and answered with an error
  uint64_t total_ns = 0;
  HistogramSnapshot latency_ns;
};

class CommandStats {
 public:
  CommandStats();
  CommandStats(const CommandStats&) = delete;
  CommandStats& operator=(const CommandStats&) = delete;
  ~CommandStats();

  // Owner. `codes` are those of kv::command_table().
  void called(uint16_t code, uint64_t duration_ns) { called_many(code, 1, duration_ns); }
  // `calls` that took `duration_ns` each (a batch that was timed as a whole).
  void called_many(uint16_t code, uint64_t calls, uint64_t duration_ns) {
    Cell& cell = cells_[code];
    cell.calls.add(calls);
    cell.total_ns.add(calls * duration_ns);
    Histogram* latency = cell.latency.load(std::memory_order_relaxed);
    if (latency == nullptr) [[unlikely]]
      latency = make_histogram(cell);
    latency->record_many(duration_ns, calls);
  }
  void failed(uint16_t code) { cells_[code].failed.add(); }
  void rejected(uint16_t code) { cells_[code].rejected.add(); }
  // CONFIG RESETSTAT.
  void reset();
  // LATENCY RESET's sister for one command's histogram is not in Redis; LATENCY HISTOGRAM is reset by CONFIG RESETSTAT
  // too.

  // Any thread: adds this reactor's numbers to `totals`.
  void merge_into(uint16_t code, CommandTotals& totals) const;

 private:
  struct Cell {
    Counter calls;
    Counter rejected;
    Counter failed;
    Counter total_ns;
    // Made at the first call: most commands are never used, and one takes 2.4 KB.
    std::atomic<Histogram*> latency{nullptr};
  };
  static Histogram* make_histogram(Cell& cell);

  std::vector<Cell> cells_;
};

}  // namespace keelson::resp
