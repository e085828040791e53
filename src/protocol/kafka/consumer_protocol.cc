#include "protocol/kafka/consumer_protocol.h"

#include "protocol/kafka/reader.h"

namespace keelson::kafka {

bool subscription_has(std::string_view metadata, std::string_view topic) {
  Reader reader(metadata);
  if (reader.int16() < 0) return true;  // the version
  const size_t count = reader.count(false, 2, sizeof(std::string_view));
  for (size_t i = 0; i < count && !reader.failed(); ++i) {
    if (reader.string(false) == topic && !reader.failed()) return true;
  }
  return reader.failed();
}

}  // namespace keelson::kafka
