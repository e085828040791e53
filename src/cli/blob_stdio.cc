#include "cli/blob_stdio.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "cli/blob_errors.h"
#include "cli/blob_text.h"
#include "cli/progress.h"
#include "cli/run_env.h"

namespace keelson::cli {

namespace {

// How long nothing is looked for when nothing was there: a pipe holds 64 KiB, so a fast writer is not held up much.
constexpr int64_t kInputPauseNs = 2'000'000;

class StandardInput final : public BlobInput {
 public:
  explicit StandardInput(env::Env& env) : env_(env) {}
  Task<Result<size_t>> read(std::span<char> into) override {
    while (true) {
      pollfd ready{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      // tidy: socket, because standard input may be anything, which env's streams are not.
      if (::poll(&ready, 1, 0) == 0) {
        co_await env::sleep_for(env_.reactor(0), kInputPauseNs);
        continue;
      }
      // tidy: file, because standard input may be a pipe or terminal, which env's files are not.
      const ssize_t count = ::read(STDIN_FILENO, into.data(), into.size());
      if (count >= 0) co_return static_cast<size_t>(count);
      if (errno == EINTR || errno == EAGAIN) continue;
      co_return fail(env::DiskErrc::kIo, std::string("cannot read standard input: ") + std::strerror(errno));
    }
  }

 private:
  env::Env& env_;
};

class StandardOutput final : public BlobOutput {
 public:
  Status write(std::string_view bytes) override {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0) return {};
    return fail(env::DiskErrc::kIo, std::string("cannot write to standard output: ") + std::strerror(errno));
  }
};

class TerminalConsole final : public BlobConsole {
 public:
  TerminalConsole(env::Env& env, std::string verb, bool quiet, bool output_is_content)
      : verb_(std::move(verb)), quiet_(quiet), output_is_content_(output_is_content), progress_(env.clock(), quiet) {}
  ~TerminalConsole() override { progress_.clear(); }

  void line(std::string_view text) override { print(output_is_content_ ? stderr : stdout, text); }
  void told(std::string_view text) override {
    if (!quiet_) line(text);
  }
  void complain(std::string_view text) override {
    progress_.clear();
    // Keys and a server's words may hold what a terminal would act on.
    cli::complain("blob " + verb_ + ": " + shown(text));
  }
  void progress(std::string_view text) override { progress_.say("blob " + verb_ + ": " + std::string(text)); }

 private:
  void print(std::FILE* to, std::string_view text) {
    progress_.clear();
    std::fwrite(text.data(), 1, text.size(), to);
    std::fputc('\n', to);
  }

  const std::string verb_;
  const bool quiet_;
  const bool output_is_content_;
  Progress progress_;
};

}  // namespace

std::unique_ptr<BlobInput> standard_input(env::Env& env) { return std::make_unique<StandardInput>(env); }
std::unique_ptr<BlobOutput> standard_output() { return std::make_unique<StandardOutput>(); }
std::unique_ptr<BlobConsole> terminal_console(env::Env& env, std::string_view verb, bool quiet,
                                              bool output_is_content) {
  return std::make_unique<TerminalConsole>(env, std::string(verb), quiet, output_is_content);
}

}  // namespace keelson::cli
