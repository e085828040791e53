#include "env/sim/nemesis.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace keelson::env::sim {

namespace {

constexpr size_t kKinds = static_cast<size_t>(Fault::kCount);

constexpr std::array<std::string_view, kKinds> kNames{
    "crash",     "kill",        "crash_all", "pause",     "split", "one_way",   "isolate",   "bridge",     "swizzle",
    "slow_link", "lossy_links", "break",     "wall_jump", "drift", "slow_disk", "full_disk", "failed_sync"};

}  // namespace

std::string_view name_of(Fault fault) { return kNames[static_cast<size_t>(fault)]; }

NemesisOptions NemesisOptions::draw(Random& random, unsigned nodes) {
  NemesisOptions options;
  const auto below = [&](uint64_t count) { return random.next() % count; };
  // Each kind with an even chance of a third, and one for certain.
  for (unsigned& weight : options.weights) weight = below(3) == 0 ? 1 + static_cast<unsigned>(below(4)) : 0;
  options.weights[below(kKinds)] += 2;
  // Rare in life, and after it everyone starts anew.
  options.weight(Fault::kCrashAll) = std::min(options.weight(Fault::kCrashAll), 1U);
  constexpr int64_t kPaces[] = {300 * kMillisecond, kSecond, 3 * kSecond};
  options.pause_ns_max = kPaces[below(3)];
  options.lasts_ns_max = kPaces[below(3)] * 2;
  options.down_max = below(4) == 0 ? nodes : std::max(1U, (nodes - 1) / 2);
  return options;
}

Nemesis::Nemesis(World& world, std::vector<Node*> victims, NemesisOptions options)
    : world_(world), victims_(std::move(victims)), options_(options) {
  KEELSON_CHECK(!victims_.empty(), "faults need somebody to strike");
}

int64_t Nemesis::between(int64_t least, int64_t most) {
  return most <= least ? least : least + static_cast<int64_t>(below(static_cast<uint64_t>(most - least) + 1));
}

void Nemesis::start() {
  is_running_ = true;
  schedule();
}

void Nemesis::schedule() {
  world_.after(between(options_.pause_ns_min, options_.pause_ns_max), [this, alive = is_alive_] {
    if (!*alive || !is_running_) return;
    unsigned sum = 0;
    for (const unsigned weight : options_.weights) sum += weight;
    if (sum == 0) return;
    uint64_t drawn = below(sum);
    size_t kind = 0;
    while (drawn >= options_.weights[kind]) drawn -= options_.weights[kind++];
    strike(static_cast<Fault>(kind));
    schedule();
  });
}

void Nemesis::stop() {
  is_running_ = false;
  world_.heal();
  world_.clear_links();
  for (Node* node : victims_) {
    node->set_clock_drift(0);
    node->disk().set_full(false);
    node->disk().fail_syncs(0);
    node->disk().set_faults(world_.options().disk);
    if (node->is_paused()) node->unpause();
    if (!node->is_up()) bring_back(*node);
  }
}

void Nemesis::mend_later(Callback mend) {
  world_.after(between(options_.lasts_ns_max / 20, options_.lasts_ns_max),
               [this, alive = is_alive_, mend = std::move(mend)]() mutable {
                 if (*alive && is_running_) mend();
               });
}

Node* Nemesis::pick() {
  std::vector<Node*> fit;
  for (Node* node : victims_) {
    if (node->is_up() && !node->is_paused()) fit.push_back(node);
  }
  return fit.empty() ? nullptr : fit[below(fit.size())];
}

Node* Nemesis::pick_to_go_down() {
  const auto is_out = [](const Node* node) { return !node->is_up() || node->is_paused(); };
  if (std::ranges::count_if(victims_, is_out) >= static_cast<int64_t>(options_.down_max)) return nullptr;
  Node* node = pick();
  return node != nullptr && may_go_down(*node) ? node : nullptr;
}

std::vector<Node*> Nemesis::shuffled() {
  std::vector<Node*> nodes = victims_;
  for (size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[below(i)]);
  return nodes;
}

void Nemesis::take_down(Node& node, bool is_crash) {
  goes_down(node);
  is_crash ? node.crash() : node.kill();
}

void Nemesis::bring_back(Node& node) {
  if (node.is_up()) return;
  node.restart();
  is_back(node);
}

bool Nemesis::strike(Fault fault) {
  const bool has_struck = fault <= Fault::kPause   ? strike_process(fault)
                          : fault <= Fault::kBreak ? strike_network(fault)
                                                   : strike_clock_or_disk(fault);
  if (has_struck) ++counts_[static_cast<size_t>(fault)];
  return has_struck;
}

