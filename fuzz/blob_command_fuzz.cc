// The blob engine's commands on any bodies, one after another: u8 code, u8 length, that many bytes. They stand in logs,
// so they are bytes from outside.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "engine/blob/blob_engine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson;
  blob::BlobEngine engine;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  uint64_t index = 0;
  while (input.size() >= 2) {
    const auto code = static_cast<uint8_t>(input[0]);
    const size_t length = static_cast<uint8_t>(input[1]);
    const std::string_view body = input.substr(2, length);
    input.remove_prefix(2 + body.size());
    blob::Answer answer;
    blob::OneAnswer sink(answer);
    const engine::Command command{code, 0, {&body, 1}};
    if (code >= 100) {
      engine.query({}, command, sink);
    } else {
      engine.apply({++index, static_cast<int64_t>(index), index}, command, sink);
    }
  }
  Buffer written;
  const auto source = engine.begin_checkpoint();
  while (!source->next(1000, written)) {
  }
  blob::BlobEngine again;
  KEELSON_CHECK(again.load_checkpoint(written.view()).ok(), "a state that commands made cannot be loaded");
  KEELSON_CHECK(digest(again.state()) == digest(engine.state()), "what was written is another state");
  return 0;
}
