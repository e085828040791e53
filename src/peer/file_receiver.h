// Files on their way from one node, over one connection: written under temporary names, synced, then handed on.
//
// Own reactor only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/reactor.h"
#include "peer/options.h"
#include "peer/wire.h"

namespace keelson::peer {

struct ArrivedFile {
  uint16_t group = 0;
  std::string message;
  std::string path;
  std::vector<SideFile> beside;
};
// Files that may go along with one; `file` is the number of the transfer.
struct OfferedFiles {
  uint64_t file = 0;
  uint16_t group = 0;
  std::vector<SideFile> files;
};

class FileReceiver {
 public:
  // `prefix`: what names on this connection begin with, alone in the node's life. `arrived` takes the files over;
  // `offered` asks what is here of them, and they_are_here() follows.
  FileReceiver(env::Disk& disk, env::Reactor& reactor, Wire& wire, std::string folder, std::string prefix,
               std::function<void(ArrivedFile)> arrived, std::function<void(OfferedFiles)> offered);
  // Removes what is not complete.
  ~FileReceiver();

  // kFileBegin, kFileNames, kFileChunk, kFileAbort. False: it is malformed, or breaks the rules.
  [[nodiscard]] bool handle(const Frame& frame);
  // So many bytes of each of the files that were offered.
  void they_are_here(uint64_t number, const std::vector<uint64_t>& bytes);

 private:
  struct Incoming;

  [[nodiscard]] bool begin(const Frame& frame);
  [[nodiscard]] bool names(const Frame& frame);
  [[nodiscard]] bool chunk(const Frame& frame);
  // One file of the transfer is complete: it is synced, and the next one opened. Empty ones are complete at once.
  // False: the transfer is over, or about to be handed on.
  bool go_on(Incoming& file);
  bool open_next(Incoming& file);
  Task<void> sync(uint64_t number, std::unique_ptr<env::File> opened);
  Task<void> finish(uint64_t number);
  void give_credit(Incoming& file);
  // Tells the sender that it will not be, and forgets it.
  void give_up(uint64_t number, const std::string& why);

  env::Disk& disk_;
  env::Reactor& reactor_;
  Wire& wire_;
  const std::string folder_;
  const std::string prefix_;
  std::function<void(ArrivedFile)> arrived_;
  std::function<void(OfferedFiles)> offered_;
  std::map<uint64_t, std::unique_ptr<Incoming>> incoming_;
  env::TaskScope tasks_;
};

}  // namespace keelson::peer
