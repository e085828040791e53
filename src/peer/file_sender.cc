#include "peer/file_sender.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"

namespace keelson::peer {

struct FileSender::Sending {
  Sending(env::Reactor& reactor, uint64_t number, Waiting&& from)
      : file(number), what(std::move(from)), may_go_on(reactor) {}
  const uint64_t file;
  Waiting what;
  uint64_t sent = 0;
  uint64_t credited = 0;       // bytes that the receiver has written
  bool is_named = false;       // all names of those beside it have gone
  bool is_unanswered = true;   // kFileWanted has not come
  std::vector<uint64_t> here;  // what the receiver has of each
  bool is_over = false;        // kFileDone has come
  bool has_arrived = false;
  Wakeup may_go_on;
};

FileSender::FileSender(env::Disk& disk, env::Reactor& reactor, NodeCounts& counts)
    : disk_(disk), reactor_(reactor), counts_(counts) {}

FileSender::~FileSender() { stop(); }

void FileSender::tell(FileDone done, bool has_arrived) {
  (has_arrived ? counts_.files_sent : counts_.files_failed).add();
  reactor_.post([done = std::move(done), has_arrived] { done(has_arrived); });
}

void FileSender::add(uint16_t group, std::string message, std::string path, std::vector<SideFile> beside,
                     FileDone done) {
  const bool is_too_much = beside.size() > kFilesBesideMax;
  if (is_too_much) {
    log_error("peer", "a file cannot be sent to another node: too many others go along with it",
              {{"file", path}, {"files", beside.size()}, {"at most", kFilesBesideMax}});
  }
  if (is_too_much || wire_ == nullptr || waiting_.size() >= kFilesWaitingMax) {
    tell(std::move(done), false);
    return;
  }
  waiting_.push_back({group, std::move(message), std::move(path), std::move(beside), std::move(done)});
  start_next();
}

void FileSender::start(Wire& wire) {
  wire_ = &wire;
  tasks_ = std::make_unique<env::TaskScope>(reactor_);
}

void FileSender::stop() {
  tasks_.reset();
  wire_ = nullptr;
  for (auto& [number, file] : sending_) tell(std::move(file->what.done), false);
  sending_.clear();
  for (Waiting& file : waiting_) tell(std::move(file.done), false);
  waiting_.clear();
}

void FileSender::drained() {
  for (auto& [number, file] : sending_) file->may_go_on.set();
}

void FileSender::start_next() {
  while (!waiting_.empty() && sending_.size() < kFilesSendingMax) {
    const uint64_t number = next_file_++;
    auto made = std::make_unique<Sending>(reactor_, number, std::move(waiting_.front()));
    waiting_.pop_front();
    Sending& file = *made;
    sending_.emplace(number, std::move(made));
    tasks_->spawn(send(file));
  }
}

Task<void> FileSender::send(Sending& file) {
  const Status sent = co_await send_all(file);
  if (!sent.ok()) {
    log_warn("peer", "a file cannot be sent to another node",
             {{"file", file.what.path}, {"why", sent.error().message()}});
    wire_->append_body(FrameType::kFileAbort, 0, FileNote{.file = file.file});
  }
  tell(std::move(file.what.done), sent.ok() && file.has_arrived);
  sending_.erase(file.file);
  start_next();
}

Task<Status> FileSender::send_all(Sending& file) {
  Result<std::unique_ptr<env::File>> opened = disk_.open(file.what.path, env::OpenMode::kRead);
  if (!opened.ok()) co_return forward_error(opened);
  const Result<uint64_t> size = (*opened)->size();
  if (!size.ok()) co_return std::unexpected<Error>(size.error());
  const FileBegin begin{
      .file = file.file, .size_bytes = *size, .message = file.what.message, .beside = file.what.beside.size()};
  wire_->append_body(FrameType::kFileBegin, file.what.group, begin);
  if (Status sent = co_await send_bytes(file, **opened, 0, *size); !sent.ok()) co_return forward_error(sent);
  if (!file.what.beside.empty() && !file.is_over) {
    co_await send_names(file);
    while (file.is_unanswered && !file.is_over) co_await file.may_go_on.wait();
  }
  for (size_t i = 0; i < file.here.size() && !file.is_over; ++i) {
    const SideFile& next = file.what.beside[i];
    if (file.here[i] == next.bytes) continue;
    opened = disk_.open(next.path, env::OpenMode::kRead);
    if (!opened.ok()) co_return forward_error(opened);
    if (Status sent = co_await send_bytes(file, **opened, file.here[i], next.bytes); !sent.ok()) {
      co_return fail(sent.error().code(), next.path + ": " + sent.error().message());
    }
  }
  while (!file.is_over) co_await file.may_go_on.wait();
  co_return Status();
}

Task<void> FileSender::send_names(Sending& file) {
  const std::vector<SideFile>& all = file.what.beside;
  for (size_t first = 0; first < all.size() && !file.is_over;) {
    if (wire_->queued_bytes() >= kFileChunkBytes) {
      co_await file.may_go_on.wait();
      continue;
    }
    FileNames names{.file = file.file, .names = {}};
    for (; first < all.size() && names.names.size() < kFileNamesMax; ++first) {
      names.names.push_back({all[first].name, all[first].bytes});
    }
    wire_->append_body(FrameType::kFileNames, file.what.group, names);
  }
  file.is_named = true;
}

Task<Status> FileSender::send_bytes(Sending& file, env::File& from, uint64_t offset, uint64_t end) {
  while (offset < end && !file.is_over) {
    // Messages go first: a chunk joins the queue only when it is all but empty.
    if (file.sent - file.credited >= kFileWindowBytes || wire_->queued_bytes() >= kFileChunkBytes) {
      co_await file.may_go_on.wait();
      continue;
    }
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kFileChunkBytes, end - offset));
    Result<env::Fetched> fetched = co_await from.fetch(offset, wanted, reactor_);
    if (!fetched.ok()) co_return forward_error(fetched);
    if (fetched->count != wanted) co_return fail(env::DiskErrc::kIo, "the file has become shorter");
    const FileChunk chunk{.file = file.file, .offset = file.sent, .bytes = {fetched->bytes.get(), fetched->count}};
    wire_->append_body(FrameType::kFileChunk, file.what.group, chunk);
    offset += wanted;
    file.sent += wanted;
  }
  co_return Status();
}

bool FileSender::handle(const Frame& frame) {
  if (frame.type == FrameType::kFileWanted) {
    FileWanted wanted;
    if (!wanted.read(frame.body)) return false;
    const auto found = sending_.find(wanted.file);
    if (found == sending_.end()) return true;  // aborted meanwhile
    Sending& file = *found->second;
    if (!file.is_named || !std::exchange(file.is_unanswered, false)) return false;
    if (wanted.here.size() != file.what.beside.size()) return false;
    for (size_t i = 0; i < wanted.here.size(); ++i) {
      if (wanted.here[i] > file.what.beside[i].bytes) return false;
    }
    file.here = std::move(wanted.here);
    file.may_go_on.set();
    return true;
  }
  FileNote note;
  if (!note.read(frame.body)) return false;
  const auto found = sending_.find(note.file);
  if (found == sending_.end()) return true;  // aborted meanwhile
  Sending& file = *found->second;
  if (frame.type == FrameType::kFileCredit) {
    file.credited = std::max(file.credited, note.number);
  } else {
    file.is_over = true;
    file.has_arrived = note.number == 1;
  }
  file.may_go_on.set();
  return true;
}

}  // namespace keelson::peer
