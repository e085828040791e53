#include "net/grpc/call.h"

#include <array>
#include <string>
#include <utility>

#include "base/numbers.h"

namespace keelson::net::grpc {

namespace {

constexpr std::string_view kDetailsField = "grpc-status-details-bin";
constexpr std::string_view kContentType = "application/grpc";

}  // namespace

Call::Call(http::Exchange& exchange, size_t message_bytes_max, std::optional<int64_t> timeout_ns)
    : exchange_(exchange),
      frames_(message_bytes_max),
      deadline_(exchange.reactor(), [this] { cancel({Code::kDeadlineExceeded, "context deadline exceeded"}); }) {
  if (timeout_ns) deadline_.arm_after(*timeout_ns);
  exchange_.on_gone = [this] { cancel({Code::kCancelled, "context canceled"}); };
}

Call::~Call() { exchange_.on_gone = nullptr; }

void Call::cancel(CallStatus why) {
  if (std::exchange(is_cancelled_, true)) return;
  cancellation_ = std::move(why);
  exchange_.stop_reading();
  if (!on_cancel) return;
  const std::function<void()> tell = std::exchange(on_cancel, nullptr);
  tell();
}

Task<Read> Call::read(std::string_view& message) {
  while (failure_.ok()) {
    switch (frames_.next(message)) {
      case FrameReader::Outcome::kMessage:
        co_return Read::kMessage;
      case FrameReader::Outcome::kTooLarge:
        failure_ = {Code::kResourceExhausted, "grpc: received message larger than max (" +
                                                  std::to_string(frames_.length()) + " vs. " +
                                                  std::to_string(frames_.message_bytes_max()) + ")"};
        break;
      case FrameReader::Outcome::kCompressed:
        failure_ = {Code::kInternal, "grpc: compressed flag set with identity or empty encoding"};
        break;
      case FrameReader::Outcome::kMore: {
        Result<std::string_view> piece = co_await exchange_.read_body();
        if (!piece.ok()) {
          failure_ = is_cancelled_ ? cancellation_ : CallStatus{Code::kCancelled, "context canceled"};
        } else if (!piece->empty()) {
          frames_.feed(*piece);
        } else if (frames_.is_between()) {
          co_return Read::kEnd;
        } else {
          failure_ = {Code::kInternal, "unexpected EOF"};
        }
        break;
      }
    }
  }
  co_return Read::kFailed;
}

Task<Read> Call::read_only(std::string_view& message) {
  const Read first = co_await read(message);
  if (first == Read::kEnd) {
    failure_ = {Code::kInternal, "the request has no message"};
    co_return Read::kFailed;
  }
  co_return first;
}

Task<bool> Call::send(std::string_view message) {
  if (!has_begun_) {
    has_begun_ = true;
    if (!co_await exchange_.begin(200, kContentType)) co_return false;
  }
  std::array<char, kPrefixBytes> prefix;
  put_prefix(prefix.data(), message.size());
  if (!co_await exchange_.send({prefix.data(), prefix.size()})) co_return false;
  co_return co_await exchange_.send(message);
}

Task<void> Call::finish(CallStatus status) {
  deadline_.disarm();
  if (status.ok() && is_cancelled_) status = cancellation_;
  if (status.details.size() > kDetailsBytesMax) status.details.clear();
  const IntegerText code = format_uint64(static_cast<uint64_t>(status.code));
  if (!has_begun_) {  // "Trailers-Only"
    exchange_.add_field("grpc-status", code);
    if (!status.message.empty()) exchange_.add_field("grpc-message", encode_message(status.message));
    if (!status.details.empty()) exchange_.add_field(kDetailsField, encode_binary(status.details));
    (void)co_await exchange_.respond(200, kContentType, "");
    co_return;
  }
  exchange_.add_trailer("grpc-status", code);
  if (!status.message.empty()) exchange_.add_trailer("grpc-message", encode_message(status.message));
  if (!status.details.empty()) exchange_.add_trailer(kDetailsField, encode_binary(status.details));
  (void)co_await exchange_.end();
}

}  // namespace keelson::net::grpc
