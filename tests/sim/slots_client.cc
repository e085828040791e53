#include "tests/sim/slots_client.h"

#include <algorithm>

#include "env/reactor.h"

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using linear::RegisterCall;
using Kind = RegisterCall::Kind;

constexpr int64_t kRetryNs = 30 * kMillisecond;
constexpr size_t kReadBytes = 16 << 10;
constexpr char kKinds[] = {'a', 'b', 'n', 'p', 'q', 'x', 'l'};

bool is_ok(const Reply& reply) { return reply.kind == '+' && reply.text == "OK"; }

// The answer of GET, as one of an array.
bool read_value(const Reply& reply, RegisterCall& call) {
  call.found = reply.kind == '$';
  if (call.found) call.read = reply.text;
  return reply.kind == '$' || reply.kind == '_';
}

}  // namespace

SlotsClient::SlotsClient(env::sim::World& world, env::sim::Node& machine, std::vector<env::Address> servers,
                         unsigned id, const SlotsLoad& load, linear::RegisterHistory& history, SlotsQueues& queues)
    : world_(world),
      machine_(machine),
      servers_(std::move(servers)),
      id_(id),
      load_(load),
      history_(history),
      queues_(queues),
      links_(servers_.size()),
      place_(load.tags.size()) {
  for (unsigned& place : place_) place = static_cast<unsigned>(below(servers_.size()));
  deadline_ = std::make_unique<env::Timer>(machine_.reactor(0), [this] {
    if (links_[asking_].stream != nullptr) links_[asking_].stream->close();
  });
}

Task<void> SlotsClient::run() {
  while (!is_finishing_ && violation_.empty()) {
    co_await fulfil(draw());
    co_await env::sleep_for(machine_.reactor(0),
                            static_cast<int64_t>(below(static_cast<uint64_t>(load_.think_ns_max))));
  }
  for (unsigned i = 0; i < servers_.size(); ++i) disconnect(i);
  is_done_ = true;
}

Task<void> SlotsClient::read_all(unsigned server) {
  is_done_ = false;
  std::fill(place_.begin(), place_.end(), server);
  for (size_t tag = 0; tag < load_.tags.size(); ++tag) {
    for (const char kind : kKinds) {
      const uint64_t before = answered_;
      while (answered_ == before && violation_.empty()) {
        Wish wish;
        wish.tag = tag;
        wish.parts.push_back({key(wish, kind), {}});
        wish.commands.push_back(command_of(wish.parts[0].key, wish.parts[0].call));
        if (kind == 'l') {
          wish.form = Wish::Form::kList;
          wish.commands = {{"LRANGE", wish.parts[0].key, "0", "-1"}};
        }
        co_await fulfil(std::move(wish));
      }
    }
  }
  for (unsigned i = 0; i < servers_.size(); ++i) disconnect(i);
  is_done_ = true;
}

std::string SlotsClient::next_value() { return std::to_string(id_) + "." + std::to_string(++last_value_) + ","; }

