// Filters of subscriptions: any text is a filter or is refused with a reason, and a filter answers for any attributes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/pubsub/filter.h"

using keelson::pubsub::Filter;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string error;
  const auto filter = Filter::parse(text, error);
  KEELSON_CHECK(filter.has_value() == error.empty(), "a filter is refused without a reason");
  if (!filter) return 0;
  const keelson::topic::Pairs attributes = {{"a", "x"}, {"b", ""}, {"key", "value"}};
  const bool matches = filter->matches(attributes);
  // Negated, it says the opposite.
  if (text.empty() || text.size() + 6 > keelson::pubsub::kFilterBytesMax) return 0;
  const auto negated = Filter::parse("NOT (" + std::string(text) + ")", error);
  KEELSON_CHECK(negated && negated->matches(attributes) != matches, "a filter and its negation agree");
  return 0;
}
