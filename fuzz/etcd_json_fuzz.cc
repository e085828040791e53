// Any bytes as a request of etcd's JSON gateway: nothing crashes, and what was taken comes back the same through JSON.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/etcd/json.h"
#include "protocol/etcd/methods.h"

using namespace keelson;        // tidy: using namespace, because this file is about nothing else
using namespace keelson::etcd;  // tidy: using namespace, because this file is about nothing else

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const MethodRow& method = method_table()[data[0] % kMethodCount];
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t bytes = first_json_bytes(text);
  KEELSON_CHECK(bytes <= text.size(), "a value ends within the text");
  if (bytes != 0) text = text.substr(0, bytes);
  std::string error;
  const std::optional<std::string> message = from_json(method.request, text, error);
  if (!message) {
    KEELSON_CHECK(quote_json(error).size() >= 2, "an error can be told");
    return 0;
  }
  const std::optional<std::string> json = to_json(method.request, *message);
  if (!json) return 0;  // a text that is not UTF-8
  const std::optional<std::string> again = from_json(method.request, *json, error);
  KEELSON_CHECK(again && *again == *message, "what was taken comes back the same");
  return 0;
}
