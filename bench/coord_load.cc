// Loads a server of etcd's API, by gRPC, as etcd's clients do.
//
//   coord_load PORT[,PORT...] put   CONNECTIONS CLIENTS SECONDS KEYS VALUE_BYTES
//   coord_load PORT[,PORT...] range CONNECTIONS CLIENTS SECONDS KEYS VALUE_BYTES
//       Each client has one request under way and sends the next one when it is answered; clients share the
//       connections, connections the ports. Ranges are of one key, linearizable.
//   coord_load PORT[,PORT...] watch CONNECTIONS STREAMS WATCHES PUTS RATE_PER_S
//       STREAMS on each connection, WATCHES on each stream, all of one key. Prints "watching" when all are made, waits
//       for a line on standard input, puts the key PUTS times at a fixed rate, and tells how long each event took from
//       the moment at which its put was due.
//
// Prints one JSON object, latencies in microseconds. One thread, epoll, loopback.
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grpc_client.h"
#include "load_tools.h"

namespace {

using keelson::bench::GrpcConnection;
using keelson::bench::ProtoReader;
using keelson::bench::put_bytes;
using keelson::bench::put_varint;

constexpr std::string_view kPutPath = "/etcdserverpb.KV/Put";
constexpr std::string_view kRangePath = "/etcdserverpb.KV/Range";
constexpr std::string_view kWatchPath = "/etcdserverpb.Watch/Watch";
constexpr std::string_view kWatchedKey = "bench/watched";
constexpr int64_t kSecondNs = 1'000'000'000;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Options {
  std::vector<uint16_t> ports;
  std::string mode;
  // The five numbers behind the mode, as the text at the top names them.
  std::array<int64_t, 5> numbers{};
};

std::string put_request(std::string_view key, std::string_view value) {
  std::string message;
  put_bytes(message, 1, key);
  put_bytes(message, 2, value);
  return message;
}

std::string key_of(uint64_t number) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "bench/%010llu", static_cast<unsigned long long>(number));
  return text.data();
}

void print(const char* what, size_t count, double seconds, std::vector<uint32_t> latencies_us) {
  const keelson::bench::Percentiles taken(std::move(latencies_us));
  std::printf("{\"%s\": %zu, \"per_second\": %.1f, \"p50_us\": %u, \"p99_us\": %u, \"p999_us\": %u, \"max_us\": %u}\n",
              what, count, static_cast<double>(count) / seconds, taken.at(0.5), taken.at(0.99), taken.at(0.999),
              taken.at(1));
}

// The connections and their epoll set.
class Load {
 public:
  explicit Load(const Options& options) : options_(options), epoll_(epoll_create1(0)) {}
  virtual ~Load() = default;

 protected:
  virtual void on_message(size_t connection, int32_t stream, std::string_view message) = 0;
  virtual void on_end(size_t connection, int32_t stream, int status) = 0;

  bool connect_all(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      connections_.push_back(std::make_unique<GrpcConnection>(
          [this, i](int32_t stream, std::string_view message) { on_message(i, stream, message); },
          [this, i](int32_t stream, int status) { on_end(i, stream, status); }));
      if (!connections_[i]->connect(options_.ports[i % options_.ports.size()])) return false;
      epoll_event event{};
      event.events = EPOLLIN | EPOLLOUT | EPOLLET;
      event.data.u64 = i;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i]->fd(), &event);
    }
    return true;
  }
  // One round of the loop. False: a connection is broken.
  bool turn(int wait_ms) {
    std::array<epoll_event, 256> events{};
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
    for (int i = 0; i < count; ++i) {
      GrpcConnection& connection = *connections_[events[static_cast<size_t>(i)].data.u64];
      if (!connection.receive()) {
        why_ = "the server closed a connection";
        return false;
      }
    }
    return why_.empty();
  }

  const Options options_;
  std::vector<std::unique_ptr<GrpcConnection>> connections_;
  std::string why_;  // not empty: the run has failed

 private:
  int epoll_;
};

// Clients that wait for each answer.
class RequestLoad : public Load {
 public:
  explicit RequestLoad(const Options& options)
      : Load(options),
        is_put_(options.mode == "put"),
        keys_(static_cast<uint64_t>(options.numbers[3])),
        value_(static_cast<size_t>(options.numbers[4]), 'x') {}

  int run() {
    const auto clients = static_cast<size_t>(options_.numbers[1]);
    if (!connect_all(static_cast<size_t>(options_.numbers[0]))) return failed("the server refused a connection");
    began_.resize(connections_.size());
    const int64_t began = now_ns();
    end_ns_ = began + options_.numbers[2] * kSecondNs;
    for (size_t i = 0; i < clients; ++i) send(i % connections_.size());
    for (auto& connection : connections_) {
      if (!connection->flush()) return failed("the server closed a connection");
    }
    while (under_way_ > 0) {
      if (!turn(1000)) return failed(why_);
      if (now_ns() > end_ns_ + 60 * kSecondNs) return failed("requests were not answered for a minute");
    }
    const double seconds = static_cast<double>(now_ns() - began) / kSecondNs;
    const size_t count = latencies_us_.size();
    print("requests", count, seconds, std::move(latencies_us_));
    return 0;
  }

 private:
  static int failed(const std::string& why) {
    std::fprintf(stderr, "coord_load: %s\n", why.c_str());
    return 1;
  }
  void send(size_t connection) {
    const std::string key = key_of(random_() % keys_);
    std::string message;
    if (is_put_) {
      message = put_request(key, value_);
    } else {
      put_bytes(message, 1, key);
    }
    const int32_t stream = connections_[connection]->call(is_put_ ? kPutPath : kRangePath, message);
    began_[connection][stream] = now_ns();
    ++under_way_;
  }
  void on_message(size_t, int32_t, std::string_view) override {}
  void on_end(size_t connection, int32_t stream, int status) override {
    if (status != 0) why_ = "a request was answered with gRPC status " + std::to_string(status);
    const int64_t now = now_ns();
    const auto found = began_[connection].find(stream);
    latencies_us_.push_back(static_cast<uint32_t>((now - found->second) / 1000));
    began_[connection].erase(found);
    --under_way_;
    if (now < end_ns_ && why_.empty()) send(connection);
  }

