// The blob engine's checkpoint loader on any bytes: an error or a state that is whole. A state that was loaded is
// walked, listed, changed, and written down again, and reads back the same.
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "engine/blob/blob_engine.h"

namespace keelson {
namespace {

template <class Body>
blob::Answer ask(blob::BlobEngine& engine, const Body& body) {
  blob::Answer answer;
  blob::OneAnswer sink(answer);
  const blob::Encoded encoded(body);
  engine.query({}, encoded.command(), sink);
  return answer;
}

}  // namespace
}  // namespace keelson

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson;
  blob::BlobEngine engine;
  if (!engine.load_checkpoint({reinterpret_cast<const char*>(data), size}).ok()) return 0;
  for (const auto& [id, bucket] : engine.state().buckets) {
    blob::ListObjects list{.bucket = id};
    list.delimiter = "/";
    list.with_versions = true;
    list.with_meta = true;
    (void)ask(engine, list);
    (void)ask(engine, blob::ListUploads{.bucket = id});
  }
  (void)ask(engine, blob::ScanExtents{});
  Buffer written;
  const auto source = engine.begin_checkpoint();
  while (!source->next(100, written)) {
  }
  blob::BlobEngine again;
  KEELSON_CHECK(again.load_checkpoint(written.view()).ok(), "what was written cannot be loaded");
  KEELSON_CHECK(digest(again.state()) == digest(engine.state()), "what was written is another state");
  return 0;
}
