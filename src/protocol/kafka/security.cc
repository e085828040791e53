#include "protocol/kafka/security.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <utility>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/base64.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/logging.h"
#include "env/env.h"
#include "env/hand_off.h"
#include "env/workers.h"
#include "net/keyed_hash.h"
#include "protocol/kafka/session.h"
#include "shard/call_on.h"

namespace keelson::kafka {
namespace {

constexpr std::string_view kAclPrefix = "kafka/acl/";
constexpr std::string_view kScramPrefix = "kafka/scram/";
constexpr std::string_view kQuotaPrefix = "kafka/quota/";
constexpr std::string_view kAllPrefix = "kafka/";
constexpr std::string_view kUserPrefix = "User:";
constexpr uint32_t kDocumentsAtOnce = 1000;
// Meters that a reactor knows and reactor 0 keeps; past it, those that nobody has charged lately begin anew.
constexpr size_t kMetersMax = 50'000;
constexpr size_t kNonceBytes = 24;
constexpr size_t kSecretBytes = 32;
// All logins of a reactor that wait for a worker look for one once in this, about, which is less than a hash takes; and
// each at least once in the other.
constexpr int64_t kWorkerLookNs = 1'000'000;
constexpr int64_t kWorkerLookNsMax = 1'000'000'000;
// In a cluster: how often it is looked whether the documents have changed, and how often a change whose document
// somebody else has changed meanwhile is tried.
constexpr int64_t kFollowEveryNs = 50'000'000;
constexpr int kTriesMax = 10;
constexpr unsigned kFailuresTold = 20;

using StatePointer = std::shared_ptr<const SecurityState>;
using MeterPointer = std::shared_ptr<const QuotaMeter>;
using Meters = boost::unordered_flat_map<std::string, MeterPointer>;

std::string user_key(std::string_view user, ScramMechanism mechanism) {
  return std::string(kScramPrefix) + std::to_string(static_cast<int>(mechanism)) + "/" + std::string(user);
}

std::string key_of(const SecurityChange& change) {
  switch (change.kind) {
    case SecurityChange::Kind::kAcl:
      return std::string(kAclPrefix) + binding_text(change.acl);
    case SecurityChange::Kind::kCredential:
      return user_key(change.user, change.credential.mechanism);
    case SecurityChange::Kind::kQuota:
      return std::string(kQuotaPrefix) + quota_entity_text(change.entity);
  }
  return {};
}

std::string value_of(const SecurityChange& change) {
  switch (change.kind) {
    case SecurityChange::Kind::kAcl:
      return {};
    case SecurityChange::Kind::kCredential:
      return credential_text(change.credential);
    case SecurityChange::Kind::kQuota:
      return quota_values_text(change.values);
  }
  return {};
}

void apply(const SecurityChange& change, SecurityState& state) {
  switch (change.kind) {
    case SecurityChange::Kind::kAcl:
      change.is_removal ? state.acls.remove(change.acl) : state.acls.add(change.acl);
      break;
    case SecurityChange::Kind::kCredential:
      if (!change.is_removal) {
        state.users[change.user][change.credential.mechanism] = change.credential;
      } else if (const auto found = state.users.find(change.user); found != state.users.end()) {
        found->second.erase(change.credential.mechanism);
        if (found->second.empty()) state.users.erase(found);
      }
      break;
    case SecurityChange::Kind::kQuota:
      state.quotas.set(change.entity, change.is_removal ? QuotaValues{} : change.values);
      break;
  }
}

// What is left of an entity's quotas after the change: all of them, or its removal.
void merge_quotas(SecurityChange& change, QuotaValues merged) {
  for (size_t kind = 0; kind < kQuotaKinds; ++kind) {
    if (change.values[kind]) merged[kind] = change.values[kind];
    if (change.dropped[kind]) merged[kind].reset();
  }
  change.values = merged;
  change.is_removal = merged == QuotaValues{};
}

bool is_full(const SecurityChange& change, const SecurityState& state) {
  if (change.is_removal) return false;
  switch (change.kind) {
    case SecurityChange::Kind::kAcl:
      return state.acls.size() >= kAclBindingsMax;
    case SecurityChange::Kind::kCredential:
      return state.users.size() >= kScramUsersMax && !state.users.contains(change.user);
    case SecurityChange::Kind::kQuota:
      return state.quotas.entries().size() >= kQuotaEntitiesMax && !state.quotas.entries().contains(change.entity);
  }
  return false;
}

// What a document says, as the change that made it.
std::optional<SecurityChange> read_document(const topic::Document& document) {
  std::string_view key = document.key;
  SecurityChange change;
  if (key.starts_with(kAclPrefix)) {
    const std::optional<AclBinding> acl = read_binding(key.substr(kAclPrefix.size()));
    if (!acl) return std::nullopt;
    change.acl = *acl;
  } else if (key.starts_with(kQuotaPrefix)) {
    const std::optional<QuotaEntity> entity = read_quota_entity(key.substr(kQuotaPrefix.size()));
    const std::optional<QuotaValues> values = read_quota_values(document.value);
    if (!entity || !values) return std::nullopt;
    change.kind = SecurityChange::Kind::kQuota;
    change.entity = *entity;
    change.values = *values;
  } else if (key.starts_with(kScramPrefix)) {
    const std::optional<ScramCredential> credential = read_credential(document.value);
    if (!credential) return std::nullopt;
    change.kind = SecurityChange::Kind::kCredential;
    change.credential = *credential;
    change.user = std::string(key.substr(std::min(key.size(), user_key("", credential->mechanism).size())));
    if (change.user.empty() || key != user_key(change.user, credential->mechanism)) return std::nullopt;
  } else {
    return std::nullopt;
  }
  return change;
}

}  // namespace

struct Security::Inside {
  struct Asked {
    std::vector<SecurityChange> changes;
    std::move_only_function<void(std::vector<ErrorCode>)> deliver;
  };
  // Of one reactor.
  struct Part {
    StatePointer state = std::make_shared<const SecurityState>();
    Meters meters;
    int64_t logins_waiting = 0;  // for a worker
  };

