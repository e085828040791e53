#include "protocol/etcd/methods.h"

namespace keelson::etcd {

std::span<const MethodRow> method_table() {
#define ETCD_ROW(package, service, method, message, path, kind, note)                                  \
  MethodRow{"/" #package "." #service "/" #method, #service, #method, #package "." #message "Request", \
            #package "." #message "Response",      path,     kind,    note},
#define ETCD_UNARY(package, service, method, message, path, note) \
  ETCD_ROW(package, service, method, message, path, MethodKind::kUnary, note)
#define ETCD_STREAM(package, service, method, message, path, note) \
  ETCD_ROW(package, service, method, message, path, MethodKind::kStream, note)
#define ETCD_REFUSED(package, service, method, message, path, note) \
  ETCD_ROW(package, service, method, message, path, MethodKind::kRefused, note)
#define ETCD_NO(package, service, method, message, path, note) \
  ETCD_ROW(package, service, method, message, path, MethodKind::kNone, note)
  static constexpr MethodRow kTable[] = {
#include "protocol/etcd/method_table.def"
  };
#undef ETCD_NO
#undef ETCD_REFUSED
#undef ETCD_STREAM
#undef ETCD_UNARY
#undef ETCD_ROW
  return kTable;
}

}  // namespace keelson::etcd
