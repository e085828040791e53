// Clients' quotas: DescribeClientQuotas, AlterClientQuotas (KIP-546).
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/alter_client_quotas.h"
#include "protocol/kafka/messages/describe_client_quotas.h"
#include "protocol/kafka/quota_table.h"
#include "protocol/kafka/security.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {
namespace {

constexpr std::string_view kUser = "user";
constexpr std::string_view kClientId = "client-id";

struct Refused {
  ErrorCode error = ErrorCode::kNone;
  std::string why{};
};

Refused refusal(Call& call, AclOperation operation) {
  if (call.service().security() == nullptr) {
    return {ErrorCode::kSecurityDisabled, std::string(error_text(ErrorCode::kSecurityDisabled))};
  }
  if (!call.may(operation, ResourceType::kCluster, kClusterName)) {
    return {ErrorCode::kClusterAuthorizationFailed, std::string(error_text(ErrorCode::kClusterAuthorizationFailed))};
  }
  return {};
}

// What a request's filter says; its numbers of `match` are the protocol's.
Refused read_filter(const DescribeClientQuotasRequest& request, QuotaFilter& filter) {
  filter.is_strict = request.strict;
  for (const DescribeClientQuotasRequest::Component& component : request.components) {
    if (component.entity_type != kUser && component.entity_type != kClientId) {
      return {ErrorCode::kUnsupportedVersion, "Quotas are for the entities user and client-id."};
    }
    QuotaFilter::Part& part = component.entity_type == kUser ? filter.user : filter.client_id;
    if (part.match != QuotaFilter::Match::kNotAsked) {
      return {ErrorCode::kInvalidRequest, "The filter asks about the same type of entity twice."};
    }
    if (component.match_type < 0 || component.match_type > 2) {
      return {ErrorCode::kInvalidRequest, "The filter's type of match is not known."};
    }
    if ((component.match_type == 0) != component.match.has_value()) {
      return {ErrorCode::kInvalidRequest, "A filter has a name if, and only if, it is for one."};
    }
    part.match = component.match_type == 0   ? QuotaFilter::Match::kExact
                 : component.match_type == 1 ? QuotaFilter::Match::kDefault
                                             : QuotaFilter::Match::kAnyTold;
    part.name = std::string(component.match.value_or(std::string_view()));
  }
  return {};
}

template <class Entity>
void show(std::vector<Entity>& out, std::string_view type, const QuotaName& name) {
  if (name.kind == QuotaName::Kind::kNone) return;
  Entity& entity = out.emplace_back();
  entity.entity_type = std::string(type);
  if (name.kind == QuotaName::Kind::kNamed) entity.entity_name = name.name;
}

Task<void> handle_describe_quotas(Call& call) {
  DescribeClientQuotasRequest request;
  if (!call.decode(request)) co_return;
  DescribeClientQuotasResponse response;
  QuotaFilter filter;
  Refused refused = refusal(call, AclOperation::kDescribeConfigs);
  if (refused.error == ErrorCode::kNone) refused = read_filter(request, filter);
  if (refused.error != ErrorCode::kNone) {
    response.error_code = number(refused.error);
    response.error_message = std::move(refused.why);
    call.respond(response);
    co_return;
  }
  response.entries.emplace();
  for (const auto& [entity, values] : call.service().security()->state(call.here()).quotas.entries()) {
    if (!filter.matches(entity)) continue;
    DescribeClientQuotasResponse::Entry& entry = response.entries->emplace_back();
    show(entry.entity, kUser, entity.user);
    show(entry.entity, kClientId, entity.client_id);
    for (size_t kind = 0; kind < kQuotaKinds; ++kind) {
      if (values[kind]) entry.values.push_back({.key = std::string(kQuotaKeys[kind]), .value = *values[kind]});
    }
  }
  call.respond(response);
}

Refused read_entity(const AlterClientQuotasRequest::Entry& entry, QuotaEntity& entity) {
  for (const AlterClientQuotasRequest::Entity& part : entry.entity) {
    if (part.entity_type != kUser && part.entity_type != kClientId) {
      return {ErrorCode::kInvalidRequest, "Quotas are for the entities user and client-id."};
    }
    QuotaName& name = part.entity_type == kUser ? entity.user : entity.client_id;
    if (name.kind != QuotaName::Kind::kNone) return {ErrorCode::kInvalidRequest, "The entity is told twice."};
    if (part.entity_name && (part.entity_name->empty() || part.entity_name->size() > kQuotaNameBytesMax)) {
      return {ErrorCode::kInvalidRequest, "An entity's name has 1 to 1024 bytes."};
    }
    name.kind = part.entity_name ? QuotaName::Kind::kNamed : QuotaName::Kind::kDefault;
    name.name = std::string(part.entity_name.value_or(std::string_view()));
  }
  if (entry.entity.empty()) return {ErrorCode::kInvalidRequest, "The entity has no part."};
  return {};
}

Refused read_ops(const AlterClientQuotasRequest::Entry& entry, SecurityChange& change) {
  std::array<bool, kQuotaKinds> seen{};
  for (const AlterClientQuotasRequest::Op& op : entry.ops) {
    const std::optional<QuotaKind> kind = quota_kind(op.key);
    if (!kind) {
      return {ErrorCode::kInvalidRequest,
              "The quotas of this server are producer_byte_rate, consumer_byte_rate and request_percentage."};
    }
    const auto place = static_cast<size_t>(*kind);
    if (seen[place]) return {ErrorCode::kInvalidRequest, "A quota is told twice."};
    seen[place] = true;
    if (op.remove) {
      change.dropped[place] = true;
    } else if (!std::isfinite(op.value) || op.value <= 0) {
      return {ErrorCode::kInvalidRequest, "A quota is above zero."};
    } else {
      change.values[place] = op.value;
    }
  }
  return {};
}

Task<void> handle_alter_quotas(Call& call) {
  AlterClientQuotasRequest request;
  if (!call.decode(request)) co_return;
  AlterClientQuotasResponse response;
  response.entries.resize(request.entries.size());
  std::vector<SecurityChange> changes;
  std::vector<size_t> places;
  std::map<QuotaEntity, size_t> seen;
  const Refused refused_at_all = refusal(call, AclOperation::kAlterConfigs);
  for (size_t i = 0; i < request.entries.size(); ++i) {
    const AlterClientQuotasRequest::Entry& asked = request.entries[i];
    AlterClientQuotasResponse::Entry& out = response.entries[i];
    for (const AlterClientQuotasRequest::Entity& part : asked.entity) {
      AlterClientQuotasResponse::Entity& shown = out.entity.emplace_back();
      shown.entity_type = std::string(part.entity_type);
      if (part.entity_name) shown.entity_name = std::string(*part.entity_name);
    }
    SecurityChange change;
    change.kind = SecurityChange::Kind::kQuota;
    Refused refused = refused_at_all;
    if (refused.error == ErrorCode::kNone) refused = read_entity(asked, change.entity);
    if (refused.error == ErrorCode::kNone) refused = read_ops(asked, change);
    if (refused.error == ErrorCode::kNone && !seen.emplace(change.entity, i).second) {
      refused = {ErrorCode::kInvalidRequest, "The request names this entity twice."};
    }
    if (refused.error != ErrorCode::kNone) {
      out.error_code = number(refused.error);
      out.error_message = std::move(refused.why);
    } else if (!request.validate_only) {
      places.push_back(i);
      changes.push_back(std::move(change));
    }
  }
  if (!changes.empty()) {
    const std::vector<ErrorCode> errors = co_await call.service().security()->change(call.here(), std::move(changes));
    for (size_t i = 0; i < errors.size(); ++i) {
      if (errors[i] == ErrorCode::kNone) continue;
      response.entries[places[i]].error_code = number(errors[i]);
      response.entries[places[i]].error_message = std::string(error_text(errors[i]));
    }
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>(
    {{ApiKey::kDescribeClientQuotas, handle_describe_quotas}, {ApiKey::kAlterClientQuotas, handle_alter_quotas}});

}  // namespace

std::span<const HandlerRow> quota_handlers() { return kRows; }

}  // namespace keelson::kafka