  Inside(topics::Topics& of, size_t reactor_count) : topics(of), home(of.runtime().reactor(0)), parts(reactor_count) {
    for (std::unique_ptr<Part>& part : parts) part = std::make_unique<Part>();
  }

  enum class Reading : uint8_t { kConfirmed, kAsKnownHere };

  [[nodiscard]] shard::ShardId shard_of(std::string_view key) const {
    return topics.is_clustered() ? topics.shard_at(0) : topics.shard_of_name(key);
  }
  Task<Status> load(SecurityState& state, Reading reading);
  Task<Status> load_shard(shard::ShardId shard, Reading reading, SecurityState& state);
  Task<void> follow();
  Task<void> read_again();
  Task<void> work();
  void work_soon() {
    if (!is_working) tasks->spawn(work());
  }
  Task<topics::Asked> write(SecurityChange& change, const SecurityState& state);
  Task<topics::Asked> write_quotas(SecurityChange& change);
  Task<std::vector<ErrorCode>> make(const std::vector<SecurityChange>& changes);
  Task<void> publish(StatePointer state);
  MeterPointer find_meter(Part& part, env::Reactor& here, const std::string& name);

  topics::Topics& topics;
  env::Reactor& home;
  std::vector<std::unique_ptr<Part>> parts;
  std::string secret;                                         // of this process; constant once made
  std::map<std::string, UserCredentials, std::less<>> fixed;  // of options.passwords; constant
  // Reactor 0's.
  std::deque<Asked> asked;
  Meters meters;
  size_t meters_max = kMetersMax;
  bool is_working = false;
  bool is_stopping = false;
  bool is_reading_wanted = false;
  unsigned failures = 0;              // to read, one after another
  std::atomic<bool> is_known{false};  // any thread
  std::unique_ptr<env::TaskScope> tasks;
};

Security::Security(topics::Topics& topics, SecurityOptions options) : options_(std::move(options)) {
  const unsigned reactors = topics.runtime().env().reactor_count();
  inside_ = std::make_unique<Inside>(topics, reactors);
  inside_->tasks = std::make_unique<env::TaskScope>(inside_->home);
  inside_->secret.resize(kSecretBytes);
  inside_->home.random().fill_secret(inside_->secret);
  for (const auto& [user, password] : options_.passwords) {
    for (const ScramMechanism mechanism : {ScramMechanism::kSha256, ScramMechanism::kSha512}) {
      if (!has_mechanism(mechanism_name(mechanism))) continue;
      std::string salt(kScramSaltBytes, '\0');
      inside_->home.random().fill_secret(salt);
      inside_->fixed[user][mechanism] = make_credential(mechanism, password, std::move(salt), kScramIterationsDefault);
    }
  }
}

Security::~Security() = default;

Task<Status> Security::start() {
  Inside& in = *inside_;
  if (in.topics.is_clustered()) {
    in.tasks->spawn(in.follow());
    co_return Status();
  }
  SecurityState state;
  Status loaded = co_await in.load(state, Inside::Reading::kConfirmed);
  if (!loaded.ok()) co_return forward_error(loaded);
  co_await in.publish(std::make_shared<const SecurityState>(std::move(state)));
  co_return Status();
}

bool Security::is_known() const {
  const bool is_needed = options_.has_acls || !options_.mechanisms.empty();
  return !is_needed || inside_->is_known.load(std::memory_order_acquire);
}

Task<void> Security::stop() {
  Inside& in = *inside_;
  in.is_stopping = true;
  co_await in.tasks->join();
  // What reactors have posted to this one, and it to them, has run when they have been asked twice.
  for (int round = 0; round < 2; ++round) {
    for (unsigned i = 0; i < in.parts.size(); ++i)
      co_await shard::call_on(in.home, in.topics.runtime().reactor(i), [] {});
  }
}

bool Security::has_mechanism(std::string_view name) const {
  return std::ranges::find(options_.mechanisms, name) != options_.mechanisms.end();
}

const SecurityState& Security::state(env::Reactor& here) const { return *inside_->parts[here.index()]->state; }

// ---- Changing.

Task<Status> Security::Inside::load(SecurityState& state, Reading reading) {
  const uint16_t count = topics.is_clustered() ? uint16_t{1} : topics.router().shard_count();
  for (uint16_t shard = 0; shard < count; ++shard) {
    if (Status loaded = co_await load_shard(topics.shard_at(shard), reading, state); !loaded.ok()) {
      co_return forward_error(loaded);
    }
  }
  co_return Status();
}

Task<Status> Security::Inside::load_shard(shard::ShardId shard, Reading reading, SecurityState& state) {
  topic::FindDocuments wanted{.prefix = std::string(kAllPrefix), .after = {}, .count_max = kDocumentsAtOnce};
  for (bool is_more = true; is_more;) {
    topics::Asked found = reading == Reading::kConfirmed ? co_await topics.ask(home, shard, wanted)
                                                         : co_await topics.ask_stale(home, shard, wanted);
    if (!found.ok()) {
      co_return fail(log::make_error_code(found.outcome), "kafka: the documents of access cannot be read");
    }
    for (const topic::Document& document : found.answer.documents) {
      const std::optional<SecurityChange> change = read_document(document);
      if (!change) {
        co_return fail(log::make_error_code(log::LogErrc::kDamaged),
                       "kafka: the document " + document.key + " of access is malformed");
      }
      apply(*change, state);
      wanted.after = document.key;
    }
    is_more = found.answer.is_truncated && !found.answer.documents.empty();
  }
  co_return Status();
}

// ---- In a cluster: what others change.

Task<void> Security::Inside::follow() {
  uint64_t seen = 0;
  while (!is_stopping) {
    const uint64_t now = topics.documents_version();
    if (now != seen || !is_known.load(std::memory_order_relaxed)) {
      seen = now;
      is_reading_wanted = true;
    }
    if (is_reading_wanted) work_soon();
    co_await env::sleep_for(home, kFollowEveryNs);
  }
}

Task<void> Security::Inside::read_again() {
  const bool was_known = is_known.load(std::memory_order_relaxed);
  is_reading_wanted = false;
  SecurityState state;
  // The first time the replica here may be far behind.
  const Status loaded = co_await load(state, was_known ? Reading::kAsKnownHere : Reading::kConfirmed);
  if (loaded.ok()) {
    failures = 0;
    co_await publish(std::make_shared<const SecurityState>(std::move(state)));
    co_return;
  }
  is_reading_wanted = !is_stopping;
  // A node that comes up knows no leader at first.
  if (++failures != kFailuresTold) co_return;
  log_warn("kafka", was_known ? "who may do what cannot be read anew" : "who may do what is not known yet",
           {{"why", loaded.error().message()}});
}

Task<std::vector<ErrorCode>> Security::change(env::Reactor& here, std::vector<SecurityChange> changes) {
  env::HandOff<std::vector<ErrorCode>> result(here);
  Inside::Asked asked{std::move(changes), result.deliverer()};
  inside_->home.post([in = inside_.get(), asked = std::move(asked)]() mutable {
    if (in->is_stopping) {
      asked.deliver(std::vector<ErrorCode>(asked.changes.size(), ErrorCode::kCoordinatorNotAvailable));
      return;
    }
    in->asked.push_back(std::move(asked));
    in->work_soon();
  });
  co_return co_await result;
}

Task<void> Security::Inside::work() {
  is_working = true;
  while (!asked.empty()) {
    Asked next = std::move(asked.front());
    asked.pop_front();
    std::vector<ErrorCode> errors = co_await make(next.changes);
    next.deliver(std::move(errors));
  }
  if (is_reading_wanted && !is_stopping) co_await read_again();
  is_working = false;
  if (!asked.empty()) work_soon();
}

// An entity's quotas are one document: changes of single values by several nodes at once lose nothing.
Task<topics::Asked> Security::Inside::write_quotas(SecurityChange& change) {
  const std::string key = key_of(change);
  const shard::ShardId shard = shard_of(key);
  const SecurityChange wanted = change;
  topics::Asked done;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    done = co_await topics.ask(home, shard, topic::FindDocuments{.prefix = key, .after = {}, .count_max = 1});
    if (!done.ok()) co_return done;
    const topic::Document* present = done.answer.documents.empty() ? nullptr : &done.answer.documents.front();
    if (present != nullptr && present->key != key) present = nullptr;
    const uint64_t version = present == nullptr ? 0 : present->version;
    change = wanted;
    merge_quotas(change,
                 present == nullptr ? QuotaValues{} : read_quota_values(present->value).value_or(QuotaValues{}));
    if (change.is_removal && version == 0) co_return topics::Asked{};
    done = change.is_removal
               ? co_await topics.ask(home, shard, topic::DeleteDocument{.key = key, .if_version = version})
               : co_await topics.ask(home, shard,
                                     topic::PutDocument{.key = key, .value = value_of(change), .if_version = version});
    const bool is_overtaken =
        done.outcome == log::LogErrc::kOk && (done.answer.error == topic::TopicErrc::kDocumentChanged ||
                                              done.answer.error == topic::TopicErrc::kNoSuchDocument);
    if (!is_overtaken) co_return done;
  }
  co_return done;
}

