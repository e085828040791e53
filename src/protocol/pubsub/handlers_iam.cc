// google.iam.v1.IAMPolicy: policies are kept and given back, and nobody is refused anything by them.
#include <utility>

#include "protocol/pubsub/checks.h"
#include "protocol/pubsub/handlers.h"

namespace keelson::pubsub {

using net::grpc::Call;

Task<CallStatus> Handlers::check_resource(env::Reactor& here, std::string resource) {
  if (parse_name(ResourceKind::kTopic, resource)) co_return (co_await find_topic(here, resource)).status;
  if (parse_name(ResourceKind::kSubscription, resource)) co_return (co_await find_subscription(here, resource)).status;
  if (parse_name(ResourceKind::kSnapshot, resource)) co_return (co_await find_snapshot(here, resource)).status;
  if (parse_name(ResourceKind::kSchema, resource)) co_return (co_await find_schema(here, resource)).status;
  co_return invalid("Invalid resource name (resource=" + resource + ").");
}

Task<CallStatus> Handlers::IAMPolicy_GetIamPolicy(Call& call, const iam::GetIamPolicyRequest& from, iam::Policy& into) {
  env::Reactor& here = call.reactor();
  if (CallStatus there = co_await check_resource(here, from.resource()); !there.ok()) co_return there;
  const Found found = co_await service_.resources().find(here, document_key(kPolicyDocuments, from.resource()));
  if (found.status.code == Code::kNotFound) {
    into.set_version(1);
    into.set_etag("0");
    co_return CallStatus{};
  }
  if (!found.status.ok()) co_return found.status;
  stored::PolicyDocument document;
  CallStatus status = read_document(found.document, document);
  into = document.policy();
  into.set_etag(std::to_string(found.document.version));
  co_return status;
}

Task<CallStatus> Handlers::IAMPolicy_SetIamPolicy(Call& call, const iam::SetIamPolicyRequest& from, iam::Policy& into) {
  env::Reactor& here = call.reactor();
  if (CallStatus there = co_await check_resource(here, from.resource()); !there.ok()) co_return there;
  std::optional<uint64_t> if_version;
  if (!from.policy().etag().empty()) {
    const std::string& etag = from.policy().etag();
    uint64_t version = 0;
    for (const char c : etag) {
      if (c < '0' || c > '9' || etag.size() > 18) co_return invalid("The policy's etag is not one of this server.");
      version = version * 10 + static_cast<uint64_t>(c - '0');
    }
    if_version = version;
  }
  stored::PolicyDocument document;
  *document.mutable_policy() = from.policy();
  if (document.policy().version() == 0) document.mutable_policy()->set_version(1);
  auto [written, version] = co_await service_.resources().put(here, document_key(kPolicyDocuments, from.resource()),
                                                              document.SerializeAsString(), if_version);
  if (written.code == Code::kAlreadyExists || written.code == Code::kAborted) {
    co_return CallStatus{
        Code::kAborted,
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."};
  }
  into = document.policy();
  into.set_etag(std::to_string(version));
  co_return written;
}

Task<CallStatus> Handlers::IAMPolicy_TestIamPermissions(Call& call, const iam::TestIamPermissionsRequest& from,
                                                        iam::TestIamPermissionsResponse& into) {
  if (CallStatus there = co_await check_resource(call.reactor(), from.resource()); !there.ok()) co_return there;
  *into.mutable_permissions() = from.permissions();
  co_return CallStatus{};
}

}  // namespace keelson::pubsub
