#include "peer/file_receiver.h"

#include <utility>

#include "base/check.h"
#include "base/logging.h"

namespace keelson::peer {

namespace {
// Of all its files: no disk has more, and sums of sizes do not overflow.
constexpr uint64_t kTransferBytesMax = uint64_t{1} << 62;
}  // namespace

// A transfer. `offset` counts all its bytes, in the order in which they are sent; those up to `ends_at` belong to the
// file that is open.
struct FileReceiver::Incoming {
  Incoming(env::Disk& on, uint64_t number) : disk(on), file(number) {}
  ~Incoming() {
    opened.reset();
    // What cannot be removed now is removed at the next start.
    if (!path.empty()) (void)disk.remove(path);
    for (const SideFile& one : beside) {
      if (!one.path.empty()) (void)disk.remove(one.path);
    }
  }
  env::Disk& disk;
  const uint64_t file;
  uint16_t group = 0;
  std::string message;
  std::string path;    // empty: nothing to remove
  uint64_t bytes = 0;  // of all files that were named
  uint64_t beside_count = 0;
  std::vector<SideFile> beside;  // as they are named
  std::vector<size_t> wanted;    // places in `beside`, of those that are to be sent
  size_t next_wanted = 0;
  bool is_answered = false;  // what is wanted is known
  std::unique_ptr<env::File> opened;
  uint64_t began_at = 0;
  uint64_t ends_at = 0;
  uint64_t received = 0;
  size_t syncing = 0;
  bool owes_credit = false;
  bool is_complete = false;  // nothing more comes
};

FileReceiver::FileReceiver(env::Disk& disk, env::Reactor& reactor, Wire& wire, std::string folder, std::string prefix,
                           std::function<void(ArrivedFile)> arrived, std::function<void(OfferedFiles)> offered)
    : disk_(disk),
      reactor_(reactor),
      wire_(wire),
      folder_(std::move(folder)),
      prefix_(std::move(prefix)),
      arrived_(std::move(arrived)),
      offered_(std::move(offered)),
      tasks_(reactor) {}

FileReceiver::~FileReceiver() = default;

bool FileReceiver::handle(const Frame& frame) {
  if (frame.type == FrameType::kFileBegin) return begin(frame);
  if (frame.type == FrameType::kFileNames) return names(frame);
  if (frame.type == FrameType::kFileChunk) return chunk(frame);
  FileNote note;
  if (!note.read(frame.body)) return false;
  const auto found = incoming_.find(note.file);
  // One that is complete already is being synced and handed on.
  if (found != incoming_.end() && !found->second->is_complete) incoming_.erase(found);
  return true;
}

bool FileReceiver::begin(const Frame& frame) {
  FileBegin begin;
  // A complete file that is being synced counts too, so twice the sender's limit.
  if (!begin.read(frame.body) || begin.size_bytes > kTransferBytesMax || begin.beside > kFilesBesideMax ||
      incoming_.contains(begin.file) || incoming_.size() >= 2 * kFilesSendingMax) {
    return false;
  }
  auto made = std::make_unique<Incoming>(disk_, begin.file);
  Incoming& file = *made;
  incoming_.emplace(begin.file, std::move(made));
  file.bytes = file.ends_at = begin.size_bytes;
  file.group = frame.group;
  file.message = begin.message;
  file.beside_count = begin.beside;
  const std::string path = folder_ + "/" + prefix_ + "-" + std::to_string(begin.file) + ".part";
  const Result<uint64_t> room = disk_.free_bytes(folder_);
  if (room.ok() && *room < begin.size_bytes) {
    give_up(begin.file, "there is no room for its " + std::to_string(begin.size_bytes) + " bytes");
    return true;
  }
  Result<std::unique_ptr<env::File>> opened = disk_.open(path, env::OpenMode::kCreate);
  if (!opened.ok()) {
    give_up(begin.file, opened.error().message());
    return true;
  }
  file.path = path;
  file.opened = std::move(*opened);
  if (file.ends_at == 0) (void)go_on(file);
  return true;
}

bool FileReceiver::names(const Frame& frame) {
  FileNames names;
  if (!names.read(frame.body)) return false;
  const auto found = incoming_.find(names.file);
  if (found == incoming_.end()) return true;  // given up; the sender does not know yet
  Incoming& file = *found->second;
  if (file.opened != nullptr || names.names.empty() || names.names.size() > file.beside_count - file.beside.size()) {
    return false;
  }
  for (const FileNames::Name& one : names.names) {
    if (one.name.empty() || one.name.size() > kFileNameBytesMax || one.size_bytes > kTransferBytesMax - file.bytes) {
      return false;
    }
    file.bytes += one.size_bytes;
    file.beside.push_back({.name = std::string(one.name), .path = {}, .bytes = one.size_bytes, .here = 0});
  }
  if (file.beside.size() == file.beside_count) offered_({file.file, file.group, file.beside});
  return true;
}

void FileReceiver::they_are_here(uint64_t number, const std::vector<uint64_t>& bytes) {
  const auto found = incoming_.find(number);
  if (found == incoming_.end()) return;  // aborted meanwhile
  Incoming& file = *found->second;
  KEELSON_CHECK(bytes.size() == file.beside.size() && !file.is_answered, "each file that is offered is here or not");
  uint64_t wanted_bytes = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    SideFile& one = file.beside[i];
    KEELSON_CHECK(bytes[i] <= one.bytes, "no more of a file is here than there is");
    one.here = bytes[i];
    if (one.here == one.bytes) continue;
    file.wanted.push_back(i);
    wanted_bytes += one.bytes - one.here;
  }
  const Result<uint64_t> room = disk_.free_bytes(folder_);
  if (room.ok() && *room < wanted_bytes) {
    return give_up(number, "there is no room for " + std::to_string(wanted_bytes) + " bytes of files beside it");
  }
  file.is_answered = true;
  wire_.append_body(FrameType::kFileWanted, 0, FileWanted{.file = number, .here = bytes});
  (void)go_on(file);
}

