#include "protocol/pubsub/methods.h"

namespace keelson::pubsub {

std::span<const MethodRow> method_table() {
#define PUBSUB_UNARY(package, service, method, request, response, note) \
  MethodRow{"/" #package "." #service "/" #method, #service, #method, false, note},
#define PUBSUB_STREAM(package, service, method, request, response, note) \
  MethodRow{"/" #package "." #service "/" #method, #service, #method, true, note},
  static constexpr MethodRow kTable[] = {
#include "protocol/pubsub/method_table.def"
  };
#undef PUBSUB_STREAM
#undef PUBSUB_UNARY
  return kTable;
}

}  // namespace keelson::pubsub