SlotsClient::Wish SlotsClient::draw() {
  Wish wish;
  wish.tag = below(load_.tags.size());
  const uint64_t drawn = below(100);
  if (below(10'000) < load_.flushes_in_10000) {
    draw_flush(wish);
  } else if (drawn < 55) {
    draw_single(wish);
  } else if (drawn < 78) {
    draw_pair(wish);
  } else if (drawn < 88) {
    draw_queue(wish);
  } else {
    const std::string name = key(wish, 'x');
    wish.form = Wish::Form::kExpiring;
    Part part{name, {}};
    if (below(2) == 0) {
      part.call.kind = Kind::kSet;
      part.call.value = next_value();
      const int64_t ttl_ms =
          load_.ttl_ms_min + static_cast<int64_t>(below(static_cast<uint64_t>(load_.ttl_ms_max - load_.ttl_ms_min)));
      wish.commands.push_back({"SET", name, part.call.value, "PX", std::to_string(ttl_ms)});
      Part expiry = part;
      expiry.call.kind = Kind::kExpire;
      expiry.call.count = ttl_ms;
      wish.parts = {std::move(part), std::move(expiry)};
    } else {
      wish.form = Wish::Form::kSingle;
      wish.commands.push_back({"GET", name});
      wish.parts.push_back(std::move(part));
    }
  }
  return wish;
}

// Each shard flushes for itself, and a slot that moves meanwhile may pass by: each key is deleted some time, or not.
void SlotsClient::draw_flush(Wish& wish) {
  wish.form = Wish::Form::kFlush;
  wish.commands = {{"FLUSHALL"}};
  for (const std::string& tag : load_.tags) {
    for (const char kind : kKinds) {
      if (kind == 'l') continue;
      Part part{"{" + tag + "}" + kind, {}};
      part.call.kind = Kind::kDelete;
      wish.parts.push_back(std::move(part));
    }
  }
}

void SlotsClient::draw_queue(Wish& wish) {
  const std::string name = key(wish, 'l');
  wish.parts.push_back({name, {}});
  RegisterCall& call = wish.parts[0].call;
  if (below(2) == 0) {
    wish.form = Wish::Form::kPush;
    call.kind = Kind::kSet;
    call.value = next_value();
    wish.commands.push_back({"RPUSH", name, call.value});
  } else {
    wish.form = Wish::Form::kPop;
    call.kind = Kind::kDelete;
    wish.commands.push_back(below(2) == 0 ? std::vector<std::string>{"BLPOP", name, "0.5"}
                                          : std::vector<std::string>{"LPOP", name});
  }
}

void SlotsClient::draw_single(Wish& wish) {
  Part part;
  const uint64_t drawn = below(100);
  if (below(3) == 0) {
    part.key = key(wish, 'n');
    part.call.kind = drawn < 40 ? Kind::kGet : drawn < 94 ? Kind::kAppend : Kind::kDelete;
  } else {
    part.key = key(wish, below(2) == 0 ? 'a' : 'b');
    part.call.kind = drawn < 35   ? Kind::kGet
                     : drawn < 70 ? Kind::kSet
                     : drawn < 80 ? Kind::kSwap
                     : drawn < 90 ? Kind::kSetIfAbsent
                                  : Kind::kDelete;
  }
  part.call.value = next_value();
  if (part.call.kind == Kind::kSet) part.call.value.append(load_.value_bytes, 'v');
  wish.commands.push_back(command_of(part.key, part.call));
  wish.parts.push_back(std::move(part));
}

void SlotsClient::draw_pair(Wish& wish) {
  const std::string one = key(wish, 'p');
  const std::string other = key(wish, 'q');
  wish.parts = {{one, {}}, {other, {}}};
  const uint64_t drawn = below(100);
  if (drawn < 40) {
    wish.form = Wish::Form::kPairGet;
    wish.commands = {{"MGET", one, other}};
    return;
  }
  if (drawn < 50) {
    wish.form = Wish::Form::kPairDelete;
    for (Part& part : wish.parts) part.call.kind = Kind::kDelete;
    wish.commands = {{"DEL", one, other}};
    return;
  }
  const std::string value = next_value();
  for (Part& part : wish.parts) {
    part.call.kind = Kind::kSet;
    part.call.value = value;
  }
  if (drawn < 75) {
    wish.form = Wish::Form::kPairSet;
    wish.commands = {{"MSET", one, value, other, value}};
  } else {
    wish.form = drawn < 90 ? Wish::Form::kTransaction : Wish::Form::kWatched;
    if (wish.form == Wish::Form::kWatched) wish.commands = {{"WATCH", one}};
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"MULTI"}, {"SET", one, value}, {"SET", other, value}, {"EXEC"}}) {
      wish.commands.push_back(command);
    }
  }
}

// Until it was answered, or nobody knows what became of it.
Task<void> SlotsClient::fulfil(Wish wish) {
  const int64_t began_ns = world_.now_ns();
  while (violation_.empty() && !(is_finishing_ && world_.now_ns() > began_ns)) {
    const unsigned server = place_[wish.tag];
    if (links_[server].stream == nullptr && !co_await connect(server)) {
      place_[wish.tag] = static_cast<unsigned>(below(servers_.size()));
      co_await env::sleep_for(machine_.reactor(0), kRetryNs);
      continue;
    }
    const int64_t called_at = world_.now_ns();
    const std::optional<Reply> reply = co_await ask(server, wish);
    Fate fate = Fate::kUnknown;
    if (reply && reply->kind == '-') {
      fate = fate_of(reply->text);
      // Other shards may have done it.
      if (fate == Fate::kNoEffect && wish.form == Wish::Form::kFlush) fate = Fate::kUnknown;
    } else if (reply) {
      fate = take(wish, *reply);
      if (fate == Fate::kUnknown) {  // answered
        note(wish, called_at, true);
        const bool may_block = wish.commands[0][0] == "BLPOP";
        if (!may_block && world_.now_ns() - began_ns > longest_ns_) {
          longest_ns_ = world_.now_ns() - began_ns;
          longest_at_ns_ = world_.now_ns();
        }
        if (below(30) == 0) place_[wish.tag] = static_cast<unsigned>(below(servers_.size()));
        co_return;
      }
    }
    if (fate == Fate::kUnexpected) {
      violate("answered " + (reply ? reply->shown() : "") + " to " + wish.commands.back()[0] + " on " +
              wish.parts[0].key);
      co_return;
    }
    if (fate == Fate::kUnknown) {
      note(wish, called_at, false);
      disconnect(server);
      place_[wish.tag] = static_cast<unsigned>(below(servers_.size()));
      co_return;
    }
    ++refused_;
    if (reply->kind == '-') {
      follow(wish, reply->text);
      if (!reply->text.starts_with("MOVED ")) co_await env::sleep_for(machine_.reactor(0), kRetryNs);
    }
  }
}

