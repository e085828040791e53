#include "peer/mesh.h"

#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "env/disk.h"
#include "env/hand_off.h"

namespace keelson::peer {

namespace {

// After accept() has failed (no descriptors are left, say) the listener rests for this long.
constexpr int64_t kAcceptRetryNs = 100'000'000;

}  // namespace

Mesh::Mesh(env::Env& env, Options options)
    : env_(env), home_(env.reactor(0)), options_(std::move(options)), tasks_(home_) {
  for (unsigned i = 0; i < env.reactor_count(); ++i) hubs_.push_back(std::make_unique<Hub>(*this, env, env.reactor(i)));
}

Mesh::~Mesh() = default;

void Mesh::add_method(Method method) {
  KEELSON_CHECK(method.reactor < hubs_.size(), "a method runs on a reactor that is not there");
  const uint32_t number = method.number;
  const bool is_new = methods_.emplace(number, std::move(method)).second;
  KEELSON_CHECK(is_new, "two methods have one number");
}

const Method* Mesh::method(uint32_t number) const {
  const auto found = methods_.find(number);
  return found == methods_.end() ? nullptr : &found->second;
}

Task<Status> Mesh::empty_incoming() {
  const std::string& folder = options_.incoming_folder;
  if (Status made = env_.disk().make_folder(folder); !made.ok()) co_return forward_error(made);
  Result<std::vector<std::string>> names = env_.disk().list(folder);
  if (!names.ok()) co_return forward_error(names);
  for (const std::string& name : *names) {
    if (Status removed = env_.disk().remove(folder + "/" + name); !removed.ok()) co_return forward_error(removed);
  }
  co_return co_await env_.disk().sync_folder(folder, home_);
}

Task<Status> Mesh::start() {
  if (Status emptied = co_await empty_incoming(); !emptied.ok()) co_return forward_error(emptied);
  Result<std::unique_ptr<env::Listener>> listener = env_.network().listen(home_, options_.listen);
  if (!listener.ok()) co_return forward_error(listener);
  listener_ = std::move(*listener);
  advertised_ = options_.advertise.empty() ? listener_->local().text() : options_.advertise;
  tasks_.spawn(accept_loop());
  is_started_ = true;
  tell_nodes();
  co_return Status();
}

Task<void> Mesh::accept_loop() {
  while (!is_stopping_) {
    Hub& owner = *hubs_[next_owner_++ % hubs_.size()];
    Result<std::unique_ptr<env::Stream>> stream = co_await listener_->accept(owner.reactor());
    if (stream.ok()) {
      owner.reactor().post([&owner, stream = std::move(*stream)]() mutable { owner.accept(std::move(stream)); });
      continue;
    }
    if (is_stopping_ || stream.error().code() == env::NetErrc::kClosed) break;
    log_warn("peer", "cannot accept a connection", {{"why", stream.error().message()}});
    co_await env::sleep_for(home_, kAcceptRetryNs);
  }
}

// Runs it on the hub's reactor and comes back.
Task<void> Mesh::visit(unsigned index, std::function<void(Hub&)> what) {
  Hub& hub = *hubs_[index];
  env::HandOff<bool> done(home_);
  hub.reactor().post([&hub, what = std::move(what), deliver = done.deliverer()]() mutable {
    what(hub);
    deliver(true);
  });
  (void)co_await done;
}

Task<void> Mesh::stop() {
  is_stopping_ = true;
  if (listener_ != nullptr) listener_->close();
  co_await tasks_.join();
  for (unsigned i = 0; i < hubs_.size(); ++i) co_await visit(i, [](Hub& hub) { hub.stop(); });
  // What hubs have posted to one another before they stopped has run after this.
  for (unsigned i = 0; i < hubs_.size(); ++i) co_await visit(i, [](Hub&) {});
}

void Mesh::set_identity(Identity identity) {
  options_.identity = identity;
  for (const auto& hub : hubs_) hub->reactor().post([&hub = *hub, identity] { hub.set_identity(identity); });
}

void Mesh::set_nodes(const std::vector<BookEntry>& nodes, const std::vector<NodeId>& removed) {
  std::map<NodeId, BookEntry> wanted;
  for (const BookEntry& entry : nodes) {
    const auto known = nodes_.find(entry.node);
    const bool is_newer_known = known != nodes_.end() && known->second.revision > entry.revision;
    wanted.emplace(entry.node, is_newer_known ? known->second : entry);
  }
  const std::set<NodeId> out(removed.begin(), removed.end());
  if (wanted == nodes_ && out == removed_) return;
  nodes_ = std::move(wanted);
  removed_ = out;
  tell_nodes();
}

void Mesh::learn(std::vector<BookEntry> book) {
  home_.post([this, book = std::move(book)] { take_in(book); });
}

void Mesh::take_in(const std::vector<BookEntry>& book) {
  bool has_changed = false;
  for (const BookEntry& entry : book) {
    const auto known = nodes_.find(entry.node);
    if (known == nodes_.end() || known->second.revision >= entry.revision || entry.address.empty()) continue;
    known->second = entry;
    has_changed = true;
  }
  if (has_changed) tell_nodes();
}

void Mesh::tell_nodes() {
  if (!is_started_) return;  // others learn of this node's address when it connects to them, so it must be known
  for (const auto& hub : hubs_) {
    hub->reactor().post([&hub = *hub, nodes = nodes_, removed = removed_] { hub.set_nodes(nodes, removed); });
  }
}

void Mesh::tell_reachable(NodeId node, bool is_reachable) {
  for (const auto& hub : hubs_) {
    hub->reactor().post([&hub = *hub, node, is_reachable] { hub.set_reachable(node, is_reachable); });
  }
}

std::vector<BookEntry> Mesh::book() const {
  std::vector<BookEntry> book;
  if (options_.identity.node != 0) book.push_back({options_.identity.node, options_.revision, advertised_});
  for (const auto& [node, entry] : nodes_) {
    if (node != options_.identity.node) book.push_back(entry);
  }
  return book;
}

Task<std::vector<NodeFigures>> Mesh::figures() {
  std::map<NodeId, NodeFigures> all;
  const auto gather = [&all](Hub& hub) {
    for (const auto& [node, counts] : hub.all_counts()) {
      NodeFigures& figures = all[node];
      figures.node = node;
      figures.is_reachable = hub.is_reachable(node);
      figures.messages_sent += counts->messages_sent.value();
      figures.messages_received += counts->messages_received.value();
      figures.messages_dropped += counts->messages_dropped.value();
      figures.bytes_sent += counts->bytes_sent.value();
      figures.bytes_received += counts->bytes_received.value();
      figures.files_sent += counts->files_sent.value();
      figures.files_received += counts->files_received.value();
      figures.files_failed += counts->files_failed.value();
      figures.connects += counts->connects.value();
      figures.connect_failures += counts->connect_failures.value();
      counts->round_trip_ns.merge_into(figures.round_trip_ns);
    }
  };
  for (unsigned i = 0; i < hubs_.size(); ++i) co_await visit(i, gather);
  std::vector<NodeFigures> result;
  for (auto& [node, figures] : all) result.push_back(figures);
  co_return result;
}

}  // namespace keelson::peer
