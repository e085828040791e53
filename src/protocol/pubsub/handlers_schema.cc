// Schemas, and whether messages fit them.
#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "protocol/pubsub/checks.h"
#include "protocol/pubsub/handlers.h"
#include "protocol/pubsub/schema.h"

namespace keelson::pubsub {

namespace {

using net::grpc::Call;
using stored::SchemaDocument;

// Of one schema: a document holds all of them.
constexpr int kRevisionsMax = 20;
constexpr int kAttemptsMax = 8;

std::string schema_key(std::string_view name) { return document_key(kSchemaDocuments, name); }

// "projects/P/schemas/S@revision": both parts; the revision may be missing.
std::pair<std::string, std::string> split_revision(std::string_view name) {
  const size_t at = name.rfind('@');
  if (at == std::string_view::npos) return {std::string(name), {}};
  return {std::string(name.substr(0, at)), std::string(name.substr(at + 1))};
}

std::string draw_revision(env::Reactor& here) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string revision;
  for (uint64_t bits = here.random().next(); revision.size() < 8; bits >>= 4) revision += kDigits[bits & 15];
  return revision;
}

void show(const pb::Schema& schema, pb::SchemaView view, bool names_revision, pb::Schema& into) {
  into = schema;
  if (view == pb::BASIC) into.clear_definition();
  if (names_revision) into.set_name(schema.name() + "@" + schema.revision_id());
}

const pb::Schema* find_revision(const SchemaDocument& document, std::string_view revision) {
  if (revision.empty()) return &document.revisions(document.revisions_size() - 1);
  for (const pb::Schema& schema : document.revisions()) {
    if (schema.revision_id() == revision) return &schema;
  }
  return nullptr;
}

CallStatus check_definition(const pb::Schema& schema) {
  if (schema.type() != pb::Schema::AVRO && schema.type() != pb::Schema::PROTOCOL_BUFFER) {
    return invalid("The type of the schema must be AVRO or PROTOCOL_BUFFER.");
  }
  const auto error = check_schema_definition(kind_of(schema.type()), schema.definition());
  if (!error) return {};
  return invalid("Invalid schema definition: " + *error);
}

SchemaEncoding encoding_of(pb::Encoding encoding) {
  return encoding == pb::BINARY ? SchemaEncoding::kBinary : SchemaEncoding::kJson;
}

}  // namespace

SchemaKind kind_of(int type) { return type == pb::Schema::AVRO ? SchemaKind::kAvro : SchemaKind::kProtocolBuffer; }

Task<Handlers::DocumentFound<SchemaDocument>> Handlers::find_schema(env::Reactor& here, std::string name) {
  using Result = DocumentFound<SchemaDocument>;
  const auto parsed = parse_name(ResourceKind::kSchema, name);
  if (!parsed) co_return Result{invalid_name("schemas", name)};
  const Found found = co_await service_.resources().find(here, schema_key(name));
  if (found.status.code == Code::kNotFound) co_return Result{not_found(parsed->id)};
  Result result{found.status};
  if (result.status.ok()) result.status = read_document(found.document, result.document);
  if (result.status.ok() && result.document.revisions().empty()) result.status = not_found(parsed->id);
  result.version = found.document.version;
  co_return result;
}

Task<CallStatus> Handlers::SchemaService_CreateSchema(Call& call, const pb::CreateSchemaRequest& from,
                                                      pb::Schema& into) {
  env::Reactor& here = call.reactor();
  const auto project = parse_project(from.parent());
  if (!project) co_return invalid_name("projects", from.parent());
  std::string id = from.schema_id();
  if (id.empty()) id = "schema-" + draw_revision(here);
  const std::string name = format_name(ResourceKind::kSchema, *project, id);
  if (!parse_name(ResourceKind::kSchema, name)) co_return invalid_name("schemas", name);
  if (CallStatus good = check_definition(from.schema()); !good.ok()) co_return good;
  SchemaDocument document;
  pb::Schema& schema = *document.add_revisions();
  schema = from.schema();
  schema.set_name(name);
  schema.set_revision_id(draw_revision(here));
  schema.mutable_revision_create_time()->set_seconds(here.clock().wall_ms() / 1000);
  auto [written, version] = co_await service_.resources().put(here, schema_key(name), document.SerializeAsString(), 0);
  if (written.code == Code::kAlreadyExists) co_return already_exists(id);
  into = schema;
  co_return written;
}

Task<CallStatus> Handlers::SchemaService_GetSchema(Call& call, const pb::GetSchemaRequest& from, pb::Schema& into) {
  const auto [name, revision] = split_revision(from.name());
  auto found = co_await find_schema(call.reactor(), name);
  if (!found.status.ok()) co_return found.status;
  const pb::Schema* const schema = find_revision(found.document, revision);
  if (schema == nullptr) co_return not_found(from.name());
  // Unset: everything, as with Google.
  show(*schema, from.view(), !revision.empty(), into);
  co_return CallStatus{};
}

