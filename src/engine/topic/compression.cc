#include "engine/topic/compression.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace keelson::topic {

namespace {

constexpr size_t kStepBytesMin = size_t{16} << 10;
constexpr size_t kStepBytesMax = size_t{1} << 20;
constexpr int kGzipWindow = 15 + 16;  // zlib: the largest window, with gzip's header
constexpr int kGzipMemory = 8;

// Output that grows step by step, up to a limit, so that a bomb costs no more than the limit.
class Output {
 public:
  Output(std::string& out, size_t bytes_max) : out_(out), from_(out.size()), bytes_max_(bytes_max) {}
  // Room for more; none left: the limit is reached. One byte beyond the limit is let in, to tell exactly full from too
  // much.
  [[nodiscard]] bool grow(size_t hint) {
    const size_t present = used();
    if (present > bytes_max_) return false;
    size_t step = std::clamp(std::max(hint, present), kStepBytesMin, kStepBytesMax);
    step = std::min(step, bytes_max_ + 1 - present);
    if (step == 0) return false;
    out_.resize(from_ + present + step);
    return true;
  }
  // Room for that many at once.
  [[nodiscard]] bool ensure(size_t count) {
    if (count > bytes_max_ || used_ > bytes_max_ - count) return false;
    if (room() < count) out_.resize(from_ + used_ + count);
    return true;
  }
  [[nodiscard]] char* at() { return out_.data() + from_ + used_; }
  [[nodiscard]] size_t room() const { return out_.size() - from_ - used_; }
  void commit(size_t count) { used_ += count; }
  [[nodiscard]] size_t used() const { return used_; }
  BatchErrc finish(BatchErrc error) {
    const bool is_bomb = used_ > bytes_max_;
    out_.resize(from_ + std::min(used_, bytes_max_));
    return is_bomb ? BatchErrc::kBomb : error;
  }

 private:
  std::string& out_;
  const size_t from_;
  const size_t bytes_max_;
  size_t used_ = 0;
};

BatchErrc inflate_members(z_stream& stream, Output& out, size_t hint) {
  for (;;) {
    if (out.room() == 0 && !out.grow(hint)) return BatchErrc::kBomb;
    stream.next_out = reinterpret_cast<Bytef*>(out.at());
    stream.avail_out = static_cast<uInt>(out.room());
    const size_t room = out.room();
    const int result = inflate(&stream, Z_NO_FLUSH);
    out.commit(room - stream.avail_out);
    if (result == Z_STREAM_END) {
      // Members may follow one another.
      if (stream.avail_in == 0) return BatchErrc::kOk;
      if (inflateReset(&stream) != Z_OK) return BatchErrc::kBadCompressed;
    } else if (result != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) {
      return BatchErrc::kBadCompressed;
    }
  }
}

BatchErrc gunzip(std::string_view bytes, Output& out) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) return BatchErrc::kBadCompressed;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  const BatchErrc result = inflate_members(stream, out, bytes.size() * 4);
  inflateEnd(&stream);
  return result;
}

BatchErrc unsnap_block(std::string_view bytes, Output& out) {
  size_t size = 0;
  if (snappy_uncompressed_length(bytes.data(), bytes.size(), &size) != SNAPPY_OK) return BatchErrc::kBadCompressed;
  // A byte of snappy makes at most 64 (a copy of three bytes has 64); what says more is wrong before it is a bomb.
  if (size / 64 > bytes.size()) return BatchErrc::kBadCompressed;
  if (!out.ensure(size)) return BatchErrc::kBomb;
  size_t made = out.room();
  if (snappy_uncompress(bytes.data(), bytes.size(), out.at(), &made) != SNAPPY_OK) return BatchErrc::kBadCompressed;
  out.commit(made);
  return BatchErrc::kOk;
}

// snappy-java: a magic, two versions, then blocks with their length in front.
constexpr std::string_view kXerialMagic("\x82SNAPPY\0", 8);
constexpr size_t kXerialHeaderBytes = 16;
constexpr size_t kXerialBlockBytes = size_t{32} << 10;

BatchErrc unsnap(std::string_view bytes, Output& out) {
  if (!bytes.starts_with(kXerialMagic)) return unsnap_block(bytes, out);
  if (bytes.size() < kXerialHeaderBytes) return BatchErrc::kBadCompressed;
  bytes.remove_prefix(kXerialHeaderBytes);
  while (!bytes.empty()) {
    if (bytes.size() < 4) return BatchErrc::kBadCompressed;
    const auto size = get_be<uint32_t>(bytes.data());
    bytes.remove_prefix(4);
    if (size > bytes.size()) return BatchErrc::kBadCompressed;
    if (const BatchErrc error = unsnap_block(bytes.substr(0, size), out); error != BatchErrc::kOk) return error;
    bytes.remove_prefix(size);
  }
  return BatchErrc::kOk;
}

