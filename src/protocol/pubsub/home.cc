#include "protocol/pubsub/home.h"

#include <utility>

#include "protocol/pubsub/setup.h"

namespace keelson::pubsub {

namespace {

constexpr int64_t kSweepNs = 5'000'000'000;
// How often a subscription's document says that it has been used: its expiration is a day at least.
constexpr int64_t kNoteUseMs = 3'600'000;

std::string id_of(std::string_view name) { return std::string(name.substr(name.rfind('/') + 1)); }

}  // namespace

Home::Home(topics::Topics& topics, Resources& resources, env::Reactor& here, StreamPost& post)
    : topics_(topics),
      resources_(resources),
      here_(here),
      post_(post),
      started_(here),
      sweeper_(here, [this] { sweep(); }),
      tasks_(here) {}

Home::~Home() = default;

Subscription* Home::find(std::string_view name) {
  const auto entry = entries_.find(name);
  if (entry == entries_.end() || entry->second.is_starting || entry->second.subscription->is_closed()) return nullptr;
  return entry->second.subscription.get();
}

Task<Home::Opened> Home::open(std::string name) {
  while (true) {
    if (!closed_.ok()) co_return Opened{closed_};
    const auto present = entries_.find(name);
    if (present == entries_.end()) break;
    if (present->second.is_starting) {
      co_await started_.wait();
      continue;
    }
    if (!present->second.subscription->is_closed()) co_return Opened{{}, present->second.subscription.get()};
    // One that is no more, and maybe another one of its name.
    if (!present->second.subscription->is_idle(0)) co_return Opened{not_found(id_of(name))};
    entries_.erase(present);
    break;
  }
  Entry& entry = entries_[name];
  entry.is_starting = true;
  CallStatus status = co_await make(name, entry.subscription);
  entry.is_starting = false;
  started_.ring();
  if (!status.ok()) {
    entries_.erase(name);
    co_return Opened{std::move(status)};
  }
  if (!closed_.ok()) entry.subscription->close(closed_);
  sweeper_.arm_after(kSweepNs);
  co_return Opened{closed_, closed_.ok() ? entry.subscription.get() : nullptr};
}

Task<CallStatus> Home::make(std::string name, std::unique_ptr<Subscription>& into) {
  const Found found = co_await resources_.find(here_, document_key(kSubscriptionDocuments, name));
  if (found.status.code == Code::kNotFound) co_return not_found(id_of(name));
  if (!found.status.ok()) co_return found.status;
  stored::SubscriptionDocument document;
  if (CallStatus read = read_document(found.document, document); !read.ok()) co_return read;
  SubscriptionSetup setup;
  if (CallStatus made = make_setup(document, setup); !made.ok()) co_return made;
  into = std::make_unique<Subscription>(topics_, here_, post_, std::move(setup));
  co_return co_await into->start();
}

Task<void> Home::write_use(topic::Document from) {
  stored::SubscriptionDocument document;
  if (!read_document(from, document).ok()) co_return;
  document.set_last_used_ms(here_.clock().wall_ms());
  // Somebody who changes it at the same time has used it too.
  (void)co_await resources_.put(here_, from.key, document.SerializeAsString(), from.version);
}

Task<void> Home::refresh(std::string name) {
  // One that is being opened may have read the document as it was.
  for (auto entry = entries_.find(name); entry != entries_.end() && entry->second.is_starting;
       entry = entries_.find(name)) {
    co_await started_.wait();
  }
  const Found found = co_await resources_.find(here_, document_key(kSubscriptionDocuments, name));
  Subscription* const subscription = find(name);
  if (subscription == nullptr) co_return;
  if (found.status.code == Code::kNotFound) {
    subscription->close(not_found(id_of(name)));
    sweeper_.arm_after(0);
    co_return;
  }
  stored::SubscriptionDocument document;
  SubscriptionSetup setup;
  if (!found.status.ok() || !read_document(found.document, document).ok() || !make_setup(document, setup).ok()) {
    co_return;
  }
  const bool is_detached = setup.is_detached;
  subscription->update(std::move(setup));
  if (is_detached) subscription->close(failed_precondition("Subscription has been detached from its topic."));
}

void Home::sweep() {
  const int64_t now_ns = here_.clock().monotonic_ns();
  const int64_t now_ms = here_.clock().wall_ms();
  std::erase_if(entries_, [&](const auto& entry) {
    return !entry.second.is_starting && entry.second.subscription->is_idle(now_ns);
  });
  for (auto& [name, entry] : entries_) {
    if (!entry.is_starting && entry.subscription->wants_note(now_ms, kNoteUseMs)) tasks_.spawn(note_use(name));
  }
  if (!entries_.empty()) sweeper_.arm_after(kSweepNs);
}

Task<void> Home::note_use(std::string name) {
  const Found found = co_await resources_.find(here_, document_key(kSubscriptionDocuments, name));
  if (found.status.ok()) co_await write_use(found.document);
}

void Home::close_all(const CallStatus& why) {
  closed_ = why;
  for (auto& [name, entry] : entries_) {
    if (!entry.is_starting) entry.subscription->close(why);
  }
}

void Home::clear() {
  sweeper_.disarm();
  entries_.clear();
}

std::vector<SubscriptionFigures> Home::figures() const {
  std::vector<SubscriptionFigures> figures;
  for (const auto& [name, entry] : entries_) {
    if (!entry.is_starting && !entry.subscription->is_closed()) figures.push_back(entry.subscription->figures());
  }
  return figures;
}

}  // namespace keelson::pubsub