  const bool is_put_;
  const uint64_t keys_;
  const std::string value_;
  std::mt19937_64 random_{42};
  std::vector<std::unordered_map<int32_t, int64_t>> began_;  // for each connection: stream, time
  size_t under_way_ = 0;
  int64_t end_ns_ = 0;
  std::vector<uint32_t> latencies_us_;
};

// Many watches of one key, and a writer on a connection of its own.
class WatchLoad : public Load {
 public:
  explicit WatchLoad(const Options& options) : Load(options) {}

  int run() {
    const auto connections = static_cast<size_t>(options_.numbers[0]);
    const int64_t puts = options_.numbers[3];
    watches_ = static_cast<size_t>(options_.numbers[0] * options_.numbers[1] * options_.numbers[2]);
    if (!connect_all(connections + 1)) return failed("the server refused a connection");
    for (size_t i = 0; i < connections; ++i) {
      if (!start_watches(*connections_[i])) return failed("the server closed a connection");
    }
    const int64_t began_making = now_ns();
    while (created_ < watches_) {
      if (!turn(1000)) return failed(why_);
      if (now_ns() > began_making + 120 * kSecondNs) return failed("the watches were not made in two minutes");
    }
    std::printf("watching\n");
    std::fflush(stdout);
    std::string line;
    std::getline(std::cin, line);
    const int64_t began = now_ns();
    for (int64_t sent = 0; seen_ < watches_ * static_cast<size_t>(puts);) {
      for (; sent < puts && began + sent * kSecondNs / options_.numbers[4] <= now_ns(); ++sent) {
        const int64_t due = began + sent * kSecondNs / options_.numbers[4];
        connections_.back()->call(kPutPath, put_request(kWatchedKey, std::to_string(due)));
        if (!connections_.back()->flush()) return failed("the server closed a connection");
      }
      if (!turn(1)) return failed(why_);
      if (now_ns() > began + 300 * kSecondNs) return failed("events are missing after five minutes");
    }
    const double seconds = static_cast<double>(now_ns() - began) / kSecondNs;
    print("events", seen_, seconds, std::move(latencies_us_));
    return 0;
  }

 private:
  static int failed(const std::string& why) {
    std::fprintf(stderr, "coord_load: %s\n", why.c_str());
    return 1;
  }
  bool start_watches(GrpcConnection& connection) {
    std::string create;
    put_bytes(create, 1, kWatchedKey);
    std::string message;
    put_bytes(message, 1, create);
    for (int64_t stream = 0; stream < options_.numbers[1]; ++stream) {
      const int32_t id = connection.call(kWatchPath, message, true);
      for (int64_t watch = 1; watch < options_.numbers[2]; ++watch) connection.send(id, message);
    }
    return connection.flush();
  }
  void on_message(size_t connection, int32_t, std::string_view message) override {
    if (connection + 1 == connections_.size()) return;
    const int64_t now = now_ns();
    for (ProtoReader answer(message); answer.next();) {
      if (answer.field == 3 && answer.number != 0) ++created_;
      if (answer.field == 4 && answer.number != 0) why_ = "a watch was cancelled";
      if (answer.field == 11) take_event(answer.bytes, now);
    }
  }
  void take_event(std::string_view event, int64_t now) {
    for (ProtoReader part(event); part.next();) {
      if (part.field != 2) continue;
      for (ProtoReader kv(part.bytes); kv.next();) {
        if (kv.field != 5) continue;
        int64_t due = 0;
        std::from_chars(kv.bytes.data(), kv.bytes.data() + kv.bytes.size(), due);
        latencies_us_.push_back(static_cast<uint32_t>(std::max<int64_t>(0, now - due) / 1000));
        ++seen_;
      }
    }
  }
  void on_end(size_t connection, int32_t, int status) override {
    if (connection + 1 == connections_.size() && status == 0) return;
    why_ = "a call ended with gRPC status " + std::to_string(status);
  }

  size_t watches_ = 0;
  size_t created_ = 0;
  size_t seen_ = 0;
  std::vector<uint32_t> latencies_us_;
};

bool read_options(int argc, char** argv, Options& options) {
  if (argc != 8) return false;
  std::string ports = argv[1];
  for (size_t at = 0; at <= ports.size();) {
    const size_t end = std::min(ports.find(',', at), ports.size());
    uint16_t port = 0;
    if (!keelson::bench::read_number(ports.substr(at, end - at).c_str(), port)) return false;
    options.ports.push_back(port);
    at = end + 1;
  }
  options.mode = argv[2];
  for (size_t i = 0; i < options.numbers.size(); ++i) {
    if (!keelson::bench::read_number(argv[3 + i], options.numbers[i]) || options.numbers[i] <= 0) return false;
  }
  return options.mode == "put" || options.mode == "range" || options.mode == "watch";
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!read_options(argc, argv, options)) {
    std::fprintf(stderr,
                 "coord_load PORT[,PORT...] put|range CONNECTIONS CLIENTS SECONDS KEYS VALUE_BYTES\n"
                 "coord_load PORT[,PORT...] watch CONNECTIONS STREAMS WATCHES PUTS RATE_PER_S\n");
    return 2;
  }
  return options.mode == "watch" ? WatchLoad(options).run() : RequestLoad(options).run();
}