// Others are whole documents: the last one to write has said what holds.
Task<topics::Asked> Security::Inside::write(SecurityChange& change, const SecurityState& state) {
  if (change.kind == SecurityChange::Kind::kQuota) {
    if (topics.is_clustered()) co_return co_await write_quotas(change);
    const auto found = state.quotas.entries().find(change.entity);
    merge_quotas(change, found == state.quotas.entries().end() ? QuotaValues{} : found->second);
  }
  const std::string key = key_of(change);
  const shard::ShardId shard = shard_of(key);
  topics::Asked done =
      change.is_removal ? co_await topics.ask(home, shard, topic::DeleteDocument{.key = key, .if_version = {}})
                        : co_await topics.ask(
                              home, shard, topic::PutDocument{.key = key, .value = value_of(change), .if_version = {}});
  const bool was_gone = change.is_removal && done.answer.error == topic::TopicErrc::kNoSuchDocument;
  if (was_gone) done.answer.error = topic::TopicErrc::kOk;
  co_return done;
}

Task<std::vector<ErrorCode>> Security::Inside::make(const std::vector<SecurityChange>& changes) {
  std::vector<ErrorCode> errors(changes.size(), ErrorCode::kNone);
  SecurityState state = *parts[home.index()]->state;
  for (size_t i = 0; i < changes.size(); ++i) {
    SecurityChange change = changes[i];
    if (is_full(change, state)) {
      errors[i] = ErrorCode::kPolicyViolation;
      continue;
    }
    const topics::Asked done = co_await write(change, state);
    if (!done.ok()) {
      errors[i] = error_of(done);
      continue;
    }
    apply(change, state);
  }
  if (!topics.is_clustered()) {
    co_await publish(std::make_shared<const SecurityState>(std::move(state)));
    co_return errors;
  }
  // With what others have changed. It stands in the replica here, since that has answered.
  is_reading_wanted = true;
  co_await read_again();
  co_return errors;
}

