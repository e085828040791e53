// What Pub/Sub's clients send, behind gRPC's framing: names, acknowledgement ids, requests' checks, schemas and their
// messages, and records that others have written. The first byte chooses.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/pubsub/ack_id.h"
#include "protocol/pubsub/checks.h"
#include "protocol/pubsub/names.h"
#include "protocol/pubsub/records.h"
#include "protocol/pubsub/schema.h"

using namespace keelson::pubsub;  // tidy: using namespace, because this file is about nothing else

namespace {

class Counting final : public RecordVisitor {
 public:
  bool record(const keelson::topic::Record& record) override {
    const auto message = message_of(0, record);
    KEELSON_CHECK(is_utf8(message->key), "a key that Pub/Sub cannot tell");
    return true;
  }
  bool reached(int64_t /*next_offset*/) override { return true; }
};

void try_names(std::string_view text) {
  for (const ResourceKind kind :
       {ResourceKind::kTopic, ResourceKind::kSubscription, ResourceKind::kSnapshot, ResourceKind::kSchema}) {
    const auto name = parse_name(kind, text);
    if (!name) continue;
    KEELSON_CHECK(format_name(kind, name->project, name->id) == text, "a name is not what it was");
    if (kind != ResourceKind::kTopic) continue;
    const auto in_directory = directory_name(*name);
    if (!in_directory) continue;
    const ResourceName back = topic_of_directory(*in_directory);
    KEELSON_CHECK(back.project == name->project && back.id == name->id, "a topic's name does not come back");
  }
  (void)topic_of_directory(text);
}

void try_ack_id(std::string_view text) {
  const auto id = parse_ack_id(text);
  if (id) KEELSON_CHECK(format_ack_id(*id) == text, "an id has two texts");
}

void try_records(std::string_view bytes) {
  keelson::topic::ReadAnswer answer;
  answer.slices.push_back({nullptr, bytes});
  answer.aborted.push_back({1, 0});
  Counting visitor;
  (void)walk(answer, 0, visitor).ok();
}

void try_schema(SchemaKind kind, std::string_view bytes) {
  const size_t end = bytes.find('\0');
  const std::string_view definition = bytes.substr(0, end);
  if (check_schema_definition(kind, definition) || end == std::string_view::npos) return;
  const std::string message(bytes.substr(end + 1));
  (void)check_schema_message(kind, definition, SchemaEncoding::kJson, {&message, 1});
  (void)check_schema_message(kind, definition, SchemaEncoding::kBinary, {&message, 1});
}

template <class Message, class Check>
void try_message(std::string_view bytes, Check check) {
  Message message;
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) check(message);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'n':
      try_names(rest);
      break;
    case 'a':
      try_ack_id(rest);
      break;
    case 'r':
      try_records(rest);
      break;
    case 'v':
      try_schema(SchemaKind::kAvro, rest);
      break;
    case 'b':
      try_schema(SchemaKind::kProtocolBuffer, rest);
      break;
    case 'p':
      try_message<pb::PublishRequest>(rest, [](auto& request) { (void)check_publish(request); });
      break;
    case 's':
      try_message<pb::Subscription>(rest, [](auto& wish) { (void)check_subscription_fields(wish); });
      break;
    case 'u':
      try_message<pb::UpdateSubscriptionRequest>(rest, [](auto& update) {
        if (!check_mask(update.update_mask(), subscription_mask(), "UpdateSubscriptionRequest", "Subscription").ok()) {
          return;
        }
        pb::Subscription subscription;
        apply_mask(update.update_mask(), update.subscription(), subscription);
        (void)check_subscription_fields(subscription);
      });
      break;
    default:
      break;
  }
  return 0;
}
