// The reply parser on any bytes, cut anywhere: a server is not trusted. The same replies must come out however the
// bytes arrive, and what is written of them must read back.
#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/check.h"
#include "protocol/resp/reply_parser.h"
#include "protocol/resp/writer.h"

namespace keelson::resp {
namespace {

struct Outcome {
  std::vector<Reply> replies;
  std::string error;
};

Outcome parse(std::string_view bytes, size_t piece) {
  ReplyParser parser;
  Outcome outcome;
  std::string waiting;
  for (;;) {
    const size_t taken = parser.feed(waiting);
    KEELSON_CHECK(taken <= waiting.size(), "more is taken than was received");
    waiting.erase(0, taken);
    // A copy without slack, so that the sanitizer sees every read behind the end.
    waiting = std::string(waiting);
    if (!parser.error().empty()) {
      outcome.error = parser.error();
      return outcome;
    }
    if (parser.has_reply()) {
      outcome.replies.push_back(parser.take());
      continue;
    }
    if (bytes.empty()) return outcome;
    const std::string_view more = bytes.substr(0, piece);
    waiting += more;
    bytes.remove_prefix(more.size());
  }
}

bool is_same(const Reply& a, const Reply& b) {
  // A NaN is not equal to itself.
  const bool is_same_real = a.real == b.real || (std::isnan(a.real) && std::isnan(b.real));
  if (a.type != b.type || a.text != b.text || a.integer != b.integer || !is_same_real) return false;
  if (a.elements.size() != b.elements.size()) return false;
  for (size_t i = 0; i < a.elements.size(); ++i) {
    if (!is_same(a.elements[i], b.elements[i])) return false;
  }
  return true;
}

bool is_same(const std::vector<Reply>& a, const std::vector<Reply>& b) {
  return is_same(Reply{.type = ReplyType::kArray, .elements = a}, Reply{.type = ReplyType::kArray, .elements = b});
}

// Writes it as RESP3; the words that the server does not have are written as the nearest one.
Reply rewrite(RespWriter& out, const Reply& reply) {
  Reply written = reply;
  const size_t count = reply.elements.size();
  switch (reply.type) {
    case ReplyType::kStatus:
    case ReplyType::kError:
    case ReplyType::kBigNumber:
    case ReplyType::kReal:
    case ReplyType::kBulk:
      written = {.type = ReplyType::kBulk, .text = reply.text};
      out.bulk(reply.text);
      return written;
    case ReplyType::kInteger:
      out.integer(reply.integer);
      return written;
    case ReplyType::kNull:
      out.null();
      return written;
    case ReplyType::kBoolean:
      out.boolean(reply.integer != 0);
      return written;
    case ReplyType::kVerbatim:
      out.verbatim("txt", reply.text);
      return written;
    case ReplyType::kArray:
      out.array(count);
      break;
    case ReplyType::kMap:
      out.map(count / 2);
      break;
    case ReplyType::kSet:
      out.set(count);
      break;
    case ReplyType::kPush:
      out.push(count);
      break;
  }
  for (size_t i = 0; i < count; ++i) written.elements[i] = rewrite(out, reply.elements[i]);
  return written;
}

void run(const uint8_t* data, size_t size) {
  FuzzedDataProvider provider(data, size);
  const size_t piece = provider.ConsumeIntegralInRange<size_t>(1, 64);
  const std::string bytes = provider.ConsumeRemainingBytesAsString();
  const Outcome whole = parse(bytes, SIZE_MAX);
  const Outcome pieces = parse(bytes, piece);
  KEELSON_CHECK(is_same(whole.replies, pieces.replies) && whole.error == pieces.error, "the cuts make a difference");

  Buffer buffer;
  RespWriter out(buffer, /*is_resp3=*/true);
  std::vector<Reply> written;
  for (const Reply& reply : whole.replies) written.push_back(rewrite(out, reply));
  const Outcome again = parse(buffer.view(), SIZE_MAX);
  KEELSON_CHECK(again.error.empty() && is_same(again.replies, written), "what was written does not read back");
}

}  // namespace
}  // namespace keelson::resp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  keelson::resp::run(data, size);
  return 0;
}