Task<std::optional<Reply>> SlotsClient::ask(unsigned server, const Wish& wish) {
  asking_ = server;
  deadline_->arm_after(load_.answer_within_ns);
  Link& link = links_[server];
  size_t sent = 0;
  std::optional<Reply> reply;
  // The answer to WATCH comes before the rest is sent, as with a client that looks at what it watches.
  if (wish.form == Wish::Form::kWatched) {
    if ((co_await link.stream->write(encode_command(wish.commands[0]))).ok()) reply = co_await receive(link);
    sent = 1;
    if (!reply || reply->kind == '-') {
      deadline_->disarm();
      if (!reply) reply.emplace(Reply{'-', "TRYAGAIN WATCH was not answered", {}});
      disconnect(server);  // nothing is watched any more
      co_return reply;
    }
  }
  std::string bytes;
  for (size_t i = sent; i < wish.commands.size(); ++i) bytes += encode_command(wish.commands[i]);
  bool is_connected = (co_await link.stream->write(bytes)).ok();
  for (size_t i = sent; i < wish.commands.size() && is_connected; ++i) {
    reply = co_await receive(link);
    is_connected = reply.has_value();
  }
  deadline_->disarm();
  if (!is_connected) reply.reset();
  co_return reply;
}

Task<bool> SlotsClient::connect(unsigned server) {
  auto stream = co_await machine_.env().network().connect(machine_.reactor(0), servers_[server]);
  if (!stream.ok()) co_return false;
  links_[server].stream = std::move(*stream);
  co_return true;
}

void SlotsClient::disconnect(unsigned server) {
  Link& link = links_[server];
  if (link.stream != nullptr) link.stream->close();
  link.stream.reset();
  link.input.clear();
}

Task<std::optional<Reply>> SlotsClient::receive(Link& link) {
  for (;;) {
    std::string_view rest = link.input.view();
    Reply reply;
    if (parse_reply(rest, reply)) {
      link.input.consume(link.input.size() - rest.size());
      co_return reply;
    }
    const env::IoOutcome read = co_await link.stream->read({link.input.reserve(kReadBytes), kReadBytes});
    if (!read.ok()) co_return std::nullopt;
    link.input.commit(read.count);
  }
}

// kUnknown stands for an answer that was understood: its fate is no longer a question.
Fate SlotsClient::take(Wish& wish, const Reply& reply) {
  RegisterCall& call = wish.parts[0].call;
  switch (wish.form) {
    case Wish::Form::kSingle:
      if (!read_answer(reply, call)) return Fate::kUnexpected;
      if (is_all_expired_ && call.found && wish.parts[0].key.ends_with("}x")) {
        violate(wish.parts[0].key + " has outlived its time: " + call.read);
      }
      return Fate::kUnknown;
    case Wish::Form::kPairSet:
    case Wish::Form::kExpiring:
    case Wish::Form::kFlush:
      return is_ok(reply) ? Fate::kUnknown : Fate::kUnexpected;
    case Wish::Form::kTransaction:
    case Wish::Form::kWatched:
      if (reply.kind == '_' && wish.form == Wish::Form::kWatched) return Fate::kNoEffect;
      if (reply.kind != '*' || reply.items.size() != 2) return Fate::kUnexpected;
      // One of its commands may have been refused, and then all of them.
      for (const Reply& item : reply.items) {
        if (item.kind == '-') return fate_of(item.text) == Fate::kNoEffect ? Fate::kUnexpected : fate_of(item.text);
      }
      return is_ok(reply.items[0]) && is_ok(reply.items[1]) ? Fate::kUnknown : Fate::kUnexpected;
    case Wish::Form::kPairGet:
    case Wish::Form::kPairDelete:
      return take_pair(wish, reply);
    case Wish::Form::kPush:
    case Wish::Form::kPop:
    case Wish::Form::kList:
      return take_queue(wish, reply);
  }
  return Fate::kUnexpected;
}

