// Frames: what flows on a connection between two nodes, in both directions.
//
//   crc   u32  CRC32C of all that follows in the frame
//   size  u32  of the body, in bytes
//   type  u8   FrameType
//   zero  u8   for later; written as 0, not looked at
//   group u16  whom a message is for; else 0
//   body
//
// Numbers are little-endian; the bodies are described at their structs, in the order of the fields: numbers as LEB128,
// strings behind their length (base/coding.h). A reader passes over frames of a type that it does not know, and over
// what follows the fields that it knows in a body, so that a later version may add to both. Pure functions over bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"

namespace keelson::peer {

// Of a node in its cluster, from 1; never used again after the node was removed. 0: none.
using NodeId = uint64_t;

// The numbers are the protocol's: never reused.
enum class FrameType : uint8_t {
  // The handshake (handshake.h).
  kHello = 1,
  kChallenge = 2,
  kProof = 3,
  kWelcome = 4,
  kRefusal = 5,
  // From the connecting side.
  kMessage = 16,    // body: the message as it is
  kPing = 17,       // body: 8 bytes, which come back as they are
  kFileBegin = 18,  // FileBegin
  kFileChunk = 19,  // FileChunk
  kFileAbort = 20,  // FileNote: it will not be completed
  kCall = 21,       // Call
  kFileNames = 22,  // FileNames: some of the files that go along with one, in their order
  // From the accepting side.
  kPong = 32,
  kFileCredit = 33,  // FileNote: so many bytes of the file are written
  kFileDone = 34,    // FileNote: complete and synced (number 1), or not and never (0)
  kAnswer = 35,      // Answer
  kFileWanted = 36,  // FileWanted: what of those that were named is to be sent
};

struct Frame {
  FrameType type = FrameType::kMessage;
  uint16_t group = 0;
  std::string_view body;
};

inline constexpr size_t kFrameHeaderBytes = 12;
// The largest record of a log (1 GiB, log/commit_log.h) and room for what stands around it in a message.
inline constexpr size_t kFrameBodyBytesMax = (size_t{1} << 30) + (size_t{1} << 20);

enum class FrameOutcome : uint8_t {
  kFrame,    // one was taken off the front of `from`
  kMore,     // it is not whole yet
  kTooLong,  // a body above the limit
  kDamaged,  // the CRC is wrong
};
// The body is a view into `from`'s bytes.
[[nodiscard]] FrameOutcome read_frame(std::string_view& from, size_t body_bytes_max, Frame& frame);
// Bytes of the whole frame that stands in front, if its header has come and its body is below the limit; else 0.
[[nodiscard]] size_t frame_bytes(std::string_view from, size_t body_bytes_max);

// Adds a frame; append its body to `out` between the two.
[[nodiscard]] size_t begin_frame(Buffer& out, FrameType type, uint16_t group = 0);
void end_frame(Buffer& out, size_t begun);
void append_frame(Buffer& out, FrameType type, uint16_t group, std::string_view body);

// Bodies. append() adds to an open frame; read() is false for what is malformed.

// A transfer: one file, and maybe others beside it. Its chunks hold the bytes of the first, then of each of the others
// what is wanted, in a row; none has bytes of two. With others, the sender names them all once the first has been sent,
// and waits for kFileWanted. A receiver that knows nothing of others takes the first alone.
struct FileBegin {
  uint64_t file = 0;  // the sender's number of it, growing on a connection
  uint64_t size_bytes = 0;
  std::string_view message;
  uint64_t beside = 0;  // how many others will be named; 0 is not written
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

// Names in one frame: about 100 KiB of them, less than a chunk.
inline constexpr uint64_t kFileNamesMax = 1024;
struct FileNames {
  struct Name {
    std::string_view name;
    uint64_t size_bytes = 0;
  };
  uint64_t file = 0;
  std::vector<Name> names;  // kFileNamesMax at most
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

struct FileWanted {
  uint64_t file = 0;
  // Of each that was named: so many of its first bytes are there, and only what follows is to be sent.
  std::vector<uint64_t> here;
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

struct FileChunk {
  uint64_t file = 0;
  uint64_t offset = 0;     // in the transfer
  std::string_view bytes;  // to the end of the body
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

struct FileNote {
  uint64_t file = 0;
  uint64_t number = 0;
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

struct Call {
  uint64_t call = 0;  // the caller's number of it, growing on a connection
  uint64_t method = 0;
  std::string_view request;
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

struct Answer {
  uint64_t call = 0;
  uint64_t error = 0;      // PeerErrc; 0: it went well
  std::string_view bytes;  // the answer, or a sentence
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

}  // namespace keelson::peer
