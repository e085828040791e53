// The topic engine's commands and checkpoints. The first byte says which: a checkpoint's pieces, or commands, each with
// u8 code (commands below 200, queries from there on), u8 whether a second argument follows, and strings. A checkpoint
// that loads must be one that the engine would write again and load again; nothing may end the program.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/check.h"
#include "base/coding.h"
#include "engine/topic/topic_engine.h"

namespace keelson::topic {
namespace {

class Sink final : public AnswerSink {
 public:
  Answer* answer() override { return &answer_; }

 private:
  Answer answer_;
};

std::string checkpoint_of(TopicEngine& engine) {
  Buffer out;
  auto source = engine.begin_checkpoint();
  while (!source->next(1 << 16, out)) {
  }
  return std::string(out.view());
}

void load(std::string_view bytes) {
  TopicEngine engine{{}};
  if (!engine.load_checkpoint(bytes).ok()) return;
  const std::string written = checkpoint_of(engine);
  TopicEngine again{{}};
  KEELSON_CHECK(again.load_checkpoint(written).ok(), "what was written can be loaded");
  KEELSON_CHECK(checkpoint_of(again) == written, "and is the same");
}

void run(std::string_view bytes) {
  TopicEngine engine{{}};
  uint64_t index = 0;
  uint8_t code = 0;
  uint8_t has_payload = 0;
  while (read_u8(bytes, code) && read_u8(bytes, has_payload)) {
    std::vector<std::string_view> args(has_payload % 2 == 0 ? 1 : 2);
    for (std::string_view& arg : args) {
      if (!read_string(bytes, arg)) return;
    }
    Sink sink;
    const uint16_t number = code < 200 ? code : static_cast<uint16_t>(200 + (code - 200) * 2);
    ++index;
    if (code < 200) {
      engine.apply({index, static_cast<int64_t>(1000 + index), index}, {number, 0, args}, sink);
    } else {
      engine.query({0, static_cast<int64_t>(1000 + index), index}, {number, 0, args}, sink);
    }
  }
  const std::string written = checkpoint_of(engine);
  TopicEngine again{{}};
  KEELSON_CHECK(again.load_checkpoint(written).ok(), "a checkpoint can be loaded");
}

}  // namespace
}  // namespace keelson::topic

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    keelson::topic::load(bytes);
  } else {
    keelson::topic::run(bytes);
  }
  return 0;
}
