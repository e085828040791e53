#include "raft/checkpoint.h"

#include <utility>

#include "base/check.h"
#include "env/reactor.h"
#include "log/commit_log.h"

namespace keelson::raft {

namespace {

// Read in one go before others of the reactor get their turn.
constexpr size_t kSliceBytes = size_t{256} << 10;

// Goes on in a later turn.
class NextTurn {
 public:
  explicit NextTurn(env::Reactor& on) : sleep_(on, 0) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) { sleep_.await_suspend(waiter); }
  void await_resume() const noexcept {}

 private:
  env::SleepAwaiter sleep_;
};

}  // namespace

Result<Prelude> read_prelude(env::Disk& disk, const std::string& path) {
  auto reader = log::CheckpointReader::open(disk, path);
  if (!reader.ok()) return forward_error(reader);
  auto piece = (*reader)->next();
  if (!piece.ok()) return forward_error(piece);
  if (!*piece) return fail(log::LogErrc::kDamaged, path + ": a checkpoint without a prelude");
  auto prelude = decode_prelude(**piece);
  if (!prelude.ok()) return forward_error(prelude);
  if (prelude->index != (*reader)->header().index) {
    return fail(log::LogErrc::kDamaged, path + ": its header and its prelude tell of different states");
  }
  return prelude;
}

Task<Status> read_checkpoint(env::Disk& disk, env::Reactor& on, std::string path, LookAtPiece look,
                             log::LogFaults faults) {
  auto reader = log::CheckpointReader::open(disk, path, faults);
  if (!reader.ok()) co_return forward_error(reader);
  size_t bytes = 0;
  for (size_t number = 0;; ++number) {
    auto piece = (*reader)->next();
    if (!piece.ok()) co_return forward_error(piece);
    if (!*piece) co_return Status();
    if (Status looked = look(number, **piece); !looked.ok()) co_return forward_error(looked);
    bytes += (*piece)->size();
    if (bytes < kSliceBytes) continue;
    bytes = 0;
    co_await NextTurn(on);
  }
}

Task<Status> verify_checkpoint(env::Disk& disk, env::Reactor& on, std::string path, ShardId shard, uint64_t index,
                               uint64_t term) {
  auto prelude = read_prelude(disk, path);
  if (!prelude.ok()) co_return forward_error(prelude);
  auto reader = log::CheckpointReader::open(disk, path);
  if (!reader.ok()) co_return forward_error(reader);
  const log::CheckpointHeader& header = (*reader)->header();
  if (header.shard != shard || header.index != index || prelude->term != term) {
    co_return fail(log::LogErrc::kDamaged, path + ": holds shard " + std::to_string(header.shard) + " at " +
                                               std::to_string(header.index) + ", not shard " + std::to_string(shard) +
                                               " at " + std::to_string(index));
  }
  co_return co_await read_checkpoint(disk, on, std::move(path), [](size_t, std::string_view) { return Status(); });
}

Task<Status> install_checkpoint(env::Disk& disk, env::Reactor& on, Installation installation,
                                std::function<Status(std::string_view piece)> load, log::LogFaults faults) {
  auto reader = log::CheckpointReader::open(disk, installation.from, faults);
  if (!reader.ok()) co_return forward_error(reader);
  log::CheckpointHeader header = (*reader)->header();
  header.log_id = installation.log_id;
  auto writer = log::CheckpointWriter::create(disk, on, installation.folder, header, {.faults = faults});
  if (!writer.ok()) co_return forward_error(writer);
  bool is_first = true;
  size_t bytes = 0;
  for (;;) {
    auto piece = (*reader)->next();
    if (!piece.ok()) co_return forward_error(piece);
    if (!*piece) break;
    Status written = co_await (*writer)->append(is_first ? std::string_view(installation.prelude) : **piece);
    if (!written.ok()) co_return forward_error(written);
    if (!is_first) {
      Status loaded = load(**piece);
      if (!loaded.ok()) co_return forward_error(loaded);
    }
    is_first = false;
    bytes += (*piece)->size();
    if (bytes < kSliceBytes) continue;
    bytes = 0;
    co_await NextTurn(on);
  }
  if (is_first) co_return fail(log::LogErrc::kDamaged, installation.from + ": a checkpoint without a prelude");
  co_return co_await (*writer)->finish();
}

}  // namespace keelson::raft
