#include "env/real/real_env.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "env/real/backstage.h"
#include "env/real/memory.h"
#include "env/real/real_disk.h"
#include "env/real/real_reactor.h"
#include "env/real/real_workers.h"

namespace keelson::env {

namespace {

constexpr unsigned kReactorsMax = 512;
// More workers would only take cores from reactors that have work themselves.
constexpr unsigned kReactorsPerWorker = 2;

std::vector<int> usable_cores() {
  std::vector<int> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
  }
  if (cores.empty()) cores.push_back(0);
  return cores;
}

class Linux final : public RealEnv {
 public:
  Linux(const RealEnvOptions& options, std::vector<int> cores)
      : pin_(options.pin),
        cores_(std::move(cores)),
        disk_(options.disk_threads),
        workers_(std::max(1U, options.reactors / kReactorsPerWorker)) {
    for (unsigned i = 0; i < options.reactors; ++i) reactors_.push_back(std::make_unique<RealReactor>(i, clock_));
  }

  ~Linux() override {
    // Nothing may come from other threads any more when callbacks that nobody will run are destroyed.
    backstage_.stop();
    for (const auto& reactor : reactors_) reactor->drop_mail();
  }

  [[nodiscard]] unsigned reactor_count() const override { return static_cast<unsigned>(reactors_.size()); }
  [[nodiscard]] Reactor& reactor(unsigned index) override { return *reactors_[index]; }
  [[nodiscard]] Disk& disk() override { return disk_; }
  [[nodiscard]] Network& network() override { return backstage_; }
  [[nodiscard]] Workers& workers() override { return workers_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  [[nodiscard]] uint64_t memory_used_bytes() const override { return env::memory_used_bytes(); }
  [[nodiscard]] ReactorCounts counts(unsigned reactor) const override { return reactors_[reactor]->counts(); }

  void run() override {
    KEELSON_CHECK(!has_run_, "an Env runs once");
    has_run_ = true;
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < reactor_count(); ++i) threads.emplace_back([this, i] { run_reactor(i); });
    run_reactor(0);
    for (std::thread& thread : threads) thread.join();
  }

  void stop() override {
    for (const auto& reactor : reactors_) reactor->request_stop();
  }

  Status watch_signals(std::function<void(int)> on_signal) override {
    return backstage_.watch_signals(*reactors_[0], std::move(on_signal));
  }

 private:
  void run_reactor(unsigned index) {
    const CountedThread counted;
    if (index != 0) pthread_setname_np(pthread_self(), ("reactor-" + std::to_string(index)).c_str());
    if (pin_) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(static_cast<size_t>(cores_[index % cores_.size()]), &set);
      // A thread that may not be pinned runs all the same.
      (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
    reactors_[index]->run();
  }

  const bool pin_;
  const std::vector<int> cores_;
  const RealClock clock_;
  bool has_run_ = false;
  // Destroyed last: threads of those below post to them until they are joined.
  std::vector<std::unique_ptr<RealReactor>> reactors_;
  RealDisk disk_;
  RealWorkers workers_;
  Backstage backstage_;
};

}  // namespace

Result<std::unique_ptr<RealEnv>> RealEnv::make(RealEnvOptions options) {
  std::vector<int> cores = usable_cores();
  if (options.reactors == 0) options.reactors = static_cast<unsigned>(cores.size());
  if (options.reactors > kReactorsMax) {
    return fail(NetErrc::kInvalid, "at most " + std::to_string(kReactorsMax) + " reactors are possible, " +
                                       std::to_string(options.reactors) + " were asked for");
  }
  // A peer that hangs up is an error of a write here, never the end of the process.
  (void)::signal(SIGPIPE, SIG_IGN);
  return std::make_unique<Linux>(options, std::move(cores));
}

}  // namespace keelson::env
