// HPACK: any bytes as blocks of one connection; and what was read of them, written and read again, is the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "net/http/hpack.h"

using namespace keelson;             // tidy: using namespace, because this file is about nothing else
using namespace keelson::net::http;  // tidy: using namespace, because this file is about nothing else

namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;
constexpr size_t kLinesMax = 1000;

bool decode(HpackDecoder& decoder, std::string_view block, Lines& lines) {
  HpackDecoder::Line line;
  HpackDecoder::Outcome outcome = decoder.next(block, true, line);
  for (; outcome == HpackDecoder::Outcome::kLine; outcome = decoder.next(block, false, line)) {
    if (lines.size() < kLinesMax) lines.emplace_back(line.name, line.value);
  }
  return outcome == HpackDecoder::Outcome::kEnd;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  HpackDecoder from_outside;
  HpackDecoder again;
  HpackEncoder encoder;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {  // a byte for the length of each block
    const size_t length = std::min<size_t>(static_cast<uint8_t>(rest.front()), rest.size() - 1);
    Lines lines;
    const bool is_good = decode(from_outside, rest.substr(1, length), lines);
    if (length % 16 == 0) encoder.set_limit(length * 20);
    Buffer written;
    encoder.begin(written);
    for (const auto& [name, value] : lines) encoder.add(name, value, written);
    Lines read;
    KEELSON_CHECK(decode(again, written.view(), read) && read == lines, "what is written is read");
    if (!is_good) break;
    rest.remove_prefix(1 + length);
  }
  return 0;
}