Task<CallStatus> Handlers::SchemaService_ListSchemas(Call& call, const pb::ListSchemasRequest& from,
                                                     pb::ListSchemasResponse& into) {
  const auto project = parse_project(from.parent());
  if (!project) co_return invalid_name("projects", from.parent());
  PageRequest page = parse_page(from.page_size(), from.page_token());
  if (!page.status.ok()) co_return page.status;
  const std::string prefix = schema_key(format_name(ResourceKind::kSchema, *project, ""));
  const Page found = co_await service_.resources().list(call.reactor(), prefix, page.after, page.count);
  if (!found.status.ok()) co_return found.status;
  for (const topic::Document& document : found.documents) {
    SchemaDocument schema;
    if (CallStatus read = read_document(document, schema); !read.ok()) co_return read;
    // Unset: without definitions.
    const pb::SchemaView view = from.view() == pb::FULL ? pb::FULL : pb::BASIC;
    if (!schema.revisions().empty()) show(*find_revision(schema, ""), view, false, *into.add_schemas());
  }
  if (found.is_truncated) into.set_next_page_token(to_base64_url(found.documents.back().key));
  co_return CallStatus{};
}

Task<CallStatus> Handlers::SchemaService_ListSchemaRevisions(Call& call, const pb::ListSchemaRevisionsRequest& from,
                                                             pb::ListSchemaRevisionsResponse& into) {
  auto found = co_await find_schema(call.reactor(), from.name());
  if (!found.status.ok()) co_return found.status;
  PageRequest page = parse_page(from.page_size(), from.page_token());
  if (!page.status.ok()) co_return page.status;
  // The newest first; a page's token is the last revision that was shown.
  bool is_on = page.after.empty();
  for (int i = found.document.revisions_size() - 1; i >= 0; --i) {
    const pb::Schema& schema = found.document.revisions(i);
    if (is_on && static_cast<uint32_t>(into.schemas_size()) == page.count) {
      into.set_next_page_token(to_base64_url(found.document.revisions(i + 1).revision_id()));
      break;
    }
    const pb::SchemaView view = from.view() == pb::FULL ? pb::FULL : pb::BASIC;
    if (is_on) show(schema, view, true, *into.add_schemas());
    if (schema.revision_id() == page.after) is_on = true;
  }
  co_return CallStatus{};
}

Task<CallStatus> Handlers::SchemaService_CommitSchema(Call& call, const pb::CommitSchemaRequest& from,
                                                      pb::Schema& into) {
  env::Reactor& here = call.reactor();
  if (CallStatus good = check_definition(from.schema()); !good.ok()) co_return good;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    auto found = co_await find_schema(here, from.name());
    if (!found.status.ok()) co_return found.status;
    if (find_revision(found.document, "")->type() != from.schema().type()) {
      co_return invalid("The type of a schema cannot be changed.");
    }
    if (found.document.revisions_size() >= kRevisionsMax) {
      co_return CallStatus{Code::kResourceExhausted,
                           "A schema can have at most " + std::to_string(kRevisionsMax) + " revisions."};
    }
    into = from.schema();
    into.set_name(from.name());
    into.set_revision_id(draw_revision(here));
    into.mutable_revision_create_time()->set_seconds(here.clock().wall_ms() / 1000);
    *found.document.add_revisions() = into;
    auto [written, version] = co_await service_.resources().put(here, schema_key(from.name()),
                                                                found.document.SerializeAsString(), found.version);
    if (written.code == Code::kAborted) continue;
    into.set_name(from.name() + "@" + into.revision_id());
    co_return written;
  }
  co_return CallStatus{Code::kAborted, "The schema is being changed by others; try again."};
}

Task<CallStatus> Handlers::SchemaService_RollbackSchema(Call& call, const pb::RollbackSchemaRequest& from,
                                                        pb::Schema& into) {
  auto found = co_await find_schema(call.reactor(), from.name());
  if (!found.status.ok()) co_return found.status;
  const pb::Schema* const old =
      from.revision_id().empty() ? nullptr : find_revision(found.document, from.revision_id());
  if (old == nullptr) co_return not_found(from.name() + "@" + from.revision_id());
  pb::CommitSchemaRequest commit;
  commit.set_name(from.name());
  *commit.mutable_schema() = *old;
  co_return co_await SchemaService_CommitSchema(call, commit, into);
}

