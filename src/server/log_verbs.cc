#include "server/log_verbs.h"

#include <cstdio>
#include <utility>

#include "cli/run_env.h"
#include "env/disk.h"
#include "env/env.h"
#include "log/inspect.h"
#include "server/data_folder.h"

namespace keelson::server {

namespace {

void print(std::string_view line) { std::printf("%.*s\n", static_cast<int>(line.size()), line.data()); }

struct Reports {
  log::InspectReport log;
  log::InspectReport checkpoints;
  [[nodiscard]] uint64_t problems() const { return log.problems + checkpoints.problems; }
};

Result<Reports> look(env::Env& env, const LogVerbOptions& options, const log::InspectSink& sink) {
  env::Disk& disk = env.disk();
  const std::string log_folder = options.data_dir + "/" + std::string(kLogFolder);
  if (!disk.exists(log_folder)) {
    return fail(FolderErrc::kUnusable,
                options.data_dir + " is no data folder of Keelson: it has no \"" + std::string(kLogFolder) + "\"");
  }
  Result<std::unique_ptr<env::FileLock>> lock = lock_folder(disk, options.data_dir);
  if (!lock.ok()) return forward_error(lock);
  Reports reports;
  Result<log::InspectReport> log = log::inspect_log(disk, log_folder, {.with_records = options.with_records}, sink);
  if (!log.ok()) return forward_error(log);
  reports.log = *log;
  const std::string checkpoint_folder = options.data_dir + "/" + std::string(kCheckpointFolder);
  if (disk.exists(checkpoint_folder)) {
    Result<log::InspectReport> checkpoints = log::inspect_checkpoints(disk, checkpoint_folder, sink);
    if (!checkpoints.ok()) return forward_error(checkpoints);
    reports.checkpoints = *checkpoints;
  }
  return reports;
}

Task<int> run(env::Env& env, LogVerbOptions options, bool is_verify) {
  Result<Reports> reports = look(env, options, &print);
  if (!reports.ok()) {
    cli::complain("log: " + reports.error().message());
    co_return cli::kExitBad;
  }
  std::printf(
      "%llu segments, %llu records with %llu bytes, %llu marks, %llu checkpoints; %llu torn tails (cut off at the next "
      "start), "
      "%llu problems\n",
      static_cast<unsigned long long>(reports->log.segments), static_cast<unsigned long long>(reports->log.records),
      static_cast<unsigned long long>(reports->log.payload_bytes), static_cast<unsigned long long>(reports->log.marks),
      static_cast<unsigned long long>(reports->checkpoints.checkpoints),
      static_cast<unsigned long long>(reports->log.torn_tails), static_cast<unsigned long long>(reports->problems()));
  co_return is_verify && reports->problems() != 0 ? cli::kExitBad : cli::kExitGood;
}

}  // namespace

int log_inspect(LogVerbOptions options) {
  return cli::run_on_env([&options](env::Env& env) { return run(env, options, false); });
}

int log_verify(LogVerbOptions options) {
  options.with_records = false;
  return cli::run_on_env([&options](env::Env& env) { return run(env, options, true); });
}

}  // namespace keelson::server
