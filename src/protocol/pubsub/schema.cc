#include "protocol/pubsub/schema.h"

#include <memory>

// clang-format off
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
// clang-format on

#include "protocol/pubsub/avro.h"

namespace keelson::pubsub {

namespace {

class FirstError final : public google::protobuf::io::ErrorCollector,
                         public google::protobuf::DescriptorPool::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (text_.empty())
      text_ = "line " + std::to_string(line + 1) + ", column " + std::to_string(column + 1) + ": " + message;
  }
  void AddError(const std::string& /*file*/, const std::string& element, const google::protobuf::Message* /*message*/,
                ErrorLocation /*location*/, const std::string& message) override {
    if (text_.empty()) text_ = element + ": " + message;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// A file of one message type, which it stands for.
class ProtoSchema {
 public:
  // An error's text; none: good.
  std::optional<std::string> parse(std::string_view definition) {
    FirstError errors;
    google::protobuf::io::ArrayInputStream input(definition.data(), static_cast<int>(definition.size()));
    google::protobuf::io::Tokenizer tokenizer(&input, &errors);
    google::protobuf::compiler::Parser parser;
    parser.RecordErrorsTo(&errors);
    google::protobuf::FileDescriptorProto file;
    if (!parser.Parse(&tokenizer, &file) || !errors.text().empty()) return errors.text();
    if (file.dependency_size() != 0) return "imports are not supported";
    if (file.message_type_size() != 1) return "it must have exactly one message type at the top";
    file.set_name("schema.proto");
    const auto* const built = pool_.BuildFileCollectingErrors(file, &errors);
    if (built == nullptr) return errors.text();
    type_ = built->message_type(0);
    return std::nullopt;
  }
  std::optional<std::string> check(SchemaEncoding encoding, std::string_view bytes) {
    const std::unique_ptr<google::protobuf::Message> message(factory_.GetPrototype(type_)->New());
    if (encoding == SchemaEncoding::kBinary) {
      if (message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
      return "it is no " + type_->full_name();
    }
    const auto status = google::protobuf::util::JsonStringToMessage(
        google::protobuf::StringPiece(bytes.data(), bytes.size()), message.get());
    if (status.ok()) return std::nullopt;
    return status.ToString();
  }

 private:
  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  const google::protobuf::Descriptor* type_ = nullptr;
};

}  // namespace

std::optional<std::string> check_schema_definition(SchemaKind kind, std::string_view definition) {
  if (definition.empty()) return "it is empty";
  if (definition.size() > kSchemaBytesMax) return "it is longer than " + std::to_string(kSchemaBytesMax) + " bytes";
  if (kind == SchemaKind::kProtocolBuffer) return ProtoSchema().parse(definition);
  std::string error;
  if (AvroSchema::parse(definition, error)) return std::nullopt;
  return error;
}

std::optional<std::string> check_schema_message(SchemaKind kind, std::string_view definition, SchemaEncoding encoding,
                                                std::span<const std::string> messages) {
  std::optional<std::string> error;
  if (kind == SchemaKind::kProtocolBuffer) {
    ProtoSchema schema;
    error = schema.parse(definition);
    for (size_t i = 0; i < messages.size() && !error; ++i) error = schema.check(encoding, messages[i]);
    return error;
  }
  std::string text;
  const auto schema = AvroSchema::parse(definition, text);
  if (!schema) return text;
  for (size_t i = 0; i < messages.size() && !error; ++i) {
    error = encoding == SchemaEncoding::kBinary ? schema->check_binary(messages[i]) : schema->check_json(messages[i]);
  }
  return error;
}

}  // namespace keelson::pubsub
