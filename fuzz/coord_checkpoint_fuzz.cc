// A checkpoint of the coordination engine from any bytes, and then a life on what was loaded: reads, changes,
// compaction, and another checkpoint, which must load.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/check.h"
#include "engine/coord/coord_engine.h"

namespace {

template <class Body>
void apply(keelson::coord::CoordEngine& engine, const Body& body) {
  keelson::coord::SilentSink sink;
  engine.apply({1, 1, 1}, keelson::coord::Encoded(body).command(), sink);
}
template <class Body>
void query(keelson::coord::CoordEngine& engine, const Body& body) {
  keelson::coord::SilentSink sink;
  engine.query({0, 1, 1}, keelson::coord::Encoded(body).command(), sink);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson;
  coord::CoordEngine engine;
  if (!engine.load_checkpoint({reinterpret_cast<const char*>(data), size}).ok()) return 0;
  query(engine, coord::Range{.key = coord::kFromKeyOn, .range_end = coord::kFromKeyOn});
  query(engine, coord::Scan{});
  query(engine, coord::ReadEvents{.from = engine.compact_revision(), .to = engine.revision(), .prev_kv = true});
  query(engine, coord::HashKv{});
  query(engine, coord::LeaseList{});
  apply(engine, coord::Put{.key = "a", .value = "v"});
  apply(engine, coord::DeleteRange{.key = "a", .range_end = "z"});
  apply(engine, coord::LeaseRevoke{.id = 1});
  apply(engine, coord::Compact{.revision = engine.revision() - 1});
  apply(engine, coord::Compact{.revision = engine.revision()});
  const uint64_t expected = digest(engine);
  while (!engine.tidy_up(100)) {
  }
  KEELSON_CHECK(digest(engine) == expected, "tidying up can be seen");
  coord::CoordEngine again;
  const auto source = engine.begin_checkpoint();
  for (bool is_done = false; !is_done;) {
    Buffer written;
    is_done = source->next(1000, written);
    KEELSON_CHECK(again.load_checkpoint(written.view()).ok(), "a state that was loaded cannot be written and loaded");
  }
  KEELSON_CHECK(digest(again) == expected, "what was written is another state");
  return 0;
}
