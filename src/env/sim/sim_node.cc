#include "env/sim/sim_node.h"

#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace keelson::env::sim {

bool SimWorkers::try_run(Callback& work) {
  if (world_.faults.below(2) == 0) return false;
  std::exchange(work, nullptr)();
  return true;
}

SimEnv::SimEnv(World::State& world, SimNode& node, unsigned life, int64_t zero_ns)
    : node_(node),
      clock_(world, node.oscillator(), node.wall_offset_ms(), zero_ns),
      disk_(world, *this, node.disk_state()),
      network_(world, *this),
      workers_(world) {
  for (unsigned i = 0; i < node.reactor_count(); ++i) {
    const uint64_t random_seed = mix64(world.seed ^ mix64((uint64_t{node.index()} << 40) ^ (uint64_t{life} << 16) ^ i));
    reactors_.push_back(std::make_unique<SimReactor>(world, *this, node.index(), i, clock_, random_seed));
  }
}

uint64_t SimEnv::memory_used_bytes() const { return node_.memory_used_bytes(); }

void SimEnv::die() {
  is_alive_ = false;
  for (const auto& reactor : reactors_) reactor->die();
}

void SimEnv::clock_changed() {
  for (const auto& reactor : reactors_) reactor->clock_changed();
}

void SimEnv::unpaused() {
  for (const auto& reactor : reactors_) reactor->unpaused();
}

SimNode::SimNode(World::State& world, unsigned index, unsigned reactors)
    : world_(world),
      index_(index),
      reactor_count_(reactors),
      host_("10.0." + std::to_string((index + 1) / 256) + "." + std::to_string((index + 1) % 256)),
      disk_(world, index) {
  add_life();
}

void SimNode::add_life() {
  // Up to an hour: a machine's clock counts from when it was switched on.
  constexpr int64_t kZeroNsMax = 3600 * kSecond;
  const int64_t zero_ns = machine_faults().scatter_clocks ? world_.faults.between(0, kZeroNsMax) : 0;
  lives_.push_back(std::make_unique<SimEnv>(world_, *this, static_cast<unsigned>(lives_.size()), zero_ns));
}

Env& SimNode::env() {
  KEELSON_CHECK(is_up_, "the node is down and has no Env");
  return *lives_.back();
}

void SimNode::run_program(Boot boot) {
  KEELSON_CHECK(is_up_ && !program_, "the node is down or runs a program already");
  boot_ = std::move(boot);
  program_ = boot_(env());
}

void SimNode::down(bool orderly) {
  KEELSON_CHECK(is_up_, "the node is down already");
  SimEnv& env = *lives_.back();
  KEELSON_CHECK(world_.current == nullptr || &world_.current->env() != &env,
                "a node cannot go down within its own turn: use World::at()");
  if (!orderly) env.cut_off();
  program_.reset();
  world_.wires->break_all_of(env, orderly);
  is_up_ = false;
  is_paused_ = false;
  env.die();
}

void SimNode::stop() {
  world_.trace(Trace::kCrash, index_, 0);
  down(true);
}

void SimNode::kill() {
  world_.trace(Trace::kCrash, index_, 1);
  down(false);
}

void SimNode::crash() {
  world_.trace(Trace::kCrash, index_, 2);
  down(false);
  has_power_ = false;
  disk_.crash();
}

void SimNode::restart() {
  KEELSON_CHECK(!is_up_, "the node is up");
  world_.trace(Trace::kRestart, index_);
  is_up_ = true;
  has_power_ = true;
  add_life();
  if (boot_) program_ = boot_(env());
}

void SimNode::jump_wall_clock(int64_t by_ms) {
  world_.trace(Trace::kFault, static_cast<uint64_t>(by_ms));
  wall_offset_ms_ += by_ms;
}

void SimNode::set_clock_drift(int64_t ppm) {
  KEELSON_CHECK(ppm >= -kDriftPpmMax && ppm <= kDriftPpmMax, "no clock is as wrong as that");
  world_.trace(Trace::kFault, index_, static_cast<uint64_t>(ppm));
  oscillator_.set_ppm(ppm, world_.now_ns);
  if (is_up_) lives_.back()->clock_changed();
}

void SimNode::pause() {
  KEELSON_CHECK(is_up_, "the node is down");
  world_.trace(Trace::kFault, index_, 1);
  is_paused_ = true;
}

void SimNode::unpause() {
  if (!is_paused_) return;
  world_.trace(Trace::kFault, index_, 2);
  is_paused_ = false;
  lives_.back()->unpaused();
}

void SimNode::end() {
  for (const auto& life : lives_) life->cut_off();
  program_.reset();
  for (const auto& life : lives_) life->die();
}

}  // namespace keelson::env::sim
