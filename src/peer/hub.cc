#include "peer/hub.h"

#include <coroutine>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "net/tls_stream.h"
#include "peer/file_receiver.h"
#include "peer/inlet.h"
#include "peer/link.h"
#include "peer/mesh.h"

namespace keelson::peer {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

// A call that waits for its answer; lives in the frame of whoever asked.
class CallWait {
 public:
  CallWait(Hub& hub, NodeId to, int64_t timeout_ms)
      : hub_(&hub), id_(hub.next_call_++), to_(to), timer_(hub.reactor(), [this] { fire(); }) {
    hub.calls_.emplace(id_, this);
    timer_.arm_after(timeout_ms * kNsPerMs);
  }
  CallWait(const CallWait&) = delete;
  CallWait& operator=(const CallWait&) = delete;
  ~CallWait() {
    if (hub_ != nullptr) hub_->calls_.erase(id_);
  }

  [[nodiscard]] uint64_t id() const { return id_; }
  [[nodiscard]] NodeId to() const { return to_; }
  void forget_hub() { hub_ = nullptr; }
  // The coroutine goes on in a later turn.
  void finish(Result<std::string> result) {
    if (result_) return;
    result_.emplace(std::move(result));
    timer_.arm_after(0);
  }

  [[nodiscard]] bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
  Result<std::string> await_resume() { return std::move(*result_); }

 private:
  void fire() {
    if (!result_) result_.emplace(fail(PeerErrc::kTimedOut, "the node did not answer in time"));
    if (waiter_) std::exchange(waiter_, {}).resume();  // destroys this
  }

