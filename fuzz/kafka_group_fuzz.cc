// What members of groups say in texts of their own: expressions over topics' names (TopicPattern), subscriptions
// (subscription_has), and the bodies of the engine's commands on groups and transactions, which stand in logs.
//
// The first byte says which; of an expression, the rest up to a zero is the expression, and what follows a name.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "engine/topic/group_commands.h"
#include "engine/topic/group_part.h"
#include "engine/topic/transaction_commands.h"
#include "engine/topic/transaction_part.h"
#include "protocol/kafka/consumer_protocol.h"
#include "protocol/kafka/topic_pattern.h"

namespace keelson {
namespace {

void match(std::string_view input) {
  const size_t zero = input.find('\0');
  const std::string_view name = zero == std::string_view::npos ? std::string_view("orders") : input.substr(zero + 1);
  const auto pattern = kafka::TopicPattern::parse(input.substr(0, zero));
  if (pattern) (void)pattern->matches(name.substr(0, topic::kTopicNameBytesMax));
}

// Commands, one after another: a code, a length, a body. What the part then saves it must load again as the same.
void run(std::unique_ptr<topic::Part> (*make)(), uint16_t first_code, std::string_view input) {
  std::unique_ptr<topic::Part> part = make();
  for (uint64_t index = 1; input.size() >= 2; ++index) {
    const auto code = static_cast<topic::Code>(first_code + static_cast<uint8_t>(input[0]) % 8);
    const size_t size = std::min<size_t>(static_cast<uint8_t>(input[1]), input.size() - 2);
    topic::Answer answer;
    part->apply({{.index = index, .time_ms = static_cast<int64_t>(index)}, 0}, code, input.substr(2, size), &answer);
    input.remove_prefix(2 + size);
  }
  Buffer saved;
  part->save(saved);
  std::unique_ptr<topic::Part> other = make();
  KEELSON_CHECK(other->load(saved.view()).ok(), "a part does not load what it saved");
  Buffer again;
  other->save(again);
  KEELSON_CHECK(saved.view() == again.view(), "a part saves something else than what it loaded");
}

}  // namespace
}  // namespace keelson

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson;
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      match(input);
      break;
    case 1:
      (void)kafka::subscription_has(input, "orders");
      break;
    case 2:
      run(topic::make_group_part, static_cast<uint16_t>(topic::Code::kFirstOfGroups), input);
      break;
    default:
      run(topic::make_transaction_part, static_cast<uint16_t>(topic::Code::kFirstOfTransactions), input);
  }
  return 0;
}