bool FileReceiver::chunk(const Frame& frame) {
  FileChunk chunk;
  if (!chunk.read(frame.body)) return false;
  const auto found = incoming_.find(chunk.file);
  if (found == incoming_.end()) return true;  // given up; the sender does not know yet
  Incoming& file = *found->second;
  if (file.opened == nullptr || chunk.offset != file.received || chunk.bytes.empty() ||
      chunk.bytes.size() > file.ends_at - file.received) {
    return false;
  }
  const uint64_t offset = chunk.offset - file.began_at;
  if (Status written = file.opened->write_at(offset, chunk.bytes); !written.ok()) {
    give_up(chunk.file, written.error().message());
    return true;
  }
  file.opened->will_sync(offset, chunk.bytes.size());
  file.received += chunk.bytes.size();
  if (file.received == file.ends_at && !go_on(file)) return true;
  if (!file.is_complete) give_credit(file);
  return true;
}

void FileReceiver::give_credit(Incoming& file) {
  file.owes_credit = file.syncing >= kFilesSyncingMax;
  if (file.owes_credit) return;
  wire_.append_body(FrameType::kFileCredit, 0, FileNote{.file = file.file, .number = file.received});
}

bool FileReceiver::go_on(Incoming& file) {
  const uint64_t number = file.file;
  while (file.received == file.ends_at) {
    if (file.opened != nullptr) {
      ++file.syncing;
      tasks_.spawn(sync(number, std::move(file.opened)));
      if (!incoming_.contains(number)) return false;
    }
    if (file.is_answered && file.next_wanted < file.wanted.size()) {
      if (!open_next(file)) return false;
      continue;
    }
    file.is_complete = file.is_answered || file.beside_count == 0;
    if (!file.is_complete || file.syncing != 0) return true;
    tasks_.spawn(finish(number));
    return false;
  }
  return true;
}

bool FileReceiver::open_next(Incoming& file) {
  const size_t place = file.wanted[file.next_wanted++];
  SideFile& next = file.beside[place];
  const std::string path =
      folder_ + "/" + prefix_ + "-" + std::to_string(file.file) + "-" + std::to_string(place) + ".part";
  Result<std::unique_ptr<env::File>> opened = disk_.open(path, env::OpenMode::kCreate);
  if (!opened.ok()) {
    give_up(file.file, opened.error().message());
    return false;
  }
  next.path = path;
  file.opened = std::move(*opened);
  file.began_at = file.received;
  file.ends_at = file.received + next.bytes - next.here;
  return true;
}

Task<void> FileReceiver::sync(uint64_t number, std::unique_ptr<env::File> opened) {
  const Status synced = co_await opened->sync(reactor_);
  opened.reset();
  const auto found = incoming_.find(number);
  if (found == incoming_.end()) co_return;
  if (!synced.ok()) {
    give_up(number, synced.error().message());
    co_return;
  }
  Incoming& file = *found->second;
  --file.syncing;
  if (file.owes_credit) give_credit(file);
  if (file.is_complete && file.syncing == 0) co_await finish(number);
}

Task<void> FileReceiver::finish(uint64_t number) {
  const Status done = co_await disk_.sync_folder(folder_, reactor_);
  if (!done.ok()) {
    give_up(number, done.error().message());
    co_return;
  }
  // Nobody has taken it away: it was complete.
  Incoming& file = *incoming_.at(number);
  ArrivedFile arrived{file.group, std::move(file.message), std::exchange(file.path, {}),
                      std::exchange(file.beside, {})};
  wire_.append_body(FrameType::kFileDone, 0, FileNote{.file = number, .number = 1});
  incoming_.erase(number);
  arrived_(std::move(arrived));
}

void FileReceiver::give_up(uint64_t number, const std::string& why) {
  log_warn("peer", "a file from another node cannot be taken", {{"why", why}});
  wire_.append_body(FrameType::kFileDone, 0, FileNote{.file = number});
  incoming_.erase(number);
}

}  // namespace keelson::peer