  Hub* hub_;
  const uint64_t id_;
  const NodeId to_;
  std::optional<Result<std::string>> result_;
  std::coroutine_handle<> waiter_;
  env::Timer timer_;
};

Hub::Hub(Mesh& mesh, env::Env& env, env::Reactor& reactor)
    : mesh_(mesh),
      env_(env),
      reactor_(reactor),
      turn_end_(reactor),
      identity_(mesh.identity()),
      parcels_(env.reactor_count()),
      tasks_(std::make_unique<env::TaskScope>(reactor)) {}

Hub::~Hub() {
  for (auto& [id, call] : calls_) call->forget_hub();
}

const Options& Hub::options() const { return mesh_.options(); }

NodeCounts& Hub::counts(NodeId node) {
  std::unique_ptr<NodeCounts>& counts = counts_[node];
  if (counts == nullptr) counts = std::make_unique<NodeCounts>();
  return *counts;
}

const std::string* Hub::address_of(NodeId node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : &found->second.address;
}

std::vector<BookEntry> Hub::book() const {
  std::vector<BookEntry> book;
  if (identity_.node != 0) book.push_back({identity_.node, options().revision, mesh_.advertised()});
  for (const auto& [node, entry] : nodes_) {
    if (book.size() == kBookNodesMax) break;
    if (node != identity_.node) book.push_back(entry);
  }
  return book;
}

void Hub::send(NodeId to, uint16_t group, std::string_view message) {
  const auto found = links_.find(to);
  if (found != links_.end()) {
    found->second->send(group, message);
  } else {
    counts(to).messages_dropped.add();
  }
}

void Hub::send_file(NodeId to, uint16_t group, std::string message, std::string path, std::vector<SideFile> beside,
                    std::function<void(bool)> done) {
  const auto found = links_.find(to);
  if (found != links_.end()) {
    found->second->send_file(group, std::move(message), std::move(path), std::move(beside), std::move(done));
  } else {
    reactor_.post([done = std::move(done)] { done(false); });
  }
}

bool Hub::is_reachable(NodeId node) const { return reachable_.contains(node); }

Task<Result<std::string>> Hub::call(NodeId to, uint32_t method, std::string request, int64_t timeout_ms) {
  if (is_stopped_) co_return fail(PeerErrc::kStopped, "this node is stopping");
  if (calls_.size() >= kCallsWaitingMax) co_return fail(PeerErrc::kBusy, "too many calls of this node are under way");
  if (request.size() > kCallBytesMax) co_return fail(PeerErrc::kTooLarge, "the request is too large");
  if (to == identity_.node && to != 0) {
    const Method* known = mesh_.method(method);
    if (known == nullptr)
      co_return fail(PeerErrc::kNoMethod, "method " + std::to_string(method) + " is not known here");
    CallWait wait(*this, to, timeout_ms);
    serve(0, {.node = to, .remote = {}}, wait.id(), *known, std::move(request));
    co_return co_await wait;
  }
  const auto link = links_.find(to);
  if (link == links_.end() || !link->second->is_up()) {
    co_return fail(PeerErrc::kUnreachable, "there is no connection to node " + std::to_string(to));
  }
  CallWait wait(*this, to, timeout_ms);
  link->second->call(wait.id(), method, request);
  co_return co_await wait;
}

Task<Result<std::string>> Hub::call_address(env::Address to, uint32_t method, std::string request, int64_t timeout_ms) {
  if (is_stopped_) co_return fail(PeerErrc::kStopped, "this node is stopping");
  if (calls_.size() >= kCallsWaitingMax) co_return fail(PeerErrc::kBusy, "too many calls of this node are under way");
  CallWait wait(*this, 0, timeout_ms);
  tasks_->spawn(run_call_address(wait.id(), std::move(to), method, std::move(request), timeout_ms));
  co_return co_await wait;
}

Task<void> Hub::run_call_address(uint64_t call, env::Address to, uint32_t method, std::string request,
                                 int64_t timeout_ms) {
  Result<std::string> result = co_await ask_address(call, std::move(to), method, std::move(request), timeout_ms);
  finish_call(call, std::move(result));
}

Task<Result<std::string>> Hub::ask_address(uint64_t call, env::Address to, uint32_t method, std::string request,
                                           int64_t timeout_ms) {
  Result<std::unique_ptr<env::Stream>> stream = co_await env_.network().connect(reactor_, to);
  if (!stream.ok()) co_return forward_error(stream);
  Wire wire(turn_end_, secure(std::move(*stream), to.host));
  env::Timer deadline(reactor_, [&wire] { wire.close(); });
  deadline.arm_after(timeout_ms * kNsPerMs);
  const Identity self = identity_;
  Hello hello{
      .cluster = self.cluster, .node = self.node, .reactor = reactor_.index(), .nonce = {}, .book = book(), .said = {}};
  Result<Greeted> greeted = co_await greet_as_client(wire, self, std::move(hello), reactor_.random());
  if (!greeted.ok()) co_return forward_error(greeted);
  wire.append_body(FrameType::kCall, 0, Call{.call = call, .method = method, .request = request});
  Frame frame;
  while (true) {
    while (wire.take(kGuestCallBytesMax, frame)) {
      Answer answer;
      if (frame.type != FrameType::kAnswer || !answer.read(frame.body) || answer.call != call) continue;
      if (answer.error == 0) co_return std::string(answer.bytes);
      co_return fail(static_cast<PeerErrc>(answer.error), std::string(answer.bytes));
    }
    if (co_await wire.read(kGuestCallBytesMax) != Wire::Outcome::kFrames) {
      co_return fail(PeerErrc::kUnreachable, "the connection broke before the answer came");
    }
  }
}

void Hub::serve(uint64_t inlet, Caller caller, uint64_t call, const Method& method, std::string request) {
  Hub& there = mesh_.hub(method.reactor);
  // Methods live as long as the mesh.
  there.reactor_.post(
      [&there, this, inlet, caller = std::move(caller), call, &method, request = std::move(request)]() mutable {
        if (there.is_stopped_) return;
        there.tasks_->spawn(run_method(*this, inlet, std::move(caller), call, method, std::move(request)));
      });
}

Task<void> Hub::run_method(Hub& asker, uint64_t inlet, Caller caller, uint64_t call, const Method& method,
                           std::string request) {
  Result<std::string> result = co_await method.handler(std::move(caller), std::move(request));
  if (result.ok() && result->size() > kCallBytesMax) result = fail(PeerErrc::kTooLarge, "the answer is too large");
  asker.reactor_.post([&asker, inlet, call, result = std::move(result)]() mutable {
    asker.answer_call(inlet, call, std::move(result));
  });
}

void Hub::answer_call(uint64_t inlet, uint64_t call, Result<std::string> result) {
  if (inlet == 0) {
    finish_call(call, std::move(result));
    return;
  }
  const auto found = inlets_.find(inlet);
  if (found == inlets_.end()) return;  // whoever asked has gone
  if (result.ok()) {
    found->second->answer(call, PeerErrc::kOk, *result);
  } else {
    const std::error_code code = result.error().code();
    const bool is_ours = code.category() == make_error_code(PeerErrc::kOk).category();
    found->second->answer(call, is_ours ? static_cast<PeerErrc>(code.value()) : PeerErrc::kFailed,
                          result.error().message());
  }
}

void Hub::finish_call(uint64_t call, Result<std::string> result) {
  const auto found = calls_.find(call);
  if (found != calls_.end()) found->second->finish(std::move(result));
}

void Hub::fail_calls(NodeId node, const std::string& why) {
  for (auto& [id, call] : calls_) {
    if (call->to() == node) call->finish(fail(PeerErrc::kUnreachable, why));
  }
}

void Hub::set_identity(Identity identity) { identity_ = std::move(identity); }

void Hub::set_nodes(const std::map<NodeId, BookEntry>& nodes, const std::set<NodeId>& removed) {
  if (is_stopped_) return;
  const std::map<NodeId, BookEntry> before = std::exchange(nodes_, nodes);
  removed_ = removed;
  for (const auto& [id, inlet] : inlets_) {
    if (removed_.contains(inlet->node())) inlet->close();
  }
  std::vector<NodeId> gone;
  for (const auto& [node, link] : links_) {
    if (!nodes_.contains(node) || node == identity_.node) gone.push_back(node);
  }
  for (const NodeId node : gone) {
    links_.erase(node);
    set_reachable(node, false);
  }
  for (const auto& [node, entry] : nodes_) {
    if (node == identity_.node) continue;
    const auto link = links_.find(node);
    if (link == links_.end()) {
      links_.emplace(node, std::make_unique<Link>(*this, node));
    } else if (before.at(node).address != entry.address) {
      link->second->address_changed();
    }
  }
}

void Hub::set_reachable(NodeId node, bool is_reachable) {
  if (is_stopped_ || (is_reachable && !links_.contains(node))) return;
  const bool has_changed = is_reachable ? reachable_.insert(node).second : reachable_.erase(node) != 0;
  if (has_changed && receiver_ != nullptr) receiver_->reachable_changed(node, is_reachable);
}

void Hub::accept(std::unique_ptr<env::Stream> stream) {
  size_t guests = 0;
  for (const auto& [id, inlet] : inlets_) guests += inlet->is_guest() ? 1 : 0;
  if (is_stopped_ || guests >= kGuestsMax) return;  // closes it
  const uint64_t id = next_inlet_++;
  inlets_.emplace(id, std::make_unique<Inlet>(*this, id, secure(std::move(stream), {})));
}

std::unique_ptr<env::Stream> Hub::secure(std::unique_ptr<env::Stream> stream, const std::string& host) {
  net::TlsContext* tls = host.empty() ? options().tls_server : options().tls_client;
  return tls == nullptr ? std::move(stream) : tls->wrap(std::move(stream), host);
}

void Hub::deliver(NodeId from, uint16_t group, std::string_view message) {
  counts(from).messages_received.add();
  const unsigned owner = options().reactor_of ? options().reactor_of(group) : 0;
  if (owner == reactor_.index()) {
    if (receiver_ != nullptr) receiver_->received(from, group, message);
    return;
  }
  KEELSON_CHECK(owner < parcels_.size(), "a group is owned by a reactor that is not there");
  parcels_[owner].messages.emplace_back(group, message.size());
  parcels_[owner].bytes.append(message);
}

void Hub::deliver_gathered(NodeId from) {
  for (unsigned owner = 0; owner < parcels_.size(); ++owner) {
    if (parcels_[owner].messages.empty()) continue;
    Hub& there = mesh_.hub(owner);
    there.reactor_.post([&there, from, parcel = std::exchange(parcels_[owner], {})]() mutable {
      there.unpack(from, std::move(parcel));
    });
  }
}

void Hub::unpack(NodeId from, Parcel parcel) {
  for (const auto& [group, size] : parcel.messages) {
    if (is_stopped_ || receiver_ == nullptr) return;
    receiver_->received(from, group, parcel.bytes.view().substr(0, size));
    parcel.bytes.consume(size);
  }
}

void Hub::deliver_file(NodeId from, ArrivedFile file) {
  counts(from).files_received.add();
  Hub& there = mesh_.hub(options().reactor_of ? options().reactor_of(file.group) : 0);
  there.reactor_.post([&there, from, file = std::move(file)]() mutable {
    if (there.is_stopped_) return;  // removed at the next start
    if (there.receiver_ == nullptr) {
      (void)there.env_.disk().remove(file.path);  // likewise
      for (const SideFile& one : file.beside) {
        if (!one.path.empty()) (void)there.env_.disk().remove(one.path);
      }
      return;
    }
    there.receiver_->received_file(from, file.group, std::move(file.message), std::move(file.path),
                                   std::move(file.beside));
  });
}

void Hub::offer_files(uint64_t inlet, NodeId from, OfferedFiles files) {
  Hub& there = mesh_.hub(options().reactor_of ? options().reactor_of(files.group) : 0);
  there.reactor_.post([this, &there, inlet, from, files = std::move(files)] {
    if (there.is_stopped_) return;
    // What nobody receives is dropped once it has come: none of it need be sent.
    std::vector<uint64_t> here;
    if (there.receiver_ != nullptr) {
      here = there.receiver_->bytes_here(from, files.group, files.files);
    } else {
      for (const SideFile& one : files.files) here.push_back(one.bytes);
    }
    reactor_.post([this, inlet, file = files.file, here = std::move(here)] {
      const auto found = inlets_.find(inlet);
      if (found != inlets_.end()) found->second->they_are_here(file, here);
    });
  });
}

void Hub::remove(Inlet& inlet) {
  reactor_.post([this, id = inlet.id()] { inlets_.erase(id); });
}

void Hub::stop() {
  is_stopped_ = true;
  receiver_ = nullptr;
  for (auto& [id, call] : calls_) call->finish(fail(PeerErrc::kStopped, "this node is stopping"));
  links_.clear();
  inlets_.clear();
  tasks_.reset();
}

}  // namespace keelson::peer
