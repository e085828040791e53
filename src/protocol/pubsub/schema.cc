#include "protocol/pubsub/schema.h"

#include <map>
#include <memory>

// clang-format off
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <google/protobuf/wire_format_lite.h>
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

// What libprotobuf would take in memory for a message, found without taking it: a field of two bytes can be an object
// of as many fields as a schema has, hundreds of kilobytes.
class MemoryCount {
 public:
  explicit MemoryCount(google::protobuf::DynamicMessageFactory& factory) : factory_(factory) {}
  // Up to where the message is no message any more.
  bool is_modest(const google::protobuf::Descriptor* type, std::string_view bytes) {
    google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                 static_cast<int>(bytes.size()));
    (void)walk(type, input, 0);
    return taken_ <= kProtoMemoryMax;
  }

 private:
  using Lite = google::protobuf::internal::WireFormatLite;
  // As deep as libprotobuf reads.
  static constexpr int kDepthMax = 100;
  // Of a text or bytes, beside its content, which it has in common with the message.
  static constexpr uint64_t kTextBytes = 40;

  uint64_t size_of(const google::protobuf::Descriptor* type) {
    const auto [size, is_new] = sizes_.try_emplace(type, 0);
    if (is_new) size->second = factory_.GetPrototype(type)->SpaceUsedLong();
    return size->second;
  }
  // False: nothing more is to be counted.
  bool walk(const google::protobuf::Descriptor* type, google::protobuf::io::CodedInputStream& input, int depth) {
    taken_ += size_of(type);
    if (depth > kDepthMax || taken_ > kProtoMemoryMax) return false;
    while (const uint32_t tag = input.ReadTag()) {
      if (Lite::GetTagWireType(tag) == Lite::WIRETYPE_END_GROUP) return true;
      const auto* const field = type->FindFieldByNumber(Lite::GetTagFieldNumber(tag));
      // One that comes in another form than its type's is unknown to libprotobuf, and passed over.
      const auto is_of = [&](google::protobuf::FieldDescriptor::Type wanted) {
        return field != nullptr && field->type() == wanted;
      };
      if (Lite::GetTagWireType(tag) == Lite::WIRETYPE_START_GROUP &&
          is_of(google::protobuf::FieldDescriptor::TYPE_GROUP)) {
        if (!walk(field->message_type(), input, depth + 1)) return false;
      } else if (Lite::GetTagWireType(tag) == Lite::WIRETYPE_LENGTH_DELIMITED) {
        uint32_t size = 0;
        if (!input.ReadVarint32(&size) || size > INT32_MAX) return false;
        if (!is_of(google::protobuf::FieldDescriptor::TYPE_MESSAGE)) {
          taken_ += kTextBytes;
          if (!input.Skip(static_cast<int>(size))) return false;
          continue;
        }
        const auto outer = input.PushLimit(static_cast<int>(size));
        if (!walk(field->message_type(), input, depth + 1) || input.BytesUntilLimit() != 0) return false;
        input.PopLimit(outer);
      } else if (!Lite::SkipField(&input, tag)) {
        return false;
      }
    }
    return true;
  }

  google::protobuf::DynamicMessageFactory& factory_;
  std::map<const google::protobuf::Descriptor*, uint64_t> sizes_;
  uint64_t taken_ = 0;
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
    std::string from_json;
    if (encoding == SchemaEncoding::kJson) {
      if (auto error = transcode(bytes, from_json)) return error;
      bytes = from_json;
    }
    if (!MemoryCount(factory_).is_modest(type_, bytes)) {
      return "it takes more than " + std::to_string(kProtoMemoryMax) + " bytes in memory";
    }
    const std::unique_ptr<google::protobuf::Message> message(factory_.GetPrototype(type_)->New());
    if (message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
    return "it is no " + std::string(type_->full_name());
  }

 private:
  std::optional<std::string> transcode(std::string_view text, std::string& into) {
    constexpr const char* kPrefix = "type.googleapis.com";
    const std::unique_ptr<google::protobuf::util::TypeResolver> resolver(
        google::protobuf::util::NewTypeResolverForDescriptorPool(kPrefix, &pool_));
    const std::string url = std::string(kPrefix) + "/" + std::string(type_->full_name());
    const auto status = google::protobuf::util::JsonToBinaryString(
        resolver.get(), url, google::protobuf::StringPiece(text.data(), text.size()), &into);
    if (status.ok()) return std::nullopt;
    return status.ToString();
  }

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
