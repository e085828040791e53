#include "cli/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "cli/run_env.h"

extern char** environ;

namespace keelson::cli {

namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// Of the child, between fork and exec: system calls alone. Does not return.
[[noreturn]] void become(char* const* argv, char* const* variables, pid_t parent, int report) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_DFL);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == parent) execvpe(argv[0], argv, variables);
  const int why = errno;
  (void)!::write(report, &why, sizeof(why));  // tidy: file, because this is a pipe between two processes.
  ::_exit(127);
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& command,
                                         const std::vector<std::pair<std::string, std::string>>& variables) {
  std::vector<std::string> words = command;
  std::vector<std::string> environment;
  for (char** one = environ; *one != nullptr; ++one) environment.emplace_back(*one);
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> envp = pointers(environment);
  std::array<int, 2> report{};
  if (::pipe2(report.data(), O_CLOEXEC) != 0)
    return fail(std::make_error_code(std::errc::io_error), std::strerror(errno));
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(argv.data(), envp.data(), parent, report[1]);
  ::close(report[1]);  // tidy: file, because this is a pipe between two processes.
  int why = pid < 0 ? errno : 0;
  // Its end closes by itself when the command begins.
  if (pid > 0 && ::read(report[0], &why, sizeof(why)) != sizeof(why)) why = 0;  // tidy: file, because this is a pipe.
  ::close(report[0]);  // tidy: file, because this is a pipe between two processes.
  if (why == 0) return ChildProcess(pid);
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  return fail(std::error_code(why, std::generic_category()), command.front() + ": " + std::strerror(why));
}

ChildProcess::~ChildProcess() {
  if (pid_ == 0) return;
  send(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void ChildProcess::send(int signal) {
  if (pid_ != 0) ::kill(-pid_, signal);
}

std::optional<int> ChildProcess::exit_code() {
  int how = 0;
  if (pid_ == 0 || ::waitpid(pid_, &how, WNOHANG) != pid_) return std::nullopt;
  ::kill(-pid_, SIGKILL);  // what it has left behind
  pid_ = 0;
  return WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
}

}  // namespace keelson::cli
