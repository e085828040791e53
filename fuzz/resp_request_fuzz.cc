// The request parser on any bytes, cut anywhere: it must find the same commands however the bytes arrive, keep its
// views inside what was received, and read back what a client would have written of them.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "protocol/resp/parser.h"

namespace keelson::resp {
namespace {

using Command = std::vector<std::string>;

struct Outcome {
  std::vector<Command> commands;
  std::string error;
  size_t bytes_left = 0;
};

// Exactly as large as what is in it, so that the sanitizer sees every read behind the end.
class ExactInput {
 public:
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }
  void replace(std::string_view kept, std::string_view more) {
    std::unique_ptr<char[]> bytes(new char[kept.size() + more.size()]);
    if (!kept.empty()) std::memcpy(bytes.get(), kept.data(), kept.size());
    if (!more.empty()) std::memcpy(bytes.get() + kept.size(), more.data(), more.size());
    size_ = kept.size() + more.size();
    bytes_ = std::move(bytes);
  }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
};

template <class NextSize>
Outcome parse(std::string_view bytes, const RequestLimits& limits, NextSize&& next_size) {
  RequestParser parser;
  parser.set_limits(limits);
  ExactInput input;
  Outcome outcome;
  for (;;) {
    Parsed parsed;
    std::vector<std::span<const std::string_view>> batch;
    while ((parsed = parser.next(input.view())) == Parsed::kCommand) {
      KEELSON_CHECK(!parser.args().empty(), "a command without a name");
      batch.push_back(parser.args());
    }
    for (const auto& args : batch) outcome.commands.emplace_back(args.begin(), args.end());
    if (parsed == Parsed::kError) {
      outcome.error = parser.error();
      KEELSON_CHECK(outcome.error.starts_with("ERR Protocol error: "), "an error without its words");
      return outcome;
    }
    KEELSON_CHECK(parser.taken_bytes() <= input.view().size(), "more is taken than was received");
    const std::string_view kept = input.view().substr(parser.release());
    outcome.bytes_left = kept.size();
    if (bytes.empty()) return outcome;
    const std::string_view more = bytes.substr(0, next_size());
    bytes.remove_prefix(more.size());
    input.replace(kept, more);
    KEELSON_CHECK(parser.held_bytes() <= (size_t{1} << 16) + 64 * input.view().size(), "memory for what has not come");
  }
}

std::string encode(const std::vector<Command>& commands) {
  std::string bytes;
  for (const Command& command : commands) {
    bytes += "*" + std::to_string(command.size()) + "\r\n";
    for (const std::string& arg : command) bytes += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  }
  return bytes;
}

void run(const uint8_t* data, size_t size) {
  FuzzedDataProvider provider(data, size);
  RequestLimits limits;
  limits.is_authenticated = provider.ConsumeBool();
  if (provider.ConsumeBool()) limits.bulk_bytes_max = provider.ConsumeIntegralInRange<uint64_t>(9, 100'000);
  const size_t piece = provider.ConsumeIntegralInRange<size_t>(1, 64);
  const std::string bytes = provider.ConsumeRemainingBytesAsString();

  const Outcome whole = parse(bytes, limits, [&] { return bytes.size(); });
  const Outcome pieces = parse(bytes, limits, [piece] { return piece; });
  // An error ends the parser before it has read what else was in the same piece; the commands before it are the same.
  KEELSON_CHECK(whole.commands == pieces.commands && whole.error == pieces.error, "the cuts make a difference");

  const std::string again = encode(whole.commands);
  const Outcome reread = parse(again, RequestLimits{}, [&] { return again.size(); });
  KEELSON_CHECK(reread.commands == whole.commands && reread.error.empty() && reread.bytes_left == 0,
                "what was read does not read back");
}

}  // namespace
}  // namespace keelson::resp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  keelson::resp::run(data, size);
  return 0;
}
