// Any bytes as a signed request: parsing and checking never break, and nothing but the right secret is let in.
//
// The input's lines: method, path, query, then "name: value" headers.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "protocol/s3/names.h"
#include "protocol/s3/operations.h"
#include "protocol/s3/signature_v2.h"
#include "protocol/s3/signature_v4.h"
#include "protocol/s3/uri.h"

using namespace keelson::s3;  // tidy: using namespace, because this file is about nothing else

namespace {

std::string_view take_line(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  RequestView request;
  request.method = take_line(rest);
  request.raw_path = take_line(rest);
  request.raw_query = take_line(rest);
  std::vector<HeaderView> headers;
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    const size_t colon = line.find(": ");
    if (colon != std::string_view::npos) headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  request.headers = headers;
  constexpr int64_t kNowMs = 1'369'353'600'000;  // 2013-05-24, the day of Amazon's examples
  if (is_v4_header(request) || is_v4_presigned(request)) {
    if (const auto credentials = parse_v4(request)) {
      KEELSON_CHECK(!verify_v4(request, *credentials, "a secret that no input knows", "us-east-1", kNowMs),
                    "nobody guesses a signature");
    }
  }
  if (is_v2_header(request) || is_v2_presigned(request)) {
    if (const auto credentials = parse_v2(request)) {
      KEELSON_CHECK(!verify_v2(request, *credentials, "bucket", "a secret that no input knows", kNowMs),
                    "nobody guesses a signature");
    }
  }
  const std::string domains[] = {"s3.test"};
  if (const auto place = place_of_request(request.header_or_empty("host"), request.raw_path, domains)) {
    KEELSON_CHECK(place->key.size() <= kKeyBytesMax, "keys have a limit");
    KEELSON_CHECK(place->bucket.empty() || is_bucket_name(place->bucket), "buckets have names");
  }
  (void)parse_copy_source(request.raw_path);
  if (const auto query = Query::parse(request.raw_query)) {
    for (const Level level : {Level::kService, Level::kBucket, Level::kObject}) {
      (void)find_operation(request.method, level, *query, request);
    }
  }
  if (const auto decoded = uri_decoded(request.raw_path)) {
    KEELSON_CHECK(uri_decoded(uri_encoded(*decoded)) == decoded, "what is encoded decodes to the same");
  }
  return 0;
}
