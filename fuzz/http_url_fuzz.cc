// Any bytes as a query, a path, a host: decoding what was encoded gives it back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http/parser.h"
#include "net/http/url.h"

using namespace keelson::net::http;  // tidy: using namespace, because this file is about nothing else

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string decoded;
  const bool is_good = percent_decode(bytes, false, decoded);
  KEELSON_CHECK(is_good == has_good_escapes(bytes), "the two agree on what an escape is");
  KEELSON_CHECK(decoded.size() <= bytes.size(), "nothing grows");
  if (bytes.find('\0') == std::string_view::npos) {
    std::string back;
    KEELSON_CHECK(percent_decode(percent_encode(bytes, size % 2 == 0), false, back) && back == bytes, "there and back");
  }
  size_t total = 0;
  for (const Parameter& parameter : parse_query(bytes)) total += parameter.name.size() + parameter.value.size();
  KEELSON_CHECK(total <= bytes.size(), "nothing grows");
  if (is_host(bytes))
    KEELSON_CHECK(bytes.find_first_of("@/ \r\n?#") == std::string_view::npos, "a host is nothing else");
  RequestHead head;
  head.method = "GET";
  head.target = bytes;
  if (!parse_request_target(head))
    KEELSON_CHECK(!head.path.empty() && has_good_escapes(head.path), "a path that decodes");
  return 0;
}
