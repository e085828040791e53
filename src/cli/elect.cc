#include "cli/elect.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>

#include "cli/child_process.h"
#include "cli/election.h"
#include "cli/run_env.h"
#include "env/real/process.h"
#include "env/real/real_env.h"

namespace keelson::cli {

namespace {

constexpr int64_t kMillisecondNs = 1'000'000;
// How often the command is looked at.
constexpr int64_t kLookNs = 20 * kMillisecondNs;

std::string here() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) name[0] = '?';
  return std::string(name.data()) + ":" + std::to_string(env::process_id());
}

// From the signals to the end.
class Elect {
 public:
  Elect(env::RealEnv& env, ElectOptions& options) : env_(env), reactor_(env.reactor(0)), options_(options) {}

  void on_signal(int signal) { signal_ = signal; }
  Task<void> run(int& exit_code) {
    exit_code = co_await work();
    env_.stop();
  }

 private:
  Task<int> work() {
    auto client = CoordClient::make(env_, options_.target);
    if (!client.ok()) co_return failed(client.error());
    Candidate candidate(
        reactor_, **client,
        {.name = options_.name, .value = options_.value, .ttl_s = options_.ttl_s, .grace_ms = options_.grace_ms});
    const int code = co_await stand(candidate);
    co_await candidate.leave();
    co_return code;
  }
  Task<int> stand(Candidate& candidate) {
    if (Status entered = co_await candidate.enter(); !entered.ok()) co_return failed(entered.error());
    say("a candidate for \"" + options_.name + "\" (" + candidate.key() + ")");
    env::TaskScope waiting(reactor_);
    Status elected;
    bool is_decided = false;
    waiting.spawn(wait(candidate, elected, is_decided));
    while (!is_decided) {
      if (signal_ != 0) co_return 128 + signal_;
      co_await env::sleep_for(reactor_, kLookNs);
    }
    if (!elected.ok()) {
      complain("elect: " + elected.error().message());
      co_return candidate.is_lost() ? kExitLost : kExitBad;
    }
    // Being elected may have taken as long as the lease lasts: a process that was paused learns it here.
    if (const std::string why = why_over(candidate); !why.empty()) {
      complain("elect: " + why);
      co_return kExitLost;
    }
    say("elected, token " + std::to_string(candidate.token()));
    co_return co_await lead(candidate);
  }
  static Task<void> wait(Candidate& candidate, Status& elected, bool& is_decided) {
    elected = co_await candidate.wait();
    is_decided = true;
  }

  // Why the command may not run (any longer); empty: it may.
  [[nodiscard]] std::string why_over(const Candidate& candidate) const {
    if (candidate.is_lost()) return candidate.why_lost();
    const bool is_late = reactor_.clock().monotonic_ns() >= candidate.lease_time().end_at_ns();
    return is_late ? "the lease cannot be kept" : "";
  }

  Task<int> lead(Candidate& candidate) {
    Result<ChildProcess> child =
        ChildProcess::start(options_.command, {{"KEELSON_ELECT_NAME", options_.name},
                                               {"KEELSON_ELECT_KEY", candidate.key()},
                                               {"KEELSON_ELECT_TOKEN", std::to_string(candidate.token())}});
    if (!child.ok()) {
      complain("elect: " + child.error().message());
      co_return child.error().code() == std::errc::no_such_file_or_directory ? 127 : 126;  // as a shell does
    }
    const int64_t grace_ns = options_.grace_ms * kMillisecondNs;
    bool was_lost = false;
    int64_t kill_at_ns = 0;  // 0: it has not been asked to end
    int told = 0;
    for (;;) {
      if (const auto code = child->exit_code()) co_return was_lost ? kExitLost : *code;
      const int64_t now_ns = reactor_.clock().monotonic_ns();
      if (const std::string why = was_lost ? "" : why_over(candidate); !why.empty()) {
        was_lost = true;
        complain("elect: " + why + "; ending the command");
        kill_at_ns = std::min(now_ns + grace_ns, std::max(candidate.lease_time().kill_at_ns(), now_ns));
        child->send(SIGTERM);
      }
      if (signal_ != 0 && signal_ != told) {
        told = signal_;
        child->send(told);
        if (kill_at_ns == 0) kill_at_ns = now_ns + grace_ns;
      }
      if (kill_at_ns != 0 && now_ns >= kill_at_ns) child->send(SIGKILL);
      co_await env::sleep_for(reactor_, kLookNs);
    }
  }

  void say(const std::string& sentence) const {
    if (!options_.quiet) complain("elect: " + sentence);
  }
  static int failed(const Error& error) {
    complain("elect: " + error.message());
    return error.code() == CoordErrc::kBadEndpoint ? kExitUsage : kExitBad;
  }

  env::RealEnv& env_;
  env::Reactor& reactor_;
  ElectOptions& options_;
  int signal_ = 0;
};

// A sentence if the options are wrong.
std::string wrong(const ElectOptions& options) {
  if (options.name.empty()) return "the election needs a name";
  if (options.ttl_s < kTtlLeastS || options.ttl_s > kTtlMostS) return "--ttl is 2 to 86400 seconds";
  if (options.grace_ms > options.ttl_s * 500) return "--grace is at most half of --ttl";
  if (options.command.empty()) return "say which command: keelson elect NAME -- COMMAND";
  return {};
}

}  // namespace

int elect(ElectOptions options) {
  if (const std::string why = wrong(options); !why.empty()) {
    complain("elect: " + why);
    return kExitUsage;
  }
  if (options.grace_ms < 0) options.grace_ms = options.ttl_s * 300;
  if (options.value.empty()) options.value = here();
  // A server that is silent must not use up the time that the lease has.
  options.target.timeout_ms = static_cast<uint32_t>(std::clamp<int64_t>(options.ttl_s * 100, 200, kCoordTimeoutMs));
  auto env = env::RealEnv::make({.reactors = 1});
  if (!env.ok()) {
    complain(env.error().message());
    return kExitBad;
  }
  Elect work(**env, options);
  const Status watching = (*env)->watch_signals([&work](int signal) { work.on_signal(signal); });
  if (!watching.ok()) {
    complain(watching.error().message());
    return kExitBad;
  }
  int exit_code = kExitBad;
  env::TaskScope scope((*env)->reactor(0));
  (*env)->reactor(0).post([&] { scope.spawn(work.run(exit_code)); });
  (*env)->run();
  return exit_code;
}

}  // namespace keelson::cli
