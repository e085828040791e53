// The coordination engine's commands and queries on any bodies, one after another: u8 code, u16 length, that many
// bytes. They stand in logs, so they are bytes from outside. A second engine applies the same, tidies up at other
// moments, and must end in the same state; and so must one that loads what the first writes down.
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "base/check.h"
#include "base/coding.h"
#include "engine/coord/coord_engine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson;
  coord::CoordEngine engine;
  coord::CoordEngine replica;
  coord::SilentSink sink;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  uint64_t index = 0;
  while (input.size() >= 3) {
    uint8_t code = 0;
    uint16_t length = 0;
    KEELSON_CHECK(read_u8(input, code) && read_u16(input, length), "three bytes are there");
    const std::string_view body = input.substr(0, length);
    input.remove_prefix(body.size());
    const engine::Command command{code, 0, {&body, 1}};
    if (code >= 100) {
      engine.query({}, command, sink);
      continue;
    }
    ++index;
    const engine::ApplyContext context{index, static_cast<int64_t>(index), index};
    engine.apply(context, command, sink);
    replica.apply(context, command, sink);
    replica.tidy_up(index % 7);
  }
  KEELSON_CHECK(digest(replica) == digest(engine), "the same commands made two states");
  coord::CoordEngine again;
  const auto source = engine.begin_checkpoint();
  for (bool is_done = false; !is_done;) {
    Buffer written;
    is_done = source->next(1000, written);
    KEELSON_CHECK(again.load_checkpoint(written.view()).ok(), "a state that commands made cannot be loaded");
  }
  KEELSON_CHECK(digest(again) == digest(engine), "what was written is another state");
  return 0;
}
