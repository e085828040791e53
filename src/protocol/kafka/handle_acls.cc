// Access lists: DescribeAcls, CreateAcls, DeleteAcls (KIP-140, KIP-290).
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "protocol/kafka/acl.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/create_acls.h"
#include "protocol/kafka/messages/delete_acls.h"
#include "protocol/kafka/messages/describe_acls.h"
#include "protocol/kafka/security.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {
namespace {

// Why this client may not do this to access lists at all; kNone.
ErrorCode refusal(Call& call, AclOperation operation) {
  const Security* security = call.service().security();
  if (security == nullptr || !security->options().has_acls) return ErrorCode::kSecurityDisabled;
  if (!call.may(operation, ResourceType::kCluster, kClusterName)) return ErrorCode::kClusterAuthorizationFailed;
  return ErrorCode::kNone;
}

std::optional<std::string> owned(const std::optional<std::string_view>& text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

template <class Asked>
AclFilter filter_of(const Asked& asked) {
  return {.type = static_cast<ResourceType>(asked.resource_type_filter),
          .pattern = static_cast<PatternType>(asked.pattern_type_filter),
          .name = owned(asked.resource_name_filter),
          .principal = owned(asked.principal_filter),
          .host = owned(asked.host_filter),
          .operation = static_cast<AclOperation>(asked.operation),
          .permission = static_cast<AclPermission>(asked.permission_type)};
}

std::vector<AclBinding> matching(Call& call, const AclFilter& filter) {
  std::vector<AclBinding> found;
  call.service().security()->state(call.here()).acls.for_each([&](const AclBinding& binding) {
    if (filter.matches(binding)) found.push_back(binding);
  });
  return found;
}

Task<void> handle_describe_acls(Call& call) {
  DescribeAclsRequest request;
  if (!call.decode(request)) co_return;
  DescribeAclsResponse response;
  const AclFilter filter = filter_of(request);
  const std::string why = why_invalid(filter);
  if (const ErrorCode error = refusal(call, AclOperation::kDescribe); error != ErrorCode::kNone) {
    response.error_code = number(error);
    response.error_message = std::string(error_text(error));
  } else if (!why.empty()) {
    response.error_code = number(ErrorCode::kInvalidRequest);
    response.error_message = why;
  } else {
    // for_each() brings those of a resource together.
    for (AclBinding& binding : matching(call, filter)) {
      const bool is_another = response.resources.empty() || response.resources.back().resource_name != binding.name ||
                              response.resources.back().resource_type != static_cast<int8_t>(binding.type) ||
                              response.resources.back().pattern_type != static_cast<int8_t>(binding.pattern);
      if (is_another) {
        response.resources.push_back({.resource_type = static_cast<int8_t>(binding.type),
                                      .resource_name = std::move(binding.name),
                                      .pattern_type = static_cast<int8_t>(binding.pattern)});
      }
      response.resources.back().acls.push_back({.principal = std::move(binding.principal),
                                                .host = std::move(binding.host),
                                                .operation = static_cast<int8_t>(binding.operation),
                                                .permission_type = static_cast<int8_t>(binding.permission)});
    }
  }
  call.respond(response);
}

Task<void> handle_create_acls(Call& call) {
  CreateAclsRequest request;
  if (!call.decode(request)) co_return;
  CreateAclsResponse response;
  response.results.resize(request.creations.size());
  const ErrorCode refused = refusal(call, AclOperation::kAlter);
  std::vector<SecurityChange> changes;
  std::vector<size_t> places;
  for (size_t i = 0; i < request.creations.size(); ++i) {
    const CreateAclsRequest::Creation& asked = request.creations[i];
    SecurityChange change;
    change.acl = {.type = static_cast<ResourceType>(asked.resource_type),
                  .pattern = static_cast<PatternType>(asked.resource_pattern_type),
                  .name = std::string(asked.resource_name),
                  .principal = std::string(asked.principal),
                  .host = std::string(asked.host),
                  .operation = static_cast<AclOperation>(asked.operation),
                  .permission = static_cast<AclPermission>(asked.permission_type)};
    CreateAclsResponse::Result& result = response.results[i];
    if (refused != ErrorCode::kNone) {
      result = {.error_code = number(refused), .error_message = std::string(error_text(refused))};
    } else if (std::string why = why_invalid(change.acl); !why.empty()) {
      result = {.error_code = number(ErrorCode::kInvalidRequest), .error_message = std::move(why)};
    } else {
      places.push_back(i);
      changes.push_back(std::move(change));
    }
  }
  if (!changes.empty()) {
    const std::vector<ErrorCode> errors = co_await call.service().security()->change(call.here(), std::move(changes));
    for (size_t i = 0; i < errors.size(); ++i) {
      if (errors[i] == ErrorCode::kNone) continue;
      response.results[places[i]] = {.error_code = number(errors[i]),
                                     .error_message = std::string(error_text(errors[i]))};
    }
  }
  call.respond(response);
}

DeleteAclsResponse::MatchingAcl shown(const AclBinding& binding) {
  return {.error_code = 0,
          .error_message = std::nullopt,
          .resource_type = static_cast<int8_t>(binding.type),
          .resource_name = binding.name,
          .pattern_type = static_cast<int8_t>(binding.pattern),
          .principal = binding.principal,
          .host = binding.host,
          .operation = static_cast<int8_t>(binding.operation),
          .permission_type = static_cast<int8_t>(binding.permission)};
}

Task<void> handle_delete_acls(Call& call) {
  DeleteAclsRequest request;
  if (!call.decode(request)) co_return;
  DeleteAclsResponse response;
  response.filter_results.resize(request.filters.size());
  const ErrorCode refused = refusal(call, AclOperation::kAlter);
  // One that several filters match is removed once, and all of them tell what became of it.
  std::map<AclBinding, size_t> places;
  std::vector<SecurityChange> changes;
  std::vector<std::vector<size_t>> by_filter(request.filters.size());
  for (size_t i = 0; i < request.filters.size(); ++i) {
    DeleteAclsResponse::FilterResult& result = response.filter_results[i];
    const AclFilter filter = filter_of(request.filters[i]);
    if (refused != ErrorCode::kNone) {
      result.error_code = number(refused);
      result.error_message = std::string(error_text(refused));
    } else if (std::string why = why_invalid(filter); !why.empty()) {
      result.error_code = number(ErrorCode::kInvalidRequest);
      result.error_message = std::move(why);
    } else {
      for (AclBinding& binding : matching(call, filter)) {
        const auto [place, is_new] = places.try_emplace(binding, changes.size());
        if (is_new) {
          SecurityChange change;
          change.is_removal = true;
          change.acl = std::move(binding);
          changes.push_back(std::move(change));
        }
        by_filter[i].push_back(place->second);
      }
    }
  }
  const std::vector<SecurityChange> asked = changes;
  std::vector<ErrorCode> errors;
  if (!changes.empty()) errors = co_await call.service().security()->change(call.here(), std::move(changes));
  for (size_t i = 0; i < by_filter.size(); ++i) {
    for (const size_t place : by_filter[i]) {
      DeleteAclsResponse::MatchingAcl& acl =
          response.filter_results[i].matching_acls.emplace_back(shown(asked[place].acl));
      if (errors[place] == ErrorCode::kNone) continue;
      acl.error_code = number(errors[place]);
      acl.error_message = std::string(error_text(errors[place]));
    }
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({{ApiKey::kDescribeAcls, handle_describe_acls},
                                                  {ApiKey::kCreateAcls, handle_create_acls},
                                                  {ApiKey::kDeleteAcls, handle_delete_acls}});

}  // namespace

std::span<const HandlerRow> acl_handlers() { return kRows; }

}  // namespace keelson::kafka
