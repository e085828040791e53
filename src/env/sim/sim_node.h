// A simulated machine and the Env of one of its lives. For this folder alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/sim/disk_state.h"
#include "env/sim/sim.h"
#include "env/sim/sim_network.h"
#include "env/sim/sim_reactor.h"
#include "env/workers.h"

namespace keelson::env::sim {

class SimNode;

// Does the work at once; every other time, by chance, none is idle.
class SimWorkers final : public Workers {
 public:
  explicit SimWorkers(World::State& world) : world_(world) {}
  [[nodiscard]] bool try_run(Callback& work) override;

 private:
  World::State& world_;
};

class SimEnv final : public Env {
 public:
  // `zero_ns`: of the monotonic clock.
  SimEnv(World::State& world, SimNode& node, unsigned life, int64_t zero_ns);

  [[nodiscard]] unsigned reactor_count() const override { return static_cast<unsigned>(reactors_.size()); }
  [[nodiscard]] Reactor& reactor(unsigned index) override { return *reactors_[index]; }
  [[nodiscard]] Disk& disk() override { return disk_; }
  [[nodiscard]] Network& network() override { return network_; }
  [[nodiscard]] Workers& workers() override { return workers_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  [[nodiscard]] uint64_t memory_used_bytes() const override;

  [[nodiscard]] SimNode& node() { return node_; }
  [[nodiscard]] bool is_alive() const { return is_alive_; }
  // From now on nothing that this Env's objects do reaches the world.
  void cut_off() { is_alive_ = false; }
  // Destroys what waits in the reactors.
  void die();
  // The same for each reactor.
  void clock_changed();
  void unpaused();

 private:
  SimNode& node_;
  bool is_alive_ = true;
  const SimClock clock_;
  MountedDisk disk_;
  SimNetwork network_;
  SimWorkers workers_;
  std::vector<std::unique_ptr<SimReactor>> reactors_;
};

class SimNode final : public Node {
 public:
  SimNode(World::State& world, unsigned index, unsigned reactors);

  [[nodiscard]] Env& env() override;
  [[nodiscard]] bool is_up() const override { return is_up_; }
  [[nodiscard]] unsigned index() const override { return index_; }
  [[nodiscard]] const std::string& host() const override { return host_; }
  void run_program(Boot boot) override;
  [[nodiscard]] Program* program() override { return program_.get(); }
  void stop() override;
  void crash() override;
  void kill() override;
  void restart() override;
  [[nodiscard]] SimDisk& disk() override { return disk_; }
  void jump_wall_clock(int64_t by_ms) override;
  void set_clock_drift(int64_t ppm) override;
  void pause() override;
  void unpause() override;
  [[nodiscard]] bool is_paused() const override { return is_paused_; }
  void set_machine_faults(MachineFaults faults) override { own_machine_faults_ = faults; }
  void set_memory_used(uint64_t bytes) override { memory_used_bytes_ = bytes; }

  // False after a crash: nobody answers. After stop() or kill() the kernel still refuses connections.
  [[nodiscard]] bool has_power() const { return has_power_; }
  [[nodiscard]] DiskState& disk_state() { return disk_; }
  [[nodiscard]] unsigned reactor_count() const { return reactor_count_; }
  [[nodiscard]] uint64_t memory_used_bytes() const { return memory_used_bytes_; }
  [[nodiscard]] const MachineFaults& machine_faults() const {
    return own_machine_faults_ ? *own_machine_faults_ : world_.options.machine;
  }
  [[nodiscard]] const Oscillator& oscillator() const { return oscillator_; }
  [[nodiscard]] const int64_t& wall_offset_ms() const { return wall_offset_ms_; }
  [[nodiscard]] uint16_t next_port() { return static_cast<uint16_t>(40'000 + ports_used_++ % 20'000); }
  // The world ends: destroys the program and what waits, in every life.
  void end();

 private:
  void add_life();
  // `orderly`: the program sees a living Env while it is destroyed.
  void down(bool orderly);

  World::State& world_;
  const unsigned index_;
  const unsigned reactor_count_;
  const std::string host_;
  DiskState disk_;
  bool is_up_ = true;
  bool has_power_ = true;
  bool is_paused_ = false;
  std::optional<MachineFaults> own_machine_faults_;
  Oscillator oscillator_;
  int64_t wall_offset_ms_ = 0;
  uint64_t memory_used_bytes_ = 0;
  unsigned ports_used_ = 0;
  Boot boot_;
  // All lives; the last is the present one. Dead ones stay, since a test may still hold objects that refer to them.
  std::vector<std::unique_ptr<SimEnv>> lives_;
  std::unique_ptr<Program> program_;
};

}  // namespace keelson::env::sim
