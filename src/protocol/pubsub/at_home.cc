#include "protocol/pubsub/at_home.h"

namespace keelson::pubsub {

Task<Home::Opened> open_attached(Home& home, std::string name) {
  Home::Opened opened = co_await home.open(std::move(name));
  if (opened.subscription != nullptr && opened.subscription->setup().is_detached) {
    co_return Home::Opened{failed_precondition("Subscription has been detached from its topic.")};
  }
  co_return opened;
}

Task<Checked> check_at(Home& home, std::string name) {
  const Home::Opened opened = co_await open_attached(home, std::move(name));
  if (opened.subscription == nullptr) co_return Checked{opened.status};
  const SubscriptionSetup& setup = opened.subscription->setup();
  co_return Checked{{}, setup.rules, setup.ack_deadline_ms};
}

Task<Subscription::Pulled> pull_at(Home& home, std::string name, size_t count_max, int64_t until_ns) {
  const Home::Opened opened = co_await open_attached(home, std::move(name));
  if (opened.subscription == nullptr) co_return Subscription::Pulled{opened.status};
  co_return co_await opened.subscription->pull(count_max, until_ns);
}

Task<AckedAtHome> acknowledge_at(Home& home, std::string name, std::vector<LeaseId> ids, bool waits) {
  const Home::Opened opened = co_await open_attached(home, std::move(name));
  if (opened.subscription == nullptr) co_return AckedAtHome{opened.status};
  const topics::LeaseRules rules = opened.subscription->setup().rules;
  co_return AckedAtHome{{}, co_await opened.subscription->acknowledge(std::move(ids), waits), rules};
}

Task<ModifiedAtHome> modify_at(Home& home, std::string name, std::vector<LeaseId> ids, std::vector<int32_t> seconds) {
  const Home::Opened opened = co_await open_attached(home, std::move(name));
  if (opened.subscription == nullptr) co_return ModifiedAtHome{opened.status};
  co_return ModifiedAtHome{{}, opened.subscription->modify(ids, seconds), opened.subscription->setup().rules};
}

Task<CallStatus> seek_at(Home& home, std::string name, std::vector<topic::CursorPosition> positions) {
  const Home::Opened opened = co_await open_attached(home, std::move(name));
  if (opened.subscription == nullptr) co_return opened.status;
  co_return co_await opened.subscription->seek(std::move(positions));
}

}  // namespace keelson::pubsub
