// What another node, or whoever connects to its port, sends: frames, and the bodies of every type.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "base/check.h"
#include "peer/frame.h"
#include "peer/handshake.h"

namespace {

using namespace keelson;
using namespace keelson::peer;

// A body that can be read can be written, and is then read as the same.
template <class Body>
void read_body(std::string_view bytes) {
  Body body;
  if (!body.read(bytes)) return;
  Buffer once;
  body.append(once);
  Body again;
  KEELSON_CHECK(again.read(once.view()), "what was written cannot be read");
  Buffer twice;
  again.append(twice);
  KEELSON_CHECK(once.view() == twice.view(), "what was read is written differently");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  Frame frame;
  std::string_view rest = input;
  while (read_frame(rest, kHandshakeBodyBytesMax, frame) == FrameOutcome::kFrame) {
  }
  // Bodies are looked at without a frame around them too: a fuzzer finds no CRC.
  read_body<Hello>(input);
  read_body<Challenge>(input);
  read_body<Welcome>(input);
  read_body<Refusal>(input);
  read_body<FileBegin>(input);
  read_body<FileNames>(input);
  read_body<FileWanted>(input);
  read_body<FileChunk>(input);
  read_body<FileNote>(input);
  read_body<Call>(input);
  read_body<Answer>(input);
  return 0;
}
