// Any bytes as an answer that our own clients read, or as data that members of a group exchange: two bytes say which
// message and version, the rest is its body.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/check.h"
#include "protocol/kafka/message_test_support.h"

using namespace keelson::kafka;  // tidy: using namespace, because this file is about nothing else

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::span<const MessageCase> cases = message_cases();
  const MessageCase& message = cases[data[0] % cases.size()];
  if (message.is_request) return 0;
  const auto version =
      static_cast<int16_t>(message.version_min + data[1] % (message.version_max - message.version_min + 1));
  const std::optional<Recoded> read = message.recoded({reinterpret_cast<const char*>(data + 2), size - 2}, version);
  if (!read) return 0;
  const std::optional<Recoded> again = message.recoded(read->bytes, version);
  KEELSON_CHECK(again && again->rest_size == 0, "what was encoded decodes, and whole");
  KEELSON_CHECK(again->bytes == read->bytes, "to the same");
  return 0;
}