Task<void> Security::Inside::publish(StatePointer state) {
  for (unsigned i = 0; i < parts.size(); ++i) {
    co_await shard::call_on(home, topics.runtime().reactor(i), [&] { parts[i]->state = state; });
  }
  is_known.store(true, std::memory_order_release);
}

// ---- Logging in.

ScramCredential Security::credential_of(env::Reactor& here, std::string_view user, ScramMechanism mechanism) const {
  const SecurityState& now = state(here);
  const Inside& in = *inside_;
  for (const auto* users : {&in.fixed, &now.users}) {
    const auto found = users->find(user);
    if (found == users->end()) continue;
    const auto credential = found->second.find(mechanism);
    if (credential != found->second.end()) return credential->second;
  }
  return credential_of_nobody(mechanism, user, inside_->secret);
}

Task<bool> Security::is_password(env::Reactor& here, std::string user, std::string password) {
  if (const auto fixed = options_.passwords.find(user); fixed != options_.passwords.end()) {
    // Of hashes, so that the length does not show either.
    co_return net::equal_in_constant_time(net::keyed_hash(inside_->secret, fixed->second),
                                          net::keyed_hash(inside_->secret, password));
  }
  const SecurityState& now = state(here);
  const auto found = now.users.find(user);
  ScramCredential credential = found != now.users.end()
                                   ? found->second.begin()->second
                                   : credential_of_nobody(ScramMechanism::kSha256, user, inside_->secret);
  env::HandOff<bool> result(here);
  env::Callback job = [credential = std::move(credential), password = std::move(password),
                       deliver = result.deliverer()]() mutable { deliver(kafka::is_password(credential, password)); };
  // By chance, so that those that came together do not look together, and the more rarely the more there are: whoever
  // may connect may try to log in, and the reactor is to have time for others.
  int64_t& waiting = inside_->parts[here.index()]->logins_waiting;
  ++waiting;
  while (!inside_->topics.runtime().env().workers().try_run(job)) {
    const auto look_ns = static_cast<uint64_t>(std::min(2 * waiting * kWorkerLookNs, kWorkerLookNsMax));
    co_await env::sleep_for(here, 1 + static_cast<int64_t>(here.random().next() % look_ns));
  }
  --waiting;
  co_return co_await result;
}