Fate SlotsClient::take_pair(Wish& wish, const Reply& reply) {
  RegisterCall& one = wish.parts[0].call;
  RegisterCall& other = wish.parts[1].call;
  if (wish.form == Wish::Form::kPairGet) {
    if (reply.kind != '*' || reply.items.size() != 2 || !read_value(reply.items[0], one) ||
        !read_value(reply.items[1], other)) {
      return Fate::kUnexpected;
    }
    if (one.found != other.found || one.read != other.read) {
      violate("half of a pair is there: " + wish.parts[0].key + " " + reply.shown());
    }
    return Fate::kUnknown;
  }
  if (reply.kind != ':') return Fate::kUnexpected;
  if (reply.text != "0" && reply.text != "2") violate("half of a pair was deleted: " + wish.parts[0].key);
  one.count = other.count = reply.text == "0" ? 0 : 1;
  return Fate::kUnknown;
}

Fate SlotsClient::take_queue(Wish& wish, const Reply& reply) {
  RegisterCall& call = wish.parts[0].call;
  if (wish.form == Wish::Form::kPush) return reply.kind == ':' ? Fate::kUnknown : Fate::kUnexpected;
  if (wish.form == Wish::Form::kList) {
    std::vector<std::string> elements;
    for (const Reply& item : reply.items) elements.push_back(item.text);
    if (reply.kind == '*') queues_.holds(wish.parts[0].key, elements);
    return reply.kind == '*' ? Fate::kUnknown : Fate::kUnexpected;
  }
  const bool is_element = reply.kind == '$' || (reply.kind == '*' && reply.items.size() == 2);
  if (is_element) call.read = reply.kind == '$' ? reply.text : reply.items[1].text;
  call.found = is_element;
  return is_element || reply.kind == '_' ? Fate::kUnknown : Fate::kUnexpected;
}

void SlotsClient::note_queue(const Wish& wish, bool is_answered) {
  const Part& part = wish.parts[0];
  if (wish.form == Wish::Form::kPush) queues_.pushed(part.key, part.call.value, is_answered);
  if (wish.form == Wish::Form::kPop && !is_answered) queues_.pop_unanswered(part.key);
  if (wish.form == Wish::Form::kPop && is_answered && part.call.found) queues_.popped(part.key, part.call.read);
  if (!queues_.violation().empty()) violate(queues_.violation());
}

void SlotsClient::note(const Wish& wish, int64_t called_at, bool is_answered) {
  ++(is_answered ? answered_ : unanswered_);
  if (wish.form == Wish::Form::kFlush) queues_.flushed();
  if (wish.parts[0].key.ends_with("}l")) return note_queue(wish, is_answered);
  written_ += is_answered && !linear::RegisterModel::is_read(wish.parts[0].call) ? 1 : 0;
  for (const Part& part : wish.parts) {
    if (part.key.ends_with("}x") && !load_.has_sound_clocks) continue;
    linear::Recorded<RegisterCall> recorded;
    recorded.by = id_;
    recorded.called_at = called_at;
    recorded.call = part.call;
    if (part.call.kind == Kind::kExpire) {
      // Servers reckon in whole milliseconds, so up to one less than that.
      recorded.called_at += (part.call.count - 1) * kMillisecond;
    } else if (is_answered && wish.form != Wish::Form::kFlush) {
      recorded.returned_at = world_.now_ns();
    }
    world_.trace("call", linear::RegisterModel::hash({part.call.found, part.call.read}));
    history_[part.key].push_back(std::move(recorded));
  }
}

void SlotsClient::follow(const Wish& wish, const std::string& error) {
  place_[wish.tag] = static_cast<unsigned>(below(servers_.size()));
  if (!error.starts_with("MOVED ")) return;
  ++moved_;
  const std::string at = error.substr(error.rfind(' ') + 1);
  for (unsigned i = 0; i < servers_.size(); ++i) {
    if (servers_[i].text() == at) place_[wish.tag] = i;
  }
}

}  // namespace keelson::sim_test