bool Nemesis::strike_process(Fault fault) {
  if (fault == Fault::kCrashAll) {
    for (Node* node : victims_) {
      if (!node->is_up() || !may_go_down(*node)) continue;
      take_down(*node, true);
      mend_later([this, node] { bring_back(*node); });
    }
    return true;
  }
  Node* node = pick_to_go_down();
  if (node == nullptr) return false;
  if (fault == Fault::kPause) {
    node->pause();
    mend_later([node] { node->unpause(); });
  } else {
    take_down(*node, fault == Fault::kCrash);
    mend_later([this, node] { bring_back(*node); });
  }
  return true;
}

bool Nemesis::strike_network(Fault fault) {
  Node* node = victims_[below(victims_.size())];
  switch (fault) {
    case Fault::kSplit:
    case Fault::kOneWay:
    case Fault::kBridge:
      split(fault == Fault::kOneWay, fault == Fault::kBridge);
      mend_later([this] { world_.heal(); });
      return true;
    case Fault::kIsolate:
      for (Node* other : victims_) {
        if (other != node) world_.partition(*node, *other);
      }
      mend_later([this, node] { world_.heal(*node); });
      return true;
    case Fault::kSwizzle:
      swizzle();
      return true;
    case Fault::kSlowLink: {
      Node* other = victims_[below(victims_.size())];
      if (other == node) return false;
      world_.set_link(*node, *other, {.delay_ns_min = 0, .delay_ns_max = between(kMillisecond, 400 * kMillisecond)});
      mend_later([this, node, other] { world_.set_link(*node, *other, {}); });
      return true;
    }
    case Fault::kLossyLinks: {
      const double loss = static_cast<double>(1 + below(30)) / 100;
      const double breaks = below(2) == 0 ? 0 : 0.002;
      for (Node* from : victims_) {
        for (Node* to : victims_) {
          if (from != to) world_.set_link(*from, *to, {.loss_probability = loss, .break_probability = breaks});
        }
      }
      mend_later([this] { world_.clear_links(); });
      return true;
    }
    default:
      world_.break_connections(*node);
      return true;
  }
}

void Nemesis::split(bool one_way, bool with_bridge) {
  const std::vector<Node*> nodes = shuffled();
  const size_t bridges = with_bridge && nodes.size() > 2 ? 1 : 0;
  const size_t left = bridges + 1 + below(nodes.size() - bridges - 1);
  for (size_t from = bridges; from < left; ++from) {
    for (size_t to = left; to < nodes.size(); ++to) world_.partition(*nodes[from], *nodes[to], !one_way);
  }
}

// After FoundationDB: whoever waits for a node that comes back late meets one that came back early.
void Nemesis::swizzle() {
  std::vector<Node*> nodes = shuffled();
  nodes.resize(1 + below(nodes.size()));
  for (Node* node : nodes) {
    const int64_t cut_ns = between(0, options_.lasts_ns_max / 4);
    world_.after(cut_ns, [this, alive = is_alive_, node] {
      if (!*alive || !is_running_) return;
      for (Node* other : victims_) {
        if (other != node) world_.partition(*node, *other);
      }
    });
    world_.after(cut_ns + between(0, options_.lasts_ns_max), [this, alive = is_alive_, node] {
      if (*alive && is_running_) world_.heal(*node);
    });
  }
}

bool Nemesis::strike_clock_or_disk(Fault fault) {
  Node* node = pick();
  if (node == nullptr) return false;
  switch (fault) {
    case Fault::kWallJump:
      node->jump_wall_clock(between(-options_.wall_jump_ms_max, options_.wall_jump_ms_max));
      return true;
    case Fault::kDrift:
      node->set_clock_drift(between(-options_.drift_ppm_max, options_.drift_ppm_max));
      mend_later([node] { node->set_clock_drift(0); });
      return true;
    case Fault::kSlowDisk: {
      DiskFaults slow = world_.options().disk;
      slow.sync_ns_min = options_.slow_disk.sync_ns_min;
      slow.sync_ns_max = options_.slow_disk.sync_ns_max;
      node->disk().set_faults(slow);
      mend_later([this, node] { node->disk().set_faults(world_.options().disk); });
      return true;
    }
    case Fault::kFullDisk:
      node->disk().set_full(true);
      mend_later([node] { node->disk().set_full(false); });
      return true;
    default:
      node->disk().fail_syncs(1);
      return true;
  }
}

}  // namespace keelson::env::sim