std::string Security::draw_nonce(env::Reactor& here) {
  std::array<char, kNonceBytes> bytes{};
  here.random().fill_secret(bytes);
  return to_base64({bytes.data(), bytes.size()});
}

// ---- Access and quotas.

bool Security::may(const Session& session, AclOperation operation, ResourceType type, std::string_view name) const {
  if (!options_.has_acls) return true;
  const std::string& who = session.identity().principal;
  if (options_.super_users.contains(who)) return true;
  if (!is_known()) return false;
  const AclSet& acls = state(session.reactor()).acls;
  const std::string& host = session.remote().host;
  if (acls.allows(who, host, operation, type, name, options_.allow_if_no_acl)) return true;
  // KIP-679: who may write to any topic may do so idempotently.
  return operation == AclOperation::kIdempotentWrite && type == ResourceType::kCluster &&
         acls.allows_any(who, host, AclOperation::kWrite, ResourceType::kTopic);
}

MeterPointer Security::Inside::find_meter(Part& part, env::Reactor& here, const std::string& name) {
  if (const auto found = part.meters.find(name); found != part.meters.end()) return found->second;
  if (part.meters.size() >= kMetersMax) part.meters.clear();
  // A meter is shared by all reactors. Until reactor 0 has said which it is, this reactor counts on one of its own.
  MeterPointer mine = std::make_shared<const QuotaMeter>();
  part.meters.emplace(name, mine);
  home.post([this, &part, &here, name, mine] {
    if (meters.size() >= meters_max) {
      boost::unordered::erase_if(meters, [](const auto& entry) { return entry.second.use_count() == 1; });
      // Reactors hold the others. Not looked through again before as many have come.
      meters_max = std::max(kMetersMax, 2 * meters.size());
    }
    MeterPointer shared = meters.try_emplace(name, mine).first->second;
    if (shared == mine) return;
    here.post([&part, name, shared = std::move(shared)] {
      if (const auto found = part.meters.find(name); found != part.meters.end()) found->second = shared;
    });
  });
  return mine;
}

bool Security::counts_time(const Session& session) const {
  return state(session.reactor()).quotas.has(QuotaKind::kRequestTime);
}

int32_t Security::charge(Session& session, std::string_view client_id, QuotaKind kind, uint64_t amount) {
  env::Reactor& here = session.reactor();
  Inside::Part& part = *inside_->parts[here.index()];
  const QuotaTable& quotas = part.state->quotas;
  if (quotas.empty() || amount == 0) return 0;
  std::string_view user = session.identity().principal;
  if (user.starts_with(kUserPrefix)) user.remove_prefix(kUserPrefix.size());
  const std::optional<QuotaMatch> match = quotas.find(user, client_id, kind);
  if (!match) return 0;
  return inside_->find_meter(part, here, match->meter)->charge(here.clock().monotonic_ns(), match->rate, amount);
}

}  // namespace keelson::kafka