BatchErrc unlz4(std::string_view bytes, Output& out) {
  LZ4F_dctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) != 0) return BatchErrc::kBadCompressed;
  const std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> owner(context,
                                                                                   &LZ4F_freeDecompressionContext);
  const size_t hint = bytes.size() * 4;
  for (;;) {
    if (out.room() == 0 && !out.grow(hint)) return BatchErrc::kBomb;
    size_t made = out.room();
    size_t taken = bytes.size();
    const size_t result = LZ4F_decompress(context, out.at(), &made, bytes.data(), &taken, nullptr);
    if (LZ4F_isError(result) != 0) return BatchErrc::kBadCompressed;
    out.commit(made);
    bytes.remove_prefix(taken);
    // 0: the frame is complete. Others may follow.
    if (bytes.empty() && result == 0) return BatchErrc::kOk;
    if (made == 0 && taken == 0) return BatchErrc::kBadCompressed;
  }
}

BatchErrc unzstd(std::string_view bytes, Output& out) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (context == nullptr) return BatchErrc::kBadCompressed;
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  const size_t hint = bytes.size() * 4;
  for (;;) {
    if (out.room() == 0 && !out.grow(hint)) return BatchErrc::kBomb;
    ZSTD_outBuffer to{out.at(), out.room(), 0};
    const size_t taken = in.pos;
    const size_t result = ZSTD_decompressStream(context.get(), &to, &in);
    if (ZSTD_isError(result) != 0) return BatchErrc::kBadCompressed;
    out.commit(to.pos);
    if (result == 0 && in.pos == in.size) return BatchErrc::kOk;
    if (to.pos == 0 && in.pos == taken) return BatchErrc::kBadCompressed;
  }
}

void gzip(std::string_view bytes, std::string& out) {
  z_stream stream{};
  KEELSON_CHECK(
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, kGzipMemory, Z_DEFAULT_STRATEGY) == Z_OK,
      "zlib takes its own defaults");
  const size_t from = out.size();
  out.resize(from + deflateBound(&stream, bytes.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data() + from);
  stream.avail_out = static_cast<uInt>(out.size() - from);
  KEELSON_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END, "the bound is enough");
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
}

void snap(std::string_view bytes, std::string& out) {
  out.append(kXerialMagic);
  append_be<int32_t>(out, 1);
  append_be<int32_t>(out, 1);
  do {
    const std::string_view block = bytes.substr(0, kXerialBlockBytes);
    bytes.remove_prefix(block.size());
    const size_t from = out.size();
    size_t made = snappy_max_compressed_length(block.size());
    out.resize(from + 4 + made);
    KEELSON_CHECK(snappy_compress(block.data(), block.size(), out.data() + from + 4, &made) == SNAPPY_OK,
                  "the bound is enough");
    put_be(out.data() + from, static_cast<uint32_t>(made));
    out.resize(from + 4 + made);
  } while (!bytes.empty());
}

void lz4(std::string_view bytes, std::string& out) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  const size_t from = out.size();
  out.resize(from + LZ4F_compressFrameBound(bytes.size(), &preferences));
  const size_t made =
      LZ4F_compressFrame(out.data() + from, out.size() - from, bytes.data(), bytes.size(), &preferences);
  KEELSON_CHECK(LZ4F_isError(made) == 0, "the bound is enough");
  out.resize(from + made);
}

void zstd(std::string_view bytes, std::string& out) {
  const size_t from = out.size();
  out.resize(from + ZSTD_compressBound(bytes.size()));
  const size_t made =
      ZSTD_compress(out.data() + from, out.size() - from, bytes.data(), bytes.size(), ZSTD_CLEVEL_DEFAULT);
  KEELSON_CHECK(ZSTD_isError(made) == 0, "the bound is enough");
  out.resize(from + made);
}

}  // namespace

BatchErrc decompress(Codec codec, std::string_view bytes, size_t bytes_max, std::string& out) {
  Output output(out, bytes_max);
  switch (codec) {
    case Codec::kNone:
      out.append(bytes.substr(0, bytes_max));
      return bytes.size() > bytes_max ? BatchErrc::kBomb : BatchErrc::kOk;
    case Codec::kGzip:
      return output.finish(gunzip(bytes, output));
    case Codec::kSnappy:
      return output.finish(unsnap(bytes, output));
    case Codec::kLz4:
      return output.finish(unlz4(bytes, output));
    case Codec::kZstd:
      return output.finish(unzstd(bytes, output));
  }
  return BatchErrc::kBadCodec;
}

void compress(Codec codec, std::string_view bytes, std::string& out) {
  switch (codec) {
    case Codec::kNone:
      out.append(bytes);
      return;
    case Codec::kGzip:
      return gzip(bytes, out);
    case Codec::kSnappy:
      return snap(bytes, out);
    case Codec::kLz4:
      return lz4(bytes, out);
    case Codec::kZstd:
      return zstd(bytes, out);
  }
  KEELSON_CHECK(false, "a codec that there is");
}

}  // namespace keelson::topic
