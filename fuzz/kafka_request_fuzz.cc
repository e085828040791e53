// Any bytes as a request of Kafka's protocol: its header, then the message of that key and version, as the server reads
// them. Nothing crashes, and what was understood is understood the same way after it was encoded again.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/check.h"
#include "protocol/kafka/headers.h"
#include "protocol/kafka/message_test_support.h"

using namespace keelson::kafka;  // tidy: using namespace, because this file is about nothing else

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader reader(std::string_view(reinterpret_cast<const char*>(data), size));
  RequestHeader header;
  if (!read_request_header(reader, header)) return 0;
  for (const MessageCase& message : message_cases()) {
    if (message.key != header.key || !message.is_request) continue;
    if (header.version < message.version_min || header.version > message.version_max) continue;
    const std::optional<Recoded> read = message.recoded(reader.rest(), header.version);
    if (!read) continue;
    const std::optional<Recoded> again = message.recoded(read->bytes, header.version);
    KEELSON_CHECK(again && again->rest_size == 0, "what was encoded decodes, and whole");
    KEELSON_CHECK(again->bytes == read->bytes, "to the same");
  }
  return 0;
}
