// Any bytes as an aws-chunked body: the same payload, or the same fault, however they are cut; never more than
// announced.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/s3/aws_chunked.h"

using namespace keelson::s3;  // tidy: using namespace, because this file is about nothing else

namespace {

constexpr uint64_t kDecodedBytes = 11;

std::string decode(std::string_view body, size_t piece, bool is_signed, bool has_trailer) {
  AwsChunkedDecoder::Options options{.seed = {}, .has_trailer = has_trailer, .decoded_bytes = kDecodedBytes};
  if (is_signed) options.seed = ChunkSeed{"key", "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", "0"};
  AwsChunkedDecoder decoder(std::move(options));
  std::string seen;
  while (!body.empty()) {
    std::string_view in = body.substr(0, piece);
    body.remove_prefix(in.size());
    while (true) {
      std::string_view out;
      if (!decoder.next(in, out)) return seen + "!";
      if (out.empty()) break;
      seen.append(out);
      KEELSON_CHECK(seen.size() <= kDecodedBytes, "no more than was announced");
    }
    KEELSON_CHECK(in.empty(), "everything is taken");
  }
  if (!decoder.is_done()) return seen + "...";
  KEELSON_CHECK(seen.size() == kDecodedBytes, "no less than was announced");
  for (const auto& [name, value] : decoder.trailers()) seen.append("|").append(name).append("=").append(value);
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool is_signed = (data[0] & 1) != 0;
  const bool has_trailer = (data[0] & 2) != 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = decode(body, SIZE_MAX, is_signed, has_trailer);
  const std::string cut = decode(body, 1 + data[0] / 4, is_signed, has_trailer);
  KEELSON_CHECK(whole == cut, "the same however the bytes are cut");
  return 0;
}
