#include "protocol/etcd/watch_response.h"

#include <utility>

namespace keelson::etcd {

namespace {

using coord::DeliveryKind;
using coord::WatchErrc;

// Field numbers of WatchResponse.
constexpr uint32_t kWatchId = 2;
constexpr uint32_t kCreated = 3;
constexpr uint32_t kCanceled = 4;
constexpr uint32_t kCompactRevision = 5;
constexpr uint32_t kCancelReason = 6;
constexpr uint32_t kFragment = 7;
constexpr uint32_t kEvents = 11;

std::string begin_response(const HeaderFacts& facts, coord::Revision revision, coord::WatchId id) {
  std::string message;
  WireWriter out(message);
  write_header(out, facts, revision);
  out.number(kWatchId, id);
  return message;
}

std::vector<std::string> event_responses(const HeaderFacts& facts, const coord::Delivery& delivery, size_t bytes_max) {
  std::vector<std::string> all;
  std::string message = begin_response(facts, delivery.revision, delivery.id);
  const size_t head_bytes = message.size();
  for (const auto& event : delivery.events->events()) {
    const std::string_view bytes = event->wire(delivery.with_previous);
    if (delivery.is_fragmented && message.size() > head_bytes && message.size() + bytes.size() >= bytes_max) {
      WireWriter(message).boolean(kFragment, true);
      all.push_back(std::move(message));
      message = begin_response(facts, delivery.revision, delivery.id);
    }
    WireWriter(message).element(kEvents, bytes);
  }
  all.push_back(std::move(message));
  return all;
}

}  // namespace

std::vector<std::string> watch_responses(const HeaderFacts& facts, const coord::Delivery& delivery, size_t bytes_max) {
  if (delivery.kind == DeliveryKind::kClosed) return {};
  if (delivery.kind == DeliveryKind::kEvents) return event_responses(facts, delivery, bytes_max);
  if (delivery.kind == DeliveryKind::kRefused) {
    return {refused_watch(facts, delivery.revision, -1, coord::watch_error_text(delivery.why))};
  }
  std::string message = begin_response(facts, delivery.revision, delivery.id);
  WireWriter out(message);
  if (delivery.kind == DeliveryKind::kCreated) out.boolean(kCreated, true);
  if (delivery.kind == DeliveryKind::kCanceled) {
    out.boolean(kCanceled, true);
    out.number(kCompactRevision, delivery.compact_revision);
    out.bytes(kCancelReason, coord::watch_error_text(delivery.why));
  }
  return {std::move(message)};
}

std::string refused_watch(const HeaderFacts& facts, coord::Revision revision, coord::WatchId id,
                          std::string_view reason) {
  std::string message = begin_response(facts, revision, id);
  WireWriter out(message);
  out.boolean(kCreated, true);
  out.boolean(kCanceled, true);
  out.bytes(kCancelReason, reason);
  return message;
}

}  // namespace keelson::etcd
