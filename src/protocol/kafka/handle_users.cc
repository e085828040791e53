// Users of SCRAM: DescribeUserScramCredentials, AlterUserScramCredentials (KIP-554).
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/alter_user_scram_credentials.h"
#include "protocol/kafka/messages/describe_user_scram_credentials.h"
#include "protocol/kafka/scram.h"
#include "protocol/kafka/security.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {
namespace {

// Without SASL users would be of no use, and there is nowhere to keep them.
ErrorCode refusal(Call& call, AclOperation operation) {
  if (call.service().security() == nullptr) return ErrorCode::kSecurityDisabled;
  if (!call.may(operation, ResourceType::kCluster, kClusterName)) return ErrorCode::kClusterAuthorizationFailed;
  return ErrorCode::kNone;
}

DescribeUserScramCredentialsResponse::Result described(const std::string& name, const UserCredentials& credentials) {
  DescribeUserScramCredentialsResponse::Result result;
  result.user = name;
  for (const auto& [mechanism, credential] : credentials) {
    result.credential_infos.push_back(
        {.mechanism = static_cast<int8_t>(mechanism), .iterations = credential.iterations});
  }
  return result;
}

void refuse(DescribeUserScramCredentialsResponse::Result& result, ErrorCode error, std::string why) {
  result.error_code = number(error);
  result.error_message = std::move(why);
}

Task<void> handle_describe_users(Call& call) {
  DescribeUserScramCredentialsRequest request;
  if (!call.decode(request)) co_return;
  DescribeUserScramCredentialsResponse response;
  if (const ErrorCode error = refusal(call, AclOperation::kDescribe); error != ErrorCode::kNone) {
    response.error_code = number(error);
    response.error_message = std::string(error_text(error));
    call.respond(response);
    co_return;
  }
  const auto& users = call.service().security()->state(call.here()).users;
  // None named: everybody.
  if (!request.users || request.users->empty()) {
    for (const auto& [name, credentials] : users) response.results.push_back(described(name, credentials));
    call.respond(response);
    co_return;
  }
  std::map<std::string_view, int> times;
  for (const DescribeUserScramCredentialsRequest::User& user : *request.users) ++times[user.name];
  for (const auto& [name, count] : times) {
    const auto found = users.find(name);
    DescribeUserScramCredentialsResponse::Result& result = response.results.emplace_back();
    if (found != users.end()) result = described(found->first, found->second);
    result.user = std::string(name);
    if (count > 1) {
      result.credential_infos.clear();
      refuse(result, ErrorCode::kDuplicateResource, "The request names this user twice.");
    } else if (found == users.end()) {
      refuse(result, ErrorCode::kResourceNotFound, "There is no such user.");
    }
  }
  call.respond(response);
}

struct Refused {
  ErrorCode error = ErrorCode::kNone;
  std::string why{};
};

Refused check_user(std::string_view name, int8_t mechanism) {
  if (name.empty() || name.size() > kSaslNameBytesMax) {
    return {ErrorCode::kUnacceptableCredential, "A user needs a name of at most 1024 bytes."};
  }
  if (mechanism_name(static_cast<ScramMechanism>(mechanism)).empty()) {
    return {ErrorCode::kUnsupportedSaslMechanism, "The server does not know this mechanism."};
  }
  return {};
}

Refused check(const AlterUserScramCredentialsRequest::Upsertion& asked) {
  if (Refused refused = check_user(asked.name, asked.mechanism); refused.error != ErrorCode::kNone) return refused;
  if (asked.iterations < kScramIterationsMin) {
    return {ErrorCode::kUnacceptableCredential, "There must be at least 4096 iterations."};
  }
  if (asked.iterations > kScramIterationsMax) {
    return {ErrorCode::kUnacceptableCredential, "There may be at most 16384 iterations."};
  }
  if (asked.salt.empty() || asked.salt.size() > kSaslNameBytesMax) {
    return {ErrorCode::kUnacceptableCredential, "A salt of at most 1024 bytes is needed."};
  }
  if (asked.salted_password.size() != hash_bytes(static_cast<ScramMechanism>(asked.mechanism))) {
    return {ErrorCode::kUnacceptableCredential, "The salted password is not as long as the mechanism's hash."};
  }
  return {};
}

// By user, as the answer is: one error fails all that is asked about him, and nothing of it is done.
struct Plan {
  std::map<std::string, Refused, std::less<>> users;
  std::vector<SecurityChange> changes;
};

void look(Plan& plan, const SecurityState& state, const AlterUserScramCredentialsRequest& request) {
  std::set<std::pair<std::string_view, int8_t>> seen;
  const auto note = [&](std::string_view name, int8_t mechanism, Refused refused) {
    if (refused.error == ErrorCode::kNone && !seen.emplace(name, mechanism).second) {
      refused = {ErrorCode::kDuplicateResource, "The request names this user and mechanism twice."};
    }
    Refused& kept = plan.users.try_emplace(std::string(name)).first->second;
    if (kept.error == ErrorCode::kNone) kept = std::move(refused);
  };
  for (const auto& asked : request.deletions) {
    Refused refused = check_user(asked.name, asked.mechanism);
    const auto user = state.users.find(asked.name);
    if (refused.error == ErrorCode::kNone &&
        (user == state.users.end() || !user->second.contains(static_cast<ScramMechanism>(asked.mechanism)))) {
      refused = {ErrorCode::kResourceNotFound, "There is no such credential to delete."};
    }
    note(asked.name, asked.mechanism, std::move(refused));
  }
  for (const auto& asked : request.upsertions) note(asked.name, asked.mechanism, check(asked));
}

void make_changes(Plan& plan, const AlterUserScramCredentialsRequest& request) {
  const auto is_good = [&](std::string_view name) { return plan.users.find(name)->second.error == ErrorCode::kNone; };
  for (const auto& asked : request.deletions) {
    if (!is_good(asked.name)) continue;
    SecurityChange& change = plan.changes.emplace_back();
    change.kind = SecurityChange::Kind::kCredential;
    change.is_removal = true;
    change.user = std::string(asked.name);
    change.credential.mechanism = static_cast<ScramMechanism>(asked.mechanism);
  }
  for (const auto& asked : request.upsertions) {
    if (!is_good(asked.name)) continue;
    SecurityChange& change = plan.changes.emplace_back();
    change.kind = SecurityChange::Kind::kCredential;
    change.user = std::string(asked.name);
    change.credential = credential_of_salted(static_cast<ScramMechanism>(asked.mechanism), asked.salted_password,
                                             std::string(asked.salt), asked.iterations);
  }
}

Task<void> handle_alter_users(Call& call) {
  AlterUserScramCredentialsRequest request;
  if (!call.decode(request)) co_return;
  Plan plan;
  if (const ErrorCode error = refusal(call, AclOperation::kAlter); error != ErrorCode::kNone) {
    const Refused refused{error, std::string(error_text(error))};
    for (const auto& asked : request.deletions) plan.users.emplace(asked.name, refused);
    for (const auto& asked : request.upsertions) plan.users.emplace(asked.name, refused);
  } else {
    look(plan, call.service().security()->state(call.here()), request);
    make_changes(plan, request);
  }
  if (!plan.changes.empty()) {
    std::vector<std::string> names;
    for (const SecurityChange& change : plan.changes) names.push_back(change.user);
    const std::vector<ErrorCode> errors =
        co_await call.service().security()->change(call.here(), std::move(plan.changes));
    for (size_t i = 0; i < errors.size(); ++i) {
      if (errors[i] != ErrorCode::kNone) plan.users[names[i]] = {errors[i], std::string(error_text(errors[i]))};
    }
  }
  AlterUserScramCredentialsResponse response;
  for (auto& [name, refused] : plan.users) {
    AlterUserScramCredentialsResponse::Result& result = response.results.emplace_back();
    result.user = name;
    result.error_code = number(refused.error);
    if (refused.error != ErrorCode::kNone) result.error_message = std::move(refused.why);
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({{ApiKey::kDescribeUserScramCredentials, handle_describe_users},
                                                  {ApiKey::kAlterUserScramCredentials, handle_alter_users}});

}  // namespace

std::span<const HandlerRow> user_handlers() { return kRows; }

}  // namespace keelson::kafka
