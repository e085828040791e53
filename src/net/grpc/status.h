// How a call of gRPC has ended: a code and a sentence (grpc's "Status codes and their use in gRPC"), and the sentence
// as it stands in the field grpc-message (PROTOCOL-HTTP2.md, "Responses"). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::net::grpc {

enum class Code : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};
inline constexpr size_t kCodeCount = 17;

// "OK", "Canceled", "Unknown", "InvalidArgument"...: as Go's clients and metrics spell them.
[[nodiscard]] std::string_view code_name(Code code);
// The status of HTTP that stands for it (google/rpc/code.proto).
[[nodiscard]] uint16_t http_status(Code code);

// Of a call's trailers: Java's clients take 8 KiB of fields, those of C as many before they may refuse (grpc's
// "max header list size"), and a trailer that is too large hides the status that it carries.
inline constexpr size_t kMessageFieldBytesMax = 3072;  // as it is sent
inline constexpr size_t kDetailsBytesMax = 3072;       // 4 KiB in base64

struct CallStatus {
  Code code = Code::kOk;
  std::string message;
  // A google.rpc.Status in protobuf, for clients that look at grpc-status-details-bin; empty: none. More than
  // kDetailsBytesMax are not sent.
  std::string details{};
  [[nodiscard]] bool ok() const { return code == Code::kOk; }
};

// Every byte but the printable ones of ASCII, and "%", becomes %XX. Cut off at kMessageFieldBytesMax: a
// message may repeat what a client has sent.
[[nodiscard]] std::string encode_message(std::string_view message);
// A field whose name ends in "-bin": base64 without padding (PROTOCOL-HTTP2.md, "Binary-Header").
[[nodiscard]] std::string encode_binary(std::string_view bytes);

}  // namespace keelson::net::grpc
