// Files on their way from one node, over one connection: written under a temporary name, synced, then handed on.
//
// Own reactor only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "env/disk.h"
#include "env/reactor.h"
#include "peer/options.h"
#include "peer/wire.h"

namespace keelson::peer {

struct ArrivedFile {
  uint16_t group = 0;
  std::string message;
  std::string path;
};

class FileReceiver {
 public:
  // `prefix`: what names on this connection begin with, alone in the node's life. `arrived` takes the file over.
  FileReceiver(env::Disk& disk, env::Reactor& reactor, Wire& wire, std::string folder, std::string prefix,
               std::function<void(ArrivedFile)> arrived);
  // Removes what is not complete.
  ~FileReceiver();

  // kFileBegin, kFileChunk, kFileAbort. False: it is malformed, or breaks the rules.
  [[nodiscard]] bool handle(const Frame& frame);

 private:
  struct Incoming;

  [[nodiscard]] bool begin(const Frame& frame);
  [[nodiscard]] bool chunk(const Frame& frame);
  Task<void> finish(Incoming& file);
  // Tells the sender that it will not be, and forgets it.
  void give_up(uint64_t number, const std::string& why);

  env::Disk& disk_;
  env::Reactor& reactor_;
  Wire& wire_;
  const std::string folder_;
  const std::string prefix_;
  std::function<void(ArrivedFile)> arrived_;
  std::map<uint64_t, std::unique_ptr<Incoming>> incoming_;
  env::TaskScope tasks_;
};

}  // namespace keelson::peer
