// Pulls, acknowledgements and streams.
#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "protocol/pubsub/at_home.h"
#include "protocol/pubsub/checks.h"
#include "protocol/pubsub/handlers.h"
#include "protocol/pubsub/received.h"
#include "protocol/pubsub/setup.h"

namespace keelson::pubsub {

namespace {

using net::grpc::Call;

// How long a Pull waits for a first message; then it is answered without one, as Google does after a while. In slices:
// whether the client is still there is looked at between them.
constexpr int64_t kPullWaitNs = 20'000'000'000;
constexpr int64_t kPullSliceNs = 2'000'000'000;
// return_immediately: a look at the log, no wait.
constexpr int64_t kLookNs = 200'000'000;

struct AckIds {
  std::vector<LeaseId> leases{};
  std::vector<const std::string*> texts{};      // of these
  std::vector<const std::string*> malformed{};  // no ids of ours
};

template <class Texts>
AckIds parse_ack_ids(const Texts& texts) {
  AckIds ids;
  for (const std::string& text : texts) {
    if (auto lease = parse_ack_id(text)) {
      ids.leases.push_back(*lease);
      ids.texts.push_back(&text);
    } else {
      ids.malformed.push_back(&text);
    }
  }
  return ids;
}

CallStatus check_ack_ids(std::string_view subscription, int count) {
  if (!parse_name(ResourceKind::kSubscription, subscription)) return invalid_name("subscriptions", subscription);
  if (count == 0) return invalid("You have passed no ack IDs in the request.");
  if (count > kAckIdsMax) return invalid("At most " + std::to_string(kAckIdsMax) + " ack IDs can be given at a time.");
  return {};
}

AckFailures failures_of(const AckIds& ids, const std::vector<bool>& is_valid, bool is_written) {
  AckFailures failures;
  for (const std::string* const text : ids.malformed) failures.emplace_back(*text, kInvalidAckId);
  for (size_t i = 0; i < ids.texts.size(); ++i) {
    if (!is_valid[i]) {
      failures.emplace_back(*ids.texts[i], kInvalidAckId);
    } else if (!is_written) {
      failures.emplace_back(*ids.texts[i], kTransientFailure);
    }
  }
  return failures;
}

CallStatus check_stream_deadline(int32_t seconds) {
  if (seconds >= kAckDeadlineMinS && seconds <= kAckDeadlineMaxS) return {};
  return invalid("Invalid ack deadline given (stream_ack_deadline_seconds=" + std::to_string(seconds) +
                 "). It must be from 10 to 600 seconds.");
}

CallStatus check_deadline(int32_t seconds) {
  if (seconds >= 0 && seconds <= kAckDeadlineMaxS) return {};
  return invalid("Invalid ack deadline given (ack_deadline_seconds=" + std::to_string(seconds) +
                 "). It must be from 0 to 600 seconds.");
}

}  // namespace

Task<CallStatus> Handlers::Subscriber_Pull(Call& call, const pb::PullRequest& from, pb::PullResponse& into) {
  env::Reactor& here = call.reactor();
  if (!parse_name(ResourceKind::kSubscription, from.subscription())) {
    co_return invalid_name("subscriptions", from.subscription());
  }
  if (from.max_messages() <= 0) {
    co_return invalid("The value for max_messages must be greater than 0 (max_messages=" +
                      std::to_string(from.max_messages()) + ").");
  }
  const size_t count_max = std::min<size_t>(static_cast<size_t>(from.max_messages()), kDeliveryMessagesMax);
  PubsubLocal& there = service_.home_of(from.subscription());
  const int64_t until_ns = here.clock().monotonic_ns() + (from.return_immediately() ? kLookNs : kPullWaitNs);
  while (true) {
    const int64_t now_ns = here.clock().monotonic_ns();
    auto pulled = co_await run_at(
        here, there, pull_at(there.home, from.subscription(), count_max, std::min(until_ns, now_ns + kPullSliceNs)));
    if (!pulled.status.ok()) co_return pulled.status;
    if (call.is_cancelled()) {
      std::vector<LeaseId> ids;
      for (const Grant& grant : pulled.grants) ids.push_back(grant.id);
      service_.give_back(from.subscription(), std::move(ids));
      co_return call.cancellation();
    }
    if (pulled.grants.empty() && here.clock().monotonic_ns() < until_ns) continue;
    for (const Grant& grant : pulled.grants) show_grant(grant, pulled.rules, *into.add_received_messages());
    co_return CallStatus{};
  }
}

Task<CallStatus> Handlers::Subscriber_Acknowledge(Call& call, const pb::AcknowledgeRequest& from, pb::Empty& into) {
  if (CallStatus good = check_ack_ids(from.subscription(), from.ack_ids_size()); !good.ok()) co_return good;
  const AckIds ids = parse_ack_ids(from.ack_ids());
  PubsubLocal& there = service_.home_of(from.subscription());
  const AckedAtHome done =
      co_await run_at(call.reactor(), there, acknowledge_at(there.home, from.subscription(), ids.leases, true));
  if (!done.status.ok()) co_return done.status;
  if (!done.rules.is_exactly_once) {
    if (!ids.malformed.empty()) {
      co_return invalid("You have passed an invalid ack ID to the service (ack_id=" + *ids.malformed[0] + ").");
    }
    co_return status_of(done.acked.written);
  }
  const AckFailures failures = failures_of(ids, done.acked.is_valid, done.acked.written == log::LogErrc::kOk);
  co_return failures.empty() ? CallStatus{} : ack_failure(failures);
}

Task<CallStatus> Handlers::Subscriber_ModifyAckDeadline(Call& call, const pb::ModifyAckDeadlineRequest& from,
                                                        pb::Empty& into) {
  if (CallStatus good = check_ack_ids(from.subscription(), from.ack_ids_size()); !good.ok()) co_return good;
  if (CallStatus good = check_deadline(from.ack_deadline_seconds()); !good.ok()) co_return good;
  const AckIds ids = parse_ack_ids(from.ack_ids());
  PubsubLocal& there = service_.home_of(from.subscription());
  const ModifiedAtHome done = co_await run_at(
      call.reactor(), there, modify_at(there.home, from.subscription(), ids.leases, {from.ack_deadline_seconds()}));
  if (!done.status.ok()) co_return done.status;
  if (!done.rules.is_exactly_once) {
    if (ids.malformed.empty()) co_return CallStatus{};
    co_return invalid("You have passed an invalid ack ID to the service (ack_id=" + *ids.malformed[0] + ").");
  }
  const AckFailures failures = failures_of(ids, done.is_valid, true);
  co_return failures.empty() ? CallStatus{} : ack_failure(failures);
}

// ---- StreamingPull. One coroutine listens to the client; another sends what has gathered.

namespace {

// Answers to the client's own messages that wait to be sent: past it, the client is not listened to.
constexpr size_t kAnswersMax = 64;

class Stream final : public StreamInbox {
 public:
  Stream(PubsubService& service, Call& call, std::string subscription)
      : service_(service),
        call_(call),
        here_(service.local(call.reactor())),
        there_(service.home_of(subscription)),
        subscription_(std::move(subscription)),
        address_{call.reactor().index(), ++here_.last_stream},
        work_(call.reactor()),
        sent_(call.reactor()) {
    here_.streams[address_.stream] = this;
  }
  ~Stream() override { leave(); }

