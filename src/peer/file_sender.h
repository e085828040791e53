// Files on their way to one node, over one connection: in chunks that stand between messages, never more of a file
// under way than the receiver's credit allows.
//
// Others may go along with it (SideFile): what the receiver lacks of them follows in a row, and arrives with it or not
// at all. A file is sent from its beginning or not at all: what a broken connection has carried is thrown away on
// both sides, and whoever sends it tries again. Own reactor only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/reactor.h"
#include "peer/options.h"
#include "peer/wakeup.h"
#include "peer/wire.h"

namespace keelson::peer {

using FileDone = std::function<void(bool has_arrived)>;

class FileSender {
 public:
  FileSender(env::Disk& disk, env::Reactor& reactor, NodeCounts& counts);
  ~FileSender();

  // `done` is called once, in a later turn.
  void add(uint16_t group, std::string message, std::string path, std::vector<SideFile> beside, FileDone done);
  // The connection stands.
  void start(Wire& wire);
  // It broke, or there is none: all files fail, now and until start().
  void stop();
  // The queue of the wire has become empty.
  void drained();
  // kFileCredit, kFileWanted and kFileDone. False: it is malformed, or breaks the rules.
  [[nodiscard]] bool handle(const Frame& frame);

 private:
  struct Waiting {
    uint16_t group = 0;
    std::string message;
    std::string path;
    std::vector<SideFile> beside;
    FileDone done;
  };
  struct Sending;

  void start_next();
  Task<void> send(Sending& file);
  Task<Status> send_all(Sending& file);
  // Asks what of those beside it is wanted.
  Task<void> send_names(Sending& file);
  Task<Status> send_bytes(Sending& file, env::File& from, uint64_t offset, uint64_t end);
  // Calls `done` in a later turn.
  void tell(FileDone done, bool has_arrived);

  env::Disk& disk_;
  env::Reactor& reactor_;
  NodeCounts& counts_;
  Wire* wire_ = nullptr;
  uint64_t next_file_ = 1;
  std::deque<Waiting> waiting_;
  std::map<uint64_t, std::unique_ptr<Sending>> sending_;
  std::unique_ptr<env::TaskScope> tasks_;
};

}  // namespace keelson::peer
