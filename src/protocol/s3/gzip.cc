#include "protocol/s3/gzip.h"

#include <zlib.h>

#include <array>

#include "base/check.h"

namespace keelson::s3 {

namespace {

constexpr int kWindowBits = 15 + 16;  // 32 KiB, with gzip's head and tail instead of zlib's
constexpr int kMemoryLevel = 8;       // zlib's own default
constexpr size_t kPieceBytes = size_t{32} << 10;

}  // namespace

struct GzipWriter::State {
  z_stream stream{};
  State() {
    const int begun =
        deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY);
    KEELSON_CHECK(begun == Z_OK, "zlib has memory for a stream");
  }
  ~State() { deflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

GzipWriter::GzipWriter() : state_(std::make_unique<State>()) {}
GzipWriter::~GzipWriter() = default;
GzipWriter::GzipWriter(GzipWriter&&) noexcept = default;
GzipWriter& GzipWriter::operator=(GzipWriter&&) noexcept = default;

void GzipWriter::deflate_into(std::string_view bytes, int flush, std::string& out) {
  z_stream& stream = state_->stream;
  // zlib's own type for input that it only reads.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::array<Bytef, kPieceBytes> piece;
  do {
    stream.next_out = piece.data();
    stream.avail_out = piece.size();
    const int done = deflate(&stream, flush);
    KEELSON_CHECK(done == Z_OK || done == Z_STREAM_END || done == Z_BUF_ERROR, "zlib takes what it is given");
    out.append(reinterpret_cast<const char*>(piece.data()), piece.size() - stream.avail_out);
  } while (stream.avail_out == 0);
}

void GzipWriter::write(std::string_view bytes, std::string& out) {
  if (!bytes.empty()) deflate_into(bytes, Z_NO_FLUSH, out);
}

void GzipWriter::finish(std::string& out) { deflate_into({}, Z_FINISH, out); }

}  // namespace keelson::s3