  // No more deliveries; what was not sent goes back.
  void leave() {
    if (here_.streams.erase(address_.stream) == 0) return;
    std::vector<LeaseId> unsent;
    for (const Grant& grant : grants_) unsent.push_back(grant.id);
    grants_.clear();
    there_.reactor.post([&home = there_.home, name = subscription_, address = address_, unsent = std::move(unsent)] {
      Subscription* const subscription = home.find(name);
      if (subscription == nullptr) return;
      subscription->give_back(unsent);
      subscription->close_stream(address);
    });
  }

  void delivered(std::vector<Grant> grants) override {
    std::ranges::move(grants, std::back_inserter(grants_));
    work_.ring();
  }
  void ended(CallStatus why) override { call_.cancel(std::move(why)); }
  void changed(const topics::LeaseRules& rules) override {
    rules_ = rules;
    pb::StreamingPullResponse answer;
    show_properties(answer);
    answers_.push_back(std::move(answer));
    work_.ring();
  }

  Task<CallStatus> open(const pb::StreamingPullRequest& request);
  Task<CallStatus> listen();
  Task<void> send();
  // The sender sends what is there, and ends.
  void finish() {
    is_finishing_ = true;
    work_.ring();
  }

 private:
  Task<CallStatus> take(const pb::StreamingPullRequest& request, bool is_first);
  Task<CallStatus> take_acknowledgements(const pb::StreamingPullRequest& request);
  Task<CallStatus> take_deadlines(const pb::StreamingPullRequest& request);
  Task<void> answer(pb::StreamingPullResponse message);
  void show_properties(pb::StreamingPullResponse& into) const {
    into.mutable_subscription_properties()->set_exactly_once_delivery_enabled(rules_.is_exactly_once);
    into.mutable_subscription_properties()->set_message_ordering_enabled(rules_.is_ordered);
  }
  Task<bool> send_grants();

