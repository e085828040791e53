#include "peer/file_receiver.h"

#include <utility>

#include "base/logging.h"

namespace keelson::peer {

struct FileReceiver::Incoming {
  Incoming(env::Disk& on, uint64_t number) : disk(on), file(number) {}
  ~Incoming() {
    opened.reset();
    // What cannot be removed now is removed at the next start.
    if (!path.empty()) (void)disk.remove(path);
  }
  env::Disk& disk;
  const uint64_t file;
  uint64_t size_bytes = 0;
  uint64_t received = 0;
  uint16_t group = 0;
  std::string message;
  std::string path;  // empty: nothing to remove
  std::unique_ptr<env::File> opened;
};

FileReceiver::FileReceiver(env::Disk& disk, env::Reactor& reactor, Wire& wire, std::string folder, std::string prefix,
                           std::function<void(ArrivedFile)> arrived)
    : disk_(disk),
      reactor_(reactor),
      wire_(wire),
      folder_(std::move(folder)),
      prefix_(std::move(prefix)),
      arrived_(std::move(arrived)),
      tasks_(reactor) {}

FileReceiver::~FileReceiver() = default;

bool FileReceiver::handle(const Frame& frame) {
  if (frame.type == FrameType::kFileBegin) return begin(frame);
  if (frame.type == FrameType::kFileChunk) return chunk(frame);
  FileNote note;
  if (!note.read(frame.body)) return false;
  const auto found = incoming_.find(note.file);
  // One that is complete already is being synced and handed on.
  if (found != incoming_.end() && found->second->received != found->second->size_bytes) incoming_.erase(found);
  return true;
}

bool FileReceiver::begin(const Frame& frame) {
  FileBegin begin;
  // A complete file that is being synced counts too, so twice the sender's limit.
  if (!begin.read(frame.body) || incoming_.contains(begin.file) || incoming_.size() >= 2 * kFilesSendingMax) {
    return false;
  }
  auto made = std::make_unique<Incoming>(disk_, begin.file);
  Incoming& file = *made;
  incoming_.emplace(begin.file, std::move(made));
  file.size_bytes = begin.size_bytes;
  file.group = frame.group;
  file.message = begin.message;
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
  if (file.size_bytes == 0) tasks_.spawn(finish(file));
  return true;
}

bool FileReceiver::chunk(const Frame& frame) {
  FileChunk chunk;
  if (!chunk.read(frame.body)) return false;
  const auto found = incoming_.find(chunk.file);
  if (found == incoming_.end()) return true;  // given up; the sender does not know yet
  Incoming& file = *found->second;
  if (chunk.offset != file.received || chunk.bytes.empty() || chunk.bytes.size() > file.size_bytes - file.received) {
    return false;
  }
  if (Status written = file.opened->write_at(chunk.offset, chunk.bytes); !written.ok()) {
    give_up(chunk.file, written.error().message());
    return true;
  }
  file.opened->will_sync(chunk.offset, chunk.bytes.size());
  file.received += chunk.bytes.size();
  if (file.received == file.size_bytes) {
    tasks_.spawn(finish(file));
  } else {
    wire_.append_body(FrameType::kFileCredit, 0, FileNote{.file = file.file, .number = file.received});
  }
  return true;
}

Task<void> FileReceiver::finish(Incoming& file) {
  Status done = co_await file.opened->sync(reactor_);
  if (done.ok()) done = co_await disk_.sync_folder(folder_, reactor_);
  if (!done.ok()) {
    give_up(file.file, done.error().message());
    co_return;
  }
  ArrivedFile arrived{file.group, std::move(file.message), std::exchange(file.path, {})};
  wire_.append_body(FrameType::kFileDone, 0, FileNote{.file = file.file, .number = 1});
  incoming_.erase(file.file);
  arrived_(std::move(arrived));
}

void FileReceiver::give_up(uint64_t number, const std::string& why) {
  log_warn("peer", "a file from another node cannot be taken", {{"why", why}});
  wire_.append_body(FrameType::kFileDone, 0, FileNote{.file = number});
  incoming_.erase(number);
}

}  // namespace keelson::peer