Task<CallStatus> Handlers::SchemaService_DeleteSchemaRevision(Call& call, const pb::DeleteSchemaRevisionRequest& from,
                                                              pb::Schema& into) {
  env::Reactor& here = call.reactor();
  auto [name, revision] = split_revision(from.name());
  if (revision.empty()) revision = from.revision_id();
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    auto found = co_await find_schema(here, name);
    if (!found.status.ok()) co_return found.status;
    auto& revisions = *found.document.mutable_revisions();
    const auto place = std::ranges::find(revisions, revision, &pb::Schema::revision_id);
    if (revision.empty() || place == revisions.end()) co_return not_found(name + "@" + revision);
    if (revisions.size() == 1) co_return invalid("The last revision of a schema cannot be deleted; delete the schema.");
    revisions.erase(place);
    into = *find_revision(found.document, "");
    auto [written, version] =
        co_await service_.resources().put(here, schema_key(name), found.document.SerializeAsString(), found.version);
    if (written.code == Code::kAborted) continue;
    co_return written;
  }
  co_return CallStatus{Code::kAborted, "The schema is being changed by others; try again."};
}

Task<CallStatus> Handlers::SchemaService_DeleteSchema(Call& call, const pb::DeleteSchemaRequest& from,
                                                      pb::Empty& into) {
  auto found = co_await find_schema(call.reactor(), from.name());
  if (!found.status.ok()) co_return found.status;
  co_return co_await service_.resources().remove(call.reactor(), schema_key(from.name()));
}

Task<CallStatus> Handlers::SchemaService_ValidateSchema(Call& call, const pb::ValidateSchemaRequest& from,
                                                        pb::ValidateSchemaResponse& into) {
  if (!parse_project(from.parent())) co_return invalid_name("projects", from.parent());
  co_return check_definition(from.schema());
}

Task<CallStatus> Handlers::SchemaService_ValidateMessage(Call& call, const pb::ValidateMessageRequest& from,
                                                         pb::ValidateMessageResponse& into) {
  if (!parse_project(from.parent())) co_return invalid_name("projects", from.parent());
  if (from.encoding() == pb::ENCODING_UNSPECIFIED) co_return invalid("The encoding must be JSON or BINARY.");
  pb::Schema schema = from.schema();
  if (from.schema_spec_case() == pb::ValidateMessageRequest::kName) {
    const auto [name, revision] = split_revision(from.name());
    auto found = co_await find_schema(call.reactor(), name);
    if (!found.status.ok()) co_return found.status;
    const pb::Schema* const named = find_revision(found.document, revision);
    if (named == nullptr) co_return not_found(from.name());
    schema = *named;
  }
  if (CallStatus good = check_definition(schema); !good.ok()) co_return good;
  const auto error = check_schema_message(kind_of(schema.type()), schema.definition(), encoding_of(from.encoding()),
                                          {&from.message(), 1});
  co_return error ? invalid("Invalid data in message: " + *error) : CallStatus{};
}

// ---- Of topics.

Task<CallStatus> Handlers::check_schema_settings(env::Reactor& here, const pb::SchemaSettings& settings) {
  if (settings.encoding() == pb::ENCODING_UNSPECIFIED)
    co_return invalid("schema_settings.encoding must be JSON or BINARY.");
  auto found = co_await find_schema(here, settings.schema());
  if (!found.status.ok()) co_return found.status;
  for (const std::string* const revision : {&settings.first_revision_id(), &settings.last_revision_id()}) {
    if (find_revision(found.document, *revision) == nullptr) co_return not_found(settings.schema() + "@" + *revision);
  }
  co_return CallStatus{};
}

Task<Handlers::SchemaChecked> Handlers::check_schema(env::Reactor& here, const pb::Topic& topic,
                                                     const pb::PublishRequest& request) {
  const pb::SchemaSettings& settings = topic.schema_settings();
  auto found = co_await find_schema(here, settings.schema());
  if (found.status.code == Code::kNotFound) {
    co_return SchemaChecked{
        failed_precondition("The schema of the topic has been deleted (schema=" + settings.schema() + ").")};
  }
  if (!found.status.ok()) co_return SchemaChecked{found.status};
  std::vector<std::string> messages;
  for (const pb::PubsubMessage& message : request.messages()) messages.push_back(message.data());
  // From the newest to the oldest that the topic allows: one that all of them fit is enough.
  std::optional<std::string> error = "the topic allows no revision of the schema that is there";
  bool is_on = settings.last_revision_id().empty();
  for (int i = found.document.revisions_size() - 1; i >= 0; --i) {
    const pb::Schema& schema = found.document.revisions(i);
    is_on = is_on || schema.revision_id() == settings.last_revision_id();
    if (!is_on) continue;
    error =
        check_schema_message(kind_of(schema.type()), schema.definition(), encoding_of(settings.encoding()), messages);
    if (!error) co_return SchemaChecked{{}, schema.revision_id()};
    if (schema.revision_id() == settings.first_revision_id()) break;
  }
  co_return SchemaChecked{invalid("Invalid data in message: " + *error)};
}

}  // namespace keelson::pubsub