  PubsubService& service_;
  Call& call_;
  PubsubLocal& here_;
  PubsubLocal& there_;
  const std::string subscription_;
  const StreamAddress address_;
  topics::LeaseRules rules_;
  std::deque<Grant> grants_;
  std::deque<pb::StreamingPullResponse> answers_;
  bool is_finishing_ = false;
  bool is_gone_ = false;
  Bell work_;  // for the sender
  Bell sent_;
};

Task<CallStatus> Stream::open(const pb::StreamingPullRequest& request) {
  if (CallStatus good = check_stream_deadline(request.stream_ack_deadline_seconds()); !good.ok()) co_return good;
  const Checked checked = co_await run_at(call_.reactor(), there_, check_at(there_.home, subscription_));
  if (!checked.status.ok()) co_return checked.status;
  rules_ = checked.rules;
  topics::ConsumerLimits limits;  // none for 0, and for what is negative
  if (request.max_outstanding_messages() > 0) {
    limits.messages_max = static_cast<uint64_t>(request.max_outstanding_messages());
  }
  if (request.max_outstanding_bytes() > 0) limits.bytes_max = static_cast<uint64_t>(request.max_outstanding_bytes());
  pb::StreamingPullResponse first;
  show_properties(first);
  answers_.push_back(std::move(first));
  const int64_t deadline_ms = request.stream_ack_deadline_seconds() * int64_t{1000};
  there_.reactor.post(
      [&home = there_.home, name = subscription_, address = address_, limits, deadline_ms, &service = service_] {
        Subscription* const subscription = home.find(name);
        if (subscription != nullptr) return subscription->open_stream(address, limits, deadline_ms);
        // It was deleted just now.
        service.end(address, not_found(name.substr(name.rfind('/') + 1)));
      });
  co_return co_await take(request, true);
}

Task<void> Stream::answer(pb::StreamingPullResponse message) {
  while (answers_.size() >= kAnswersMax && !is_gone_ && !call_.is_cancelled()) co_await sent_.wait();
  answers_.push_back(std::move(message));
  work_.ring();
}

Task<CallStatus> Stream::take(const pb::StreamingPullRequest& request, bool is_first) {
  if (!is_first) {
    if (!request.subscription().empty() || !request.client_id().empty() || request.max_outstanding_messages() != 0 ||
        request.max_outstanding_bytes() != 0) {
      co_return invalid(
          "subscription, client_id, max_outstanding_messages and max_outstanding_bytes can only be set in the first "
          "request of a stream.");
    }
    if (request.stream_ack_deadline_seconds() != 0) {
      const int32_t seconds = request.stream_ack_deadline_seconds();
      if (CallStatus good = check_stream_deadline(seconds); !good.ok()) co_return good;
      there_.reactor.post([&home = there_.home, name = subscription_, address = address_, seconds] {
        if (Subscription* const at = home.find(name)) at->set_ack_deadline(address, seconds * int64_t{1000});
      });
    }
  }
  if (request.modify_deadline_seconds_size() != request.modify_deadline_ack_ids_size()) {
    co_return invalid("modify_deadline_seconds and modify_deadline_ack_ids must have as many entries as each other.");
  }
  for (const int32_t seconds : request.modify_deadline_seconds()) {
    if (CallStatus good = check_deadline(seconds); !good.ok()) co_return good;
  }
  if (CallStatus done = co_await take_acknowledgements(request); !done.ok()) co_return done;
  if (CallStatus done = co_await take_deadlines(request); !done.ok()) co_return done;
  // The client asks whether anybody is there, and tears the stream down if nothing comes (google-cloud-go#14358).
  const bool is_empty = request.ack_ids().empty() && request.modify_deadline_ack_ids().empty() &&
                        request.stream_ack_deadline_seconds() == 0;
  if (is_empty && !is_first) co_await answer({});
  co_return CallStatus{};
}

Task<CallStatus> Stream::take_acknowledgements(const pb::StreamingPullRequest& request) {
  if (request.ack_ids().empty()) co_return CallStatus{};
  const AckIds ids = parse_ack_ids(request.ack_ids());
  const AckedAtHome done = co_await run_at(
      call_.reactor(), there_, acknowledge_at(there_.home, subscription_, ids.leases, rules_.is_exactly_once));
  if (!done.status.ok()) co_return done.status;
  if (!done.rules.is_exactly_once) co_return CallStatus{};
  pb::StreamingPullResponse message;
  auto& confirmation = *message.mutable_acknowledge_confirmation();
  for (const std::string* const text : ids.malformed) confirmation.add_invalid_ack_ids(*text);
  for (size_t i = 0; i < ids.texts.size(); ++i) {
    if (!done.acked.is_valid[i]) {
      confirmation.add_invalid_ack_ids(*ids.texts[i]);
    } else if (done.acked.written != log::LogErrc::kOk) {
      confirmation.add_temporary_failed_ack_ids(*ids.texts[i]);
    } else {
      confirmation.add_ack_ids(*ids.texts[i]);
    }
  }
  co_await answer(std::move(message));
  co_return CallStatus{};
}

Task<CallStatus> Stream::take_deadlines(const pb::StreamingPullRequest& request) {
  if (request.modify_deadline_ack_ids().empty()) co_return CallStatus{};
  std::vector<LeaseId> leases;
  std::vector<int32_t> seconds;
  std::vector<int> places;
  pb::StreamingPullResponse message;
  auto& confirmation = *message.mutable_modify_ack_deadline_confirmation();
  for (int i = 0; i < request.modify_deadline_ack_ids_size(); ++i) {
    const auto lease = parse_ack_id(request.modify_deadline_ack_ids(i));
    if (!lease) {
      confirmation.add_invalid_ack_ids(request.modify_deadline_ack_ids(i));
      continue;
    }
    leases.push_back(*lease);
    seconds.push_back(request.modify_deadline_seconds(i));
    places.push_back(i);
  }
  const ModifiedAtHome done = co_await run_at(
      call_.reactor(), there_, modify_at(there_.home, subscription_, std::move(leases), std::move(seconds)));
  if (!done.status.ok()) co_return done.status;
  if (!done.rules.is_exactly_once) co_return CallStatus{};
  for (size_t i = 0; i < places.size(); ++i) {
    const std::string& text = request.modify_deadline_ack_ids(places[i]);
    done.is_valid[i] ? confirmation.add_ack_ids(text) : confirmation.add_invalid_ack_ids(text);
  }
  co_await answer(std::move(message));
  co_return CallStatus{};
}

Task<CallStatus> Stream::listen() {
  std::string_view message;
  while (co_await call_.read(message) == net::grpc::Read::kMessage) {
    pb::StreamingPullRequest request;
    if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      co_return invalid("The request is not of its type.");
    }
    if (CallStatus taken = co_await take(request, false); !taken.ok()) co_return taken;
  }
  co_return call_.failure();
}

Task<bool> Stream::send_grants() {
  pb::StreamingPullResponse message;
  size_t bytes = 0;
  std::vector<LeaseId> ids;
  while (!grants_.empty() && (ids.empty() || bytes < kDeliveryBytesMax)) {
    const Grant grant = std::move(grants_.front());
    grants_.pop_front();
    bytes += grant.message->size_bytes();
    ids.push_back(grant.id);
    show_grant(grant, rules_, *message.add_received_messages());
  }
  show_properties(message);
  const bool is_there = co_await call_.send(message.SerializeAsString());
  there_.reactor.post([&home = there_.home, name = subscription_, address = address_, bytes,
                       ids = is_there ? std::vector<LeaseId>() : std::move(ids)] {
    Subscription* const subscription = home.find(name);
    if (subscription == nullptr) return;
    subscription->sent(address, bytes);
    subscription->give_back(ids);
  });
  co_return is_there;
}

Task<void> Stream::send() {
  while (!is_gone_) {
    if (!answers_.empty()) {
      const pb::StreamingPullResponse message = std::move(answers_.front());
      answers_.pop_front();
      is_gone_ = !co_await call_.send(message.SerializeAsString());
      sent_.ring();
    } else if (is_finishing_) {
      co_return;
    } else if (!grants_.empty()) {
      is_gone_ = !co_await send_grants();
    } else {
      co_await work_.wait();
    }
  }
  sent_.ring();
}

}  // namespace

Task<CallStatus> Handlers::Subscriber_StreamingPull(Call& call) {
  std::string_view message;
  if (const auto got = co_await call.read(message); got != net::grpc::Read::kMessage) {
    co_return got == net::grpc::Read::kEnd ? invalid("The stream has no first request.") : call.failure();
  }
  pb::StreamingPullRequest request;
  if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    co_return invalid("The request is not of its type.");
  }
  if (!parse_name(ResourceKind::kSubscription, request.subscription())) {
    co_return invalid_name("subscriptions", request.subscription());
  }
  Stream stream(service_, call, request.subscription());
  env::TaskScope sender(call.reactor());
  CallStatus status = co_await stream.open(request);
  if (!status.ok()) co_return status;
  sender.spawn(stream.send());
  status = co_await stream.listen();
  stream.leave();
  stream.finish();
  co_await sender.join();
  co_return status;
}

}  // namespace keelson::pubsub
